// The contract's "Producers", targets and payloads, and "Groups": a message reaches the members of
// its group and nobody else, byte for byte, text as text and binary as binary, on any number of
// shards.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { UNLIMITED, withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';

for (const shards of [1, 2, 4, 16]) {
  test(`targets on ${shards} shards`, async (t) => {
    await withEngine({ shards, config: UNLIMITED }, async (engine) => {
      const producer = await Producer.connect(engine);
      const clients = {
        a: await Client.join(engine, 'alpha'),
        b: await Client.join(engine, 'beta'),
        ab: await Client.join(engine, ['alpha', 'beta']),
        experiment: await Client.join(engine, 'experiment:42'),
        session: await Client.join(engine, 'session:s-1'),
        ann: await Client.join(engine, 'alpha', { user: 'ann' }),
        ann_only: await Client.join(engine, [], { user: 'ann' }),
        user7: await Client.join(engine, 'beta', { user: '7' }),
      };
      let number = 0;

      /** Publishes, and checks who gets it, how often, and what the answer says. */
      async function reaches(target, names, { position = true } = {}) {
        const data = `message ${++number}`;
        const answer = await producer.broadcast(target, data);
        assert.deepEqual(
          { ok: answer.ok, members: answer.members },
          { ok: true, members: names.length },
          JSON.stringify(answer),
        );
        assert.equal('offset' in answer, position, 'offset');
        assert.equal('epoch' in answer, position, 'epoch');
        if (position) assert.match(answer.epoch, /^[A-Za-z0-9_-]{1,32}$/);
        for (const name of names)
          assert.deepEqual(await clients[name].next(), { data, binary: false }, name);
        // A marker to everyone, behind which nothing of this message can come.
        const marker = `marker ${number}`;
        await producer.broadcast({ all: true }, marker);
        for (const [name, client] of Object.entries(clients))
          assert.equal((await client.next()).data, marker, `${name} got nothing else`);
        return answer;
      }

      await t.test('group', () => reaches({ group: 'alpha' }, ['a', 'ab', 'ann']));
      await t.test('another group', () => reaches({ group: 'beta' }, ['b', 'ab', 'user7']));
      await t.test('a group without members', () => reaches({ group: 'gamma' }, []));
      await t.test('groups: whoever is in two gets it twice', () =>
        reaches({ groups: ['alpha', 'beta'] }, ['a', 'ab', 'ann', 'b', 'ab', 'user7'], { position: false }));
      await t.test('groups: repeated names count once', () =>
        reaches({ groups: ['alpha', 'alpha', 'alpha'] }, ['a', 'ab', 'ann'], { position: false }));
      await t.test('groups: with one name there is no position either', () =>
        reaches({ groups: ['beta'] }, ['b', 'ab', 'user7'], { position: false }));
      await t.test('experiment', () => reaches({ experiment: '42' }, ['experiment']));
      await t.test('experiment as an integer', () => reaches({ experiment: 42 }, ['experiment']));
      await t.test('experiment by its group', () => reaches({ group: 'experiment:42' }, ['experiment']));
      await t.test('another experiment', () => reaches({ experiment: 43 }, []));
      await t.test('session', () => reaches({ session: 's-1' }, ['session']));
      await t.test('user', () => reaches({ user: 'ann' }, ['ann', 'ann_only']));
      await t.test('user by the group', () => reaches({ group: 'user:ann' }, ['ann', 'ann_only']));
      await t.test('user as an integer', () => reaches({ user: 7 }, ['user7']));
      await t.test('user as a string of digits', () => reaches({ user: '7' }, ['user7']));
      await t.test('a user who is not there', () => reaches({ user: 'bob' }, []));
      await t.test('all', () => reaches({ all: true }, Object.keys(clients), { position: false }));

      await t.test('offsets go up by one for every message, with members or without', async () => {
        for (const group of ['alpha', 'nobody:here']) {
          const first = await producer.broadcast(group, 'x');
          const second = await producer.broadcast(group, 'y');
          assert.equal(second.offset, first.offset + 1);
          assert.equal(second.epoch, first.epoch);
        }
        const groups = await producer.broadcast({ groups: ['alpha', 'beta'] }, 'z');
        assert.equal(groups.ok, true);
        const third = await producer.broadcast('nobody:here', 'z');
        assert.equal(third.offset, 3, 'the first message of an epoch has offset 1');
      });

      const sums = await engine.quiet();
      const received = Object.values(clients).reduce((sum, client) => sum + client.received, 0);
      assert.equal(sums.deliveries, sums.messages_routed);
      // What the last messages brought may still be on its way to this process.
      assert.ok(received <= sums.deliveries);
      assert.equal(sums.deliveries, sums.shards.reduce((sum, shard) => sum + shard.deliveries, 0));
    });
  });
}

test('the same connection in many groups, and the user group beside them', async () => {
  await withEngine({ shards: 4, config: UNLIMITED }, async (engine) => {
    const names = Array.from({ length: 128 }, (_, i) => `g${i}`);
    const client = await Client.join(engine, names, { user: 'ann' });
    assert.deepEqual(Object.keys(client.hello).sort(), [...names, 'user:ann'].sort());
    const producer = await Producer.connect(engine);
    const answer = await producer.broadcast({ groups: names }, 'to each');
    assert.equal(answer.members, 128);
    assert.deepEqual(await client.take(128), Array(128).fill('to each'));
    await producer.broadcast({ user: 'ann' }, 'to the user');
    assert.deepEqual(await client.next(), { data: 'to the user', binary: false });
  });
});

test('names with every character that is allowed', async () => {
  const allowed = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))
    .filter((c) => !'/?#%*,"\\'.includes(c)).join('');
  const names = [allowed, 'a'.repeat(128), ':', '::', 'a:', ':a', '0', '+', '&=;', 'experiment', 'user', 'experiment:a:b'];
  await withEngine({ config: UNLIMITED }, async (engine) => {
    const producer = await Producer.connect(engine);
    for (const name of names) {
      const client = await Client.join(engine, name);
      assert.deepEqual(Object.keys(client.hello), [name]);
      assert.equal((await producer.broadcast(name, name)).members, 1, name);
      assert.equal((await client.next()).data, name);
      await client.leave();
    }
  });
});
