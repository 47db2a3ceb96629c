// The load generator as Centrifuge clients: in both forms and among raw members it finds nothing
// wrong, and after a cut it tells recovering from not recovering.
import assert from 'node:assert/strict';
import test from './lib/together.mjs';
import { runProgram, withEngine } from './lib/engine.mjs';

const kept = (messages) => ({
  namespaces: [
    { name: '', max_members: 0, max_rate: 0 },
    { name: 'kept', history: { messages, seconds: 300 } },
  ],
});

/** Runs a scenario against the engine and returns {status, result, stderr}. */
async function load(engine, scenario, args) {
  const { ports, pid } = engine;
  const all = [scenario, '--json', '--quiet', '--pid', pid, '--clients', `127.0.0.1:${ports.clients}`];
  all.push('--producers', `127.0.0.1:${ports.producers}`, '--admin', `127.0.0.1:${ports.admin}`);
  const { status, stdout, stderr } = await runProgram('shardcast-load', [...all, ...args].map(String), {
    ms: 60000,
  });
  return { status, stderr, result: stdout.trim() ? JSON.parse(stdout) : null };
}

for (const protocol of ['sdk-json', 'sdk-protobuf', 'msgpack,sdk-json,sdk-protobuf']) {
  test(`${protocol}: nothing is wrong, with history and without`, async () => {
    await withEngine({ shards: 2, config: kept(1000) }, async (engine) => {
      for (const prefix of ['plain', 'kept:']) {
        const args = ['--protocol', protocol, '--prefix', prefix, '--members', 60, '--rate', 500];
        args.push('--burst', 5, '--seconds', 1, '--warmup', 0.2);
        const { status, stderr, result } = await load(engine, 'fanout', args);
        assert.equal(status, 0, stderr);
        assert.equal(result.measurement.delivered, result.measurement.expected);
        assert.equal(result.measurement.delivered, 60 * 500);
      }
    });
  });
}

const recovery = ['--prefix', 'kept:', '--groups', 4, '--members', 25, '--rate', 100, '--seconds', 0.3];

for (const shards of [1, 2]) {
  test(`all that were cut recover, ${shards} shards`, async () => {
    await withEngine({ shards, config: kept(1000) }, async (engine) => {
      const { status, stderr, result } = await load(engine, 'recover', [...recovery, '--away', 0.5]);
      assert.equal(status, 0, stderr);
      assert.equal(result.passed, true);
      assert.equal(result.clients, 100);
      for (const [fault, count] of Object.entries(result.faults)) assert.equal(count, 0, fault);
      // About 50 messages while they were away, each of 25 members.
      assert.ok(result.replayed > 40 * 25, `${result.replayed} messages were missed`);
      assert.ok(result.calm.count > 0);
    });
  });
}

test('what cannot be recovered is reported as that', async () => {
  await withEngine({ config: kept(3) }, async (engine) => {
    const { status, result } = await load(engine, 'recover', [...recovery, '--away', 0.5]);
    assert.equal(status, 1);
    assert.equal(result.passed, false);
    assert.equal(result.faults.unrecovered, 100);
    assert.ok(result.faults.lost > 0);
    assert.equal(result.faults.repeated, 0);
  });
});

test('without history, or as raw clients, there is nothing to try', async () => {
  await withEngine({ config: kept(1000) }, async (engine) => {
    const none = await load(engine, 'recover', [...recovery, '--prefix', 'plain']);
    assert.equal(none.status, 1);
    assert.match(none.stderr, /plain\.\.\. keep no history/);
    const raw = await load(engine, 'recover', [...recovery, '--protocol', 'msgpack']);
    assert.equal(raw.status, 2);
    assert.match(raw.stderr, /--protocol msgpack: its members cannot recover/);
  });
});
