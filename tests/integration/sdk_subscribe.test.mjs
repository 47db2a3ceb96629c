// The Centrifuge protocol's subscriptions: what a subscribe is answered, every error, order, and what
// the engine does to a connection from its side.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { assertError, forEachForm, Sdk, Wire } from './lib/sdk.mjs';
import { parallel, scaled, sleep, until } from './lib/util.mjs';

const config = {
  limits: { groups_per_connection: 3 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'kept', history: { messages: 10, seconds: 300 } },
    { name: 'full', max_members: 2 },
    { name: 'talk', client_publish: true, max_rate: 3 },
    { name: 'seen', presence: true },
  ],
};

forEachForm(test, 'subscribe, unsubscribe', async (form, t) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const wire = await Wire.connect(engine, form, { user: 'ann' });
    const plain = ({ subscribe }) => assert.deepEqual(subscribe, {});

    await t.test('in and out', async () => {
      for (let round = 0; round < 3; round++) {
        plain(await wire.subscribe('a'));
        assert.equal((await producer.broadcast('a', `in ${round}`)).members, 1);
        assert.equal(await wire.text('a'), `in ${round}`);
        assert.deepEqual((await wire.ask({ unsubscribe: { channel: 'a' } })).unsubscribe, {});
        // Its home hears of it a moment later; the member is none from its reply on.
        await until(async () => (await producer.broadcast('a', 'out')).members === 0, 'the home knows');
        await wire.silent();
      }
    });

    await t.test('recovery where there is no history', async () => {
      const recover = { recover: true, epoch: 'abc', offset: 7 };
      const expected = form.expected({ was_recovering: true, recovered: false });
      assert.deepEqual((await wire.subscribe('a', recover)).subscribe, expected);
      assertError(await wire.subscribe('b', { ...recover, flag: 2 }), 112);
      await wire.ask({ unsubscribe: { channel: 'a' } });
    });

    await t.test('unsubscribe never fails', async () => {
      for (const channel of ['nobody', 'a b', 'user:ann', 'user:bob', '*', 'x'.repeat(200)])
        assert.deepEqual((await wire.ask({ unsubscribe: { channel } })).unsubscribe, {}, channel);
      await producer.broadcast({ user: 'ann' }, 'still there');
      assert.equal(await wire.text('user:ann'), 'still there');
      await producer.broadcast({ all: true }, 'here, too');
      assert.equal(await wire.text('*'), 'here, too');
    });

    await t.test('errors', async () => {
      const error = async (command, code, temporary) => assertError(await wire.ask(command), code, temporary);
      await wire.subscribe('a');
      for (const channel of ['user:ann', 'user:bob', 'user:']) await error({ subscribe: { channel } }, 103);
      await error({ subscribe: { channel: 'a' } }, 105);
      for (const channel of ['a b', '*', 'a/b', 'ä', 'a\u0000', 'x'.repeat(129), 'x'.repeat(100000)]) {
        await error({ subscribe: { channel } }, 107);
        await error({ publish: { channel, data: form.data('1') } }, 107);
        await error({ history: { channel } }, 107);
        await error({ presence: { channel } }, 107);
        await error({ presence_stats: { channel } }, 107);
      }
      plain(await wire.subscribe('x'.repeat(128)));
      plain(await wire.subscribe('b'));
      await error({ subscribe: { channel: 'c' } }, 106); // groups_per_connection: not for now only
      await wire.ask({ unsubscribe: { channel: 'b' } });
      plain(await wire.subscribe('c', { positioned: true, recoverable: true, join_leave: true, flag: 1, delta: 'fossil', token: 'x' }));
      for (const command of [{ history: { channel: 'a' } }, { presence: { channel: 'a' } }, { presence_stats: { channel: 'a' } },
        { rpc: { method: 'm', data: form.data('{}') } }, { rpc: {} }, { refresh: { token: 'x' } }, { refresh: {} },
        { sub_refresh: { channel: 'a', token: 'x' } }, { subscribe: { channel: 'd', type: 1 } },
        { publish: { channel: 'talk:x', type: 1, key: 'k', data: form.data('1') } }])
        await error(command, 108);
      for (const channel of ['a', 'nobody', 'user:ann', 'user:bob'])
        await error({ publish: { channel, data: form.data('1') } }, 103);
      for (const method of ['history', 'presence', 'presence_stats']) await error({ [method]: { channel: 'user:bob' } }, 103);
      for (let i = 0; i < 3; i++) assert.deepEqual((await wire.ask({ publish: { channel: 'talk:x', data: form.data('1') } })).publish, {});
      await error({ publish: { channel: 'talk:x', data: form.data('1') } }, 111, true);
      await error({ subscribe: { channel: 'kept:x', recover: true, epoch: '_', offset: 1, flag: 2 } }, 106);
      await wire.ask({ unsubscribe: { channel: 'c' } });
      await error({ subscribe: { channel: 'kept:x', recover: true, epoch: '_', offset: 1, flag: 2 } }, 112);
      await error({ history: { channel: 'kept:x', since: { epoch: '_', offset: 0 } } }, 112);
      const stats = await engine.statsWhen((now) => now.group_connections === 2, 'what was refused is not joined');
      assert.deepEqual([stats.total_connections, stats.refused.rate_limited], [1, 1]);
    });
    await wire.leave();
    await engine.statsWhen((stats) => stats.group_connections === 0, 'it has left its groups');
  });
});

forEachForm(test, 'a group that is full: 106 for now, and the SDK comes in when there is room', async (form) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const raw = await Client.join(engine, 'full:g');
    const first = await Wire.connect(engine, form);
    assert.deepEqual((await first.subscribe('full:g')).subscribe, {});
    assertError(await (await Wire.connect(engine, form)).subscribe('full:g'), 106, true);
    const sdk = await Sdk.connect(engine, form);
    const heard = sdk.listen('full:g');
    heard.sub.subscribe();
    await until(() => heard.errors.length > 2, 'it tries again');
    assert.ok(heard.errors.every(({ code, temporary, message }) => code === 106 && temporary && message));
    await raw.leave();
    await heard.sub.ready();
    assertError(await (await Wire.connect(engine, form)).subscribe('full:g'), 106, true);
    assert.equal((await (await Producer.connect(engine)).broadcast('full:g', 'x')).members, 2);
    sdk.close();
  });
});

forEachForm(test, 'limits.groups: 106 for now', async (form) => {
  await withEngine({ shards: 2, config: { limits: { groups: 2 }, namespaces: [{ name: '', client_publish: true }] } }, async (engine) => {
    const wire = await Wire.connect(engine, form);
    for (const channel of ['a', 'b']) assert.deepEqual((await wire.subscribe(channel)).subscribe, {});
    assertError(await wire.subscribe('c'), 106, true);
    assertError(await wire.ask({ publish: { channel: 'c', data: form.data('1') } }), 106, true);
    const other = await Wire.open(engine, form, { user: 'ann' });
    assertError(await other.ask({ connect: {} }), 106, true);
    assert.equal((await engine.stats()).connections_refused.overloaded, 1);
  });
});

forEachForm(test, 'what the SDK makes of errors that stay', async (form) => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const sdk = await Sdk.connect(engine, form);
    for (const [channel, code] of [['a b', 107], ['user:x', 103]]) {
      const heard = sdk.listen(channel);
      heard.sub.subscribe();
      const context = await heard.unsubscribed.take('it gives up');
      assert.deepEqual([context.channel, context.code], [channel, code]);
    }
    await assert.rejects(sdk.client.rpc('m', form.data('{}')), { code: 108 });
    await assert.rejects(sdk.client.history('a', { limit: 1 }), { code: 108 });
    await assert.rejects(sdk.client.presence('a'), { code: 108 });
    await assert.rejects(sdk.client.publish('a', form.data('1')), { code: 103 });
    assert.equal(sdk.client.state, 'connected');
    const done = sdk.disconnected.take('send is not served');
    await sdk.client.send(form.data('{}'));
    assert.deepEqual(await done, { code: 3508, reason: 'not available' });
  });
});

for (const shards of [1, 4])
  forEachForm(test, `no push before its subscribe's reply, none after its unsubscribe's: ${shards} shards`, async (form) => {
    await withEngine({ shards, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      let stop = false;
      const publishing = (async () => {
        for (let i = 0; !stop; i++) {
          await Promise.all(['a', 'kept:b'].map((group) => producer.broadcast(group, `${i}`, i % 10 ? {} : { priority: 'critical' })));
        }
      })();
      await parallel(Array.from({ length: 6 }), 6, async () => {
        const wire = await Wire.connect(engine, form);
        const rounds = scaled(60, 15);
        for (let round = 0; round < rounds; round++) {
          await wire.askAll(['a', 'kept:b'].map((channel) => ({ subscribe: { channel } })));
          await sleep(round % 5);
          await wire.askAll(['a', 'kept:b'].map((channel) => ({ unsubscribe: { channel } })));
        }
        await wire.rest();
        const state = { a: false, 'kept:b': false };
        const next = {};
        let pushes = 0;
        for (const message of wire.log) {
          if (message.push) {
            const { channel, pub } = message.push;
            assert.equal(state[channel], true, `a push to ${channel} while it is not subscribed`);
            if (next[channel] !== undefined) assert.equal(pub.offset, next[channel], 'no gap, no repeat');
            if (pub.offset) next[channel] = pub.offset + 1;
            pushes++;
          } else if (message.subscribe || message.unsubscribe) {
            const index = message.id - 2;
            const channel = index % 2 ? 'kept:b' : 'a';
            state[channel] = !!message.subscribe;
            assert.equal(Math.floor(index / 2) % 2 === 0, !!message.subscribe, 'in the order of the commands');
            next[channel] = message.subscribe?.epoch ? message.subscribe.offset + 1 : undefined;
          }
        }
        assert.ok(pushes > rounds, `${pushes} pushes`);
        await wire.leave();
      });
      stop = true;
      await publishing;
      const stats = await engine.quiet();
      assert.equal(stats.drops.slow + stats.drops.skip + stats.drops.latest + stats.drops.low, 0);
    });
  });

forEachForm(test, 'a hundred subscriptions come back with one frame', async (form) => {
  await withEngine({ shards: 4, config: { ...config, limits: { groups_per_connection: 200 } } }, async (engine) => {
    const producer = await Producer.connect(engine);
    const sdk = new Sdk(engine, form);
    const heard = Array.from({ length: 100 }, (_, i) => sdk.listen(`g${i}`));
    for (const { sub } of heard) sub.subscribe();
    sdk.client.connect();
    await Promise.all(heard.map(({ sub }) => sub.ready()));
    for (let round = 1; round <= 3; round++) {
      const answer = await producer.disconnect({ all: true }, { code: 3000, reason: 'come back' });
      assert.equal(answer.members, 1);
      await sdk.again(1 + round);
      await engine.statsWhen((stats) => stats.group_connections === 100, 'all are there again');
    }
    assert.deepEqual(sdk.connecting.slice(1).map(({ code, reason }) => [code, reason]), Array(3).fill([3000, 'come back']));
    for (let i = 0; i < 100; i++) await producer.broadcast(`g${i}`, `to ${i}`);
    for (let i = 0; i < 100; i++) assert.equal(await heard[i].text(), `to ${i}`);
    sdk.close();
  });
});

forEachForm(test, 'everyone, and users', async (form) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const sdks = await Promise.all(['ann', 'ann', 'bob', undefined].map((user) => Sdk.connect(engine, form, { user })));
    assert.equal((await producer.broadcast({ all: true }, 'to all')).members, 4);
    assert.equal((await producer.broadcast({ user: 'ann' }, 'to ann')).members, 2);
    assert.equal((await producer.broadcast('user:bob', 'to bob')).members, 1);
    for (const [i, sdk] of sdks.entries()) {
      const got = [];
      for (let n = i < 3 ? 2 : 1; n > 0; n--) {
        const { channel, data } = await sdk.server.publications.take();
        got.push(`${channel} ${form.text(data)}`);
      }
      const own = [['user:ann to ann'], ['user:ann to ann'], ['user:bob to bob'], []][i];
      assert.deepEqual(got.sort(), ['* to all', ...own]);
    }
    const stats = await engine.quiet();
    assert.deepEqual([stats.total_connections, stats.active_users, stats.group_connections, stats.deliveries], [4, 2, 0, 7]);
    for (const sdk of sdks) sdk.close();
  });
});

forEachForm(test, 'a producer disconnects: by default for good, after what was published before', async (form) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const sdks = await Promise.all(Array.from({ length: 8 }, () => Sdk.connect(engine, form, { user: 'ann' })));
    const heard = await Promise.all(sdks.map((sdk) => sdk.subscribe('g')));
    const raw = await Client.join(engine, 'g');
    for (let i = 0; i < 50; i++) producer.broadcast('g', `m${i}`);
    assert.equal((await producer.disconnect({ group: 'g' })).members, 9);
    for (const [i, sdk] of sdks.entries()) {
      assert.deepEqual(await sdk.disconnected.take('it stays away'), { code: 3503, reason: 'force disconnect' });
      assert.deepEqual(await heard[i].texts(50), Array.from({ length: 50 }, (_, n) => `m${n}`));
    }
    assert.deepEqual(await raw.end(), { code: 3503, reason: 'force disconnect' });
    const stats = await engine.statsWhen((now) => now.total_connections === 0, 'all are gone');
    assert.equal(stats.connections_closed.disconnected, 9);
    assert.equal(stats.active_users, 0);
  });
});
