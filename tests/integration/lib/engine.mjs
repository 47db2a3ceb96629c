// The real engine as a child process: started on free ports with a configuration of its own, asked
// over its admin port, stopped by its pid. A test that leaves it behind, an exit status that is not
// the documented one and a sanitizer's report are failures.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dropAll } from './raw.mjs';
import { settled } from './settled.mjs';
import { SLOW, until, within } from './util.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
export const BIN_DIR =
  process.env.SHARDCAST_BIN_DIR || path.resolve(here, '../../../build/release/bin');
// For example "valgrind --leak-check=full": run the engine under another program.
const WRAP = (process.env.SHARDCAST_TEST_WRAP || '').split(' ').filter(Boolean);

const REPORT = /ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer|==\d+== ERROR SUMMARY: [1-9]/;

const running = new Set();
const folders = new Set();
/** A program that must not outlive the tests of this file. */
export function startProgram(program, args, options) {
  const child = spawn(program, args, options);
  running.add(child);
  child.on('close', () => running.delete(child));
  return child;
}

const killAll = () => {
  for (const child of running) child.kill('SIGKILL');
};
after(killAll); // a test that failed may have left some, and their sockets keep this process
process.on('exit', () => {
  killAll();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** The environment of the tests without what would configure the engine. */
function cleanEnvironment(extra) {
  const env = { ...process.env };
  for (const name of ['CONFIG', 'LISTEN', 'PRODUCERS', 'ADMIN', 'SHARDS', 'PRODUCERS_TOKEN', 'ADMIN_TOKEN'])
    delete env[`SHARDCAST_${name}`];
  return { ...env, ...extra };
}

/** A folder that is gone when the test's process ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'shardcast-test-'));
  folders.add(folder);
  return folder;
}

/** Runs a program to its end. Returns {status, stdout, stderr}; stdout is text. */
export function runProgram(name, args, { env = {}, input } = {}) {
  const child = startProgram(path.join(BIN_DIR, name), args, { env: cleanEnvironment(env) });
  const out = [];
  const err = [];
  child.stdout.on('data', (chunk) => out.push(chunk));
  child.stderr.on('data', (chunk) => err.push(chunk));
  child.stdin.on('error', () => {}); // a program need not read its input
  child.stdin.end(input ?? '');
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      const stderr = Buffer.concat(err).toString();
      resolve({ status: status ?? signal, stdout: Buffer.concat(out).toString(), stderr });
    });
  });
  return within(ended, `${name} ${args.join(' ')} ends`);
}

export class Engine {
  log = [];
  ports = {};
  #partial = '';
  #waiting = [];

  constructor(child, file) {
    this.child = child;
    this.file = file;
    this.ended = new Promise((resolve) => {
      child.on('close', (status, signal) => {
        if (this.#partial) this.#line(this.#partial);
        resolve(status ?? signal);
      });
    });
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text) => {
      const lines = (this.#partial + text).split('\n');
      this.#partial = lines.pop();
      for (const line of lines) this.#line(line);
    });
  }

  #line(line) {
    this.log.push(line);
    for (const waiter of this.#waiting) if (waiter.pattern.test(line)) waiter.resolve(line);
  }

  /** A line of the log, of now or to come, that fits. */
  logged(pattern, ms) {
    const found = this.log.find((line) => pattern.test(line));
    if (found) return Promise.resolve(found);
    const line = new Promise((resolve) => this.#waiting.push({ pattern, resolve }));
    return within(line, `the log has ${pattern}`, ms);
  }

  get pid() {
    return this.child.pid;
  }

  signal(name) {
    this.stopping ||= name !== 'SIGHUP';
    this.child.kill(name);
  }

  /** A GET on the admin port: {status, headers, body}. */
  get(target, headers = {}, { method = 'GET', port = this.ports.admin } = {}) {
    const answer = new Promise((resolve, reject) => {
      const request = http.request(
        { host: '127.0.0.1', port, path: target, method, headers, agent: false },
        (response) => {
          const chunks = [];
          response.on('data', (chunk) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode,
              headers: response.headers,
              body: Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      request.on('error', reject);
      request.end();
    });
    return within(answer, `GET ${target}`);
  }

  async stats() {
    const answer = await this.get('/stats');
    assert.equal(answer.status, 200);
    return JSON.parse(answer.body);
  }

  /** The figures as soon as they fit `question`: joins and leaves take a moment. */
  async statsWhen(question, what, ms) {
    let stats;
    try {
      await until(async () => question((stats = await this.stats())), what, ms);
    } catch (error) {
      throw new Error(`${error.message}; the figures: ${JSON.stringify(stats)}`);
    }
    return stats;
  }

  /** The figures at a quiet moment: nothing is under way any more. */
  quiet() {
    const drops = (stats) => Object.values(stats.drops).reduce((sum, n) => sum + n, 0);
    return this.statsWhen(
      (stats) => stats.messages_routed === stats.deliveries + drops(stats),
      'messages_routed = deliveries + drops',
    );
  }

  /** {name{labels}: number}, and under `types` the # TYPE of each family. */
  async metrics() {
    const answer = await this.get('/metrics');
    assert.equal(answer.status, 200);
    const values = {};
    const types = {};
    for (const line of answer.body.split('\n')) {
      const type = line.match(/^# TYPE (\S+) (\S+)$/);
      if (type) types[type[1]] = type[2];
      const sample = line.match(/^([a-z_]+(?:\{[^}]*\})?) (\S+)$/);
      if (sample) values[sample[1]] = Number(sample[2] === '+Inf' ? Infinity : sample[2]);
    }
    return { values, types, body: answer.body, headers: answer.headers };
  }

  /** The open sockets of all its threads, since each shard has a table of files of its own. */
  sockets() {
    const tasks = `/proc/${this.pid}/task`;
    const files = readdirSync(tasks).flatMap((task) => readdirSync(`${tasks}/${task}/fd`).map((fd) => {
      try {
        return readlinkSync(`${tasks}/${task}/fd/${fd}`);
      } catch {
        return ''; // closed meanwhile
      }
    }));
    return new Set(files.filter((file) => file.startsWith('socket:')));
  }

  /** Waits until `count` sockets are open beside those of `before`: an accept and an end take a moment. */
  async hasSockets(before, count, what) {
    let now;
    const more = () => (now = [...this.sockets()].filter((socket) => !before.has(socket))).length;
    await until(() => more() === count, what).catch((error) => {
      throw new Error(`${error.message}: ${count} sockets, not ${now.join(', ')}`);
    });
  }

  /** Resident memory in bytes. */
  async memory() {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return Number(status.match(/VmRSS:\s+(\d+)/)[1]) * 1024;
  }

  /** Writes the configuration anew, has it read, and waits until every shard knows it. */
  async reload(config) {
    const before = this.log.length;
    writeFileSync(this.file, typeof config === 'string' ? config : JSON.stringify(config));
    this.signal('SIGHUP');
    await until(() => this.log.length > before, 'the engine logs the reload');
    await settled(this);
  }

  /** Ends the engine, unless it has been told to end before, and checks how it ended. A `signal`
   *  that is named is sent in any case. */
  async stop({ signal, status = 0 } = {}) {
    if (signal || !this.stopping) this.signal(signal ?? 'SIGTERM');
    const ended = await within(this.ended, 'the engine ends');
    const report = this.log.findIndex((line) => REPORT.test(line));
    assert.equal(report, -1, this.log.slice(report, report + 80).join('\n'));
    assert.equal(ended, status, `exit status; the log ends: ${this.log.slice(-20).join('\n')}`);
  }
}

/** Starts an engine; whoever does must stop it. `config` is an object, YAML, or null: no file. */
export async function startEngine({ shards = 2, config = {}, args = [], env = {} } = {}) {
  const file = config === null ? undefined : path.join(temporaryFolder(), 'shardcast.yaml');
  if (file) writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
  const any = '127.0.0.1:0';
  const [program, ...before] = [...WRAP, path.join(BIN_DIR, 'shardcastd')];
  const child = startProgram(
    program,
    [...before, ...(file ? ['--config', file] : []), '--listen', any, '--producers', any, '--admin', any,
      ...(shards ? ['--shards', String(shards)] : []), ...args],
    { env: cleanEnvironment(env), stdio: ['ignore', 'inherit', 'pipe'] },
  );
  const engine = new Engine(child, file);
  const early = engine.ended.then((status) => {
    throw new Error(`the engine ended with ${status}: ${engine.log.join('\n')}`);
  });
  early.catch(() => {}); // it does end, later
  const line = await Promise.race([engine.logged(/msg="?listening/), early]);
  for (const name of ['clients', 'producers', 'admin'])
    engine.ports[name] = Number(line.match(new RegExp(`${name}="?[^ ]*:(\\d+)`))[1]);
  await until(
    () => engine.get('/readyz').then((answer) => answer.status === 200, () => false),
    'the engine is ready',
  );
  return engine;
}

/** An engine for the time of `work`, stopped and checked after it. */
export async function withEngine(options, work) {
  const engine = await startEngine(options);
  try {
    await work(engine);
  } catch (error) {
    engine.signal('SIGKILL');
    await engine.ended;
    const report = engine.log.findIndex((line) => REPORT.test(line));
    const tail = report < 0 ? engine.log.slice(-10) : engine.log.slice(report, report + 80);
    console.error(`the engine's log:\n${tail.join('\n')}`);
    throw error;
  }
  await dropAll(engine.ports.clients); // a drain would wait for those that do not answer
  await engine.stop();
}

/** No limits that a test of something else could meet. */
export const UNLIMITED = { namespaces: [{ name: '', max_rate: 0, max_members: 0 }] };

export { SLOW };
