// The contract's "Raw clients", hello: whoever joins or leaves in full traffic misses nothing after
// the position that the hello told, gets nothing from before it, and nothing twice; with several
// groups at once, too. And each producer's messages stay in order while shards are busy.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { UNLIMITED, withEngine } from './lib/engine.mjs';
import { encode, Producer } from './lib/producer.mjs';
import { random, scaled, sleep } from './lib/util.mjs';

const NAMES = ['alpha', 'experiment:1', 'session:1', 'delta', 'echo', 'user:ann'];

/** Publishes to every group in turn, without a pause; the data of a message is its offset. */
async function traffic(engine, state) {
  const producer = await Producer.connect(engine);
  const offsets = Object.fromEntries(NAMES.map((name) => [name, 0]));
  let answered = 0;
  let sent = 0;
  const reading = (async () => {
    for (;;) {
      const answer = await producer.answers.take('an answer').catch(() => undefined);
      if (!answer) return;
      assert.equal(answer.ok, true, answer.message);
      assert.equal(answer.offset, Math.floor(answered / NAMES.length) + 1);
      answered++;
    }
  })();
  while (!state.done) {
    const burst = [];
    for (let i = 0; i < 10; i++)
      for (const group of NAMES)
        burst.push(encode({ op: 'broadcast', group, data: `${group} ${++offsets[group]}`, id: sent++ }));
    await producer.write(Buffer.concat(burst));
    while (sent - answered > 3000) await sleep(1);
    if (sent % 600 === 0) await sleep(1); // lets this process read what comes back
  }
  while (answered < sent) await sleep(2);
  await producer.close();
  await reading;
  return offsets;
}

for (const shards of [1, 2, 4, 16])
  test(`joins and leaves in full traffic on ${shards} shards`, async (t) => {
    await withEngine({ shards, config: UNLIMITED }, async (engine) => {
      const state = { done: false };
      const publishing = traffic(engine, state);
      const pick = random(shards);
      let checked = 0;

      const visit = async (round) => {
        const count = 1 + pick(NAMES.length - 1);
        const groups = NAMES.slice(0, 5).filter((_, i) => (i + round) % 5 < count);
        const user = round % 3 ? undefined : 'ann';
        const last = {};
        let failure;
        const client = await Client.join(engine, groups, {
          user,
          onMessage: (data, binary, self) => {
            const [group, text] = data.toString().split(' ');
            const offset = Number(text);
            const expected = (last[group] ?? self.hello[group]?.offset) + 1;
            if (offset !== expected) failure ??= `${group}: ${offset}, not ${expected}`;
            last[group] = offset;
          },
        });
        const all = user ? [...groups, 'user:ann'] : groups;
        assert.deepEqual(Object.keys(client.hello).sort(), [...all].sort());
        await sleep(pick(120));
        await client.leave();
        assert.equal(failure, undefined);
        for (const group of Object.keys(last)) assert.ok(all.includes(group), `nothing of ${group}`);
        checked += client.received;
      };

      const rounds = scaled(400, 60);
      let next = 0;
      await Promise.all(Array.from({ length: 12 }, async () => {
        while (next < rounds) await visit(next++);
      }));
      // One that stays to the end has the last message of each of its groups.
      const last = {};
      const stayer = await Client.join(engine, NAMES.slice(0, 5), {
        onMessage: (data) => {
          const [group, offset] = data.toString().split(' ');
          last[group] = Number(offset);
        },
      });
      await sleep(100);
      state.done = true;
      const offsets = await publishing;
      const stats = await engine.quiet();
      await stayer.leave();
      for (const group of NAMES.slice(0, 5)) assert.equal(last[group], offsets[group], group);
      assert.equal(stats.deliveries, checked + stayer.received, 'what was delivered is what arrived');
      t.diagnostic(`${rounds} visits, ${checked} messages checked`);
    });
  });

test('a member in two groups keeps the order of each', async () => {
  await withEngine({ shards: 4, config: UNLIMITED }, async (engine) => {
    const producers = await Promise.all(['a', 'b', 'c'].map(() => Producer.connect(engine)));
    const members = await Client.joinMany(engine, 10, () => ['g', 'h']);
    const count = scaled(2000, 200);
    await Promise.all(producers.map((producer, p) => {
      for (let i = 0; i < count; i++)
        producer.send({ op: 'broadcast', group: i % 2 ? 'g' : 'h', data: `${p}${i % 2 ? 'g' : 'h'} ${i}` });
      return producer.call({ op: 'ping' });
    }));
    for (const member of members) {
      const last = {};
      for (const data of await member.take(3 * count)) {
        const [stream, number] = data.split(' ');
        assert.equal(Number(number), (last[stream] ?? (stream.endsWith('g') ? -1 : -2)) + 2, stream);
        last[stream] = Number(number);
      }
    }
  });
});
