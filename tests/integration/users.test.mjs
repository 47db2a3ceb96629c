// Presence of users: a connection that names a user is in that user's group, on whatever shard; a
// broadcast to the user reaches each of its connections once, and a disconnect closes them all.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client, refusal } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { scaled, sleep, until } from './lib/util.mjs';

const config = { namespaces: [{ name: '', max_rate: 0, max_members: 0 }, { name: 'user', max_rate: 500, max_members: 40 }] };

for (const shards of [1, 2, 4])
  test(`a user on all shards: ${shards} shards`, async (t) => {
    await withEngine({ shards, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      const phones = await Client.joinMany(engine, 30, (i) => `g${i % 3}`, { user: 'ann' });
      const bare = await Client.joinMany(engine, 5, () => [], { user: 'ann' });
      const bobs = await Client.joinMany(engine, 5, () => 'g0', { user: 'bob' });
      const seven = await Client.join(engine, 'g0', { user: '7' });
      const nobody = await Client.join(engine, 'g0');
      const anns = [...phones, ...bare];
      const everyone = [...anns, ...bobs, seven, nobody];
      if (shards > 1) {
        const spread = (await engine.stats()).shards.filter((shard) => shard.total_connections > 0);
        assert.equal(spread.length, shards, 'connections are on all shards');
      }

      /** What `target` says reaches these and no others. */
      const reaches = async (target, clients) => {
        const data = `to ${JSON.stringify(target)}`;
        const answer = await producer.broadcast(target, data);
        assert.equal(answer.ok, true, answer.message);
        assert.equal(answer.members, clients.length);
        for (const client of clients) assert.equal((await client.next()).data, data);
        await producer.broadcast({ all: true }, 'marker');
        for (const client of everyone) assert.equal((await client.next()).data, 'marker', 'nothing else');
        return answer;
      };

      await t.test('the hello names the user\'s group and where it stands', async () => {
        for (const client of bare) assert.deepEqual(Object.keys(client.hello), ['user:ann']);
        for (const client of phones) assert.ok('user:ann' in client.hello);
      });

      await t.test('user and group: the same, with one row of offsets', async () => {
        const first = await reaches({ user: 'ann' }, anns);
        const second = await reaches({ group: 'user:ann' }, anns);
        assert.equal(first.offset, 1);
        assert.equal(second.offset, 2);
        assert.equal(second.epoch, first.epoch);
        assert.equal(first.epoch, bare[0].hello['user:ann'].epoch);
        await reaches({ user: 7 }, [seven]);
        await reaches({ user: '7' }, [seven]);
        await reaches({ user: 'nobody' }, []);
      });

      await t.test('a user among groups: once for each', async () => {
        const answer = await producer.broadcast({ groups: ['user:ann', 'user:bob', 'g1'] }, 'to three');
        assert.equal(answer.members, 35 + 5 + 10);
        for (const [i, client] of anns.entries())
          assert.deepEqual(await client.take(i < 30 && i % 3 === 1 ? 2 : 1), Array(i < 30 && i % 3 === 1 ? 2 : 1).fill('to three'));
        for (const client of bobs) assert.equal((await client.next()).data, 'to three');
      });

      await t.test('figures: users are in no membership and in no active group', async () => {
        const stats = await engine.quiet();
        assert.equal(stats.active_users, 3);
        assert.equal(stats.active_groups, 3);
        assert.equal(stats.total_connections, everyone.length);
        assert.equal(stats.group_connections, 30 + 5 + 1 + 1);
        const { values } = await engine.metrics();
        assert.equal(values['shardcast_group_members{namespace="user"}'], 0);
        assert.equal(values['shardcast_group_members{namespace=""}'], 37);
        assert.equal(values.shardcast_groups, 3);
      });

      await t.test('the limits of namespace user', async () => {
        const more = await Client.joinMany(engine, 5, () => [], { user: 'ann' });
        const late = await Client.open(engine, '/ws?user=ann');
        assert.deepEqual(await late.end(), { code: 1013, reason: 'group full: user:ann' });
        await Promise.all(more.map((client) => client.leave()));
        const answers = await Promise.all(Array.from({ length: 510 }, () => producer.broadcast({ user: 'crowd' }, 'x')));
        assert.equal(answers.filter((answer) => answer.ok).length, 500);
      });

      await t.test('nobody joins a user\'s group by its name', async () => {
        for (const path of ['/ws/user:ann', '/ws?group=user:ann', '/ws?group=user:ann&user=ann', '/ws?group=user:'])
          assert.equal((await refusal(engine, path)).status, 403, path);
        await (await Client.join(engine, 'users:ann')).leave();
      });

      await t.test('disconnect by user closes them all, behind what was published before', async () => {
        const count = scaled(50, 10);
        for (let i = 0; i < count; i++) producer.send({ op: 'broadcast', user: 'ann', data: `${i}` });
        const answer = await producer.disconnect({ user: 'ann' }, { code: 4001, reason: 'signed out — bye' });
        assert.equal(answer.ok, true);
        assert.equal(answer.members, 35, 'how many were closed');
        for (const client of anns) {
          assert.deepEqual(await client.end(), { code: 4001, reason: 'signed out — bye' });
          assert.deepEqual(client.frames.drain().map((one) => one.data), Array.from({ length: count }, (_, i) => `${i}`));
        }
        const stats = await engine.statsWhen((now) => now.active_users === 2, 'ann is gone');
        assert.equal(stats.connections_closed.disconnected, 35);
        assert.equal(stats.total_connections, everyone.length - 35);
        assert.equal((await producer.broadcast({ user: 'ann' }, 'x')).members, 0);
        assert.equal((await producer.disconnect({ user: 'ann' })).members, 0);
        for (const client of [...bobs, seven, nobody]) assert.equal(client.close_code, undefined);
      });

      await t.test('defaults of disconnect; an integer is its decimal form', async () => {
        assert.equal((await producer.disconnect({ user: 7 })).members, 1);
        assert.deepEqual(await seven.end(), { code: 3503, reason: 'force disconnect' });
        assert.equal((await producer.disconnect({ group: 'user:bob' }, { reason: 'by the group' })).members, 5);
        for (const client of bobs) assert.deepEqual(await client.end(), { code: 3503, reason: 'by the group' });
      });
      await engine.statsWhen((now) => now.active_users === 0 && now.total_connections === 1, 'nobody is left but one');
    });
  });

test('users come and go amid traffic to them: nobody misses what follows its hello', async (t) => {
  await withEngine({ shards: 4, config: { namespaces: [{ name: '', max_rate: 0, max_members: 0 }] } }, async (engine) => {
    const USERS = 6;
    const keepers = await Client.joinMany(engine, USERS, () => 'lobby', { user: 'keeper' });
    const sent = new Array(USERS).fill(0);
    const stays = await Promise.all(sent.map((_, u) => Client.join(engine, [], { user: `u${u}`, onMessage: () => {} })));
    let done = false;
    const publishing = (async () => {
      const producer = await Producer.connect(engine);
      while (!done) {
        await Promise.all(sent.map((n, u) => producer.broadcast({ user: `u${u}` }, `${++sent[u]}`)
          .then((answer) => assert.equal(answer.offset, sent[u]))));
        await sleep(1);
      }
    })();
    const rounds = scaled(200, 40);
    let next = 0;
    await Promise.all(Array.from({ length: 8 }, async (_, k) => {
      while (next++ < rounds) {
        const user = `u${(next + k) % USERS}`;
        const client = await Client.join(engine, 'lobby', { user });
        const { offset } = client.hello[`user:${user}`];
        const got = (await client.take(5)).map(Number);
        assert.deepEqual(got, [1, 2, 3, 4, 5].map((i) => offset + i));
        await client.leave();
      }
    }));
    done = true;
    await publishing;
    for (const [u, client] of stays.entries()) await until(() => client.received === sent[u], 'who stays has all');
    for (const keeper of keepers) assert.equal(keeper.received, 0);
    t.diagnostic(`${sent.reduce((a, b) => a + b)} messages`);
    await engine.quiet();
  });
});
