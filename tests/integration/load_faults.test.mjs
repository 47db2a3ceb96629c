// What a faulty server does is reported by the load generator as what it is, and fails the run.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { encode } from '@msgpack/msgpack';
import { temporaryFolder } from './lib/engine.mjs';
import { lostAfterJoining, seeded, startFaulty } from './lib/faulty.mjs';
import { FAULTS, load } from './lib/load.mjs';

async function withFaulty(fault, at, work) {
  const server = await startFaulty(fault, at);
  try {
    return await work(server);
  } finally {
    server.stop();
  }
}

/** That a run saw one fault of this name, and no other but what follows from it. */
function assertSeen({ status, result }, name) {
  const { faults } = result.measurement;
  assert.equal(status, 1);
  assert.equal(result.passed, false);
  assert.equal(faults[name], 1, JSON.stringify(faults));
  // What did not come whole, or came to nobody, is missing besides.
  for (const other of FAULTS.filter((fault) => fault !== name && fault !== 'lost'))
    assert.equal(faults[other], 0, other);
  if (!['lost', 'corrupted', 'closed'].includes(name)) assert.equal(faults.lost, 0);
}

test('of messages that carry their own stamp', async (t) => {
  const args = ['--members', 3, '--rate', 200, '--seconds', 1, '--warmup', 0];
  for (const [name, fault] of Object.entries(seeded)) {
    const groups = ['--groups', name === 'misdelivered' ? 2 : 1];
    await t.test(`${name}, published by WebSocket`, () =>
      withFaulty(fault, 59, async ({ clients, admin }) => {
        const server = { clients, admin, producers: clients };
        assertSeen(await load('groups', server, ['--protocol', 'websocket', ...args, ...groups]), name);
      }));
    await t.test(`${name}, published as commands`, () =>
      withFaulty(fault, 59, async ({ clients, admin, commands }) => {
        const server = { clients, admin, producers: commands };
        assertSeen(await load('groups', server, [...args, ...groups]), name);
      }));
  }
});

/** A recording of `count` broadcasts to each of two groups, in turn: text, bytes and JSON. */
function writeRecording(count) {
  const file = path.join(temporaryFolder(), 'recording');
  const data = [(i) => `text ${i}`, (i) => Buffer.from(`bytes ${i}`), (i) => ({ number: i })];
  const parts = [encode({ format: 'shardcast-recording', version: 1 })];
  for (let i = 0; i < count; i++)
    for (const group of ['a', 'b'])
      parts.push(encode([i * 5000, { op: 'broadcast', group, data: data[i % 3](`${group}${i}`) }]));
  writeFileSync(file, Buffer.concat(parts));
  return file;
}

test('of a replay, whose messages carry nothing', async (t) => {
  const file = writeRecording(50);
  for (const [name, fault] of Object.entries(seeded)) {
    if (name === 'unexpected') continue; // any data frame may be a message here
    await t.test(name, () =>
      withFaulty(fault, 30, async ({ clients, admin, commands }) => {
        const server = { clients, admin, producers: commands };
        assertSeen(await load('replay', server, [file, '--members', 3]), name);
      }));
  }
});

test('what a member misses right after it has joined again', () =>
  withFaulty(lostAfterJoining, 100, async ({ clients, admin, commands }) => {
    const server = { clients, admin, producers: commands };
    const args = ['--groups', 1, '--members', 4, '--rate', 200, '--churn', 40, '--seconds', 2, '--warmup', 0];
    const { status, result } = await load('churn', server, args);
    assert.equal(status, 1);
    assert.equal(result.measurement.faults.lost, 1, JSON.stringify(result.measurement.faults));
  }));
