// The load generator: against the engine it finds nothing wrong, in every scenario.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { runProgram, temporaryFolder, UNLIMITED, withEngine } from './lib/engine.mjs';
import { addresses, assertClean, load, reach } from './lib/load.mjs';
import { SCALE, SLOW } from './lib/util.mjs';

test('against the engine nothing is wrong', async (t) => {
  await withEngine({ shards: 2, config: UNLIMITED }, async (engine) => {
    const server = addresses(engine);
    const brief = ['--seconds', 1, '--warmup', 0.2, '--pid', engine.pid];

    await t.test('fanout in bursts, with several threads', async () => {
      const args = ['--members', 100, '--rate', 500, '--burst', 5, '--threads', 3, ...brief];
      const { result, ...ended } = await load('fanout', server, args);
      assertClean({ result, ...ended });
      assert.equal(result.figures.lost, 0);
      assert.equal(result.figures.delivered, result.measurement.delivered);
      assert.equal(typeof result.measurement.generator.limited, 'string');
    });
    await t.test('many groups, flat out', async () => {
      const args = ['--groups', 50, '--members', 4, '--window', 500, ...brief];
      assertClean(await load('groups', server, args));
    });
    await t.test('sessions: one member in each group', async () => {
      const { result, ...ended } = await load('sessions', server, ['--groups', 200, '--rate', 500, ...brief]);
      assertClean({ result, ...ended });
      assert.equal(result.measurement.delivered, result.measurement.sent);
    });
    await t.test('messages larger than a read', async () => {
      assertClean(await load('fanout', server, ['--members', 5, '--rate', 50, '--payload', 60000, ...brief]));
    });
    await t.test('messages of many sizes', async () => {
      const args = ['--members', 5, '--rate', 200, '--payload', '32:10,33-1000:5,60000:1', ...brief];
      assertClean(await load('fanout', server, args));
    });
    await t.test('connections that come at once, twice, and idle ones', async () => {
      const storm = await load('storm', server, ['--members', 300, '--waves', 3, ...brief]);
      assertClean(storm);
      assert.deepEqual(storm.result.again.map((wave) => wave.opened), [300, 300]);
      const idle = await load('idle', server, ['--members', 300, ...brief]);
      assertClean(idle);
      assert.equal(idle.result.connect.opened, 300);
    });
    await t.test('very many connections: all, a crowd, dropped, and again', async () => {
      const args = ['--members', 500, '--crowd', 200, '--rounds', 2, ...brief];
      const ended = await load('connections', server, args);
      assertClean(ended);
      const { connections, again } = ended.result;
      assert.deepEqual(connections.to_all.map((broadcast) => broadcast.members), [500, 500]);
      assert.deepEqual(connections.to_crowd.map((broadcast) => broadcast.members), [200, 200]);
      assert.equal(again[0].opened, 500);
    });
    await t.test('members that leave and join again', async () => {
      const args = ['--groups', 5, '--members', 10, '--rate', 200, '--churn', 100, ...brief];
      const ended = await load('churn', server, args);
      assertClean(ended);
      const { churn, engine: account } = ended.result.measurement;
      assert.ok(churn.left > 0);
      assert.equal(churn.failed, 0);
      assert.equal(account.balanced, true);
    });
    await t.test('priorities, sizes and churn together', async () => {
      const args = ['--rate', 300, '--slow', 0, '--churn', 50, ...brief];
      const ended = await load('mixed', server, args);
      assertClean(ended);
      assert.deepEqual(Object.keys(ended.result.measurement.priorities_ns), ['critical', 'normal', 'low']);
    });
  });
});

test('members that read slowly get what their policy leaves them', async () => {
  const rate = Math.round(600 / SLOW); // that the others, who are judged by the same policies, keep up
  const namespaces = ['close', 'skip', 'latest'].map((policy) => ({ name: policy, slow_consumer: policy }));
  const config = {
    limits: { backlog_bytes: 131072 },
    namespaces: [{ name: '', max_rate: 0, max_members: 0 }, ...namespaces],
  };
  await withEngine({ shards: 2, config }, async (engine) => {
    const args = ['--groups', 3, '--members', 4, '--slow', 1, '--slow-rate', 0, '--rate', rate];
    args.push('--payload', 32768, '--prefix', 'close:,skip:,latest:', '--seconds', 4, '--warmup', 0);
    const ended = await load('mixed', addresses(engine), args);
    assertClean(ended);
    const { slow, engine: account } = ended.result.measurement;
    assert.ok(slow.cut > 0, 'close cuts');
    assert.equal(slow.close_code, 3008);
    assert.ok(slow.left_out > 0, 'skip and latest leave out');
    assert.equal(account.balanced, true);
    for (const reason of ['slow', 'skip', 'latest']) assert.ok(account.drops[reason] > 0, reason);
  });
});

test('what is recorded is replayed as it was', async (t) => {
  const file = path.join(temporaryFolder(), 'recording');
  await withEngine({ shards: 2, config: UNLIMITED }, async (engine) => {
    const server = addresses(engine);
    const recorded = await load('mixed', server, ['--rate', 300, '--slow', 0, '--seconds', 1, '--record', file]);
    assertClean(recorded);

    await t.test('at its own speed, and faster', async () => {
      const replayed = await load('replay', server, [file, '--members', 4, '--pid', engine.pid]);
      assertClean(replayed);
      const { measurement } = replayed.result;
      assert.equal(measurement.sent, recorded.result.measurement.sent);
      assert.equal(measurement.delivered, 4 * measurement.sent);
      assertClean(await load('replay', server, [file, '--speed', 5]));
    });
    await t.test('the table says what was replayed', async () => {
      const args = ['replay', file, '--quiet', ...reach(server)];
      const { status, stdout } = await runProgram('shardcast-load', args);
      assert.equal(status, 0);
      assert.match(stdout, /^replay: 300 broadcasts in 1\.0 s to 6 groups of 5 members\n/);
    });
  });
});

test('what the engine refuses is said, and fails the run', async () => {
  await withEngine({ config: { namespaces: [{ name: '', max_members: 5, max_rate: 10 }] } }, async (engine) => {
    const server = addresses(engine);
    const rate = await load('fanout', server, ['--members', 5, '--rate', 100, '--seconds', 1, '--warmup', 0]);
    assert.equal(rate.status, 1);
    assert.match(rate.stderr, /rate_limited/);
  });
});

test('the quick start holds', { skip: SCALE < 1 || SLOW > 1 }, async () => {
  await withEngine({ shards: 2, config: UNLIMITED }, async (engine) => {
    const args = ['quickstart', '--quiet', ...reach(addresses(engine)), '--pid', String(engine.pid)];
    const { status, stdout, stderr } = await runProgram('shardcast-load', args, { ms: 60000 });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /messages sent by the engine +150,000 +50,000\n/);
    assert.match(stdout, /received by the experiments' 100 +100,000 +0\n/);
    assert.match(stdout, /saved: 66\.7 %/);
    assert.match(stdout, /received: 1,000,000 of 1,000,000, 100 %/);
  });
});
