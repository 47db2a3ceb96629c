// The contract's "Slow members" and "Raw clients", since: where a message would be left out for a
// positioned member it is closed 3010, nothing that it has got has a gap, it can recover, and the
// figures agree. And what a reload does to histories and to those who have positions in them.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { closeFrame, Raw } from './lib/raw.mjs';
import { dropped, fill, frameBytes, numbered, numberOf, publishUntil, readUpTo, stall, standstill } from './lib/stalled.mjs';
import { SCALE } from './lib/util.mjs';

const BACKLOG = 1 << 18;

const config = {
  limits: { backlog_bytes: BACKLOG, recovery_bytes: 64 << 20 },
  health: { ping_seconds: 0, pong_timeout_seconds: 20 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0, history: { messages: 1000000, bytes: 256 << 20 } },
    { name: 'close', slow_consumer: 'close' },
    { name: 'skip', slow_consumer: 'skip' },
    { name: 'latest', slow_consumer: 'latest' },
  ],
};

/** That a stalled member was closed 3010 and has, with what it recovers, each of `sent` messages once. */
async function closedAndRecovers(engine, raw, group, sent, size) {
  raw.socket.resume();
  const { code, reason, before } = await raw.closeFrame();
  assert.deepEqual([code, reason], [3010, 'insufficient state']);
  before.forEach((one, i) => assert.equal(one.payload.toString('latin1'), numbered(i, size), 'in order, without a gap'));
  raw.write(closeFrame(3010));
  await raw.end();
  const { epoch, offset } = raw.hello[group];
  const back = await Client.since(engine, group, { epoch, offset: offset + before.length });
  for (let i = before.length; i < sent; i++) assert.equal((await back.next()).data, numbered(i, size));
  await back.leave();
  return before.length;
}

for (const shards of [1, 2, 4])
  for (const policy of ['skip', 'latest'])
    for (const size of [60000, 700])
      test(`${policy}: past backlog_bytes and not before, ${shards} shards, messages of ${size}`, async (t) => {
        await withEngine({ shards, config }, async (engine) => {
          const group = `${policy}:g`;
          const producer = await Producer.connect(engine);
          const healthy = await Client.since(engine, group, 'now', { onMessage: () => {} });
          const plain = await stall(engine, `/ws/${group}`);
          const slow = await stall(engine, `/ws/${group}?since=now`);
          const sent = await publishUntil(engine, producer, group, size,
            (now) => now.connections_closed.insufficient_state && now.drops[policy], // of who has no position
            { readers: [healthy] });
          let stats = await standstill(engine);
          assert.ok((stats.drops.closed + 1) * frameBytes(size) > BACKLOG, 'closed past the limit, not before');
          const got = await closedAndRecovers(engine, slow, group, sent, size);
          await readUpTo(plain, numbered(sent - 1, size));
          stats = await engine.quiet();
          assert.ok(stats.drops.closed > 0 && stats.drops.closed <= sent - got, 'what it had waiting');
          assert.equal(dropped(stats), stats.drops.closed + stats.drops[policy]);
          assert.equal(stats.connections_closed.slow, 0);
          assert.equal(stats.connections_closed.insufficient_state, 1);
          t.diagnostic(`${got} of ${sent} arrived before`);
          await plain.drop();
        });
      });

test('close: a positioned member that is slow is closed as slow', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const slow = await stall(engine, '/ws/close:g?since=now');
    const sent = await publishUntil(engine, producer, 'close:g', 60000, (now) => now.connections_closed.slow);
    slow.socket.resume();
    const { code, before } = await slow.closeFrame();
    assert.equal(code, 3008);
    await slow.drop();
    const stats = await engine.quiet();
    assert.ok((stats.drops.slow + 1) * frameBytes(60000) > BACKLOG, 'what it had waiting');
    assert.ok(before.length + stats.drops.slow <= sent);
    assert.equal(stats.connections_closed.insufficient_state, 0);
  });
});

const ROOM = 8 << 20;
const roomy = { ...config, limits: { ...config.limits, backlog_bytes: ROOM } };

for (const policy of ['close', 'skip'])
  test(`low: over half of backlog_bytes a positioned member is closed, ${policy}`, async () => {
    await withEngine({ shards: 2, config: roomy }, async (engine) => {
      const group = `${policy}:g`;
      const size = 10000;
      const producer = await Producer.connect(engine);
      const healthy = await Client.since(engine, group, 'now', { onMessage: () => {} });
      const slow = await stall(engine, `/ws/${group}?since=now`);
      const readers = [healthy];
      let sent = await fill(engine, producer, group, size, ROOM / 4, { readers });
      await producer.broadcast(group, numbered(sent++, size), { priority: 'low' });
      assert.equal((await standstill(engine)).connections_closed.insufficient_state, 0, 'under half it is queued');
      await healthy.has(sent);
      sent = await fill(engine, producer, group, size, ROOM * 0.8, { from: sent, readers }); // the kernel may yet take some
      assert.equal((await engine.stats()).connections_closed.insufficient_state, 0);
      await producer.broadcast(group, numbered(sent++, size), { priority: 'low' });
      await engine.statsWhen((now) => now.connections_closed.insufficient_state === 1, 'it is closed');
      await healthy.has(sent);
      const got = await closedAndRecovers(engine, slow, group, sent, size);
      const stats = await engine.quiet();
      assert.equal(stats.drops.closed, sent - got, 'what it had waiting');
      assert.equal(dropped(stats), stats.drops.closed);
    });
  });

/* Reloads */

const reloaded = (history, more = {}) => ({
  limits: { backlog_bytes: 1 << 20 }, namespaces: [{ name: '', max_rate: 0 }, { name: 'a', history, ...more }, { name: 'b' }] });

const insufficient = async (engine, path) => {
  const raw = await Raw.upgrade(engine, path);
  const { code, before } = await raw.closeFrame();
  assert.deepEqual([code, before], [3010, []], path);
  raw.write(closeFrame(3010));
  await raw.end();
};

for (const shards of [1, 4])
  test(`a reload turns history on and off, and changes its limits, at once; ${shards} shards`, async () => {
    await withEngine({ shards, config: reloaded({ messages: 0 }) }, async (engine) => {
      const producer = await Producer.connect(engine);
      const member = await Client.join(engine, 'a:g');
      const { epoch } = member.hello['a:g'];
      for (let i = 1; i <= 5; i++) await producer.broadcast('a:g', `${i}`);
      await insufficient(engine, '/ws/a:g?since=now');

      await engine.reload(reloaded({ messages: 100 }));
      const now = await Client.since(engine, 'a:g', 'now');
      assert.deepEqual(now.hello['a:g'], { epoch, offset: 5 }, 'the position goes on');
      for (let i = 6; i <= 20; i++) await producer.broadcast('a:g', `${i}`);
      await insufficient(engine, `/ws/a:g?since=${epoch}:4`);
      const back = await Client.since(engine, 'a:g', { epoch, offset: 5 });
      assert.equal((await back.take(15)).join(), Array.from({ length: 15 }, (_, i) => i + 6).join());
      await back.leave();
      await insufficient(engine, '/ws/b:g?since=now');

      await engine.reload(reloaded({ messages: 3 }));
      await insufficient(engine, `/ws/a:g?since=${epoch}:10`);
      const three = await Client.since(engine, 'a:g', { epoch, offset: 17 });
      assert.deepEqual(await three.take(3), ['18', '19', '20']);

      // Turned off: nobody is closed for that, and nobody gets a position any more.
      await engine.reload(reloaded({ messages: 0 }));
      await insufficient(engine, `/ws/a:g?since=${epoch}:20`);
      await producer.broadcast('a:g', '21');
      assert.equal((await three.next()).data, '21');
      assert.equal((await engine.stats()).total_connections, 3);

      // On again: what was published meanwhile was not kept.
      await engine.reload(reloaded({ messages: 100 }));
      await producer.broadcast('a:g', '22');
      await insufficient(engine, `/ws/a:g?since=${epoch}:20`);
      const last = await Client.since(engine, 'a:g', { epoch, offset: 21 });
      assert.equal((await last.next()).data, '22');
      const got = await member.take(22);
      assert.deepEqual(got, Array.from({ length: 22 }, (_, i) => `${i + 1}`));
      const stats = await engine.quiet();
      assert.equal(dropped(stats), 0);
    });
  });

test('where history has been turned off, what is critical closes a positioned member instead of overtaking', async () => {
  await withEngine({ shards: 2, config: reloaded({ messages: 100 }) }, async (engine) => {
    const producer = await Producer.connect(engine);
    const plain = await Client.join(engine, 'a:g');
    const client = await Client.since(engine, 'a:g', 'now');
    await producer.broadcast('a:g', '1', { priority: 'critical' });
    assert.equal((await client.next()).data, '1');
    await engine.reload(reloaded({ messages: 0 }));
    await insufficient(engine, '/ws/a:g?since=now');
    await producer.broadcast('a:g', '2');
    assert.equal((await client.next()).data, '2');
    assert.deepEqual(await plain.take(2), ['1', '2']);
    await producer.broadcast('a:g', '3', { priority: 'critical' });
    assert.deepEqual(await client.end(), { code: 3010, reason: 'insufficient state' });
    assert.equal(client.frames.size, 0);
    assert.deepEqual(await plain.take(1), ['3']);
    await engine.quiet();
  });
});

test('the engine\'s memory is that of the history, however many recover', async (t) => {
  const many = { limits: { recovery_bytes: 8 << 20 }, namespaces: [{ name: '', max_rate: 0, history: { messages: 100000, bytes: 8 << 20 } }] };
  await withEngine({ shards: 2, config: many }, async (engine) => {
    const producer = await Producer.connect(engine);
    let epoch;
    for (let i = 0; i < 130; i++) ({ epoch } = await producer.broadcast('g', numbered(i, 60000)));
    const before = await engine.memory();
    const all = [];
    for (let i = 0; i < 100; i++) {
      const raw = await Raw.upgrade(engine, `/ws/g?since=${epoch}:0`);
      raw.socket.pause();
      all.push(raw);
    }
    await engine.statsWhen((now) => now.total_connections === 100, 'all are there');
    const grown = (await engine.memory()) - before;
    t.diagnostic(`${(grown / 1048576).toFixed(1)} MiB for 100 recoveries of 7.4 MiB`);
    if (SCALE === 1) assert.ok(grown < 20 << 20, `${grown}`); // sanitizers keep memory for themselves
    for (const raw of all) {
      raw.socket.resume();
      for (let i = 0; i < 130; i++) assert.equal(numberOf((await raw.frame()).payload), i);
      await raw.drop();
    }
  });
});
