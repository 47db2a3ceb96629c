// The network restarts under 10,000 Centrifuge clients. See bench/recovery.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { machine } from './machine.mjs';
import { load, startEngine, stop } from './servers.mjs';
import { median, showRatio, showSummary, summary } from './statistics.mjs';

const { values: options } = parseArgs({
  options: {
    root: { type: 'string' },
    engine: { type: 'string' },
    against: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    clients: { type: 'string', default: '10000' },
    rate: { type: 'string', default: '50' },
    away: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    case: { type: 'string', multiple: true, default: [] },
    'server-cores': { type: 'string', default: '0' },
    'load-cores': { type: 'string', default: os.cpus().length > 2 ? '2' : '1' },
  },
});
const bin = path.join(options.root, 'build/release/bin');
const engines = { '': options.engine ?? path.join(bin, 'shardcastd') };
if (options.against) engines['the other build'] = options.against;
const rounds = Number(options.rounds);
const scratch = mkdtempSync(path.join(os.tmpdir(), 'shardcast-bench-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

// Everything missed fits into the history and into an answer.
const config = path.join(scratch, 'bench.yaml');
writeFileSync(config, `limits: { recovery_bytes: 16777216 }
namespaces:
  - { name: "", max_members: 0, max_rate: 0 }
  - { name: kept, history: { messages: 100000, seconds: 3600, bytes: 67108864 } }
`);

const cases = [
  { name: 'json', title: 'JSON, 1 shard', protocol: 'sdk-json', shards: 1 },
  { name: 'protobuf', title: 'Protobuf, 1 shard', protocol: 'sdk-protobuf', shards: 1 },
  { name: 'json-2', title: 'JSON, 2 shards', protocol: 'sdk-json', shards: 2 },
  { name: 'protobuf-2', title: 'Protobuf, 2 shards', protocol: 'sdk-protobuf', shards: 2 },
];

const figures = [
  { title: 'until all are current', unit: 'time', read: (r) => r.current_seconds * 1e9 },
  { title: 'messages missed, each', unit: 'count', read: (r) => r.replayed / r.clients },
  { title: 'server CPU, each', unit: 'time', read: (r) => r.server_cpu_ns / r.clients },
  { title: 'p99 of 100 others, before', unit: 'time', read: (r) => r.calm.p99 },
  { title: '... while all are dropped', unit: 'time', read: (r) => r.cut.p99, against: (r) => r.calm.p99 },
  { title: '... while they come back', unit: 'time', read: (r) => r.back.p99, against: (r) => r.calm.p99 },
];

async function measure(item, enginePath) {
  const cores = item.shards === 1 ? options['server-cores'] : '';
  const server = await startEngine({ path: enginePath, config, shards: item.shards, cores });
  try {
    const { status, out, errors } = await load({
      path: path.join(bin, 'shardcast-load'),
      cores: options['load-cores'],
      server: { ...server, protocol: item.protocol },
      args: ['recover', '--prefix', 'kept:', '--groups', 10, '--members', Number(options.clients) / 10,
        '--rate', options.rate, '--away', options.away, '--seconds', options.seconds],
    });
    if (status !== 0) throw new Error(`${item.title}: ${errors}${out}`);
    return JSON.parse(out);
  } finally {
    await stop(server);
  }
}

async function rowsOf(item) {
  const results = Object.fromEntries(Object.keys(engines).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, enginePath] of Object.entries(engines)) {
      process.stderr.write(`==> ${item.name}: round ${round + 1} of ${rounds}${name && `, ${name}`}\n`);
      results[name].push(await measure(item, enginePath));
    }
  }
  return Object.entries(results).flatMap(([name, list]) =>
    figures.map(({ title, unit, read, against }, i) => {
      const ratio = against && showRatio(median(list.map(read)) / median(list.map(against)));
      const where = i === 0 ? `${item.title}${name && `, ${name}`}` : '';
      return [where, title, showSummary(summary(list.map(read)), unit), ratio ?? ''];
    }),
  );
}

const unknown = options.case.find((name) => !cases.some((item) => item.name === name));
if (unknown) {
  console.error(`recovery: --case ${unknown}: no such case; allowed: ${cases.map((c) => c.name).join(', ')}`);
  process.exit(2);
}
const rows = [];
for (const item of cases)
  if (!options.case.length || options.case.includes(item.name)) rows.push(...(await rowsOf(item)));
const facts = machine({ root: options.root, engine: engines[''] });
console.log(`${facts.date}; ${facts.processor}, ${facts.memory}; ${facts.system}; ${facts.engine};`,
  `${rounds} rounds, ${options.clients} clients in 10 groups, ${options.rate} messages per second,`,
  `away for ${options.away} s; with 1 shard server on core ${options['server-cores']}, generator on`,
  `core ${options['load-cores']}\n`);
console.log('| case | what | median (range) | to before |\n|---|---|---|---|');
for (const columns of rows) console.log(`| ${columns.join(' | ')} |`);
process.exit(0);
