// The contract's "Producers", op disconnect: by user, group, session and the other targets, with a
// code and a reason, behind what the same producer published before.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { UNLIMITED, withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { Raw } from './lib/raw.mjs';

for (const shards of [1, 4])
  test(`disconnect on ${shards} shards`, async (t) => {
    await withEngine({ shards, config: UNLIMITED }, async (engine) => {
      const producer = await Producer.connect(engine);
      const forced = { code: 3503, reason: 'force disconnect' };
      let closed = 0;

      async function check(target, groups, options, more, expected = forced) {
        const bystander = await Client.join(engine, 'bystanders', { user: 'by' });
        const hit = await Client.joinMany(engine, 5, () => groups, options);
        const answer = await producer.disconnect(target, more);
        assert.equal(answer.ok, true, JSON.stringify(answer));
        assert.equal(answer.members, 5);
        assert.equal('offset' in answer, false);
        for (const client of hit) assert.deepEqual(await client.end(), expected);
        closed += 5;
        assert.equal((await producer.broadcast('bystanders', 'untouched')).members, 1);
        assert.equal((await bystander.next()).data, 'untouched');
        await bystander.leave();
        await engine.statsWhen((stats) => stats.total_connections === 0, 'all are gone');
        assert.equal((await engine.stats()).connections_closed.disconnected, closed);
      }

      await t.test('user', () => check({ user: 'ann' }, ['a', 'b'], { user: 'ann' }));
      await t.test('user as an integer', () => check({ user: 7 }, [], { user: '7' }));
      await t.test('group', () => check({ group: 'a' }, ['a', 'b']));
      await t.test('session', () => check({ session: 's' }, 'session:s'));
      await t.test('experiment', () => check({ experiment: 42 }, 'experiment:42'));
      await t.test('groups: who is in two is closed once', () => check({ groups: ['a', 'b'] }, ['a', 'b']));
      await t.test('code and reason', () =>
        check({ group: 'a' }, 'a', {}, { code: 4001, reason: 'logged out, grüße' }, { code: 4001, reason: 'logged out, grüße' }));
      await t.test('the least and the greatest code, the longest reason', async () => {
        const reason = 'é'.repeat(61) + 'x';
        await check({ group: 'a' }, 'a', {}, { code: 3000, reason }, { code: 3000, reason });
        await check({ group: 'a' }, 'a', {}, { code: 4999 }, { code: 4999, reason: forced.reason });
      });

      await t.test('nobody there', async () => {
        assert.equal((await producer.disconnect({ user: 'nobody' })).members, 0);
        assert.equal((await producer.disconnect({ group: 'nothing' })).members, 0);
      });

      await t.test('each gets first what this producer published before', async () => {
        const clients = await Client.joinMany(engine, 20, (i) => ['a', `other${i}`]);
        for (let i = 0; i < 200; i++) producer.send({ op: 'broadcast', group: 'a', data: `${i}` });
        const answer = await producer.disconnect({ group: 'a' });
        assert.equal(answer.members, 20);
        producer.send({ op: 'broadcast', group: 'a', data: 'too late' });
        const expected = Array.from({ length: 200 }, (_, i) => `${i}`);
        for (const client of clients) {
          assert.deepEqual(await client.end(), forced);
          assert.deepEqual(client.frames.drain().map((frame) => frame.data), expected);
        }
        closed += 20;
      });

      await t.test('of several groups, from whatever home it comes', async () => {
        const groups = Array.from({ length: 12 }, (_, i) => `several${i}`);
        for (let round = 0; round < 10; round++) {
          const clients = await Client.joinMany(engine, 6, (i) => (i < 4 ? groups : [groups[i], 'other']));
          for (let i = 0; i < 20; i++) producer.send({ op: 'broadcast', groups, data: `${i}` });
          const answers = [producer.disconnect({ groups }), producer.disconnect({ groups })];
          assert.deepEqual((await Promise.all(answers)).map(({ members }) => members), [6, 0]);
          const expected = Array.from({ length: 20 }, (_, i) => `${i}`);
          for (const [i, client] of clients.entries()) {
            assert.deepEqual(await client.end(), forced);
            const got = client.frames.drain().map((frame) => frame.data);
            assert.equal(got.length, i < 4 ? 240 : 20);
            for (const data of expected) assert.equal(got.filter((one) => one === data).length, got.length / 20);
          }
          closed += 6;
        }
      });

      await t.test('a client that does not answer the close is gone all the same', async () => {
        const raw = await Raw.upgrade(engine, '/ws/a?hello=1');
        await raw.frame('the hello');
        raw.socket.pause();
        assert.equal((await producer.disconnect({ group: 'a' })).members, 1);
        closed++;
        await engine.statsWhen((stats) => stats.total_connections === 0, 'it is gone');
        await raw.drop();
      });

      await t.test('all', async () => {
        const clients = await Client.joinMany(engine, 30, (i) => `g${i % 3}`);
        assert.equal((await producer.disconnect({ all: true })).members, 30);
        for (const client of clients) assert.deepEqual(await client.end(), forced);
        const stats = await engine.statsWhen(
          (now) => now.total_connections === 0 && now.active_groups === 0, 'all are gone, and their homes know it');
        assert.equal(stats.connections_closed.disconnected, closed + 30);
      });
    });
  });
