// The contract's "Slow members", policy close: who lags by more than backlog_bytes is closed 3008 at
// a frame's end, everyone else gets everything, and the figures say what was dropped.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { OPCODE } from './lib/raw.mjs';
import { fill, numbered, publishUntil, stall } from './lib/stalled.mjs';
import { same, scaled, until } from './lib/util.mjs';

const config = {
  limits: { message_bytes: 65536, backlog_bytes: 262144 },
  health: { ping_seconds: 60, pong_timeout_seconds: 50 },
  namespaces: [{ name: '', max_rate: 0 }],
};

for (const size of [20000, 700]) {
  test(`a client that never reads, messages of ${size} bytes`, async () => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      const healthy = await Client.joinMany(engine, 3, () => 'g');
      const elsewhere = await Client.join(engine, 'other');
      const slow = await stall(engine, '/ws/g');
      const data = 'x'.repeat(size - 8);
      let sent = 0;
      let routed = 0;
      const tag = (i) => String(i).padStart(8, '0');

      // Kernel buffers come first; then the backlog. The others are waited for: they are not slow.
      while ((await engine.stats()).connections_closed.slow === 0) {
        assert.ok(sent * size < 200e6, 'it is closed at last');
        const burst = Array.from({ length: Math.ceil(100000 / size) }, () => producer.broadcast('g', tag(sent++) + data));
        for (const answer of await Promise.all(burst)) routed += answer.members;
        await Promise.all(healthy.map((client) => client.has(sent)));
      }
      await producer.broadcast('other', 'is served');
      assert.equal((await elsewhere.next()).data, 'is served');
      for (const client of healthy)
        for (let i = 0; i < sent; i++) same((await client.next()).data, tag(i) + data);

      // It wakes up: whole frames in order from the first, then the close.
      slow.socket.resume();
      const { code, reason, before } = await slow.closeFrame('the close of the slow member');
      assert.deepEqual([code, reason], [3008, 'slow']);
      before.forEach((frame, i) => {
        assert.equal(frame.opcode, OPCODE.text);
        same(frame.payload.toString(), tag(i) + data);
      });
      slow.socket.end();
      await slow.end();

      const stats = await engine.quiet();
      assert.equal(stats.messages_routed, routed + 1);
      assert.equal(stats.connections_closed.slow, 1);
      assert.ok(stats.drops.slow > 0);
      assert.equal(stats.deliveries, 3 * sent + 1 + before.length);
      // "closed": what its group's home still counted for it when it had been closed.
      assert.equal(stats.deliveries + stats.drops.slow + stats.drops.closed, stats.messages_routed);
      assert.equal(stats.total_connections, 4);
    });
  });
}

test('a slow member that never wakes up is cut after pong_timeout_seconds', async () => {
  const impatient = { ...config, health: { ping_seconds: 25, pong_timeout_seconds: 2 } };
  await withEngine({ shards: 2, config: impatient }, async (engine) => {
    const producer = await Producer.connect(engine);
    await producer.call({ op: 'ping' });
    const idle = engine.sockets();
    const slow = await stall(engine, '/ws/g');
    await publishUntil(engine, producer, 'g', 60000, (now) => now.connections_closed.slow);
    await until(async () => (await producer.broadcast('g', 'x')).members === 0, 'it is no member any more');
    await engine.statsWhen((stats) => stats.total_connections === 0, 'it is closed');
    await engine.hasSockets(idle, 0, 'its socket is cut');
    assert.equal(slow.ended, false); // it does not read, so it does not know
    slow.socket.resume();
    await slow.end();
    const stats = await engine.quiet();
    assert.equal(stats.messages_routed, stats.deliveries + stats.drops.slow + stats.drops.closed);
  });
});

test('a backlog within the limit is kept: a member that reads late gets everything', async () => {
  const patient = { ...config, limits: { message_bytes: 65536, backlog_bytes: 100000000 } };
  await withEngine({ shards: 2, config: patient }, async (engine) => {
    const producer = await Producer.connect(engine);
    const late = await stall(engine, '/ws/g');
    const count = await fill(engine, producer, 'g', 40000, 4 << 20);
    assert.equal((await engine.stats()).messages_routed, count);
    late.socket.resume();
    for (let i = 0; i < count; i++) same((await late.frame()).payload.toString(), numbered(i, 40000));
    const after = await engine.quiet();
    assert.equal(after.deliveries, count);
    assert.equal(Object.values(after.drops).reduce((sum, n) => sum + n, 0), 0);
    await late.drop();
  });
});

test('members that go with a backlog: what waited is counted as closed', async () => {
  const patient = { ...config, limits: { message_bytes: 65536, backlog_bytes: 100000000 } };
  await withEngine({ shards: 2, config: patient }, async (engine) => {
    const producer = await Producer.connect(engine);
    const members = [];
    for (let i = 0; i < 6; i++) members.push(await stall(engine, '/ws/g'));
    const count = await fill(engine, producer, 'g', 40000, 6 << 20);
    await Promise.all(members.map((member, i) => (i % 2 ? member.reset() : member.drop())));
    await engine.statsWhen((now) => now.total_connections === 0, 'all are gone');
    const stats = await engine.quiet();
    assert.equal(stats.messages_routed, 6 * count);
    assert.ok(stats.drops.closed > 0);
    assert.equal(stats.drops.closed + stats.deliveries, 6 * count);
    assert.equal(stats.drops.slow, 0);
  });
});

test('a hundred clients that never read, and memory stays bounded', async () => {
  const count = scaled(100, 20);
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const healthy = await Client.join(engine, 'g', { onMessage: () => {} });
    const sleepers = [];
    for (let i = 0; i < count; i++) sleepers.push(await stall(engine, '/ws/g'));
    await publishUntil(engine, producer, 'g', 30000, (now) => now.connections_closed.slow === count, { readers: [healthy] });
    assert.ok((await engine.memory()) < 600e6);
    await Promise.all(sleepers.map((raw) => raw.drop()));
  });
});
