// The contract's "Positions" and "Raw clients", since: who names a position gets what came after it,
// then live, each frame one offset further; where that cannot be it is closed 3010 and not left to
// guess.
import assert from 'node:assert/strict';
import test from './lib/together.mjs';
import { Client } from './lib/client.mjs';
import { startEngine, withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { closeFrame, frame, OPCODE, Raw } from './lib/raw.mjs';
import { frameBytes, numbered, numberOf, readUpTo } from './lib/stalled.mjs';
import { parallel, scaled, sleep } from './lib/util.mjs';

const SHARDS = [1, 2, 4];

const config = {
  limits: { recovery_bytes: 1 << 20 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'kept', history: { messages: 1000 } },
    { name: 'few', history: { messages: 10 } },
    { name: 'small', history: { messages: 1000, bytes: 1000 } },
    { name: 'short', history: { messages: 1000, seconds: 2 } },
    { name: 'brief', history: { messages: 1000, position_seconds: 1 } },
    { name: 'full', max_members: 1, history: { messages: 10 } },
    { name: 'talk', client_publish: true, history: { messages: 10 } },
  ],
};

/** Publishes numbers from `from` to `to`; returns the last answer. */
async function publish(producer, group, from, to, data = (i) => `${i}`, more = {}) {
  const calls = [];
  for (let i = from; i <= to; i++) calls.push(producer.broadcast(group, data(i), more));
  const answers = await Promise.all(calls);
  for (const answer of answers) assert.equal(answer.ok, true, answer.message);
  return answers.at(-1);
}

const range = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => `${from + i}`);

const closedBy = async (engine, path) => {
  const client = await Client.open(engine, path);
  const { code, reason } = await client.end();
  assert.equal(client.received, 0, 'nothing comes first');
  return [code, reason];
};

/** That a position is refused, and counted. */
async function refused(engine, group, since) {
  const before = (await engine.stats()).connections_closed.insufficient_state;
  assert.deepEqual(await closedBy(engine, `/ws/${group}?since=${since}`), [3010, 'insufficient state'], `${group} since ${since}`);
  await engine.statsWhen((now) => now.connections_closed.insufficient_state === before + 1, 'it is counted');
}

for (const shards of SHARDS)
  test(`from every position what came after it, then live; ${shards} shards`, async () => {
    await withEngine({ shards, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      for (const group of ['kept:a', 'kept:b', 'kept:c']) {
        const { epoch, offset } = await publish(producer, group, 1, 20);
        assert.equal(offset, 20);
        const clients = [];
        for (let from = 0; from <= 20; from++) {
          const client = await Client.since(engine, group, { epoch, offset: from });
          assert.deepEqual(client.hello, { [group]: { epoch, offset: from } });
          clients.push(client);
        }
        const now = await Client.since(engine, group, 'now');
        assert.deepEqual(now.hello, { [group]: { epoch, offset: 20 } });
        const answer = await publish(producer, group, 21, 25);
        assert.equal(answer.members, 22);
        for (const [from, client] of clients.entries()) assert.deepEqual(await client.take(25 - from), range(from + 1, 25));
        assert.deepEqual(await now.take(5), range(21, 25));
        await producer.broadcast({ all: true }, 'everyone');
        await sleep(20);
        for (const client of [now, ...clients]) {
          assert.deepEqual(client.frames.drain(), [], 'nothing twice, and nothing to everyone');
          await client.leave();
        }
      }
      const stats = await engine.quiet();
      assert.equal(stats.messages_routed, 3 * 22 * 5, 'what is replayed is not counted');
      assert.equal(stats.deliveries, 3 * 22 * 5);
      assert.equal(stats.bytes_out, 3 * 22 * 5 * frameBytes(2));
      assert.equal(stats.messages_in, 3 * (25 + 1));
    });
  });

test('frames come back as they were: text, binary, empty, JSON, large', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const all = ['text ü', Buffer.from([0, 255, 1]), '', Buffer.alloc(0), { a: [1, null] }, 'x'.repeat(65536), Buffer.alloc(70, 7)];
    const live = await Client.join(engine, 'kept:g');
    for (const data of all) await producer.broadcast('kept:g', data);
    const expected = [];
    for (let i = 0; i < all.length; i++) expected.push(await live.next());
    assert.equal(expected[4].data, '{"a":[1,null]}');
    const back = await Client.since(engine, 'kept:g', { epoch: live.hello['kept:g'].epoch, offset: 0 });
    for (const one of expected) assert.deepEqual(await back.next(), one);
  });
});

test('without hello=1 the first frame is the first that was missed', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { epoch } = await publish(producer, 'kept:g', 1, 3);
    const client = await Client.open(engine, `/ws?group=kept:g&since=${epoch}:1`);
    assert.deepEqual(await client.take(2), ['2', '3']);
    await client.leave();
  });
});

test('a position that cannot be had is refused with 3010, and counted', async (t) => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);

    await t.test('another epoch, an unknown group, none at all', async () => {
      const { epoch } = await publish(producer, 'kept:g', 1, 3);
      await refused(engine, 'kept:g', `x${epoch.slice(1)}:3`);
      await refused(engine, 'kept:g', 'abc:3');
      await refused(engine, 'kept:g', '_:0');
      await refused(engine, 'kept:unknown', `${epoch}:0`);
      await refused(engine, 'kept:unknown', '0000000000000:0');
      await refused(engine, 'kept:unknown', ':0');
      await refused(engine, 'kept:g', ':0');
    });

    await t.test('beyond the end', async () => {
      const { epoch } = await publish(producer, 'kept:e', 1, 3);
      await refused(engine, 'kept:e', `${epoch}:4`);
      await refused(engine, 'kept:e', `${epoch}:18446744073709551615`);
      const client = await Client.since(engine, 'kept:e', { epoch, offset: 3 });
      await client.leave();
    });

    await t.test('no history', async () => {
      const { epoch } = await publish(producer, 'plain', 1, 3);
      await refused(engine, 'plain', 'now');
      await refused(engine, 'plain', `${epoch}:3`);
      await refused(engine, 'nothing', 'now');
    });

    await t.test('trimmed by messages', async () => {
      const { epoch } = await publish(producer, 'few:g', 1, 30);
      await refused(engine, 'few:g', `${epoch}:19`);
      const client = await Client.since(engine, 'few:g', { epoch, offset: 20 });
      assert.deepEqual(await client.take(10), range(21, 30));
      await client.leave();
    });

    await t.test('trimmed by bytes', async () => {
      const { epoch } = await publish(producer, 'small:g', 1, 30, (i) => numbered(i, 100));
      await refused(engine, 'small:g', `${epoch}:19`);
      const client = await Client.since(engine, 'small:g', { epoch, offset: 20 });
      assert.deepEqual((await client.take(10)).map(numberOf), range(21, 30).map(Number));
      await client.leave();
    });

    await t.test('trimmed by seconds', async () => {
      const { epoch } = await publish(producer, 'short:g', 1, 3);
      const client = await Client.since(engine, 'short:g', { epoch, offset: 0 });
      assert.deepEqual(await client.take(3), range(1, 3));
      await client.leave();
      await sleep(1000);
      await publish(producer, 'short:g', 4, 6);
      await sleep(1100);
      await refused(engine, 'short:g', `${epoch}:0`);
      await refused(engine, 'short:g', `${epoch}:2`);
      const later = await Client.since(engine, 'short:g', { epoch, offset: 6 });
      await later.leave();
    });

    const stats = await engine.quiet();
    const { values } = await engine.metrics();
    assert.equal(values['shardcast_connections_closed_total{reason="insufficient_state"}'], stats.connections_closed.insufficient_state);
    assert.equal(values.shardcast_connections_opened_total, Object.values(stats.connections_closed).reduce((sum, n) => sum + n, 0));
  });
});

test('a full group says so, and a place that was not taken stays free', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { epoch } = await publish(producer, 'full:g', 1, 3);
    await refused(engine, 'full:g', `${epoch}:9`);
    const client = await Client.since(engine, 'full:g', { epoch, offset: 1 });
    assert.deepEqual(await client.take(2), ['2', '3']);
    assert.deepEqual(await closedBy(engine, `/ws/full:g?since=${epoch}:1`), [1013, 'group full: full:g']);
    await client.leave();
  });
});

test('recovery_bytes bounds a recovery as sent', async () => {
  const bounded = { ...config, limits: { message_bytes: 10000, recovery_bytes: 50000 } };
  await withEngine({ shards: 2, config: bounded }, async (engine) => {
    const producer = await Producer.connect(engine);
    const size = 9996; // with its header a fifth of the limit
    assert.equal(frameBytes(size), 10000);
    const { epoch } = await publish(producer, 'kept:g', 1, 20, (i) => numbered(i, size));
    const client = await Client.since(engine, 'kept:g', { epoch, offset: 15 });
    assert.deepEqual((await client.take(5)).map(numberOf), [16, 17, 18, 19, 20]);
    await client.leave();
    await refused(engine, 'kept:g', `${epoch}:14`);
    await refused(engine, 'kept:g', `${epoch}:0`);
    assert.equal((await producer.broadcast('kept:g', 'x')).members, 0, 'who was refused is no member');
  });
});

test('an epoch ends when the group is forgotten, and when the engine is started again', async () => {
  const engine = await startEngine({ shards: 2, config });
  let producer = await Producer.connect(engine);
  const { epoch } = await publish(producer, 'brief:g', 1, 3);
  const kept = await publish(producer, 'kept:g', 1, 3);
  const member = await Client.since(engine, 'brief:g', { epoch, offset: 3 });
  await sleep(2500);
  assert.equal((await producer.broadcast('brief:g', '4')).epoch, epoch, 'a member keeps it');
  await member.leave();
  await sleep(2500);
  await refused(engine, 'brief:g', `${epoch}:4`);
  const next = await producer.broadcast('brief:g', 'a');
  assert.notEqual(next.epoch, epoch);
  assert.equal(next.offset, 1);
  assert.equal((await producer.broadcast('kept:g', '4')).epoch, kept.epoch, 'others stay for position_seconds');
  await engine.stop();

  const again = await startEngine({ shards: 2, config });
  producer = await Producer.connect(again);
  assert.notEqual((await publish(producer, 'kept:g', 1, 3)).epoch, kept.epoch);
  await refused(again, 'kept:g', `${kept.epoch}:2`);
  await again.stop();
});

test('low, normal and critical keep their places in a group with history', async () => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const live = await Client.since(engine, 'kept:g', 'now');
    const priorities = ['low', 'normal', 'critical'];
    const calls = [];
    for (let i = 1; i <= 300; i++) calls.push(producer.broadcast('kept:g', `${i}`, { priority: priorities[(i * 7) % 3] }));
    for (const [i, answer] of (await Promise.all(calls)).entries()) assert.equal(answer.offset, i + 1);
    assert.deepEqual(await live.take(300), range(1, 300));
    const back = await Client.since(engine, 'kept:g', { ...live.hello['kept:g'], offset: 100 });
    assert.deepEqual(await back.take(200), range(101, 300));
  });
});

test('a positioned client publishes and gets its own back', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const client = await Client.since(engine, 'talk:g', 'now');
    for (let i = 1; i <= 5; i++) client.socket.send(`${i}`);
    assert.deepEqual(await client.take(5), range(1, 5));
    await client.leave();
    const back = await Client.since(engine, 'talk:g', { ...client.hello['talk:g'], offset: 2 });
    assert.deepEqual(await back.take(3), range(3, 5));
  });
});

/* While a recovery is under way */

const big = {
  limits: { recovery_bytes: 64 << 20, backlog_bytes: 1 << 18 },
  health: { ping_seconds: 0, pong_timeout_seconds: 20 },
  namespaces: [{ name: '', max_rate: 0, history: { messages: 100000, bytes: 64 << 20 } }],
};

/** A client that asks for all of a group and reads nothing yet. */
async function recovering(engine, group, epoch) {
  const raw = await Raw.upgrade(engine, `/ws/${group}?since=${epoch}:0&hello=1`);
  await raw.frame('the hello');
  raw.socket.pause();
  return raw;
}

const MESSAGES = 700;
const SIZE = 40000; // 28 MB in all: more than the kernel takes

test('a recovery is no backlog, however large, and live follows it', async () => {
  await withEngine({ shards: 2, config: big }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { epoch } = await publish(producer, 'g', 0, MESSAGES - 1, (i) => numbered(i, SIZE));
    const raw = await recovering(engine, 'g', epoch);
    await sleep(200);
    await publish(producer, 'g', MESSAGES, MESSAGES + 4, (i) => numbered(i, SIZE)); // under backlog_bytes
    raw.write(frame(OPCODE.ping, 'early'));
    const all = [];
    let pongs = 0;
    raw.socket.resume();
    while (all.length < MESSAGES + 5) {
      const next = await raw.frame();
      assert.ok(next, 'it is not closed');
      if (next.opcode === OPCODE.pong) pongs++;
      else all.push(numberOf(next.payload));
    }
    assert.equal(pongs, 1, 'a pong goes out between frames');
    assert.deepEqual(all, Array.from({ length: MESSAGES + 5 }, (_, i) => i));
    const stats = await engine.quiet();
    assert.equal(stats.deliveries, 5);
    assert.equal(stats.connections_closed.slow, 0);
    await raw.drop();
  });
});

test('what is behind a recovery counts as backlog', async () => {
  await withEngine({ shards: 2, config: big }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { epoch } = await publish(producer, 'g', 0, MESSAGES - 1, (i) => numbered(i, SIZE));
    const raw = await recovering(engine, 'g', epoch);
    await sleep(200);
    await publish(producer, 'g', MESSAGES, MESSAGES + 20, (i) => numbered(i, SIZE));
    await engine.statsWhen((now) => now.connections_closed.slow === 1, 'it is closed as slow');
    raw.socket.resume();
    const { code, reason, before } = await raw.closeFrame();
    assert.deepEqual([code, reason], [3008, 'slow']);
    before.forEach((one, i) => assert.equal(one.payload.toString('latin1'), numbered(i, SIZE)));
    assert.ok(before.length < MESSAGES);
    const stats = await engine.quiet();
    assert.ok(stats.drops.slow >= 6);
    // "closed": what the group's home still counted for it when it had been closed.
    assert.equal(stats.messages_routed, stats.drops.slow + stats.drops.closed, 'of a recovery nothing is counted');
    raw.write(closeFrame(3008));
    await raw.end();
  });
});

for (const [name, end, expected] of [
  ['its close frame', (engine, producer, raw) => raw.write(closeFrame(1000)), 1000],
  ['a disconnect', (engine, producer) => producer.disconnect({ group: 'g' }), 3503],
  ['a drain', (engine) => engine.signal('SIGTERM'), 1001],
])
  test(`${name} in the middle of a recovery`, async () => {
    await withEngine({ shards: 2, config: { ...big, drain_seconds: 20 } }, async (engine) => {
      const producer = await Producer.connect(engine);
      const { epoch } = await publish(producer, 'g', 0, MESSAGES - 1, (i) => numbered(i, SIZE));
      const raw = await recovering(engine, 'g', epoch);
      await sleep(200);
      await end(engine, producer, raw);
      await sleep(100);
      raw.socket.resume();
      const { code, before } = await raw.closeFrame();
      assert.equal(code, expected);
      before.forEach((one, i) => assert.equal(one.payload.toString('latin1'), numbered(i, SIZE), 'whole frames in order'));
      if (expected !== 1000) assert.equal(before.length, MESSAGES, 'it had yet to get that');
      raw.write(closeFrame(expected));
      await raw.end();
    });
  });

test('clients that go in the middle of a recovery leave nothing behind', async () => {
  await withEngine({ shards: 2, config: big }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { epoch } = await publish(producer, 'g', 0, MESSAGES - 1, (i) => numbered(i, SIZE));
    const all = await parallel(range(1, 20), 5, () => recovering(engine, 'g', epoch));
    await Promise.all(all.map((raw, i) => (i % 2 ? raw.drop() : raw.reset())));
    await engine.statsWhen((now) => now.total_connections === 0, 'all are gone');
    assert.equal((await producer.broadcast('g', 'x')).members, 0);
    await engine.quiet();
  });
});

test('many come back at once', async (t) => {
  const count = scaled(2000, 200);
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { epoch } = await publish(producer, 'kept:g', 1, 500, (i) => numbered(i, 100));
    const begun = Date.now();
    await parallel(Array.from({ length: count }), 200, async (_, i) => {
      const client = await Client.since(engine, 'kept:g', { epoch, offset: i % 7 ? 400 : 0 });
      assert.deepEqual((await client.take(i % 7 ? 100 : 500)).map(numberOf), range(i % 7 ? 401 : 1, 500).map(Number));
      await client.drop();
    });
    t.diagnostic(`${count} clients in ${Date.now() - begun} ms`);
    await engine.statsWhen((now) => now.total_connections === 0, 'all are gone');
  });
});
