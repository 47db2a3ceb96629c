// What the management of groups costs: critical messages beside a flood, members that stop reading
// beside others that do not, idle connections, and memory after many joins and leaves. See bench/groups.
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { machine } from './machine.mjs';
import { load, startEngine, stop } from './servers.mjs';
import { median, show, showRatio } from './statistics.mjs';

const { values: options } = parseArgs({
  options: {
    root: { type: 'string' },
    engine: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    churn: { type: 'string', default: '1000000' },
    case: { type: 'string', multiple: true },
    'server-cores': { type: 'string', default: '0' },
    'load-cores': { type: 'string', default: os.cpus().length > 2 ? '2' : '1' },
  },
});
const enginePath = options.engine ?? path.join(options.root, 'build/release/bin/shardcastd');
const loadPath = path.join(options.root, 'build/release/bin/shardcast-load');
const rounds = Number(options.rounds);
const seconds = Number(options.seconds);
const scratch = mkdtempSync(path.join(os.tmpdir(), 'shardcast-bench-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

const CONFIG = `limits: { backlog_bytes: 1048576 }
health: { ping_seconds: 25, pong_timeout_seconds: 10 }
namespaces:
  - { name: "", max_members: 0, max_rate: 0, slow_consumer: skip }
  - { name: alert, priority: critical }
`;

// With room for all that the flood has on its way: it may not lose any of it.
const ROOMY = CONFIG.replace('1048576', '16777216');

async function withEngine(shards, work, config = CONFIG) {
  const file = path.join(scratch, 'bench.yaml');
  writeFileSync(file, config);
  const cores = shards === 1 ? options['server-cores'] : '';
  const server = await startEngine({ path: enginePath, config: file, shards, cores });
  try {
    return await work(server);
  } finally {
    await stop(server);
  }
}

// Runs the generator; what it measured.
async function measure(server, scenario, args, niceness) {
  const { status, out, errors } = await load({
    path: loadPath,
    cores: options['load-cores'],
    server,
    args: [scenario, ...args],
    niceness,
  });
  if (status !== 0) throw new Error(`shardcast-load ${scenario} failed:\n${errors}${out}`);
  return JSON.parse(out);
}

const latency = (result) => result.measurement.latency_ns;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const rows = [];

function row(title, what, values, format, compared) {
  const middle = median(values);
  rows.push([
    title,
    what,
    `${show(middle, format)} (${show(Math.min(...values), format)}–${show(Math.max(...values), format)})`,
    compared === undefined ? '' : showRatio(middle / median(compared)),
  ]);
}

function rss(server) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) * 1024;
}

function cpuSeconds(server) {
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

// What makes the flood gives way to what measures: they share a core, and its scheduling is not what
// this is about.
const FLOOD_NICENESS = 19;
const PROBE_NICENESS = -15;

// Critical messages to 50 members, 50 a second: alone, and beside a flood of normal ones to 1000
// members from another producer, which the engine cannot keep up with.
async function priorities(shards) {
  const idle = [];
  const critical = [];
  const normal = [];
  const probe = (server, prefix, time) =>
    measure(server, 'fanout', ['--prefix', prefix, '--members', 50, '--rate', 50, '--seconds', time],
      PROBE_NICENESS);
  for (let round = 0; round < rounds; round++) {
    await withEngine(shards, async (server) => {
      idle.push(latency(await probe(server, 'alert:idle', seconds)).p99);
      const flood = measure(server, 'fanout', ['--prefix', 'flood', '--rate', 0, '--window', 20000,
        '--seconds', 2 * seconds + 6], FLOOD_NICENESS);
      await sleep(2500);
      critical.push(latency(await probe(server, 'alert:flooded', seconds)).p99);
      normal.push(latency(await probe(server, 'plain', seconds)).p99);
      await flood;
    }, ROOMY);
  }
  const title = `priorities, ${shards} shard${shards > 1 ? 's' : ''}`;
  row(title, 'p99 of critical messages, idle', idle, 'time');
  row(title, 'p99 of critical messages beside a flood', critical, 'time', idle);
  row(title, 'p99 of normal messages beside the same flood', normal, 'time', idle);
}

// A member that joins and never reads again.
function stalled(server, group) {
  return new Promise((resolve, reject) => {
    const [host, port] = server.clients.split(':');
    const socket = createConnection(Number(port), host);
    socket.on('error', reject);
    socket.write(`GET /ws/${group}?hello=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n` +
      'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
    socket.once('data', () => {
      socket.pause();
      socket.off('error', reject);
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

// 500 members that read, with and without 100 beside them that do not.
async function slow() {
  const alone = [];
  const beside = [];
  const memory = [];
  const args = ['--prefix', 'crowd', '--members', 500, '--rate', 100, '--payload', 4096];
  for (let round = 0; round < rounds; round++) {
    await withEngine(1, async (server) => {
      alone.push(latency(await measure(server, 'fanout', [...args, '--seconds', seconds])).p99);
    });
    await withEngine(1, async (server) => {
      const deaf = await Promise.all(Array.from({ length: 100 }, () => stalled(server, 'crowd0')));
      const before = rss(server);
      // Past the kernel's buffers first, so that all of them have a backlog.
      await measure(server, 'fanout', ['--prefix', 'crowd', '--members', 10, '--rate', 3000,
        '--payload', 4096, '--seconds', 3]);
      beside.push(latency(await measure(server, 'fanout', [...args, '--seconds', seconds])).p99);
      memory.push((rss(server) - before) / 100);
      for (const socket of deaf) socket.destroy();
    });
  }
  row('500 members, 100/s', 'p99, all of them reading', alone, 'time');
  row('500 members, 100/s', 'p99 of these beside 100 that stopped reading', beside, 'time', alone);
  row('500 members, 100/s', 'memory of each that stopped (backlog_bytes is 1 MiB)',
    memory.map((bytes) => bytes / 1024), 'kib');
}

// Connections that only answer pings, every 2 seconds instead of 25 so that it can be measured.
async function idle() {
  const cost = [];
  const config = CONFIG.replace('ping_seconds: 25, pong_timeout_seconds: 10', 'ping_seconds: 2, pong_timeout_seconds: 1');
  for (let round = 0; round < rounds; round++) {
    await withEngine(1, async (server) => {
      const time = 2 * seconds + 2;
      const running = measure(server, 'idle', ['--members', 10000, '--seconds', time]);
      await sleep(4000);
      const before = cpuSeconds(server);
      const began = process.hrtime.bigint();
      await sleep((time - 5) * 1000);
      const took = Number(process.hrtime.bigint() - began) / 1e9;
      cost.push((100 * (cpuSeconds(server) - before)) / took);
      await running;
    }, config);
  }
  row('10,000 idle connections', 'CPU of one core, a ping every 2 s', cost, 'percent');
  row('10,000 idle connections', '... which is, with one every 25 s', cost.map((c) => (c * 2) / 25), 'percent');
}

// Joins and leaves, storm after storm: memory must be what it was after the first.
async function churn() {
  const storm = 10000;
  const growth = [];
  await withEngine(2, async (server) => {
    const times = Math.max(2, Math.round(Number(options.churn) / storm));
    let first;
    for (let i = 0; i < times; i++) {
      await measure(server, 'storm', ['--members', storm, '--waves', 1]);
      if (i === 0) first = rss(server);
    }
    await sleep(7000);
    growth.push((100 * (rss(server) - first)) / first);
    row(`${times * storm} joins and leaves`, 'resident memory, change since the first 10,000', growth, 'percent');
  });
}

const cases = {
  priorities: () => priorities(1),
  'priorities-2': () => priorities(2),
  slow,
  idle,
  churn,
};
const facts = machine({ root: options.root, engine: enginePath });
for (const [name, work] of Object.entries(cases)) {
  if (options.case && !options.case.includes(name)) continue;
  process.stderr.write(`==> ${name}\n`);
  await work();
}
console.log(`${facts.processor}, ${facts.memory}, ${facts.system}, ${facts.engine}\n`);
console.log('| case | what | median (range) | ratio |\n|---|---|---|---|');
for (const columns of rows) console.log(`| ${columns.join(' | ')} |`);
process.exit(0);
