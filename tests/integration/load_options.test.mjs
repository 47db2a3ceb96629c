// How the load generator is told what to do, and how it says what came of it: requirements, progress,
// plots, and usage that is wrong.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { BIN_DIR, runProgram, temporaryFolder, UNLIMITED, withEngine } from './lib/engine.mjs';
import { addresses, load, reach } from './lib/load.mjs';

const brief = ['--members', 5, '--rate', 50, '--seconds', 1, '--warmup', 0];

function has(program) {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
}

test('what is required holds, or the exit status is 1', async (t) => {
  await withEngine({ config: UNLIMITED }, async (engine) => {
    const server = addresses(engine);
    const pid = ['--pid', engine.pid];

    await t.test('it holds', async () => {
      const args = [...brief, ...pid, '--require', 'lost=0, delivered=250', '--require', 'rss>1KiB,p99>=0ns'];
      const { status, result } = await load('fanout', server, args);
      assert.equal(status, 0);
      assert.equal(result.passed, true);
      assert.deepEqual(
        result.requirements.map(({ text, holds }) => [text, holds]),
        [['lost=0', true], ['delivered=250', true], ['rss>1KiB', true], ['p99>=0ns', true]],
      );
    });
    await t.test('one does not hold', async () => {
      const { status, result } = await load('fanout', server, [...brief, '--require', 'lost=0,p99<1ns']);
      assert.equal(status, 1);
      assert.equal(result.passed, false);
      assert.equal(result.measurement.passed, true);
      assert.deepEqual(result.requirements.map(({ holds }) => holds), [true, false]);
    });
    await t.test('what was not measured holds nothing, and the table says so', async () => {
      const args = ['fanout', ...brief, ...reach(server), '--quiet', '--require', 'rss<1GiB,lost=0'].map(String);
      const { status, stdout } = await runProgram('shardcast-load', args);
      assert.equal(status, 1);
      assert.match(stdout, /required +rss<1GiB: DOES NOT HOLD, it is not measured in this run\n/);
      assert.match(stdout, /required +lost=0: holds, it is 0\n/);
      assert.match(stdout, /\n {2}FAILED\n$/);
    });
  });
});

test('usage that is wrong is refused with what is allowed', async () => {
  const folder = temporaryFolder();
  const cases = [
    [[], /^usage: shardcast-load SCENARIO/],
    [['nothing'], /nothing: no such scenario/],
    [['fanout', '--what'], /--what: no such option/],
    [['fanout', '--rate'], /--rate: wants a value/],
    [['fanout', '--rate', 'fast'], /--rate: 'fast' is not allowed; allowed: 0 to 1000000000/],
    [['fanout', '--members', '1.5'], /--members: '1\.5' is not allowed; allowed: whole numbers, 1 to/],
    [['fanout', '--payload', '16'], /--payload: '16' is not allowed; allowed: sizes of 32 to/],
    [['fanout', '--clients', 'here'], /--clients: 'here' is not allowed; allowed: HOST:PORT/],
    [['fanout', '--protocol', 'smtp'], /--protocol: 'smtp' is not allowed; allowed: .*msgpack/],
    [['fanout', '--require', 'p98<5ms'], /--require: 'p98<5ms': no such figure; allowed: lost, /],
    [['fanout', '--require', 'p99=fast'], /--require: 'p99=fast': no such value; allowed: a number with ns/],
    [['mixed', '--priorities', 'high=1'], /--priorities: 'high=1' is not allowed; allowed: critical=N/],
    [['mixed', '--slow', '40'], /--slow: must be less than --members/],
    [['churn', '--rate', '0'], /--churn: wants a --rate/],
    [['fanout', '--churn', '5', '--protocol', 'nats'], /want --protocol msgpack/],
    [['storm', '--rate', '5'], /--rate: means nothing to this scenario/],
    [['fanout', 'more'], /more: not understood/],
    [['replay'], /replay wants a FILE/],
    [['fanout', '--plot', path.join(folder, 'no', 'folder')], /--plot: .*: No such file or directory/],
  ];
  for (const [args, message] of cases) {
    const { status, stderr } = await runProgram('shardcast-load', args);
    assert.equal(status, 2, args.join(' '));
    assert.match(stderr, message);
  }
});

test('every scenario explains its options', async () => {
  const { status, stdout } = await runProgram('shardcast-load', ['--help']);
  assert.equal(status, 0);
  const names = [...stdout.matchAll(/^ {2}(\w+) {2,}\S/gm)].map(([, name]) => name);
  for (const name of ['fanout', 'groups', 'sessions', 'churn', 'storm', 'mixed', 'replay', 'connections'])
    assert.ok(names.includes(name), name);
  for (const name of names) {
    const help = await runProgram('shardcast-load', [name, '--help']);
    assert.equal(help.status, 0);
    assert.match(help.stdout, new RegExp(`^usage: shardcast-load ${name} `));
    assert.match(help.stdout, /--require LIST/);
  }
  const figures = await runProgram('shardcast-load', ['figures']);
  assert.equal(figures.status, 0);
  assert.match(figures.stdout, /\n {2}p99\.9 +latency/);
});

test('progress: a line per second where it is piped, one that is written over on a terminal', async (t) => {
  await withEngine({ config: UNLIMITED }, async (engine) => {
    const args = ['fanout', ...brief, '--seconds', 3, ...reach(addresses(engine))].map(String);

    await t.test('piped', async () => {
      const { status, stderr } = await runProgram('shardcast-load', args);
      const lines = stderr.trim().split('\n');
      assert.equal(status, 0);
      assert.ok(lines.length >= 3, stderr);
      for (const line of lines) assert.match(line, /^fanout: [a-z ]+, 5 connected/);
      assert.match(stderr, /measuring, .*\/s, .* delivered, lost 0, p50 .*, p99 /);
    });
    await t.test('quiet', async () => {
      const { stderr } = await runProgram('shardcast-load', [...args, '--quiet', '--seconds', '1']);
      assert.equal(stderr, '');
    });
    await t.test('on a terminal', { skip: !has('script') && 'script(1) is not installed' }, async () => {
      const command = [path.join(BIN_DIR, 'shardcast-load'), ...args].join(' ');
      const out = execFileSync('script', ['-q', '-e', '-c', command, '/dev/null'], { encoding: 'utf8' });
      assert.match(out, /\r\x1b\[Kfanout: measuring, 5 connected/);
      assert.doesNotMatch(out, /measuring[^\r]*\n/);
    });
  });
});

test('plots are drawn, and what they need is said before the run', async (t) => {
  await withEngine({ config: UNLIMITED }, async (engine) => {
    const server = addresses(engine);
    const folder = temporaryFolder();

    await t.test('drawn', { skip: !has('gnuplot') && 'gnuplot is not installed' }, async () => {
      const args = ['--rate', 100, '--slow', 0, '--seconds', 2, '--plot', path.join(folder, 'plot'), '--pid', engine.pid];
      const { status, stderr } = await load('mixed', server, args);
      assert.equal(status, 0, stderr);
      for (const name of ['latency', 'throughput', 'priorities', 'server'])
        assert.match(readFileSync(path.join(folder, 'plot', `${name}.svg`), 'utf8'), /<svg/);
      const data = readFileSync(path.join(folder, 'plot', 'timeline.tsv'), 'utf8').trim().split('\n');
      const columns = data[0].split('\t').length;
      for (const row of data) assert.equal(row.split('\t').length, columns);
    });
    await t.test('without gnuplot', async () => {
      const bare = path.join(folder, 'bare');
      mkdirSync(bare);
      const args = ['fanout', ...brief, ...reach(server), '--plot', path.join(folder, 'none')].map(String);
      const { status, stderr } = await runProgram('shardcast-load', args, { env: { PATH: bare } });
      assert.equal(status, 2);
      assert.match(stderr, /gnuplot is not installed; on Debian: apt-get install gnuplot-nox\n$/);
      assert.ok(!existsSync(path.join(folder, 'none')));
    });
  });
});
