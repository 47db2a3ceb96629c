// The contract's echo=0: a sender's own frames never come back to it, all others' do, in order, also
// amid traffic and while the sender itself is behind; and it is no member of its own messages.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { frame, OPCODE } from './lib/raw.mjs';
import { dropped, fill, numberOf, readUpTo, stall } from './lib/stalled.mjs';
import { random, scaled, sleep, until } from './lib/util.mjs';

const config = {
  limits: { backlog_bytes: 64 << 20 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0, client_publish: true },
    { name: 'urgent', priority: 'critical' },
    { name: 'slow', max_rate: 10 },
    { name: 'mute', client_publish: false },
  ],
};

/** Keeps what comes as {sender: [numbers]}. */
function collect(data, binary, self) {
  const [sender, number] = data.toString().split(' ');
  ((self.got ??= {})[sender] ??= []).push(Number(number));
}

for (const shards of [1, 2, 4])
  for (const group of ['g', 'urgent:g'])
    test(`under traffic in ${group}: ${shards} shards`, async () => {
      await withEngine({ shards, config }, async (engine) => {
        const SENDERS = 12;
        const count = scaled(300, 40);
        const senders = await Client.joinMany(engine, SENDERS, () => group, { echo: 0, onMessage: collect });
        const echoed = await Client.join(engine, group, { onMessage: collect });
        const silent = await Client.join(engine, group, { echo: 0, onMessage: collect });
        const producer = await Producer.connect(engine);
        const pick = random(shards);
        const all = [...senders.map((client, i) => [`s${i}`, (data) => client.socket.send(data)]),
          ['echoed', (data) => echoed.socket.send(data)]];
        let produced = 0;
        const producing = (async () => {
          while (produced < count) {
            const answer = await producer.broadcast(group, `p ${produced++}`);
            assert.equal(answer.members, SENDERS + 2, 'a producer\'s message has every member');
          }
        })();
        await Promise.all(all.map(async ([name, send]) => {
          for (let i = 0; i < count; i++) {
            send(`${name} ${i}`);
            if (pick(8) === 0) await sleep(pick(3));
          }
        }));
        await producing;
        const whole = Array.from({ length: count }, (_, i) => i);
        const names = [...all.map(([name]) => name), 'p'];
        const check = async (client, own) => {
          const expected = names.filter((name) => name !== own);
          await until(() => client.received >= count * expected.length, 'all of the others has come');
          assert.deepEqual(Object.keys(client.got).sort(), [...expected].sort());
          for (const name of expected) assert.deepEqual(client.got[name], whole, `${name}, in order and once`);
        };
        for (let i = 0; i < SENDERS; i++) await check(senders[i], `s${i}`);
        await check(echoed);
        await check(silent);
        const stats = await engine.quiet();
        // Each of a sender's is for all but itself; the others are for all.
        const routed = count * (SENDERS * (SENDERS + 1) + 2 * (SENDERS + 2));
        assert.equal(stats.messages_routed, routed);
        assert.equal(stats.deliveries, routed);
        assert.equal(dropped(stats), 0);
        assert.equal(stats.messages_in, count * (SENDERS + 2));
      });
    });

for (const shards of [1, 2, 4])
  for (const group of ['g', 'urgent:g'])
    test(`while the sender is behind, in ${group}: ${shards} shards`, async () => {
      await withEngine({ shards, config }, async (engine) => {
        const producer = await Producer.connect(engine);
        const other = await Client.join(engine, group, { onMessage: () => {} });
        const slow = await stall(engine, `/ws/${group}?echo=0`);
        const first = await fill(engine, producer, group, 20000, 1 << 20);
        const rounds = 60;
        let from = 0;
        for (let i = 0; i < rounds; i++) {
          // Runs of own frames, runs of others', small and large.
          for (let k = 0; k <= i % 3; k++, from++) slow.write(frame(OPCODE.text, `own ${i} ${'o'.repeat((i * 531) % 9000)}`));
          await until(() => other.received >= first + i + from, 'the other has it');
          await producer.broadcast(group, `theirs ${i} ${'t'.repeat((i * 977) % 9000)}`);
        }
        await producer.broadcast(group, 'end');
        const got = await readUpTo(slow, 'end');
        assert.deepEqual(got.slice(0, first).map(numberOf), Array.from({ length: first }, (_, i) => i));
        assert.deepEqual(got.slice(first, -1), Array.from({ length: rounds }, (_, i) => `theirs ${i} ${'t'.repeat((i * 977) % 9000)}`));
        // And when it reads again.
        for (let i = 0; i < 20; i++) {
          slow.write(frame(OPCODE.text, `own ${i}`));
          await until(() => other.received === first + rounds + from + 2 + 2 * i, 'the other has it');
          await producer.broadcast(group, `more ${i}`);
          assert.deepEqual(await readUpTo(slow, `more ${i}`), [`more ${i}`]);
        }
        const stats = await engine.quiet();
        assert.equal(dropped(stats), 0);
        assert.equal(stats.deliveries, 2 * (first + rounds + 21) + from + 20);
        await slow.drop();
      });
    });

test('members: the sender is none, and alone it publishes to nobody', async () => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const alone = await Client.join(engine, 'g', { echo: 0 });
    for (let i = 0; i < 5; i++) alone.socket.send(`${i}`);
    let stats = await engine.statsWhen((now) => now.messages_in === 5, 'they are accepted');
    assert.equal(stats.messages_routed, 0);
    const producer = await Producer.connect(engine);
    const answer = await producer.broadcast('g', 'from a producer');
    assert.equal(answer.offset, 6, 'they have offsets');
    assert.equal(answer.members, 1);
    assert.equal((await alone.next()).data, 'from a producer');
    // Two connections of one user are two: echo is a matter of the connection.
    const phone = await Client.join(engine, 'h', { echo: 0, user: 'ann' });
    const tablet = await Client.join(engine, 'h', { echo: 0, user: 'ann' });
    phone.socket.send('from the phone');
    assert.equal((await tablet.next()).data, 'from the phone');
    tablet.socket.send('from the tablet');
    assert.equal((await phone.next()).data, 'from the tablet', 'the first that it gets');
    stats = await engine.quiet();
    assert.equal(stats.messages_routed, 3);
  });
});

test('a sender that goes at once: its message reaches the others, and all is counted', async () => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const reader = await Client.join(engine, 'g', { onMessage: () => {} });
    const rounds = scaled(200, 40);
    for (let i = 0; i < rounds; i++) {
      const sender = await Client.join(engine, 'g', { echo: 0 });
      sender.socket.send(`${i}`);
      if (i % 2) sender.leave();
      else sender.socket.send('and goes', () => sender.drop());
    }
    await engine.statsWhen((now) => now.total_connections === 1, 'all are gone');
    const stats = await engine.quiet();
    assert.ok(reader.received >= rounds);
    assert.equal(stats.messages_routed, stats.deliveries + stats.drops.closed);
  });
});

test('the rate is shared by producers and clients, with echo or without', async () => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const reader = await Client.join(engine, 'slow:g', { onMessage: collect });
    const sender = await Client.join(engine, 'slow:g', { echo: 0 });
    const echoed = await Client.join(engine, 'slow:g');
    for (let i = 0; i < 4; i++) sender.socket.send(`s ${i}`);
    await until(() => reader.received === 4, 'four of ten');
    for (let i = 0; i < 4; i++) echoed.socket.send(`e ${i}`);
    await until(() => reader.received === 8, 'eight of ten');
    const answers = await Promise.all([0, 1, 2, 3].map((i) => producer.broadcast('slow:g', `p ${i}`)));
    assert.deepEqual(answers.map((answer) => answer.ok), [true, true, false, false]);
    sender.socket.send('s 4');
    echoed.socket.send('e 4');
    const stats = await engine.statsWhen((now) => now.refused.rate_limited === 4, 'the rest is refused');
    assert.equal(stats.messages_in, 10);
    assert.deepEqual(reader.got, { s: [0, 1, 2, 3], e: [0, 1, 2, 3], p: [0, 1] });
    assert.equal((await engine.quiet()).messages_routed, 4 * 2 + 4 * 3 + 2 * 3);
    await sleep(answers[3].retry_after_ms + 1100);
    sender.socket.send('s 5');
    await until(() => reader.received === 11, 'later there is room');
  });
});

test('where clients may not publish, echo=0 changes nothing', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    for (const echo of [0, 1]) {
      const client = await Client.join(engine, 'mute:g', { echo });
      client.socket.send('x');
      assert.equal((await client.end()).code, 1008);
      const two = await Client.join(engine, ['g', 'h'], { echo });
      two.socket.send('x');
      assert.equal((await two.end()).code, 1008);
    }
    const stats = await engine.quiet();
    assert.equal(stats.connections_closed.not_allowed, 4);
    assert.equal(stats.messages_in, 0);
  });
});
