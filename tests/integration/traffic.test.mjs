// One run through everything that allocates: joins, every kind of payload and target, bad input, a
// slow member, client frames, disconnects, a reload, and a drain with messages still waiting. Short
// enough to be run under valgrind, too, which then says what was not given back.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client, refusal } from './lib/client.mjs';
import { startEngine } from './lib/engine.mjs';
import { encode, Producer } from './lib/producer.mjs';
import { frame, OPCODE, Raw, upgradeRequest } from './lib/raw.mjs';
import { sleep, within } from './lib/util.mjs';

const config = {
  limits: { backlog_bytes: 30000000 },
  drain_seconds: 2,
  origins: ['https://app.example'],
  namespaces: [{ name: '', max_rate: 0 }, { name: 'talk', client_publish: true }, { name: 'small', max_members: 1, max_rate: 2 }],
};

test('start, traffic, stop', async () => {
  const engine = await startEngine({ shards: 3, config });
  const producer = await Producer.connect(engine);
  const clients = await Client.joinMany(engine, 30, (i) => [`g${i % 5}`, 'all', `experiment:${i}`], { user: 'ann' });
  const talker = await Client.join(engine, 'talk:room');

  for (let i = 0; i < 200; i++) {
    await producer.broadcast({ groups: ['g0', 'g1', 'nobody'] }, `text ${i}`);
    await producer.broadcast('all', Buffer.alloc(i * 10, i));
    await producer.broadcast({ experiment: i % 40 }, { json: [i, 'x'.repeat(i)], n: null });
  }
  await producer.broadcast('all', 'x'.repeat(65536));
  await producer.broadcast({ all: true }, 'everyone');
  await producer.broadcast({ user: 'ann' }, 'ann');
  await producer.call({ op: 'stats' });
  for (let i = 0; i < 20; i++) talker.socket.send(`say ${i}`);
  await talker.take(21);

  // What is refused, in every module that refuses.
  for (const path of ['/nothing', '/ws/a%20b', '/ws/user:x', `/ws?${'group=a&group=b&'.repeat(100)}group=%zz`]) await refusal(engine, path);
  await refusal(engine, '/ws/g0', { headers: { Origin: 'https://other.example' } });
  const holder = await Client.join(engine, ['small:one', 'g0']);
  const late = await Client.open(engine, '/ws?group=g1&group=small:one&group=g2');
  assert.equal((await late.end()).code, 1013);
  for (const group of ['a b', 'small:one', 'small:one', 'small:one']) await producer.broadcast(group, 'x');
  await producer.broadcast('g0', [new Uint8Array(70000)]);
  for (const bytes of [Buffer.from([0xc1]), Buffer.from([0xdd, 0x7f, 0xff, 0xff, 0xff]), Buffer.from(encode({ op: 'broadcast', groups: ['a', 'b'] })).subarray(0, 15)]) {
    const broken = await Producer.connect(engine);
    broken.write(bytes);
    broken.socket.end();
    await broken.ended;
  }
  for (const bytes of [frame(OPCODE.text, Buffer.from([0xff])), frame(3), frame(OPCODE.binary, '', { length: 1e9 }), frame(OPCODE.text, 'half', { fin: false })]) {
    const raw = await Raw.upgrade(engine, '/ws/talk:room');
    raw.write(bytes);
    raw.socket.end();
    await raw.end();
  }
  const half = await Raw.connect(engine.ports.clients);
  half.write(upgradeRequest('/ws/g0').slice(0, 50));
  const halfCommand = await Producer.connect(engine);
  await halfCommand.write(Buffer.from(encode({ op: 'broadcast', group: 'g0', data: 'x'.repeat(10000) })).subarray(0, 5000));

  await engine.metrics();
  await engine.reload({ ...config, namespaces: [{ name: '', max_rate: 0 }, { name: 'new', max_rate: 5 }] });
  await engine.reload('namespaces: [broken');
  await producer.disconnect({ group: 'small:one' });
  await holder.end();
  for (const client of clients.splice(0, 10)) await client.leave();
  for (const client of clients.splice(0, 5)) await client.drop();

  // A member for which megabytes wait until the drain cuts it.
  const slow = await Raw.upgrade(engine, '/ws/slow');
  slow.socket.pause();
  await engine.statsWhen((stats) => stats.total_connections === clients.length + 2, 'the slow one is in');
  await sleep(50);
  for (let i = 0; i < 300; i++) await producer.broadcast('slow', 'x'.repeat(60000));
  await producer.broadcast('all', 'the end');
  engine.signal('SIGTERM');
  for (const client of clients) assert.equal((await client.end()).code, 1001);
  await within(producer.ended, 'the producer connection ends');
  await engine.stop();
  await slow.drop();
});
