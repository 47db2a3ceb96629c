// Centrifuge clients that publish: who is told what of whom, the namespace's limits, and members of
// every kind in one group, who get the same in the same order.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { assertError, forEachForm, FORMS, Sdk, who, Wire } from './lib/sdk.mjs';
import { frameBytes, parallel, scaled, sleep, until } from './lib/util.mjs';

const config = {
  limits: { message_bytes: 2000 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'talk', client_publish: true },
    { name: 'kept', client_publish: true, history: { messages: 1000, seconds: 300 } },
    { name: 'slow', client_publish: true, max_rate: 5 },
  ],
};

const publish = (wire, channel, text) => wire.ask({ publish: { channel, data: wire.form.data(text) } });

for (const shards of [1, 4])
  forEachForm(test, `publications of clients carry who they are from: ${shards} shards`, async (form, t) => {
    await withEngine({ shards, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      const ann = await Wire.connect(engine, form, { user: 'ann' });
      const nobody = await Wire.connect(engine, form);
      const raw = await Client.join(engine, 'kept:g', { user: 'raw' });
      await ann.subscribe('kept:g');
      await nobody.subscribe('kept:g');

      await t.test('to all members, the publisher among them', async () => {
        for (const [i, from, user] of [[1, ann, 'ann'], [2, nobody, '']]) {
          assert.deepEqual((await publish(from, 'kept:g', `{"n":${i}}`)).publish, {});
          for (const wire of [ann, nobody]) {
            const { channel, pub } = await wire.push();
            assert.equal(channel, 'kept:g');
            assert.deepEqual([form.text(pub.data), pub.offset], [`{"n":${i}}`, i]);
            assert.deepEqual(pub.info, form.expected({ user, client: from.greeting.client }));
          }
          assert.deepEqual(await raw.next(), { data: `{"n":${i}}`, binary: false });
        }
      });

      await t.test('in history and recovered, too; of raw clients as well, and of producers not', async () => {
        raw.socket.send('from raw');
        const { pub } = await ann.push();
        assert.equal(pub.info.user, 'raw');
        assert.match(pub.info.client, /^[0-9a-f-]{36}$/);
        assert.equal(form.text(pub.data), 'from raw');
        await producer.broadcast('kept:g', 'from a producer');
        assert.deepEqual(Object.keys((await ann.push()).pub).sort(), ['data', 'offset']);
        const { history } = await ann.ask({ history: { channel: 'kept:g', limit: -1 } });
        const users = ['ann', '', 'raw', undefined];
        assert.deepEqual(history.publications.map(({ info }) => info && (info.user ?? '')), users);
        const late = await Wire.connect(engine, form);
        const { subscribe } = await late.subscribe('kept:g', { recover: true, offset: 0, epoch: history.epoch });
        assert.deepEqual(subscribe.publications, history.publications);
        await late.leave();
      });

      await t.test('without being a member', async () => {
        await ann.ask({ unsubscribe: { channel: 'kept:g' } });
        await nobody.rest();
        assert.deepEqual((await publish(ann, 'kept:g', '5')).publish, {});
        assert.equal(await nobody.text('kept:g'), '5');
        await ann.silent();
      });

      await t.test('by the SDK', async () => {
        const sdk = await Sdk.connect(engine, form, { user: 'eve' });
        const heard = await sdk.subscribe('talk:g');
        await heard.sub.publish(form.data('{"x":1}'));
        const { data, info } = await heard.publications.take();
        assert.equal(form.text(data), '{"x":1}');
        assert.deepEqual(who(info), { user: 'eve', client: sdk.connected[0].client });
        sdk.close();
      });

      await t.test('counted as the clients\'', async () => {
        const stats = await engine.quiet();
        assert.equal(stats.messages_in, 6);
        const { values } = await engine.metrics();
        assert.equal(values['shardcast_messages_received_total{source="client"}'], 5);
        assert.equal(values['shardcast_messages_received_total{source="producer"}'], 1);
        const got = stats.deliveries;
        assert.equal(got, 4 * 3 + 2 + 1, 'three members, then two, and the SDK itself');
      });
      await raw.leave();
    });
  });

forEachForm(test, 'the rate is the group\'s: 111, and the connection stays', async (form) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const wire = await Wire.connect(engine, form);
    await wire.subscribe('slow:g');
    const replies = await wire.askAll(Array.from({ length: 12 }, (_, i) => ({ publish: { channel: 'slow:g', data: form.data(`${i}`) } })));
    replies.slice(0, 5).forEach((reply) => assert.deepEqual(reply.publish, {}));
    replies.slice(5).forEach((reply) => assertError(reply, 111, true));
    const answer = await producer.broadcast('slow:g', 'x');
    assert.equal(answer.error, 'rate_limited', 'producers share the window');
    const stats = await engine.quiet();
    assert.deepEqual([stats.messages_in, stats.refused.rate_limited], [5, 8]);
    await sleep(answer.retry_after_ms + 50);
    assert.deepEqual((await publish(wire, 'slow:g', '1')).publish, {});
    const texts = [];
    while (texts.length < 6) texts.push(await wire.text('slow:g'));
    assert.deepEqual(texts, ['0', '1', '2', '3', '4', '1']);
    const sdk = await Sdk.connect(engine, form);
    await sleep(1100);
    const outcomes = await Promise.allSettled(Array.from({ length: 7 }, () => sdk.client.publish('slow:g', form.data('1'))));
    const refused = outcomes.filter(({ status }) => status === 'rejected').map(({ reason }) => [reason.code, reason.temporary]);
    assert.deepEqual(refused, [[111, true], [111, true]]);
    sdk.close();
  });
});

forEachForm(test, 'a payload that is too long: 107', async (form) => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const wire = await Wire.connect(engine, form);
    const text = (size) => `"${'x'.repeat(size - 2)}"`;
    assert.deepEqual((await publish(wire, 'talk:g', text(2000))).publish, {});
    assertError(await publish(wire, 'talk:g', text(2001)), 107);
    assertError(await publish(wire, 'talk:g', text(100000)), 107);
    assertError(await publish(wire, 'talk:no such name\u0001', '1'), 107);
    const { refused } = await engine.stats();
    assert.deepEqual([refused.too_large, refused.bad_group], [2, 1]);
    assert.deepEqual((await publish(wire, 'talk:g', '1')).publish, {});
    await wire.leave();
  });
});

for (const shards of [1, 4])
  test(`members of every kind get the same in the same order: ${shards} shards`, async () => {
    await withEngine({ shards, config }, async (engine) => {
      const group = 'kept:g';
      const count = scaled(3000, 600);
      const producers = await Promise.all([1, 2].map(() => Producer.connect(engine)));
      const raws = await Client.joinMany(engine, 4, () => group);
      const wires = (await Promise.all(FORMS.map((form) =>
        Promise.all(Array.from({ length: 4 }, () => Wire.connect(engine, form)))))).flat();
      await Promise.all(wires.map((wire, i) => wire.subscribe(group, { join_leave: i % 2 === 0 })));
      const sdks = await Promise.all(FORMS.map((form) => Sdk.connect(engine, form)));
      const heard = await Promise.all(sdks.map((sdk) => sdk.subscribe(group)));
      await Promise.all([
        ...producers.map((producer, p) => parallel(Array.from({ length: count / 3 }, (_, i) => i), 50, (i) => producer.broadcast(group, `"p${p} ${i}"`))),
        parallel(Array.from({ length: count / 6 }, (_, i) => i), 20, (i) => publish(wires[0], group, `"w ${i}"`)),
        (async () => {
          for (let i = 0; i < count / 6; i++) {
            raws[0].socket.send(`"r ${i}"`);
            if (i % 20 === 0) await sleep(1);
          }
        })(),
      ]);
      await until(() => raws[1].received === count, 'all is there', 30000);
      const reference = (await raws[1].take(count));
      assert.equal(new Set(reference).size, count);
      for (const kind of ['"p0', '"p1', '"w', '"r']) {
        const own = reference.filter((text) => text.startsWith(`${kind} `)).map((text) => Number(text.slice(kind.length + 1, -1)));
        assert.deepEqual(own, own.map((_, i) => i), 'each sender\'s order is kept');
      }
      for (const raw of [raws[0], raws[2], raws[3]]) assert.deepEqual(await raw.take(count), reference);
      for (const wire of wires) {
        await until(() => wire.log.filter(({ push }) => push?.pub).length === count, 'all is there', 30000);
        const pubs = wire.log.filter(({ push }) => push?.pub).map(({ push }) => push.pub);
        assert.deepEqual(pubs.map(({ data }) => (wire.form.name === 'json' ? JSON.stringify(data) : wire.form.text(data))), reference);
        assert.deepEqual(pubs.map(({ offset }) => offset), reference.map((_, i) => i + 1));
      }
      for (const one of heard)
        for (let i = 0; i < count; i++) {
          const { data, offset } = await one.publications.take();
          assert.equal(one.form.name === 'json' ? JSON.stringify(data) : one.form.text(data), reference[i]);
          assert.equal(offset, i + 1);
        }
      const stats = await engine.quiet();
      assert.equal(stats.messages_in, count);
      assert.equal(stats.deliveries, count * (raws.length + wires.length + heard.length));
      // Message frames with their headers, and none of the joins and replies.
      const frames = (wire) => wire.frames.filter((frame) => wire.form.decode(frame).every(({ push }) => push?.pub));
      const bytes = (all) => all.reduce((sum, frame) => sum + frameBytes(Buffer.byteLength(frame)), 0);
      const ofSdks = sdks.map(({ form }) => bytes(frames(wires.find((wire) => wire.form === form))));
      const each = [...raws.map(() => bytes(reference)), ...wires.map((wire) => bytes(frames(wire))), ...ofSdks];
      assert.equal(stats.bytes_out, each.reduce((sum, n) => sum + n, 0));
      for (const sdk of sdks) sdk.close();
    });
  });
