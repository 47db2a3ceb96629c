// The contract's "Raw clients", pings: any frame counts as life; who says nothing is pinged and then
// closed 3012.
import assert from 'node:assert/strict';
import test from './lib/together.mjs';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { frame, OPCODE, Raw } from './lib/raw.mjs';
import { publishUntil, readUpTo, stall } from './lib/stalled.mjs';
import { sleep, until } from './lib/util.mjs';

const namespaces = [{ name: '', max_rate: 0 }];

/** Waits until each client has been pinged `count` times. Returns when, for all of them. */
async function pinged(clients, count) {
  const times = clients.map(() => []);
  clients.forEach((client, i) => client.socket.on('ping', () => times[i].push(Date.now())));
  await until(() => times.every((some) => some.length >= count), `${count} pings each`);
  return times.flat();
}

test('who answers or says anything stays, who does not is pinged and closed 3012', async () => {
  const config = { health: { ping_seconds: 4, pong_timeout_seconds: 3 }, namespaces };
  await withEngine({ shards: 2, config }, async (engine) => {
    const good = [await Client.join(engine, 'g'), await Client.join(engine, [], { user: 'ann' })];
    const pings = pinged(good, 2);
    const talker = await Raw.upgrade(engine, '/ws/g');
    const talk = setInterval(() => talker.write(frame(OPCODE.pong, 'life')), 300);
    const begun = Date.now();
    const dead = await Raw.upgrade(engine, '/ws/g');
    const { code, reason, before } = await dead.closeFrame('the close of the dead one');
    assert.deepEqual([code, reason], [3012, 'no pong']);
    assert.ok(before.some((one) => one.opcode === OPCODE.ping), 'it was pinged first');
    assert.ok(Date.now() - begun >= 4500, 'not before its time');
    await pings;
    clearInterval(talk);
    assert.ok(!talker.ended, 'any frame counts as life');
    for (const client of good) assert.equal(client.close_code, undefined);
    const stats = await engine.stats();
    assert.equal(stats.connections_closed.no_pong, 1);
    assert.equal(stats.total_connections, 3);
    for (const client of good) await client.leave();
  });
});

test('ping_seconds 0: no pings, and nobody is closed', async () => {
  const config = { health: { ping_seconds: 0, pong_timeout_seconds: 1 }, namespaces };
  await withEngine({ shards: 1, config }, async (engine) => {
    const silent = await Raw.upgrade(engine, '/ws/g?hello=1');
    assert.equal((await silent.frame()).opcode, OPCODE.text);
    await sleep(4000);
    assert.ok(!silent.ended);
    silent.write(frame(OPCODE.ping, 'x'));
    assert.equal((await silent.frame()).opcode, OPCODE.pong, 'the first frame after the hello');
    await silent.drop();
  });
});

test('pings are spread out over the interval', async () => {
  const config = { health: { ping_seconds: 5, pong_timeout_seconds: 4 }, namespaces };
  await withEngine({ shards: 1, config }, async (engine) => {
    const clients = await Client.joinMany(engine, 60, () => 'g');
    const times = await pinged(clients, 1);
    const busiest = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 100).length));
    assert.ok(busiest <= times.length * 0.5, `${busiest} of ${times.length} pings within 100 ms`);
    assert.ok(clients.every((client) => client.close_code === undefined));
  });
});

// Was cut as soon as it was pinged, if it had had no room for as long as a pong may take.
test('who has no room for its ping has the whole deadline', async () => {
  const config = {
    health: { ping_seconds: 8, pong_timeout_seconds: 3 },
    limits: { backlog_bytes: 1 << 18 },
    namespaces: [{ name: '', max_rate: 0, slow_consumer: 'skip' }],
  };
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const begun = Date.now();
    const stalled = await Promise.all(Array.from({ length: 12 }, () => stall(engine, '/ws/g')));
    await publishUntil(engine, producer, 'g', 60000, (now) => now.drops.skip > 12 * 10);
    await sleep(Math.max(0, begun + 6800 - Date.now())); // pinged from 4 s on, probed by its kernel at 6.5 s
    await producer.broadcast('g', 'end');
    await Promise.all(stalled.map((raw) => {
      raw.write(frame(OPCODE.pong, 'life'));
      return readUpTo(raw, 'end');
    }));
    const stats = await engine.stats();
    assert.deepEqual([stats.total_connections, stats.connections_closed.lost, stats.connections_closed.no_pong], [12, 0, 0]);
    for (const raw of stalled) await raw.drop();
  });
});
