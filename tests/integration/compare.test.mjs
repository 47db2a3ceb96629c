// The comparison with peers: its table says who is better, and those peers that are installed are
// measured without a message lost.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';
import { contenders } from '../../bench/compare/peers.mjs';
import { report } from '../../bench/compare/table.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const bin = process.env.SHARDCAST_BIN_DIR ?? path.join(root, 'build/release/bin');
const program = path.join(root, 'bench/compare/run.mjs');

/** What shardcast-load would have said of a flat-out run. */
function round(cpu, { behind = false, failure } = {}) {
  return {
    failure,
    measurement: {
      delivered: 1000,
      per_second: 1e9 / cpu,
      seconds: 1,
      behind,
      server: { cpu_ns: 1000 * cpu, wait_ns: 0, rss: 2 ** 23 },
      generator: { limited: '' },
    },
  };
}

function results(rounds) {
  return {
    machine: {
      date: 'D',
      processor: 'P',
      memory: 'M',
      system: 'S',
      engine: 'shardcastd 1, commit C',
    },
    setup: { rounds: 3, seconds: 1, serverCores: '0', loadCores: '1' },
    versions: { shardcast: '1', uws: '2', nats: '3' },
    titles: { shardcast: 'Shardcast', uws: 'uWebSockets', nats: 'nats-server' },
    minutes: 1.5,
    cases: [{ name: 'flatout', rounds }],
  };
}

test('the table has medians, ranges and ratios, and says where a peer is better', () => {
  const text = report(
    results({
      shardcast: [round(200), round(100), round(300)],
      uws: [round(100), round(90), round(110)],
      nats: [round(1000), round(900), round(1200, { behind: true })],
    }),
  ).join('\n');
  assert.match(
    text,
    /server CPU per delivery \| 200 ns \(100–300\) \| 100 ns \(90.0–110\) · \*\*2.00\*\* \| 1.00 µs \(0.90–1.20\) · 0.20 \|/,
  );
  assert.match(
    text,
    /Where a peer beats Shardcast:\n\n- .*server CPU per delivery: uWebSockets 100 ns, Shardcast 200 ns \(the ranges meet\)/,
  );
  assert.doesNotMatch(text, /beats[^]*nats-server 1.00 µs/);
  assert.match(text, /nats-server did not hold the rate in 1 of 3/);
});

test('what failed is in no median, and is told', () => {
  const text = report(
    results({
      shardcast: [round(200), round(200), round(200)],
      uws: [{ failure: 'refused\nand more' }, { failure: 'refused' }],
      nats: [round(100, { failure: '{"lost":1}' }), round(300), round(300)],
    }),
  ).join('\n');
  assert.match(text, /200 ns \| not measured \| 300 ns · 0.67/);
  assert.match(
    text,
    /uWebSockets failed in 2 of 2: refused; nats-server failed in 1 of 3: \{"lost":1\}/,
  );
  assert.match(text, /No peer beats Shardcast/);
});

test('bad usage is one line', () => {
  for (const [args, what] of [
    [['--peers', 'uws,redis'], /there is no redis/],
    [['--rounds', '0'], /--rounds 0/],
    [['--cases', 'x'], /there is no x/],
    [['--speed', '1'], /--speed/],
  ]) {
    const { status, stderr } = spawnSync(process.execPath, [program, ...args], {
      encoding: 'utf8',
    });
    assert.equal(status, 2);
    assert.match(stderr.trim().split('\n').at(-1), what);
  }
});

test('Shardcast and the peers that are here are measured', (t) => {
  const setup = { root, engine: path.join(bin, 'shardcastd') };
  const installed = Object.entries(contenders(setup)).filter(([name, contender]) =>
    name === 'uws'
      ? existsSync(path.join(root, 'build/peers/uws/node_modules'))
      : !contender.missing,
  );
  const names = installed.map(([name]) => name);
  const out = mkdtempSync(path.join(os.tmpdir(), 'shardcast-test-'));
  t.after(() => rmSync(out, { recursive: true, force: true }));
  const args = ['--quick', '--cases', 'members50', '--bin', bin, '--out', out];
  args.push('--peers', names.slice(1).join(',') || 'none');
  const { status, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    timeout: 300000,
  });
  assert.equal(status, 0, stderr);
  const { cases } = JSON.parse(readFileSync(path.join(out, 'results.json'), 'utf8'));
  assert.deepEqual(Object.keys(cases[0].rounds), names);
  for (const [name, [result]] of Object.entries(cases[0].rounds)) {
    assert.equal(result.failure, undefined, name);
    assert.equal(result.measurement.delivered, 50 * result.measurement.sent, name);
  }
  assert.match(readFileSync(path.join(out, 'RESULTS.md'), 'utf8'), /server CPU per delivery/);
});
