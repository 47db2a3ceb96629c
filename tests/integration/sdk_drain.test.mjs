// The end of the engine as Centrifuge clients see it: all that was acknowledged, then 3001, and the
// real SDK finds the engine that comes after.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { startEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { forEachForm, FORMS, Sdk, Wire } from './lib/sdk.mjs';
import { scaled, sleep, until } from './lib/util.mjs';

const config = {
  limits: { backlog_bytes: 100000000 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'talk', client_publish: true, presence: true },
    { name: 'kept', history: { messages: 1000, seconds: 300 } },
    { name: 'user', history: { messages: 1000, seconds: 300 } },
  ],
};
const shutdown = { code: 3001, reason: 'shutdown' };

forEachForm(test, 'everything that was published, then 3001', async (form) => {
  const engine = await startEngine({ shards: 4, config });
  const producer = await Producer.connect(engine);
  const wires = await Promise.all(Array.from({ length: 20 }, () => Wire.connect(engine, form, { user: 'ann' })));
  await Promise.all(wires.map((wire, i) => wire.askAll(['g', `h${i % 3}`].map((channel) => ({ subscribe: { channel } })))));
  const greeting = await Wire.open(engine, form);
  for (let i = 0; i < 100; i++) await producer.broadcast(i % 2 ? 'g' : { all: true }, `m${i}`);
  engine.signal('SIGTERM');
  for (const wire of wires) {
    assert.deepEqual(await wire.end(), shutdown);
    const texts = wire.log.filter(({ push }) => push).map(({ push }) => form.text(push.pub.data));
    assert.equal(texts.length, 100);
    const inOrder = (all) => assert.deepEqual(all, [...all].sort((a, b) => a.slice(1) - b.slice(1)));
    inOrder(texts.filter((text) => text.slice(1) % 2));
    inOrder(texts.filter((text) => text.slice(1) % 2 === 0));
  }
  assert.deepEqual(await greeting.end(), shutdown, 'who has said nothing yet is told, too');
  await engine.stop();
});

test('what clients publish while the engine drains is acknowledged and delivered, or neither', async () => {
  for (let round = 0; round < scaled(6, 3); round++) {
    const engine = await startEngine({ shards: 4, config });
    const publishers = (await Promise.all(FORMS.map((form) =>
      Promise.all(Array.from({ length: 4 }, () => Wire.connect(engine, form)))))).flat();
    const members = await Promise.all(Array.from({ length: 4 }, () => Wire.connect(engine, FORMS[0])));
    for (const wire of members) await wire.subscribe('talk:g');
    const raw = await Client.join(engine, 'talk:g');
    const acknowledged = new Set();
    const publishing = publishers.map(async (wire, p) => {
      for (let i = 0; ; i++) {
        const text = `"${p} ${i}"`;
        const commands = [{ publish: { channel: 'talk:g', data: wire.form.data(text) } }, { presence_stats: { channel: 'talk:g' } }];
        const replies = await wire.askAll(commands).catch(() => undefined);
        if (!replies) return;
        acknowledged.add(text);
      }
    });
    await until(() => acknowledged.size > 200, 'traffic is under way');
    engine.signal('SIGTERM');
    for (const wire of [...publishers, ...members]) assert.deepEqual(await wire.end(), shutdown);
    await Promise.all(publishing);
    assert.deepEqual(await raw.end(), { code: 1001, reason: 'shutting down' });
    const all = [members.map((wire) => wire.log.filter(({ push }) => push).map(({ push }) => JSON.stringify(push.pub.data))),
      [raw.frames.drain().map(({ data }) => data)]].flat();
    for (const texts of all) {
      const got = new Set(texts);
      assert.equal(got.size, texts.length);
      for (const text of acknowledged) assert.ok(got.has(text), `${text} was acknowledged`);
    }
    await engine.stop();
  }
});

forEachForm(test, 'the SDK finds the next engine, and knows that it may have missed something', async (form) => {
  const first = await startEngine({ shards: 2, config });
  const { clients } = first.ports;
  const sdks = await Promise.all(Array.from({ length: 5 }, () => Sdk.connect(first, form, { user: 'ann' })));
  const heard = await Promise.all(sdks.map((sdk) => sdk.subscribe('kept:g')));
  let producer = await Producer.connect(first);
  await producer.broadcast('kept:g', 'first');
  await producer.broadcast({ user: 'ann' }, 'first');
  await first.stop();
  assert.deepEqual(sdks.map(({ connecting }) => [connecting.at(-1).code, connecting.at(-1).reason]), Array(5).fill([3001, 'shutdown']));
  await sleep(300);
  const second = await startEngine({ shards: 4, config, args: ['--listen', `127.0.0.1:${clients}`] });
  assert.equal(second.ports.clients, clients);
  await Promise.all(sdks.map((sdk) => sdk.again(2)));
  await until(() => heard.every(({ subscribed }) => subscribed.length === 2), 'they are subscribed again');
  producer = await Producer.connect(second);
  await producer.broadcast('kept:g', 'second');
  await producer.broadcast({ user: 'ann' }, 'second');
  for (const [i, sdk] of sdks.entries()) {
    for (const one of [heard[i], sdk.server]) {
      assert.deepEqual(await one.texts(2), ['first', 'second']);
      const context = one.subscribed.filter(({ channel }) => channel !== '*').at(-1);
      assert.deepEqual([context.wasRecovering, context.recovered], [true, false]);
    }
    sdk.close();
  }
  await second.stop();
});
