// The contract's "Raw clients", pings: any frame counts as life; who says nothing is pinged and then
// closed 3012.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { frame, OPCODE, Raw } from './lib/raw.mjs';
import { sleep } from './lib/util.mjs';

const health = { ping_seconds: 2, pong_timeout_seconds: 1 };
const namespaces = [{ name: '', max_rate: 0 }];

test('pings and their time limit', async (t) => {
  await withEngine({ shards: 2, config: { health, namespaces } }, async (engine) => {
    await t.test('who answers stays, who says nothing is pinged and closed 3012', async () => {
      const good = await Client.join(engine, 'g');
      let pings = 0;
      good.socket.on('ping', () => pings++);
      const dead = await Raw.upgrade(engine, '/ws/g');
      const talker = await Raw.upgrade(engine, '/ws/g');
      const talk = setInterval(() => talker.write(frame(OPCODE.pong, 'life')), 300);
      const begun = Date.now();
      const { code, reason, before } = await dead.closeFrame('the close of the dead one');
      assert.deepEqual([code, reason], [3012, 'no pong']);
      assert.ok(before.some((one) => one.opcode === OPCODE.ping), 'it was pinged first');
      assert.ok(Date.now() - begun >= 1500, 'not before its time');
      await sleep(3000);
      clearInterval(talk);
      assert.ok(!talker.ended, 'any frame counts as life');
      assert.ok(pings >= 1);
      assert.equal(good.close_code, undefined);
      const stats = await engine.stats();
      assert.equal(stats.connections_closed.no_pong, 1);
      assert.equal(stats.total_connections, 2);
      await talker.drop();
      await good.leave();
    });

    await t.test('a connection without a join that is pinged and answers stays', async () => {
      const client = await Client.join(engine, [], { user: 'ann' });
      await sleep(5000);
      assert.equal(client.close_code, undefined);
      await client.leave();
    });
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
  await withEngine({ shards: 1, config: { health: { ping_seconds: 3, pong_timeout_seconds: 2 }, namespaces } }, async (engine) => {
    const clients = await Client.joinMany(engine, 60, () => 'g');
    const times = [];
    for (const client of clients) client.socket.on('ping', () => times.push(Date.now()));
    await sleep(7500);
    assert.ok(times.length >= 60, `${times.length} pings`);
    const busiest = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 100).length));
    assert.ok(busiest <= times.length * 0.7, `${busiest} of ${times.length} pings within 100 ms`);
    assert.ok(clients.every((client) => client.close_code === undefined));
  });
});
