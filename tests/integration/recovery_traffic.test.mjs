// The contract's "Positions", under full traffic: clients that are cut at random and come back with
// the position that they had reached miss nothing and see nothing twice, whatever else goes on.
import assert from 'node:assert/strict';
import test from './lib/together.mjs';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { encode, Producer } from './lib/producer.mjs';
import { random, scaled, sleep, within } from './lib/util.mjs';

const GROUPS = ['kept:a', 'kept:b', 'kept:c', 'skip:d', 'latest:e'];
const PRIORITIES = ['normal', 'critical', 'low', undefined];

const settings = (messages) => ({
  limits: { recovery_bytes: 8 << 20, backlog_bytes: 8 << 20 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0, history: { messages, bytes: 32 << 20 } },
    { name: 'skip', slow_consumer: 'skip' },
    { name: 'latest', slow_consumer: 'latest' },
  ],
});

/** Publishes to every group in turn, without a pause; the data of a message is its offset. Returns
 *  how many each group got. */
async function traffic(engine, state) {
  const producer = await Producer.connect(engine);
  let offset = 0;
  let answered = 0;
  let sent = 0;
  const reading = (async () => {
    for (;;) {
      const answer = await producer.answers.take('an answer', 60000).catch(() => undefined);
      if (!answer) return;
      assert.equal(answer.ok, true, answer.message);
      assert.equal(answer.offset, Math.floor(answered / GROUPS.length) + 1);
      answered++;
    }
  })();
  while (!state.done) {
    const burst = [];
    for (let i = 0; i < 10; i++) {
      offset++;
      for (const group of GROUPS) {
        const priority = PRIORITIES[offset % PRIORITIES.length];
        burst.push(encode({ op: 'broadcast', group, data: `${offset}`, id: sent++, ...(priority && { priority }) }));
      }
    }
    await producer.write(Buffer.concat(burst));
    while (sent - answered > 1000) await sleep(1);
    await sleep(state.pause);
  }
  while (answered < sent) await sleep(2);
  await producer.close();
  await reading;
  return offset;
}

/** A client of one group that comes and goes until it is over, and then reads to the end. */
async function visitor(engine, state, number) {
  const pick = random(number + 1);
  const group = GROUPS[number % GROUPS.length];
  let position; // that it has reached
  let end;
  let reached;
  const onMessage = (data, binary, client) => {
    if (client.gone) return; // it has been cut: that comes again
    position ??= client.hello[group];
    if (Number(data) !== position.offset + 1) state.failure ??= `${group}: ${data} follows ${position.offset}`;
    if (++position.offset === end) reached();
  };
  const come = async () => {
    const before = position && { ...position };
    const client = await Client.since(engine, group, before ?? 'now', { onMessage });
    if (before) assert.deepEqual(client.hello[group], before);
    position ??= client.hello[group];
    return client;
  };
  let visits = 0;
  for (; !state.done; visits++) {
    const client = await come();
    await sleep(pick(150));
    client.gone = true;
    if (pick(3)) await client.drop();
    else await client.leave();
    if (pick(4) === 0) await sleep(pick(300));
  }
  end = await state.publishing;
  const all = new Promise((resolve) => (reached = resolve));
  const client = await come();
  if (position.offset < end) await within(all, `${group}: ${end}`);
  assert.equal(position.offset, end, `${group}: all there is`);
  await client.leave();
  return visits;
}

for (const shards of [1, 2, 4])
  test(`cut at random in full traffic on ${shards} shards`, async (t) => {
    await withEngine({ shards, config: settings(1000000) }, async (engine) => {
      const state = { done: false, pause: 1 };
      state.publishing = traffic(engine, state);
      const visitors = Array.from({ length: scaled(40, 15) }, (_, i) => visitor(engine, state, i));
      await sleep(scaled(6000, 2500));
      state.done = true;
      const visits = (await Promise.all(visitors)).reduce((sum, n) => sum + n, 0);
      assert.equal(state.failure, undefined);
      const stats = await engine.quiet();
      const published = (await state.publishing) * GROUPS.length;
      assert.equal(stats.connections_closed.insufficient_state, 0);
      assert.equal(stats.connections_closed.slow, 0);
      t.diagnostic(`${published} messages, ${visits} visits, ${stats.deliveries} live deliveries`);
    });
  });

test('with little history a position is had whole or not at all', async (t) => {
  await withEngine({ shards: 2, config: settings(200) }, async (engine) => {
    const state = { done: false, pause: 1 };
    state.publishing = traffic(engine, state);
    const pick = random(7);
    let recovered = 0;
    let refused = 0;
    const enough = () => recovered && refused;
    for (let tries = 0; tries < scaled(40, 15) || (!enough() && tries < 500); tries++) {
      const first = await Client.since(engine, 'kept:a', 'now');
      await first.next();
      const position = { epoch: first.hello['kept:a'].epoch, offset: first.hello['kept:a'].offset };
      await first.drop();
      await sleep(pick(150));
      try {
        const back = await Client.since(engine, 'kept:a', position);
        const got = await back.take(20);
        assert.deepEqual(got, Array.from({ length: 20 }, (_, i) => `${position.offset + 1 + i}`));
        await back.drop();
        recovered++;
      } catch (error) {
        assert.match(error.message, /3010 "insufficient state"/);
        refused++;
      }
    }
    state.done = true;
    await state.publishing;
    t.diagnostic(`${recovered} recovered, ${refused} refused`);
    assert.ok(enough());
    await engine.statsWhen((now) => now.total_connections === 0, 'all are gone');
    await engine.quiet();
  });
});
