// The load scripts: each explains itself and refuses what it does not know; a run prints one table and
// leaves no process behind, also when it is interrupted.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { BIN_DIR, startProgram } from './lib/engine.mjs';
import { sleep, until, within } from './lib/util.mjs';

const folder = fileURLToPath(new URL('../../scripts', import.meta.url));
const names = readdirSync(folder).filter((name) => /^load-\w+\.sh$/.test(name));

/** Starts a script in a process group of its own, as a shell at a terminal does. */
function start(name, args) {
  const env = { ...process.env, SHARDCAST_BIN_DIR: path.resolve(BIN_DIR), NO_COLOR: '1' };
  const child = startProgram(path.join(folder, name), args, { env, detached: true });
  const ended = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (ended.stdout += chunk));
  child.stderr.on('data', (chunk) => (ended.stderr += chunk));
  child.result = once(child, 'close').then(([status]) => ({ status, ...ended }));
  child.soFar = ended;
  return child;
}

const run = (name, args) => within(start(name, args).result, `${name} ${args.join(' ')}`, 60000);

/** What /proc has of a process, which may end at any time: then ''. */
function proc(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** The processes that a process has started, and those that these have. */
function descendants(pid) {
  const children = proc(pid, `task/${pid}/children`).trim().split(' ').filter(Boolean);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

const programs = (pids) => pids.filter((pid) => /^shardcast/.test(proc(pid, 'comm')));

test('each explains its options, and refuses others', async (t) => {
  assert.ok(names.length >= 8, names.join(' '));
  for (const name of names)
    await t.test(name, async () => {
      const help = await run(name, ['--help']);
      assert.equal(help.status, 0, help.stderr);
      assert.match(help.stdout, new RegExp(`^usage: scripts/${name} `));
      assert.match(help.stdout, /^ {2}--no-build /m);
      if (name === 'load-compare.sh') return; // its options are bench/compare's
      const wrong = await run(name, ['--no-build', '--what', '1']);
      assert.equal(wrong.status, 1);
      assert.equal(wrong.stderr, `${name}: --what: no such option; see --help\n`);
      assert.equal((await run(name, ['--no-build', '--shards', 'many'])).status, 1);
      assert.equal((await run(name, ['--no-build', 'a', 'b'])).status, 1);
    });
});

const brief = {
  'load-fanout.sh': ['--members', 20, '--rate', 50],
  'load-sessions.sh': ['--groups', 50, '--rate', 200],
  'load-churn.sh': ['--groups', 4, '--members', 5, '--rate', 100, '--churn', 20],
  'load-mixed.sh': ['--members', 5, '--slow', 1, '--rate', 60],
  'load-storm.sh': ['--members', 200],
  'load-connections.sh': [300, '--crowd', 100, '--rounds', 1],
};

test('a run prints one table and leaves nothing behind', async (t) => {
  for (const [name, args] of Object.entries(brief))
    await t.test(name, async () => {
      const all = [...args, '--no-build', '--quiet', '--shards', 2, '--seconds', 1].map(String);
      const child = start(name, all);
      let seen = [];
      const watch = setInterval(() => (seen = [...new Set([...seen, ...programs(descendants(child.pid))])]), 20);
      const { status, stdout, stderr } = await within(child.result, `${name} ends`, 60000);
      clearInterval(watch);
      assert.equal(status, 0, stderr + stdout);
      assert.match(stdout, /^\w+: .*\n( {2}.*\n)+ {2}passed\n$/);
      assert.ok(seen.length > 0);
      for (const pid of seen) assert.ok(!existsSync(`/proc/${pid}`), `process ${pid} is left`);
    });
});

test('what is required fails a run', async () => {
  const args = ['--members', '5', '--no-build', '--quiet', '--seconds', '1', '--require', 'p99<1ns'];
  const { status, stdout } = await run('load-fanout.sh', args);
  assert.equal(status, 1);
  assert.match(stdout, /required +p99<1ns: DOES NOT HOLD/);
});

// A second one cut the clean-up short.
for (const [what, signals, expected] of [['Ctrl-C', ['SIGINT'], 130], ['two signals', ['SIGTERM', 'SIGTERM'], 143]])
  test(`${what}: it ends, and all that it has started`, async () => {
    const child = start('load-fanout.sh', ['--members', '5', '--no-build', '--seconds', '600']);
    await until(() => /measuring/.test(child.soFar.stderr), 'it measures', 30000);
    const started = programs(descendants(child.pid));
    assert.equal(started.length, 2);
    for (const signal of signals) {
      try {
        process.kill(-child.pid, signal);
      } catch (error) {
        assert.equal(error.code, 'ESRCH'); // the first was enough
      }
      await sleep(5);
    }
    const { status } = await within(child.result, 'it ends', 30000);
    assert.equal(status, expected);
    for (const pid of started) assert.ok(!existsSync(`/proc/${pid}`), `process ${pid} is left`);
  });
