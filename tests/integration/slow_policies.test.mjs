// The contract's "Slow members" by namespace: close, skip and latest; what they drop and count, that
// no frame is ever cut, that the newest message arrives, what it costs the others (nothing) and the
// engine (a bounded amount of memory), and that a reload changes the policy of groups that exist.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { closeFrame, frame, OPCODE, Raw } from './lib/raw.mjs';
import {
  dropped, fill, frameBytes, numbered, numberOf, publishUntil, readUpTo, stall, standstill, undisturbed, waiting,
} from './lib/stalled.mjs';
import { SCALE, parallel, scaled, until } from './lib/util.mjs';

const MIB = 1 << 20;
const BACKLOG = 1 << 18;
const FULL_SIZE = SCALE === 1; // sanitizers keep memory for themselves

const config = {
  limits: { backlog_bytes: BACKLOG },
  health: { ping_seconds: 0, pong_timeout_seconds: 20 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'close', slow_consumer: 'close' },
    { name: 'skip', slow_consumer: 'skip' },
    { name: 'latest', slow_consumer: 'latest' },
    { name: 'chat', slow_consumer: 'latest', client_publish: true },
    { name: 'room', slow_consumer: 'skip', client_publish: true },
    { name: 'yard', slow_consumer: 'close', client_publish: true },
    { name: 'dock', slow_consumer: 'close', client_publish: true, priority: 'critical' },
  ],
};

/** With room for more than the kernel takes at a second thought. */
const roomy = { ...config, limits: { backlog_bytes: 2 * MIB } };

/** That `numbers` is 0, 1, 2… for `head` entries, and then goes up only. */
function assertInOrder(numbers, head) {
  assert.deepEqual(numbers.slice(0, head), Array.from({ length: head }, (_, i) => i));
  for (let i = 1; i < numbers.length; i++) assert.ok(numbers[i] > numbers[i - 1], `${numbers[i]} after ${numbers[i - 1]}`);
}

const assertWhole = (all, size) => {
  for (const data of all) assert.equal(data, numbered(numberOf(data), size), 'a message as it was published');
};

for (const shards of [1, 2, 4])
  for (const size of [60000, 700]) {
    test(`close: ${shards} shards, messages of ${size}`, async () => {
      await withEngine({ shards, config }, async (engine) => {
        const producer = await Producer.connect(engine);
        const healthy = await Client.join(engine, 'close:g', { onMessage: () => {} });
        const slow = await stall(engine, '/ws?group=close:g&group=close:h');
        const sent = await publishUntil(engine, producer, 'close:g', size, (now) => now.connections_closed.slow,
          { readers: [healthy] });
        let stats = await standstill(engine);
        assert.equal(healthy.received, sent, 'the other has everything');
        assert.equal(stats.connections_closed.slow, 1);
        assert.equal((await producer.broadcast('close:h', 'x')).members, 0, 'it has left its other group, too');
        assert.ok(waiting(stats) <= 1, 'at most the frame that the kernel has begun');
        assert.ok((stats.drops.slow + 1) * frameBytes(size) > BACKLOG, 'closed past the limit, not before');
        slow.socket.resume();
        const { code, reason, before } = await slow.closeFrame();
        assert.deepEqual([code, reason], [3008, 'slow']);
        const got = before.map((one) => one.payload.toString('latin1'));
        assertWhole(got, size);
        assertInOrder(got.map(numberOf), got.length);
        slow.write(closeFrame(3008));
        await slow.end();
        stats = await engine.quiet();
        assert.equal(got.length + healthy.received, stats.deliveries);
        assert.equal(dropped(stats), stats.drops.slow + stats.drops.closed);
      });
    });

    test(`skip: ${shards} shards, messages of ${size}`, async (t) => {
      await withEngine({ shards, config }, async (engine) => {
        const producer = await Producer.connect(engine);
        const healthy = await Client.join(engine, 'skip:g', { onMessage: () => {} });
        const slow = await stall(engine, '/ws/skip:g');
        let head = 0; // what it was sent before anything was dropped
        let sent = await publishUntil(engine, producer, 'skip:g', size, (now, count) => {
          if (!now.drops.skip) head = Math.max(head, now.deliveries - count);
          return now.drops.skip * size > 3 * BACKLOG;
        }, { readers: [healthy] });
        const before = await standstill(engine);
        // A frame that the kernel has begun is finished beside it.
        assert.ok(waiting(before) * frameBytes(size) <= BACKLOG + frameBytes(size), `${waiting(before)} wait`);
        const got = await readUpTo(slow, numbered(sent - 1, size));
        assertWhole(got, size);
        const numbers = got.map(numberOf);
        assertInOrder(numbers, head);
        assert.equal(numbers.at(-1), sent - 1, 'the newest arrives');
        let stats = await engine.quiet();
        assert.equal(got.length, sent - stats.drops.skip, 'what is missing is what is counted');
        assert.equal(dropped(stats), stats.drops.skip);
        // The connection stays, and gets everything again.
        for (let i = 0; i < 20; i++) await producer.broadcast('skip:g', numbered(sent++, size));
        const more = await readUpTo(slow, numbered(sent - 1, size));
        assert.deepEqual(more.map(numberOf), Array.from({ length: 20 }, (_, i) => sent - 20 + i));
        await healthy.has(sent);
        const after = await engine.quiet();
        assert.equal(after.deliveries - stats.deliveries, 40);
        assert.equal(after.connections_closed.slow, 0);
        t.diagnostic(`${got.length} of ${sent} arrived`);
        await slow.drop();
      });
    });

    test(`latest: ${shards} shards, messages of ${size}`, async (t) => {
      await withEngine({ shards, config }, async (engine) => {
        const producer = await Producer.connect(engine);
        const healthy = await Client.join(engine, 'latest:g', { onMessage: () => {} });
        const slow = await stall(engine, '/ws/latest:g');
        let sent = await publishUntil(engine, producer, 'latest:g', size, (now) => now.drops.latest >= 60, { readers: [healthy] });
        let before = await standstill(engine);
        for (let seen = 0; seen < 5;) {
          const delivered = before.deliveries - sent;
          for (let i = 0; i < 10; i++) await producer.broadcast('latest:g', numbered(sent++, size));
          await healthy.has(sent);
          before = await standstill(engine);
          // A frame that the kernel has begun was the newest once: it is finished, and one waits.
          assert.ok(waiting(before) <= 2, `${waiting(before)} wait`);
          if (before.deliveries - sent > delivered) continue; // the kernel took some more meanwhile
          assert.ok(waiting(before) >= 1, 'the newest waits');
          seen++;
        }
        const delivered = before.deliveries - sent;
        const got = await readUpTo(slow, numbered(sent - 1, size));
        assertWhole(got, size);
        const numbers = got.map(numberOf);
        assert.equal(got.length, delivered + waiting(before));
        assertInOrder(numbers, 1);
        const stats = await engine.quiet();
        assert.equal(got.length, sent - stats.drops.latest);
        assert.equal(dropped(stats), stats.drops.latest);
        // One by one it gets everything.
        for (let i = 0; i < 20; i++) {
          await producer.broadcast('latest:g', numbered(sent++, size));
          assert.deepEqual((await readUpTo(slow, numbered(sent - 1, size))).length, 1);
        }
        await healthy.has(sent);
        assert.equal((await engine.quiet()).connections_closed.slow, 0);
        t.diagnostic(`${got.length} of ${sent - 20} arrived`);
        await slow.drop();
      });
    });
  }

// Sent at once, a critical one overtakes the other on its way to the home or to the member's shard.
for (const [manner, send] of [
  ['one by one', async (calls) => { for (const call of calls) await call(); }],
  ['at once', (calls) => Promise.all(calls.map((call) => call()))],
])
  test(`latest: one message waits, critical or not, sent ${manner}`, async () => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      for (const [first, second] of [['critical', 'normal'], ['normal', 'critical'], ['critical', 'critical'], ['low', 'critical'], ['critical', 'low']]) {
        let newest;
        const publish = async (data, priority) => {
          const { offset } = await producer.broadcast('latest:g', data, { priority });
          if (!newest || offset > newest.offset) newest = { data, offset };
        };
        const { slow } = await undisturbed(engine, async () => {
          const start = (await engine.stats()).drops.latest;
          const member = await stall(engine, '/ws/latest:g');
          await publishUntil(engine, producer, 'latest:g', 50000, (now) => now.drops.latest > start + 10);
          newest = undefined;
          return { slow: member };
        }, () => send([() => publish('one', first), () => publish('other', second)]));
        const got = await readUpTo(slow, newest.data);
        assert.equal(got.filter((data) => !data.includes(':')).length, 1, `${first}, ${second}`);
        await producer.broadcast('latest:g', 'end');
        assert.deepEqual(await readUpTo(slow, 'end'), ['end'], `${first}, ${second}`);
        await slow.drop();
        await engine.statsWhen((now) => now.total_connections === 0, 'it has gone');
        await engine.quiet();
      }
    });
  });

test('skip: all but the newest goes, critical or not', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    let last = 1e6;
    const { slow } = await undisturbed(engine, async () => {
      const member = await stall(engine, '/ws/skip:g');
      await fill(engine, producer, 'skip:g', 1000, BACKLOG / 2);
      return { slow: member };
    }, async ({ before }) => {
      last = 1e6;
      for (let i = 0; i < 3; i++) await producer.broadcast('skip:g', `critical ${i}`, { priority: 'critical' });
      while ((await engine.stats()).drops.skip === before.drops.skip) await producer.broadcast('skip:g', numbered(++last, 1000));
    });
    const got = await readUpTo(slow, numbered(last, 1000));
    assert.equal(got.some((data) => data.startsWith('critical')), false, 'they waited and were not the newest');
    assert.equal(got.filter((data) => numberOf(data) > 1e6).length, 1);
    await slow.drop();
  });
});

/** A stalled client that publishes itself, with echo=0. */
for (const [name, group] of [['latest', 'chat:g'], ['skip', 'room:g']])
  test(`${name}: the newest that is for the member arrives, though its own frames are newer`, async () => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      const healthy = await Client.join(engine, group, { onMessage: () => {} });
      const slow = await stall(engine, `/ws/${group}?echo=0`);
      const sent = await publishUntil(engine, producer, group, 50000, (now) => now.drops[name] > 40, { readers: [healthy] });
      await producer.broadcast(group, 'newest');
      for (let i = 0; i < 5; i++) slow.write(frame(OPCODE.text, `own ${i}`));
      await healthy.has(sent + 6, 'the others have its own');
      if (name === 'skip') {
        // Own frames are no backlog of the sender.
        const own = frame(OPCODE.text, 'own '.padEnd(30000, 'o'));
        for (let i = 0; i < 20; i++) slow.write(own);
        await healthy.has(sent + 26, 'the others have its own');
      }
      const got = await readUpTo(slow, 'newest');
      assert.equal(got.some((data) => data.startsWith('own')), false);
      await producer.broadcast(group, 'end');
      assert.deepEqual(await readUpTo(slow, 'end'), ['end']);
      const stats = await engine.quiet();
      assert.equal(dropped(stats), stats.drops[name]);
      await slow.drop();
    });
  });

test('close: a sender\'s own frames with echo=0 are no backlog of it', async () => {
  await withEngine({ shards: 2, config: roomy }, async (engine) => {
    const producer = await Producer.connect(engine);
    const healthy = await Client.join(engine, 'yard:g', { onMessage: () => {} });
    const slow = await stall(engine, '/ws/yard:g?echo=0');
    const sent = await fill(engine, producer, 'yard:g', 1000, MIB, { readers: [healthy] });
    const own = frame(OPCODE.text, 'own '.padEnd(60000, 'o'));
    for (let i = 0; i < 70; i++) slow.write(own); // twice the limit
    await healthy.has(sent + 70, 'the others have its own');
    assert.equal((await engine.stats()).connections_closed.slow, 0);
    await producer.broadcast('yard:g', 'end');
    const got = await readUpTo(slow, 'end');
    assert.deepEqual(got.slice(0, -1).map(numberOf), Array.from({ length: sent }, (_, i) => i));
    await slow.drop();
  });
});

for (const group of ['yard:g', 'dock:g'])
  test(`what a stalled sender steps over in ${group} costs the engine no memory without end`, async (t) => {
    await withEngine({ shards: 2, config: roomy }, async (engine) => {
      const producer = await Producer.connect(engine);
      const healthy = await Client.join(engine, group, { onMessage: () => {} });
      const slow = await stall(engine, `/ws/${group}?echo=0`);
      const filled = await fill(engine, producer, group, 1000, MIB, { readers: [healthy] });
      const memory = await engine.memory();
      const own = frame(OPCODE.text, 'own '.padEnd(60000, 'o'));
      const count = scaled(700, 100); // 42 MB
      for (let sent = 0; sent < count; ) {
        for (let i = 0; i < 10; i++, sent++) slow.write(own);
        await healthy.has(filled + sent, 'the other has it');
      }
      assert.equal((await standstill(engine)).connections_closed.slow, 0);
      const grown = (await engine.memory()) - memory;
      t.diagnostic(`${(grown / MIB).toFixed(1)} MiB more after ${healthy.received} messages`);
      if (FULL_SIZE) assert.ok(grown < 15 * MIB, `memory grew by ${grown}`);
      await producer.broadcast(group, 'end');
      const got = await readUpTo(slow, 'end');
      assert.deepEqual(got.slice(0, -1).map(numberOf), Array.from({ length: filled }, (_, i) => i));
      await slow.drop();
      await engine.statsWhen((now) => now.total_connections === 1, 'it has gone');
      await engine.quiet();
    });
  });

for (const group of ['close:g', 'skip:g'])
  test(`low that is dropped without end closes nobody in ${group}, and costs bounded memory`, async (t) => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      const healthy = await Client.join(engine, group, { onMessage: () => {} });
      const slow = await stall(engine, `/ws/${group}`);
      const memory = await engine.memory();
      const enough = scaled(40, 12) * BACKLOG;
      let sent = await publishUntil(engine, producer, group, 1000, (now) => now.drops.low * 1000 > enough,
        { readers: [healthy], priority: 'low' });
      for (const priority of ['normal', 'low', 'critical', 'low'])
        await producer.broadcast(group, numbered(sent++, 1000), { priority });
      const stats = await standstill(engine);
      assert.equal(stats.connections_closed.slow, 0);
      assert.equal(dropped(stats), stats.drops.low);
      const grown = (await engine.memory()) - memory;
      t.diagnostic(`${(grown / MIB).toFixed(1)} MiB more for ${stats.drops.low} dropped`);
      if (FULL_SIZE) assert.ok(grown < 6 * MIB, `memory grew by ${grown}`);
      await producer.broadcast(group, numbered(sent++, 1000));
      const got = await readUpTo(slow, numbered(sent - 1, 1000));
      assertWhole(got, 1000);
      const { drops } = await engine.quiet();
      assert.equal(got.length, sent - drops.low, 'what is missing is what is counted');
      const inPlace = got.map(numberOf).filter((number) => number !== sent - 3); // the critical one overtakes
      assert.equal(inPlace.length, got.length - 1);
      assertInOrder(inPlace, 100);
      for (let i = 0; i < 20; i++) await producer.broadcast(group, numbered(sent++, 1000), { priority: 'low' });
      assert.equal((await readUpTo(slow, numbered(sent - 1, 1000))).length, 20, 'and then it gets everything');
      await slow.drop();
    });
  });

test('low alone makes nobody slow, however much comes at once', async () => {
  const small = { limits: { message_bytes: 2000, backlog_bytes: 65536 }, namespaces: [{ name: '', max_rate: 0, priority: 'low' }] };
  await withEngine({ shards: 1, config: small }, async (engine) => {
    const producer = await Producer.connect(engine);
    const slow = await stall(engine, '/ws/g');
    let sent = 0;
    for (let stats; !((stats = await engine.stats()).drops.low > 1000); ) {
      assert.equal(stats.connections_closed.slow, 0);
      await Promise.all(Array.from({ length: 300 }, () => producer.broadcast('g', numbered(sent++, 1000))));
    }
    const { drops, connections_closed } = await standstill(engine);
    assert.equal(connections_closed.slow, 0);
    await producer.broadcast('g', numbered(sent++, 1000), { priority: 'normal' });
    assert.equal((await readUpTo(slow, numbered(sent - 1, 1000))).length, sent - drops.low);
    await slow.drop();
  });
});

test('one group is not judged by what another holds', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { slow, start, before, after } = await undisturbed(engine, async () => {
      const { deliveries } = await engine.quiet();
      const member = await stall(engine, '/ws?group=close:a&group=skip:b&group=latest:c');
      await fill(engine, producer, 'close:a', 1000, BACKLOG / 2);
      return { slow: member, start: deliveries };
    }, async () => {
      for (let i = 0; i < 5; i++) await producer.broadcast('latest:c', `c ${i}`);
      for (let i = 0; i < 200; i++) await producer.broadcast('skip:b', numbered(i, 1000));
    });
    assert.equal(after.drops.latest - before.drops.latest, 4);
    assert.equal(after.drops.skip, before.drops.skip);
    assert.equal(after.connections_closed.slow, 0);
    await publishUntil(engine, producer, 'skip:b', 1000, (now) => now.drops.skip > after.drops.skip, { from: 200 });
    await producer.broadcast({ all: true }, 'end');
    const got = await readUpTo(slow, 'end');
    const stats = await engine.quiet();
    assert.equal(stats.connections_closed.slow, 0);
    assert.equal(got.length, stats.deliveries - start);
    assert.deepEqual(got.filter((data) => data.startsWith('c ')), ['c 4']);
    await slow.drop();
  });
});

test('everyone\'s group and users\' have a policy, too', async () => {
  const other = { ...config, namespaces: [{ name: '', max_rate: 0, slow_consumer: 'skip' }, { name: 'user', slow_consumer: 'latest' }] };
  await withEngine({ shards: 2, config: other }, async (engine) => {
    const producer = await Producer.connect(engine);
    const slow = await stall(engine, '/ws?user=ann');
    const all = await publishUntil(engine, producer, { all: true }, 50000, (now) => now.drops.skip > 0);
    await publishUntil(engine, producer, { user: 'ann' }, 100, (now) => now.drops.latest > 10, { from: all });
    await producer.broadcast({ user: 'ann' }, 'end');
    await readUpTo(slow, 'end');
    const stats = await engine.quiet();
    assert.equal(stats.connections_closed.slow, 0);
    await slow.drop();
  });
});

test('100 stalled members: the others get everything, and memory is bounded', async (t) => {
  const count = scaled(100, 20);
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const healthy = await Client.join(engine, ['skip:all', 'latest:all'], { onMessage: () => {} });
    const before = await engine.memory();
    // Each in a group of its own, so that nothing of what waits is shared, and in two with the rest.
    const slow = await parallel(Array.from({ length: count }), 20, (_, i) =>
      stall(engine, `/ws?group=skip:${i}&group=skip:all&group=latest:all`));
    let sent = 0;
    const data = 'x'.repeat(60000);
    await until(async () => {
      // A message of its own to each, and something for all of them.
      for (let i = 0; i < 4; i++)
        await Promise.all(slow.map(async (_, k) => assert.equal((await producer.broadcast(`skip:${k}`, data)).members, 1)));
      await producer.broadcast('skip:all', numbered(sent, 1000));
      await producer.broadcast('latest:all', numbered(sent++, 1000));
      return (await engine.stats()).drops.skip > count * 10;
    }, 'all are past their backlog');
    const stats = await standstill(engine);
    assert.equal(stats.connections_closed.slow, 0);
    await healthy.has(2 * sent, 'the healthy one has everything');
    const grown = (await engine.memory()) - before;
    // A backlog of each of two groups, the newest message behind it and one batch: no more.
    const bound = count * (BACKLOG + 2 * 65536) + 20 * MIB;
    t.diagnostic(`${count} stalled members: ${(grown / MIB).toFixed(1)} MiB; the bound is ${(bound / MIB).toFixed(1)}`);
    if (FULL_SIZE) assert.ok(grown < bound, `${grown} bytes`);
    await Promise.all(slow.map((raw) => raw.drop()));
    await engine.statsWhen((now) => now.total_connections === 1, 'they are gone');
    await engine.quiet();
  });
});

test('SIGHUP changes the policy and the limit of groups that exist, and closes nobody', async () => {
  const vast = { ...config, limits: { backlog_bytes: 64 * MIB } };
  await withEngine({ shards: 2, config: vast }, async (engine) => {
    const producer = await Producer.connect(engine);
    const slow = await stall(engine, '/ws/close:g');
    let sent = await fill(engine, producer, 'close:g', 50000, 2 * MIB);
    const as = (policy, backlog_bytes) => engine.reload({
      ...config, limits: { backlog_bytes }, namespaces: [{ name: '', max_rate: 0 }, { name: 'close', slow_consumer: policy }] });

    await as('skip', 300000);
    let stats = await standstill(engine);
    assert.equal(dropped(stats), 0, 'a backlog is judged at the next message');
    // Judged one by one: a message that follows the jump waits, too, and is no reason for another.
    await until(async () => {
      await producer.broadcast('close:g', numbered(sent++, 50000));
      stats = await standstill(engine);
      return stats.drops.skip > 0;
    }, 'the new policy holds');
    assert.ok(waiting(stats) <= 2, 'all that waited is dropped but the newest, and a frame that was begun');

    await as('latest', 300000);
    await until(async () => {
      await producer.broadcast('close:g', numbered(sent++, 50000));
      return (await engine.stats()).drops.latest > 0;
    }, 'the next policy holds');
    assert.ok(waiting(await standstill(engine)) <= 2);
    await readUpTo(slow, numbered(sent - 1, 50000));
    slow.socket.pause();

    await as('close', 300000);
    await publishUntil(engine, producer, 'close:g', 50000, (now) => now.connections_closed.slow, { from: sent });
    slow.socket.resume();
    assert.equal((await slow.closeFrame()).code, 3008);
    await slow.drop();
    await engine.quiet();
  });
});
