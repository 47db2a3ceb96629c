// The Centrifuge protocol's connect: what the reply says, and the server-side subscriptions that come
// with it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { assertError, forEachForm, Sdk, Wire } from './lib/sdk.mjs';
import { parallel, sleep, until } from './lib/util.mjs';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const EPOCH = /^[A-Za-z0-9_-]{1,32}$/;

const config = {
  health: { ping_seconds: 25, pong_timeout_seconds: 10 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'user', history: { messages: 5, seconds: 300 } },
    { name: 'kept', history: { messages: 5, seconds: 300 } },
  ],
};

forEachForm(test, 'the reply to connect', async (form, t) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { version } = await producer.call({ op: 'hello' });

    await t.test('without a user', async () => {
      const { greeting, ...wire } = await Wire.connect(engine, form);
      assert.match(greeting.client, UUID);
      assert.deepEqual(greeting, { client: greeting.client, version, ping: 25, pong: true, subs: { '*': {} } });
      wire.socket.terminate();
    });

    await t.test('with one: its group, with its position', async () => {
      await producer.broadcast({ user: 'ann' }, 'before');
      const answer = await producer.broadcast({ user: 'ann' }, 'before');
      const wire = await Wire.connect(engine, form, { user: 'ann' });
      assert.match(answer.epoch, EPOCH);
      const group = { recoverable: true, epoch: answer.epoch, offset: Number(answer.offset), positioned: true };
      assert.deepEqual(wire.greeting.subs, { '*': {}, 'user:ann': group });
      await producer.broadcast({ user: 'ann' }, 'to ann');
      assert.equal(await wire.text('user:ann'), 'to ann');
      await wire.leave();
    });

    await t.test('what the request says beside', async () => {
      const request = { token: 'not.a.token', name: 'js', version: '1', flag: 3, data: form.data('{"a":1}'), headers: { a: 'b' },
        subs: { 'kept:g': { recover: true, offset: 1 }, 'user:bob': { recover: true }, '*': { recover: true }, 'a b': {} } };
      const wire = await Wire.connect(engine, form, { request });
      assert.deepEqual(wire.greeting.subs, { '*': {} }, 'entries for other groups are ignored');
      assert.equal('expires' in wire.greeting, false);
      await wire.leave();
    });

    await t.test('clients are unique', async () => {
      const wires = await parallel(Array.from({ length: 200 }), 50, () => Wire.connect(engine, form));
      assert.equal(new Set(wires.map(({ greeting }) => greeting.client)).size, 200);
      assert.ok(wires.every(({ greeting }) => UUID.test(greeting.client)));
      await Promise.all(wires.map((wire) => wire.drop()));
      await engine.statsWhen((stats) => stats.total_connections === 0, 'they are gone');
      const again = await Wire.connect(engine, form);
      assert.ok(wires.every(({ greeting }) => greeting.client !== again.greeting.client));
      await again.leave();
    });

    await t.test('it is a connection from then on, not before', async () => {
      const wire = await Wire.open(engine, form, { user: 'ann' });
      await sleep(100);
      let stats = await engine.stats();
      assert.deepEqual([stats.total_connections, stats.active_users], [0, 0]);
      await wire.ask({ connect: {} });
      stats = await engine.stats();
      assert.deepEqual([stats.total_connections, stats.active_users, stats.group_connections], [1, 1, 0]);
      await wire.leave();
    });
  });
});

forEachForm(test, 'the user\'s group is recovered by the connect', async (form, t) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const say = async (text) => Number((await producer.broadcast({ user: 'ann' }, text)).offset);
    const first = await Wire.connect(engine, form, { user: 'ann' });
    const { epoch } = first.greeting.subs['user:ann'];
    assert.deepEqual(first.greeting.subs['user:ann'], form.expected({ recoverable: true, epoch, offset: 0, positioned: true }));
    await first.leave();
    for (let i = 1; i <= 4; i++) assert.equal(await say(`m${i}`), i);

    const connect = async (sub) => {
      const wire = await Wire.connect(engine, form, { user: 'ann', request: { subs: { 'user:ann': sub } } });
      const group = wire.greeting.subs['user:ann'];
      assert.deepEqual(wire.greeting.subs['*'], {});
      await wire.leave();
      return { ...group, publications: (group.publications ?? []).map(({ data, ...rest }) => [form.text(data), rest.offset]) };
    };
    const base = { recoverable: true, epoch, positioned: true, was_recovering: true };
    const missed = [['m1', 1], ['m2', 2], ['m3', 3], ['m4', 4]];
    await t.test('what was missed, once and in order', async () => {
      const got = await connect({ recover: true, epoch, offset: 2 });
      assert.deepEqual(got, { ...base, recovered: true, offset: 2, publications: missed.slice(2) });
    });
    await t.test('no offset means 0, no epoch any', async () => {
      const got = await connect({ recover: true });
      assert.deepEqual(got, form.expected({ ...base, recovered: true, offset: 0, publications: missed }));
    });
    await t.test('nothing missed', async () => {
      assert.deepEqual(await connect({ recover: true, epoch, offset: 4 }), { ...base, recovered: true, offset: 4, publications: [] });
    });
    await t.test('what cannot be had', async () => {
      const lost = { ...form.expected({ ...base, recovered: false, offset: 4 }), publications: [] };
      for (const sub of [{ epoch: '_', offset: 4 }, { epoch: 'other', offset: 4 }, { epoch, offset: 5 }])
        assert.deepEqual(await connect({ recover: true, ...sub }), lost, JSON.stringify(sub));
      for (let i = 5; i <= 8; i++) await say(`m${i}`);
      assert.deepEqual(await connect({ recover: true, epoch, offset: 2 }), { ...lost, offset: 8 });
    });
    await t.test('not asked for', async () => {
      for (const sub of [{}, { recover: false, epoch, offset: 6 }]) {
        const got = await connect(sub);
        assert.deepEqual(got, { recoverable: true, epoch, positioned: true, offset: 8, publications: [] });
      }
    });
    await t.test('by the SDK, without a gap', async () => {
      const sdk = await Sdk.connect(engine, form, { user: 'ann' });
      for (let round = 0; round < 5; round++) {
        await say(`live ${round}`);
        assert.equal(await sdk.server.text(), `live ${round}`);
        sdk.client.disconnect();
        for (let i = 0; i < 3; i++) await say(`missed ${round}.${i}`);
        sdk.client.connect();
        assert.deepEqual(await sdk.server.texts(3), [0, 1, 2].map((i) => `missed ${round}.${i}`));
      }
      const recovered = sdk.server.subscribed.filter(({ channel }) => channel === 'user:ann').map((context) => context.recovered);
      assert.deepEqual(recovered, [false, true, true, true, true, true]);
      assert.equal(sdk.server.publications.size, 0);
      sdk.close();
    });
  });
});

forEachForm(test, 'a user\'s group that is full refuses the connect for now', async (form) => {
  const full = { namespaces: [{ name: 'user', max_members: 1 }] };
  await withEngine({ shards: 4, config: full }, async (engine) => {
    const first = await Wire.connect(engine, form, { user: 'ann' });
    const second = await Wire.open(engine, form, { user: 'ann' });
    assertError(await second.ask({ connect: {} }), 106, true);
    let stats = await engine.stats();
    assert.equal(stats.total_connections, 1);
    assert.equal(stats.connections_refused.group_full, 1);
    assert.equal((await (await Producer.connect(engine)).broadcast({ all: true }, 'x')).members, 1, 'it is in no group');
    const sdk = new Sdk(engine, form, { user: 'ann' });
    sdk.client.connect();
    await until(() => sdk.server.errors.length > 2, 'the SDK tries again');
    assert.ok(sdk.server.errors.every(({ code, temporary }) => code === 106 && temporary));
    await first.leave();
    await sdk.again(1);
    sdk.close();
    // The connection that was refused may try again, too.
    await engine.statsWhen((now) => now.total_connections === 0, 'the place is free');
    assert.ok((await second.ask({ connect: {} })).connect);
    stats = await engine.stats();
    assert.equal(stats.total_connections, 1);
    await second.leave();
  });
});
