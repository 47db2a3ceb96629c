// Centrifuge clients that do not read: what each policy does to them, with positions and without, that
// the real SDK comes back and has everything, and that messages stay counted while joins are not.
import assert from 'node:assert/strict';
import test from 'node:test';
import WebSocket from 'ws';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { forEachForm, Sdk, Wire } from './lib/sdk.mjs';
import { dropped, numbered, numberOf, publishUntil, standstill, waiting } from './lib/stalled.mjs';
import { SCALE, until } from './lib/util.mjs';

const BACKLOG = 1 << 18;
const SIZE = 20000;
const history = { messages: 10000, seconds: 300, bytes: 1 << 30 };

const config = {
  limits: { backlog_bytes: BACKLOG, recovery_bytes: 1 << 28 },
  health: { ping_seconds: 0, pong_timeout_seconds: 20 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    ...['close', 'skip', 'latest'].flatMap((slow_consumer) => [
      { name: slow_consumer, slow_consumer, presence: true },
      { name: `${slow_consumer}-kept`, slow_consumer, history },
    ]),
  ],
};

/** A member that has read its subscribe's reply and reads nothing more. */
async function stall(engine, form, channel, more) {
  const wire = await Wire.connect(engine, form);
  wire.reply = (await wire.subscribe(channel, more)).subscribe;
  await wire.rest();
  wire.socket.pause();
  return wire;
}

/** The numbers of the publications that a member has got, each of them whole. */
const got = (wire, channel) =>
  wire.log.filter(({ push }) => push?.pub && push.channel === channel).map(({ push }) => {
    const text = wire.form.text(push.pub.data);
    assert.equal(text, numbered(parseInt(text, 10), SIZE));
    return parseInt(text, 10);
  });

const range = (count, from = 0) => Array.from({ length: count }, (_, i) => from + i);

const assertReconciled = (stats, ...reasons) => {
  assert.equal(stats.messages_routed, stats.deliveries + dropped(stats));
  assert.equal(dropped(stats), reasons.reduce((sum, reason) => sum + stats.drops[reason], 0), JSON.stringify(stats.drops));
};

for (const channel of ['close:g', 'close-kept:g'])
  forEachForm(test, `${channel}: 3008, in order up to there`, async (form) => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      const healthy = await Client.join(engine, channel, { onMessage: () => {} });
      const slow = await stall(engine, form, channel);
      const sent = await publishUntil(engine, producer, channel, SIZE, (now) => now.connections_closed.slow);
      await until(() => healthy.received === sent, 'the other has everything');
      slow.socket.resume();
      assert.deepEqual(await slow.end(), { code: 3008, reason: 'slow' });
      const numbers = got(slow, channel);
      assert.deepEqual(numbers, range(numbers.length));
      const stats = await engine.quiet();
      assertReconciled(stats, 'slow', 'closed');
      assert.ok(stats.drops.slow > 0);
      assert.equal(stats.deliveries, numbers.length + sent);
      assert.equal(stats.total_connections, 1);
    });
  });

for (const policy of ['skip', 'latest']) {
  forEachForm(test, `${policy} without positions: it stays, and the newest arrives`, async (form) => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      const channel = `${policy}:g`;
      const slow = await stall(engine, form, channel, { join_leave: true });
      const other = await Wire.connect(engine, form);
      let sent = 0;
      for (let round = 1; round <= 5; round++) {
        // Joins and leaves wait among the messages, and the newest comes before some of them.
        await other.subscribe(channel);
        sent = await publishUntil(engine, producer, channel, SIZE, (now) => now.drops[policy] > 10 * round, { from: sent });
        await other.ask({ unsubscribe: { channel } });
      }
      slow.socket.resume();
      await until(() => got(slow, channel).at(-1) === sent - 1, 'the newest arrives');
      const numbers = got(slow, channel);
      assert.ok(numbers.every((n, i) => i === 0 || n > numbers[i - 1]), 'in order');
      await producer.broadcast(channel, numbered(sent, SIZE));
      await until(() => got(slow, channel).at(-1) === sent, 'and what comes later');
      const stats = await engine.quiet();
      assertReconciled(stats, policy, 'closed');
      assert.equal(got(slow, channel).length + got(other, channel).length, stats.deliveries);
      assert.deepEqual([stats.total_connections, stats.connections_closed.slow, stats.connections_closed.insufficient_state], [2, 0, 0]);
      const own = slow.log.filter(({ push }) => push?.join?.info.client === slow.greeting.client);
      assert.equal(own.length, 1);
    });
  });

  forEachForm(test, `${policy} with positions: 3010 past the backlog, not before`, async (form) => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      const channel = `${policy}-kept:g`;
      const slow = await stall(engine, form, channel);
      let most = 0;
      const sent = await publishUntil(engine, producer, channel, SIZE, (now) => {
        if (!now.connections_closed.insufficient_state) most = Math.max(most, waiting(now));
        return now.connections_closed.insufficient_state;
      });
      assert.ok(most > 0, 'it was behind for a while');
      slow.socket.resume();
      assert.deepEqual(await slow.end(), { code: 3010, reason: 'insufficient state' });
      const numbers = got(slow, channel);
      assert.deepEqual(numbers, range(numbers.length), 'no gap');
      const stats = await engine.quiet();
      assertReconciled(stats, policy, 'slow', 'closed');
      const back = await Wire.connect(engine, form);
      const { subscribe } = await back.subscribe(channel, { recover: true, epoch: slow.reply.epoch, offset: numbers.length });
      assert.equal(subscribe.recovered, true);
      assert.deepEqual((subscribe.publications ?? []).map(({ offset }) => offset), range(sent - numbers.length, numbers.length + 1));
    });
  });
}

forEachForm(test, 'low: left out without a position, 3010 with one', async (form) => {
  const roomy = { ...config, limits: { ...config.limits, backlog_bytes: 2 << 20 } };
  await withEngine({ shards: 2, config: roomy }, async (engine) => {
    const producer = await Producer.connect(engine);
    const channels = ['close:g', 'close-kept:g'];
    const [plain, positioned] = await Promise.all(channels.map((channel) => stall(engine, form, channel)));
    for (const channel of channels)
      await publishUntil(engine, producer, channel, SIZE, (now) => waiting(now) * SIZE > (channel === channels[0] ? 1.3 : 2.6) * (1 << 20));
    await standstill(engine);
    for (const channel of channels) await producer.broadcast(channel, 'low', { priority: 'low' });
    const stats = await engine.statsWhen((now) => now.connections_closed.insufficient_state, 'the positioned one is closed');
    assert.equal(stats.connections_closed.slow, 0);
    for (const wire of [plain, positioned]) wire.socket.resume();
    assert.deepEqual(await positioned.end(), { code: 3010, reason: 'insufficient state' });
    await producer.broadcast(channels[0], numbered(1e6, SIZE));
    await until(() => got(plain, channels[0]).at(-1) === 1e6, 'the other goes on');
    assert.deepEqual(got(plain, channels[0]).slice(0, -1), range(got(plain, channels[0]).length - 1));
    const after = await engine.quiet();
    assert.equal(after.drops.low >= 1, true);
    assert.equal(after.messages_routed, after.deliveries + dropped(after));
  });
});

for (const channel of ['close-kept:g', 'skip-kept:g', 'latest-kept:g'])
  forEachForm(test, `${channel}: the SDK comes back and has everything`, async (form) => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      const sockets = [];
      class Watched extends WebSocket {
        constructor(...args) {
          super(...args);
          sockets.push(this);
        }
      }
      const sdk = await Sdk.connect(engine, form, { websocket: Watched });
      const heard = await sdk.subscribe(channel);
      const reason = channel.startsWith('close') ? 'slow' : 'insufficient_state';
      let sent = 0;
      for (let round = 1; round <= 2; round++) {
        sockets.at(-1).pause();
        sent = await publishUntil(engine, producer, channel, SIZE, (now) => now.connections_closed[reason] === round, { from: sent });
        sockets.at(-1).resume();
        await sdk.again(1 + round);
      }
      for (let n = 0; n < sent; n++) {
        const { data, offset } = await heard.publications.take(`message ${n}`);
        assert.deepEqual([numberOf(Buffer.from(form.text(data))), offset], [n, n + 1]);
      }
      assert.equal(heard.publications.size, 0);
      const code = reason === 'slow' ? [3008, 'slow'] : [3010, 'insufficient state'];
      assert.deepEqual(sdk.connecting.slice(1).map((context) => [context.code, context.reason]), [code, code]);
      assert.deepEqual(heard.subscribed.slice(1).map(({ recovered }) => recovered), [true, true]);
      sdk.close();
    });
  });

forEachForm(test, 'leaving a group while behind: its rest is dropped, a frame that has begun is finished', async (form) => {
  await withEngine({ shards: 2, config: { ...config, limits: { backlog_bytes: 1 << 26 } } }, async (engine) => {
    const producer = await Producer.connect(engine);
    const slow = await Wire.connect(engine, form);
    await slow.askAll(['g', 'h'].map((channel) => ({ subscribe: { channel } })));
    slow.socket.pause();
    await publishUntil(engine, producer, 'g', SIZE, (now) => waiting(now) > 30);
    await producer.broadcast('h', numbered(0, SIZE));
    slow.send({ id: 1000, unsubscribe: { channel: 'g' } }, { id: 1001, subscribe: { channel: 'g' } });
    await engine.statsWhen((now) => now.drops.closed > 0, 'it has left');
    slow.socket.resume(); // what it asks waits while it does not take what it is sent
    await until(() => slow.log.some(({ id }) => id === 1001), 'it is in it again');
    await producer.broadcast('g', numbered(1e6, SIZE));
    await until(() => got(slow, 'g').at(-1) === 1e6, 'all is there');
    const numbers = got(slow, 'g').filter((n) => n < 1e6);
    assert.deepEqual(numbers, range(numbers.length));
    assert.deepEqual(got(slow, 'h'), [0], 'the other group\'s waits on');
    const first = slow.log.findIndex(({ id }) => id === 1000);
    assert.equal(slow.log.slice(first).filter(({ push }) => push?.channel === 'g' && numberOf(Buffer.from(form.text(push.pub.data))) < 1e6).length, 0);
    assertReconciled(await engine.quiet(), 'closed');
    await slow.leave();
  });
});

/** Joins and leaves, `pairs` of them, of a client with a long name. */
async function comeAndGo(engine, form, channel, pairs) {
  const restless = await Wire.connect(engine, form, { user: 'u'.repeat(123) });
  for (let i = 0; i < pairs; i += 500)
    await restless.askAll(range(1000).map((n) => ({ [n % 2 ? 'unsubscribe' : 'subscribe']: { channel } })));
  await restless.leave();
}

forEachForm(test, 'joins and leaves that wait are no messages', async (form) => {
  await withEngine({ shards: 2, config: { ...config, limits: { backlog_bytes: 1 << 26 } } }, async (engine) => {
    const slow = await stall(engine, form, 'close:g', { join_leave: true });
    await comeAndGo(engine, form, 'close:g', 15000); // more than the kernel takes: one is under way
    slow.send({ id: 1000, unsubscribe: { channel: 'close:g' } });
    await engine.statsWhen((now) => now.active_groups === 0, 'both have left');
    const nothing = (stats) => [stats.messages_routed, stats.deliveries, dropped(stats), stats.bytes_out];
    assert.deepEqual(nothing(await engine.stats()), [0, 0, 0, 0]);
    slow.socket.resume();
    await until(() => slow.log.at(-1).id === 1000, 'its answer follows');
    assert.deepEqual(nothing(await engine.quiet()), [0, 0, 0, 0]);
  });
});

for (const policy of ['close', 'skip', 'latest'])
  forEachForm(test, `${policy}: joins and leaves without end cost bounded memory`, async (form) => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const channel = `${policy}:g`;
      const producer = await Producer.connect(engine);
      const slow = await stall(engine, form, channel, { join_leave: true });
      await producer.broadcast(channel, numbered(0, SIZE));
      const memory = await engine.memory();
      await comeAndGo(engine, form, channel, 50000);
      const grown = (await engine.memory()) - memory;
      if (SCALE === 1) assert.ok(grown < 8e6, `memory grew by ${grown}`);
      const { connections_closed } = await engine.stats();
      assert.equal(connections_closed.slow, policy === 'close' ? 1 : 0);
      await producer.broadcast(channel, numbered(7, SIZE));
      slow.socket.resume();
      if (policy === 'close') assert.deepEqual(await slow.end(), { code: 3008, reason: 'slow' });
      else await until(() => got(slow, channel).at(-1) === 7, 'messages arrive as ever');
    });
  });
