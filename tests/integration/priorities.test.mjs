// The contract's "Order": what is critical overtakes what waits, at a frame's end and in order with
// its like; what is low keeps its place and is dropped first; and who joins amid critical traffic
// misses none of it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { fill, frameBytes, numbered, numberOf, readUpTo, stall, standstill, undisturbed, waiting } from './lib/stalled.mjs';
import { random, SCALE, scaled, sleep } from './lib/util.mjs';

const MIB = 1 << 20;

const config = {
  limits: { backlog_bytes: 64 * MIB },
  health: { ping_seconds: 0 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'urgent', priority: 'critical' },
    { name: 'idle', priority: 'low' },
    { name: 'experiment', priority: 'critical', client_publish: true },
  ],
};

for (const shards of [1, 2, 4])
  for (const size of [60000, 700])
    test(`critical is the next frame of a member 1 MiB behind: ${shards} shards, frames of ${size}`, async (t) => {
      await withEngine({ shards, config }, async (engine) => {
        const producer = await Producer.connect(engine);
        const { slow, start, filled, before } = await undisturbed(engine, async () => {
          const { deliveries, bytes_out } = await engine.quiet();
          const member = await stall(engine, '/ws/g');
          const count = await fill(engine, producer, 'g', size, 1.2 * MIB);
          return { slow: member, start: { deliveries, bytes_out }, filled: count };
        }, async (prepared) => {
          assert.ok(waiting(prepared.before) * size >= MIB, 'it is a MiB behind');
          for (let i = 0; i < 5; i++) {
            await producer.broadcast('g', `critical ${i}`, { priority: 'critical' });
            await producer.broadcast('g', numbered(prepared.filled + i, size));
          }
        });
        await producer.broadcast('g', 'end');
        const got = await readUpTo(slow, 'end');

        // What the kernel had taken, the frame that it had begun, then what is critical.
        const taken = before.deliveries - start.deliveries;
        const begun = (before.bytes_out - start.bytes_out) % frameBytes(size) ? 1 : 0;
        const first = taken + begun;
        assert.deepEqual(got.slice(first, first + 5), [0, 1, 2, 3, 4].map((i) => `critical ${i}`));
        const rest = [...got.slice(0, first), ...got.slice(first + 5, -1)];
        assert.deepEqual(rest.map(numberOf), Array.from({ length: filled + 5 }, (_, i) => i));
        for (const data of rest) assert.equal(data, numbered(numberOf(data), size));
        t.diagnostic(`behind ${taken} frames${begun ? ' and a part of one' : ''}`);

        const after = await engine.quiet();
        assert.equal(after.deliveries - start.deliveries, filled + 11);
        await slow.drop();
      });
    });

test('a message has the priority of its namespace unless it says another', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    for (const [group, more, overtakes] of [
      ['g', {}, false],
      ['g', { priority: 'low' }, false],
      ['g', { priority: 'critical' }, true],
      ['urgent:g', {}, true],
      ['urgent:g', { priority: 'normal' }, false],
      ['urgent:g', { priority: 'low' }, false],
      ['experiment:g', {}, true],
      ['idle:g', {}, false],
      ['idle:g', { priority: 'critical' }, true],
    ]) {
      const { slow, filled } = await undisturbed(engine, async () => {
        const member = await stall(engine, `/ws/${group}`);
        return { slow: member, filled: await fill(engine, producer, group, 50000, MIB, { priority: 'normal' }) };
      }, () => producer.broadcast(group, 'the one', more));
      await producer.broadcast(group, 'end', { priority: 'normal' });
      const got = await readUpTo(slow, 'end');
      assert.equal(got.length, filled + 2);
      const at = got.indexOf('the one');
      assert.equal(at < filled, overtakes, `${group} ${JSON.stringify(more)}: place ${at} of ${filled}`);
      await slow.drop();
      await engine.statsWhen((now) => now.total_connections === 0, 'it has gone');
    }
  });
});

test('groups with one command: each group has its own priority', async () => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { slow, filled } = await undisturbed(engine, async () => {
      const member = await stall(engine, '/ws?group=g&group=urgent:g');
      return { slow: member, filled: await fill(engine, producer, 'g', 50000, MIB) };
    }, () => producer.broadcast({ groups: ['g', 'urgent:g'] }, 'to both'));
    await producer.broadcast('g', 'end');
    const got = await readUpTo(slow, 'end');
    assert.equal(got.length, filled + 3);
    assert.ok(got.indexOf('to both') < filled, 'critical in one, before what waits in the other');
    assert.equal(got.lastIndexOf('to both'), filled + 1, 'and in its place in the other');
    await slow.drop();
  });
});

test('what is critical overtakes what waits in other groups of the connection, and everyone\'s', async () => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const targets = [{ group: 'h' }, { user: 'ann' }, { all: true }, { group: 'g' }];
    const criticals = targets.map((target) => `to ${JSON.stringify(target)}`);
    const { slow, filled } = await undisturbed(engine, async () => {
      const member = await stall(engine, '/ws?group=g&group=h&user=ann');
      return { slow: member, filled: await fill(engine, producer, 'g', 50000, MIB) };
    }, async () => {
      for (const [i, target] of targets.entries())
        await producer.broadcast(target, criticals[i], { priority: 'critical' });
    });
    await producer.broadcast('g', 'end');
    const got = await readUpTo(slow, 'end');
    assert.equal(got.length, filled + 5);
    const places = criticals.map((one) => got.indexOf(one));
    const first = Math.min(...places);
    assert.ok(first < filled);
    assert.deepEqual([...places].sort((a, b) => a - b), [0, 1, 2, 3].map((i) => first + i), 'next to each other');
    await slow.drop();
  });
});

for (const shards of [1, 2, 4])
  test(`low is dropped for who lags by over half, and for nobody else: ${shards} shards`, async () => {
    const size = 60000;
    await withEngine({ shards, config: { ...config, limits: { backlog_bytes: 40 * MIB } } }, async (engine) => {
      const producer = await Producer.connect(engine);
      const healthy = await Client.join(engine, 'g', { onMessage: () => {} });
      const far = await stall(engine, '/ws/g');
      const low = (i) => producer.broadcast('g', `low ${i}`, { priority: 'low' });
      // Behind by less than half: low waits in its place.
      let next = await fill(engine, producer, 'g', size, MIB, { readers: [healthy] });
      const place = next;
      assert.equal((await low(0)).members, 2);
      assert.equal((await standstill(engine)).drops.low, 0);
      await healthy.has(next + 1);
      next = await fill(engine, producer, 'g', size, 23 * MIB, { from: next, readers: [healthy] });
      // Another that is behind, but not by half.
      const near = await stall(engine, '/ws/g');
      const from = next;
      let stats = await standstill(engine);
      const alone = waiting(stats);
      while (waiting(stats) - alone <= next - from) {
        for (let i = 0; i < 5; i++) await producer.broadcast('g', numbered(next++, size));
        await healthy.has(next + 1);
        stats = await standstill(engine);
      }
      assert.ok((waiting(stats) - alone - (next - from)) * size < 20 * MIB);
      assert.ok(stats.connections_closed.slow === 0);
      for (let i = 1; i <= 3; i++) {
        assert.equal((await low(i)).members, 3);
        await producer.broadcast('g', numbered(next++, size));
        stats = await standstill(engine);
        assert.equal(stats.drops.low, i, 'for one of three');
      }
      await producer.broadcast('g', 'end');

      const all = Array.from({ length: next }, (_, i) => i);
      const late = (await readUpTo(far, 'end')).slice(0, -1);
      assert.equal(late.indexOf('low 0'), place, 'low keeps its place');
      assert.deepEqual(late.filter((data) => data.startsWith('low')), ['low 0']);
      assert.deepEqual(late.filter((data) => !data.startsWith('low')).map(numberOf), all);
      const got = (await readUpTo(near, 'end')).slice(0, -1);
      assert.equal(numberOf(got[0]), from);
      const tail = got.slice(got.indexOf('low 1'));
      assert.deepEqual(tail.map((data) => data.slice(0, 5)), [1, 2, 3].flatMap((i) => [`low ${i}`, `${numbered(next - 4 + i, size)}`.slice(0, 5)]));
      stats = await engine.quiet();
      assert.equal(stats.drops.low, 3);
      assert.equal(stats.deliveries + 3, stats.messages_routed);
      await healthy.has(next + 5, 'the healthy one has all');
      await far.drop();
      await near.drop();
    });
  });

test('a flood of low costs a member behind neither its connection nor the engine its memory', async () => {
  const limit = 2 * MIB;
  const size = 40000;
  await withEngine({ shards: 2, config: { ...config, limits: { backlog_bytes: limit } } }, async (engine) => {
    const producer = await Producer.connect(engine);
    const healthy = await Client.join(engine, 'g', { onMessage: () => {} });
    const count = 300; // six times the limit
    const between = Math.ceil(count / 100);
    const { slow, filled, memory, before, after } = await undisturbed(engine, async () => {
      const member = await stall(engine, '/ws/g');
      const sent = await fill(engine, producer, 'g', size, 1.3 * MIB, { readers: [healthy] });
      return { slow: member, filled: sent, memory: await engine.memory() };
    }, async () => {
      const had = healthy.received;
      for (let i = 0; i < count; i++) {
        await producer.broadcast('g', numbered(i, size), { priority: 'low' });
        if (i % 100 === 0) await producer.broadcast('g', `between ${i}`);
      }
      await healthy.has(had + count + between, 'the healthy one has all');
    }, { readers: [healthy] });
    assert.equal(after.connections_closed.slow, 0);
    assert.equal(after.drops.low - before.drops.low, count);
    const grown = (await engine.memory()) - memory;
    if (SCALE === 1) assert.ok(grown < 9 * limit, `memory grew by ${grown}`);
    await producer.broadcast('g', 'end');
    const got = await readUpTo(slow, 'end');
    assert.equal(got.length, filled + between + 1);
    await slow.drop();
  });
});

test('a critical backlog counts for low, too', async () => {
  const size = 60000;
  await withEngine({ shards: 1, config: { ...config, limits: { backlog_bytes: 2 * MIB } } }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { slow, filled, before, after } = await undisturbed(engine, async () => {
      const member = await stall(engine, '/ws/g');
      return { slow: member, filled: await fill(engine, producer, 'g', size, 1.3 * MIB, { priority: 'critical' }) };
    }, () => producer.broadcast('g', 'low', { priority: 'low' }));
    assert.equal(after.drops.low - before.drops.low, 1);
    await producer.broadcast('g', 'end');
    const got = await readUpTo(slow, 'end');
    assert.deepEqual(got.slice(0, -1).map(numberOf), Array.from({ length: filled }, (_, i) => i));
    await slow.drop();
  });
});

for (const shards of [1, 2, 4])
  test(`who joins amid critical traffic gets all of it from its position: ${shards} shards`, async (t) => {
    await withEngine({ shards, config }, async (engine) => {
      // Groups enough that home and member's shard are different ones, and the same.
      const groups = Array.from({ length: 8 }, (_, i) => `g${i}`);
      const keepers = await Client.joinMany(engine, groups.length, (i) => groups[i], { onMessage: () => {} });
      const sent = Object.fromEntries(groups.map((name) => [name, 0]));
      let done = false;
      // Message n of a group has offset n. Odd ones are critical.
      const publishing = (async () => {
        const producer = await Producer.connect(engine);
        while (!done) {
          const answers = [];
          for (const group of groups) {
            const offset = ++sent[group];
            answers.push(producer.broadcast(group, `${offset}`, { priority: offset % 2 ? 'critical' : 'normal' })
              .then((answer) => assert.equal(answer.offset, offset)));
          }
          await Promise.all(answers);
          await sleep(0);
        }
      })();
      const pick = random(shards);
      let checked = 0;
      const visit = async () => {
        const group = groups[pick(groups.length)];
        const client = await Client.join(engine, group);
        const from = client.hello[group].offset;
        await sleep(pick(30));
        const data = (await client.take(20 + pick(40))).map(Number);
        for (const parity of [0, 1]) {
          const some = data.filter((offset) => offset % 2 === parity);
          const first = from % 2 === parity ? from + 2 : from + 1;
          assert.deepEqual(some, some.map((_, i) => first + 2 * i), `${group} from ${from}: ${data}`);
        }
        checked += data.length;
        await client.leave();
      };
      const rounds = scaled(400, 60);
      let next = 0;
      await Promise.all(Array.from({ length: 8 }, async () => {
        while (next++ < rounds) await visit();
      }));
      done = true;
      await publishing;
      t.diagnostic(`${rounds} joins, ${checked} messages checked`);
      await engine.quiet();
      groups.forEach((name, i) => assert.equal(keepers[i].received, sent[name]));
    });
  });
