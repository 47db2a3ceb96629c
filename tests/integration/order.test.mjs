// The contract's "Order" and "Counting", at length: more than a million messages over more than 200
// groups from several producers, with clients that come and go all the while. Every member gets each
// producer's messages in order, without gap or repeat; every acknowledged message has an offset of
// its own; routed = delivered + dropped, and what was delivered is what arrived.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { UNLIMITED, withEngine } from './lib/engine.mjs';
import { encode, Producer } from './lib/producer.mjs';
import { random, scaled, sleep, until } from './lib/util.mjs';

const GROUPS = 240;
const PRODUCERS = 4;
const COMERS = 40; // connections that are there at any time beside the permanent members

/** A member that checks each message as it comes: "producer:number", counted per group. */
class Witness {
  constructor() {
    this.last = new Array(PRODUCERS).fill(undefined);
    this.received = 0;
    this.failure = undefined;
  }

  take(data) {
    const text = data.toString('latin1');
    const colon = text.indexOf(':');
    const producer = Number(text.slice(0, colon));
    const number = Number(text.slice(colon + 1));
    const last = this.last[producer];
    if (last !== undefined && number !== last + 1)
      this.failure ??= `producer ${producer}: ${number} after ${last}`;
    this.last[producer] = number;
    this.received++;
  }
}

async function publish(engine, self, total, seed, offsets) {
  const producer = await Producer.connect(engine);
  const pick = random(seed);
  const numbers = new Array(GROUPS).fill(0);
  const groups = [];
  let members = 0;
  let answered = 0;
  const reading = (async () => {
    while (answered < total) {
      const answer = await producer.answers.take('an answer');
      assert.equal(answer.id, answered, 'answers come in the order of the commands');
      assert.equal(answer.ok, true, answer.message);
      const seen = offsets[groups[answered]];
      assert.equal(seen.has(answer.offset), false, 'an offset is given once');
      seen.add(answer.offset);
      members += answer.members;
      answered++;
    }
  })();
  for (let sent = 0; sent < total;) {
    const burst = [];
    for (const end = Math.min(total, sent + 1 + pick(400)); sent < end; sent++) {
      const group = pick(GROUPS);
      groups.push(group);
      burst.push(encode({ op: 'broadcast', group: `group:${group}`, data: `${self}:${numbers[group]++}`, id: sent }));
    }
    await producer.write(Buffer.concat(burst));
    while (sent - answered > 5000) await sleep(1); // a window, as a careful producer keeps one
  }
  await reading;
  await producer.close();
  return { members, numbers };
}

async function run(engine, total) {
  const offsets = Array.from({ length: GROUPS }, () => new Set());
  const witnesses = [];
  const join = async (group) => {
    const witness = new Witness();
    witnesses.push(witness);
    witness.client = await Client.join(engine, `group:${group}`, { onMessage: (data) => witness.take(data) });
    return witness;
  };

  const permanent = [];
  for (let group = 0; group < GROUPS; group++) permanent.push(await join(group));

  let done = false;
  const comers = Array.from({ length: COMERS }, async (_, i) => {
    const pick = random(1000 + i);
    let visits = 0;
    while (!done) {
      const witness = await join(pick(GROUPS));
      await sleep(20 + pick(300));
      await witness.client.leave();
      assert.equal(witness.client.close_code, 1000);
      visits++;
    }
    return visits;
  });
  for (const comer of comers) comer.catch(() => {}); // told below, when all have ended

  const share = Math.ceil(total / PRODUCERS);
  const published = await Promise.all(
    Array.from({ length: PRODUCERS }, (_, i) => publish(engine, i, share, 1 + i, offsets)));
  done = true;
  const visits = (await Promise.all(comers)).reduce((sum, n) => sum + n, 0);

  const stats = await engine.quiet();
  const sum = (list) => list.reduce((a, b) => a + b, 0);
  await until(() => sum(witnesses.map((witness) => witness.received)) === stats.deliveries,
    'what was delivered has arrived').catch(() => {});
  for (const witness of witnesses) assert.equal(witness.failure, undefined);
  permanent.forEach((witness, group) => {
    for (let i = 0; i < PRODUCERS; i++) {
      const last = published[i].numbers[group] - 1;
      assert.equal(witness.last[i], last < 0 ? undefined : last, `all of producer ${i} in group ${group}`);
    }
    assert.equal(witness.received, offsets[group].size, `group ${group}`);
  });
  for (const seen of offsets) {
    for (let offset = 1; offset <= seen.size; offset++) assert.ok(seen.has(offset), `offset ${offset}`);
  }
  assert.equal(stats.messages_in, share * PRODUCERS);
  assert.equal(stats.messages_routed, sum(published.map((one) => one.members)), 'the sum of members');
  assert.equal(stats.messages_routed, stats.deliveries + sum(Object.values(stats.drops)));
  assert.equal(stats.drops.closed + stats.deliveries, stats.messages_routed, 'only leaving drops anything');
  assert.equal(sum(witnesses.map((witness) => witness.received)), stats.deliveries);
  assert.equal(stats.deliveries, sum(stats.shards.map((shard) => shard.deliveries)));
  assert.equal(stats.connections_closed.client, visits);
  assert.ok(visits >= COMERS);
  return { stats, visits };
}

const full = scaled(1_000_000, 20_000);
const part = Math.max(full / 20, 10_000);
for (const [shards, total] of [[1, part], [2, part], [16, part], [4, full]])
  test(`${Math.ceil(total)} messages over ${GROUPS} groups on ${shards} shards`, async (t) => {
    await withEngine({ shards, config: UNLIMITED }, async (engine) => {
      const begun = Date.now();
      const { stats, visits } = await run(engine, total);
      t.diagnostic(`${stats.messages_in} messages, ${stats.deliveries} deliveries, ${stats.drops.closed} dropped ` +
        `as closed, ${visits} visits, ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    });
  });
