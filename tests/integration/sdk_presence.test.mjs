// The Centrifuge protocol's presence: who is in a group and how many, exact over shards and members of
// every kind; joins and leaves for those who asked; and what a reload changes.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { forEachForm, Sdk, Wire, assertError } from './lib/sdk.mjs';
import { parallel, scaled, until } from './lib/util.mjs';

const config = {
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'seen', presence: true, history: { messages: 10, seconds: 60 } },
    { name: 'user', presence: true },
    { name: 'full', presence: true, max_members: 2 },
  ],
};

const sorted = (clients) => Object.values(clients).map(({ user, client }) => `${user ?? ''} ${client}`).sort();

async function presence(wire, channel = 'seen:g') {
  const { presence: got } = await wire.ask({ presence: { channel } });
  if (wire.form.name === 'json') assert.deepEqual(Object.keys(got), ['presence']);
  for (const [id, info] of Object.entries(got.presence ?? {})) assert.equal(info.client, id);
  return got.presence ?? {};
}

async function counts(wire, channel = 'seen:g') {
  const { presence_stats: got } = await wire.ask({ presence_stats: { channel } });
  if (wire.form.name === 'json') assert.deepEqual(Object.keys(got), ['num_clients', 'num_users']);
  return [got.num_clients ?? 0, got.num_users ?? 0];
}

/** As soon as the counts are these: a leave takes a moment. */
const countsWhen = (wire, expected, channel) =>
  until(async () => JSON.stringify(await counts(wire, channel)) === JSON.stringify(expected), `the counts are ${expected}`);

// Was answered before the home knew of it.
forEachForm(test, 'who has left when the answer to it comes', async (form) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const [ann, bob, watcher] = await Promise.all(['ann', 'bob', undefined].map((user) => Wire.connect(engine, form, { user })));
    for (let i = 0; i < scaled(200, 50); i++) {
      const channel = `full:${i % 10}`;
      await Promise.all([ann.subscribe(channel), bob.subscribe(channel)]);
      await ann.ask({ unsubscribe: { channel } });
      assert.deepEqual(await counts(watcher, channel), [1, 1]);
      assert.ok((await watcher.subscribe(channel)).subscribe, 'its place is free');
      await Promise.all([bob, watcher].map((wire) => wire.ask({ unsubscribe: { channel } })));
      assert.deepEqual(await counts(ann, channel), [0, 0]);
    }
  });
});

for (const shards of [1, 4])
  forEachForm(test, `who is there: ${shards} shards`, async (form, t) => {
    await withEngine({ shards, config }, async (engine) => {
      const watcher = await Wire.connect(engine, form);
      await t.test('nobody', async () => {
        assert.deepEqual(await presence(watcher), {});
        assert.deepEqual(await counts(watcher), [0, 0]);
      });

      const users = ['ann', 'ann', 'bob', undefined, undefined, 'cid'];
      const wires = await Promise.all(users.map((user) => Wire.connect(engine, form, { user })));
      for (const wire of wires) await wire.subscribe('seen:g');
      const expected = wires.map(({ greeting }, i) => `${users[i] ?? ''} ${greeting.client}`).sort();
      await t.test('members, asked by one who is none', async () => {
        assert.deepEqual(sorted(await presence(watcher)), expected);
        assert.deepEqual(await counts(watcher), [6, 4]); // those without a user are one
        assert.deepEqual(await counts(wires[0]), [6, 4]);
      });

      const raws = await Promise.all(['ann', 'dan', undefined].map((user) => Client.join(engine, 'seen:g', { user })));
      await t.test('raw members are members', async () => {
        const all = sorted(await presence(watcher));
        assert.equal(all.length, 9);
        assert.deepEqual(all.filter((one) => expected.includes(one)), expected);
        assert.deepEqual(all.filter((one) => !expected.includes(one)).map((one) => one.split(' ')[0]), ['', 'ann', 'dan']);
        assert.deepEqual(await counts(watcher), [9, 5]);
      });

      await t.test('who goes', async () => {
        await wires[0].ask({ unsubscribe: { channel: 'seen:g' } });
        assert.deepEqual(await counts(wires[0]), [8, 5]);
        await wires[1].leave(); // with a close frame
        await countsWhen(watcher, [7, 5]);
        wires[2].drop(); // without
        wires[3].reset();
        await raws[0].drop();
        await raws[1].leave();
        await countsWhen(watcher, [3, 2]);
        assert.deepEqual(sorted(await presence(watcher)).map((one) => one.split(' ')[0]), ['', '', 'cid']);
        await Promise.all([wires[0], wires[4], wires[5], raws[2]].map((one) => one.drop()));
        await countsWhen(watcher, [0, 0]);
        assert.deepEqual(await presence(watcher), {});
      });

      await t.test('of a user\'s group, to the user alone', async () => {
        const anns = await Promise.all([1, 2].map(() => Wire.connect(engine, form, { user: 'ann' })));
        const bob = await Wire.connect(engine, form, { user: 'bob' });
        assert.deepEqual(await counts(anns[0], 'user:ann'), [2, 1]);
        assert.equal(Object.keys(await presence(anns[0], 'user:ann')).length, 2);
        for (const method of ['presence', 'presence_stats']) assertError(await bob.ask({ [method]: { channel: 'user:ann' } }), 103);
        await Promise.all([...anns, bob].map((wire) => wire.leave()));
      });

      await t.test('off', async () => {
        for (const method of ['presence', 'presence_stats']) assertError(await watcher.ask({ [method]: { channel: 'g' } }), 108);
      });

      await t.test('the SDK', async () => {
        const sdk = await Sdk.connect(engine, form, { user: 'ann' });
        const heard = await sdk.subscribe('seen:g');
        const { client } = sdk.connected[0];
        const { clients } = await heard.sub.presence();
        assert.deepEqual(sorted(clients), [`ann ${client}`]);
        assert.deepEqual(await sdk.client.presenceStats('seen:g'), { numClients: 1, numUsers: 1 });
        sdk.close();
      });
    });
  });

/** Pushes up to now, as [kind, user or text]. */
const told = async (wire) =>
  (await wire.rest()).filter(({ push }) => push).map(({ push }) => {
    const kind = ['join', 'leave', 'pub'].find((one) => one in push);
    return [kind, kind === 'pub' ? wire.form.text(push.pub.data) : `${push[kind].info.user ?? ''} ${push[kind].info.client}`];
  });

for (const shards of [1, 4])
  forEachForm(test, `joins and leaves go to those who asked: ${shards} shards`, async (form, t) => {
    await withEngine({ shards, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      const connect = async (user, channel, join_leave) => {
        const wire = await Wire.connect(engine, form, { user });
        await wire.subscribe(channel, { join_leave });
        wire.name = `${user} ${wire.greeting.client}`;
        return wire;
      };
      const listener = await connect('ann', 'seen:g', true);
      const others = [await connect('bob', 'seen:g', false), await connect('cid', 'seen:g', true)];
      const off = await connect('dan', 'g', true);
      await connect('eve', 'g', true);

      await t.test('each once, its own among them', async () => {
        await until(() => listener.log.filter(({ push }) => push).length === 3, 'three joins');
        assert.deepEqual(await told(listener), [['join', listener.name], ['join', others[0].name], ['join', others[1].name]]);
        assert.deepEqual(await told(others[1]), [['join', others[1].name]]);
        assert.deepEqual(await told(others[0]), [], 'it did not ask');
        assert.deepEqual(await told(off), [], 'presence is off there');
      });

      await t.test('in the order of what else happens', async () => {
        for (let i = 0; i < 20; i++) {
          await producer.broadcast('seen:g', `before ${i}`);
          const wire = await connect('fay', 'seen:g', i % 2 === 0);
          await producer.broadcast('seen:g', `between ${i}`);
          if (i % 3) await wire.ask({ unsubscribe: { channel: 'seen:g' } });
          else await wire.leave();
          await countsWhen(listener, [3, 3]); // the home has heard of it
          await producer.broadcast('seen:g', `after ${i}`);
          if (i % 3) await wire.leave();
          const expected = [['pub', `before ${i}`], ['join', wire.name], ['pub', `between ${i}`], ['leave', wire.name], ['pub', `after ${i}`]];
          await until(() => listener.others.size >= 5 && others[0].others.size >= 3, 'all is there');
          assert.deepEqual(await told(listener), expected);
          assert.deepEqual(await told(others[0]), expected.filter(([kind]) => kind === 'pub'));
        }
      });

      await t.test('they are no messages', async () => {
        const stats = await engine.quiet();
        assert.equal(stats.messages_in, 60);
        const pubs = [listener, ...others, off].map(({ log }) => log.filter(({ push }) => push?.pub).length);
        assert.ok(stats.deliveries >= pubs.reduce((sum, n) => sum + n, 0));
        assert.equal(stats.messages_routed, stats.deliveries + stats.drops.closed);
      });

      await t.test('of a member that dies, and of raw ones', async () => {
        const dies = await connect('gus', 'seen:g', true);
        dies.drop();
        const raw = await Client.join(engine, 'seen:g', { user: 'hal' });
        await raw.leave();
        await until(() => listener.others.size >= 4, 'all is there');
        const kinds = (await told(listener)).map(([kind, who]) => `${kind} ${who.split(' ')[0]}`);
        assert.deepEqual(kinds.filter((one) => one.includes('gus')), ['join gus', 'leave gus']);
        assert.deepEqual(kinds.filter((one) => one.includes('hal')), ['join hal', 'leave hal']);
        assert.equal(kinds.length, 4);
      });

      await t.test('a join that is refused is none', async () => {
        const watcher = await connect('ann', 'full:g', true);
        const second = await connect('bob', 'full:g', false);
        const third = await Wire.connect(engine, form);
        assertError(await third.subscribe('full:g', { join_leave: true }), 106, true);
        await until(() => watcher.others.size >= 2, 'both joins are there');
        assert.deepEqual(await told(watcher), [['join', watcher.name], ['join', second.name]]);
        assert.deepEqual(await counts(third, 'full:g'), [2, 2]);
      });

      await t.test('the SDK', async () => {
        const sdk = await Sdk.connect(engine, form, { user: 'ivy' });
        const heard = await sdk.subscribe('seen:g', { joinLeave: true });
        assert.deepEqual(await heard.joins.take(), { user: 'ivy', client: sdk.connected[0].client });
        const wire = await connect('joe', 'seen:g', false);
        const info = { user: 'joe', client: wire.greeting.client };
        assert.deepEqual(await heard.joins.take(), info);
        await wire.drop();
        assert.deepEqual(await heard.leaves.take(), info);
        sdk.close();
      });
    });
  });

forEachForm(test, 'exact after much coming and going', async (form, t) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const listener = await Wire.connect(engine, form, { user: 'listener' });
    await listener.subscribe('seen:g', { join_leave: true });
    const rounds = scaled(20, 4);
    const stay = [];
    await parallel(Array.from({ length: 24 }, (_, i) => i), 24, async (i) => {
      for (let round = 0; round < rounds; round++) {
        const wire = await Wire.connect(engine, form, { user: `u${i % 5}` });
        const last = round + 1 === rounds;
        const subscribed = wire.subscribe('seen:g', { join_leave: i % 2 === 0 });
        if (last || (i + round) % 4) await subscribed;
        else subscribed.catch(() => {}); // it goes while it is joining
        if (last) stay.push(wire);
        else if (i % 3) await wire.drop();
        else await wire.leave();
      }
    });
    await countsWhen(listener, [25, 6]);
    const expected = [listener, ...stay].map(({ greeting }) => greeting.client).sort();
    assert.deepEqual(Object.keys(await presence(listener)).sort(), expected);
    const there = new Set();
    for (const { push } of await listener.rest()) {
      if (push?.join) assert.equal(there.size, there.add(push.join.info.client).size - 1, 'nobody joins twice');
      else if (push?.leave) assert.equal(there.delete(push.leave.info.client), true, 'who leaves has joined');
    }
    assert.deepEqual([...there].sort(), expected, 'joins and leaves add up to who is there');
    await Promise.all(stay.map((wire) => wire.drop()));
    await countsWhen(listener, [1, 1]);
    assert.equal((await engine.quiet()).messages_in, 0);
  });
});

forEachForm(test, 'turned on and off by a reload', async (form) => {
  const off = { namespaces: [{ name: '', max_rate: 0, presence: false }] };
  const on = { namespaces: [{ name: '', max_rate: 0, presence: true }] };
  await withEngine({ shards: 4, config: off }, async (engine) => {
    const wires = await Promise.all(['ann', 'ann', 'bob'].map((user) => Wire.connect(engine, form, { user })));
    for (const wire of wires) await wire.subscribe('g', { join_leave: true });
    const raws = await Promise.all(['cid', undefined].map((user) => Client.join(engine, 'g', { user })));
    for (let round = 0; round < 3; round++) {
      assertError(await wires[0].ask({ presence: { channel: 'g' } }), 108);
      await engine.reload(on);
      await until(async () => (await wires[0].ask({ presence: { channel: 'g' } })).presence, 'the shard knows of it');
      await countsWhen(wires[0], [5, 4], 'g');
      const all = sorted(await presence(wires[0], 'g'));
      assert.deepEqual(all.map((one) => one.split(' ')[0]), ['', 'ann', 'ann', 'bob', 'cid']);
      for (const { greeting } of wires) assert.ok(all.some((one) => one.endsWith(greeting.client)));
      assert.deepEqual(await told(wires[0]), [], 'nobody has joined');
      const late = await Wire.connect(engine, form, { user: 'late' });
      await late.subscribe('g');
      assert.deepEqual((await wires[0].push('the join')).join.info, { user: 'late', client: late.greeting.client });
      await late.drop();
      assert.ok((await wires[0].push('the leave')).leave);
      await countsWhen(wires[0], [5, 4], 'g');
      await engine.reload(off);
      await until(async () => (await wires[0].ask({ presence: { channel: 'g' } })).error, 'the shard knows of it');
      const quiet = await Client.join(engine, 'g');
      await quiet.drop();
      await engine.statsWhen((stats) => stats.total_connections === 5, 'it has gone');
      await told(wires[0]);
      for (const wire of wires) await told(wire);
    }
    for (const raw of raws) await raw.drop();
  });
});
