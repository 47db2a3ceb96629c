// bench/fanout's work: every case, in rounds, each contender in turn with a server of its own.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { cases, figures } from './cases.mjs';
import { machine, quiet } from './machine.mjs';
import { caseLines, DISTURBED, tableOf, waited } from './report.mjs';
import { load, startEngine, startUws, stop } from './servers.mjs';
import { summary } from './statistics.mjs';

const { values: options } = parseArgs({
  options: {
    root: { type: 'string' },
    rounds: { type: 'string', default: '' },
    seconds: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    patient: { type: 'string', default: '0' },
    case: { type: 'string', multiple: true, default: [] },
    list: { type: 'boolean', default: false },
    engine: { type: 'string' },
    against: { type: 'string' },
    uws: { type: 'string' },
    'server-cores': { type: 'string' },
    'load-cores': { type: 'string' },
    json: { type: 'string' },
  },
});

const cores = os.cpus().length;
const bin = path.join(options.root, 'build/release/bin');
const setup = {
  engine: options.engine ?? path.join(bin, 'shardcastd'),
  generator: path.join(bin, 'shardcast-load'),
  against: options.against,
  uws: options.uws,
  rounds: Number(options.rounds || (options.quick ? 2 : 5)),
  seconds: Number(options.seconds || (options.quick ? 1.5 : 4)),
  patient: Number(options.patient),
  // One core for the server and one for the generator; with 2 shards the server has 2, and on a
  // machine of 2 cores the generator shares the second one.
  serverCores: options['server-cores'] ?? (cores > 1 ? '0' : ''),
  loadCores: options['load-cores'] ?? (cores > 2 ? '2' : cores > 1 ? '1' : ''),
  twoShardCores: cores > 1 ? '0,1' : '',
  json: options.json ?? path.join(options.root, 'build/bench/fanout.json'),
};

// The limits that hold by default are for production; here they would be what is measured.
const configuration = `limits: { backlog_bytes: 268435456 }
namespaces:
  - { name: "", max_members: 0, max_rate: 0 }
`;

// The engine's ways of taking part. The groups of `mixed` have members of all three kinds.
const engines = {
  engine: {},
  'engine-1': { two: true },
  'engine-2': { two: true, shards: 2 },
  raw: {},
  'as-long': {},
  'sdk-json': { protocol: 'sdk-json' },
  'sdk-protobuf': { protocol: 'sdk-protobuf' },
  mixed: { protocol: 'msgpack,sdk-json,sdk-protobuf' },
};

// Who can take part, and how it is started. The cores are for a case with 2 shards or without.
function starters(config) {
  const engine = (file, { shards = 1, two = false, protocol = 'msgpack' }) => async () => {
    const cores = two ? setup.twoShardCores : setup.serverCores;
    return { ...(await startEngine({ path: file, config, shards, cores })), protocol };
  };
  const all = {};
  for (const [name, how] of Object.entries(engines)) {
    all[name] = engine(setup.engine, how);
    if (setup.against) all[`against ${name}`] = engine(setup.against, how);
  }
  for (const [name, mode] of [
    ['uws', 'deferred'],
    ['uws-handler', 'handler'],
  ])
    if (setup.uws)
      all[name] = () => startUws({ directory: setup.uws, mode, cores: setup.serverCores });
  return all;
}

// With --against the peer is the other build in the same way; the bars are for other peers.
function contendersOf(item) {
  if (setup.against) return [item.contenders[0], `against ${item.contenders[0]}`];
  return item.contenders.filter((name) => setup.uws || name in engines);
}

function selected() {
  const all = setup.against ? cases.map((item) => ({ ...item, bars: {} })) : cases;
  const unknown = options.case.filter((name) => !all.some((c) => c.name === name));
  if (unknown.length) {
    console.error(`fanout: --case ${unknown[0]}: no such case; --list shows them`);
    process.exit(2);
  }
  return options.case.length ? all.filter((c) => options.case.includes(c.name)) : all;
}

async function measure(start, item, name) {
  await quiet(setup.patient);
  const server = await start[name]();
  try {
    const own = item.own?.[name.replace('against ', '')] ?? [];
    const args = [...item.load, ...own, '--seconds', setup.seconds];
    const result = await load({ path: setup.generator, cores: setup.loadCores, server, args });
    if (!result.out.trim()) throw new Error(result.errors.trim() || 'shardcast-load said nothing');
    return { ...JSON.parse(result.out), status: result.status, errors: result.errors.trim() };
  } finally {
    await stop(server);
  }
}

// One measurement that counts: with --patient, the least disturbed of up to three. How long the server
// waited for its core decides, never what was measured. (With 2 shards on 2 cores the generator itself
// is in the way; nothing is repeated for that.)
async function measurePatiently(start, item, name) {
  let best = null;
  for (let tries = 0; tries < 3; tries++) {
    const result = await measure(start, item, name);
    if (!best || waited(result) < waited(best)) best = result;
    if (!setup.patient || item.contenders[0] === 'engine-2' || waited(best) < DISTURBED) break;
    process.stderr.write(`==> disturbed: the server waited ${(100 * waited(result)).toFixed(0)} %\n`);
  }
  return best;
}

// All rounds of one case. What fails is kept and told, and the other contenders go on.
async function runCase(item, start) {
  const contenders = contendersOf(item);
  const rounds = Object.fromEntries(contenders.map((name) => [name, []]));
  const failures = [];
  for (let round = 0; round < setup.rounds; round++) {
    for (const name of contenders) {
      process.stderr.write(`==> ${item.name}: round ${round + 1} of ${setup.rounds}, ${name}\n`);
      try {
        const result = await measurePatiently(start, item, name);
        if (result.status !== 0)
          failures.push(`${name}: ${result.errors || JSON.stringify(result.measurement.faults)}`);
        rounds[name].push(result);
      } catch (error) {
        failures.push(`${name}: ${error.message}`);
      }
    }
  }
  return { name: item.name, title: item.title, contenders, rounds, failures };
}

function summarise(item, result) {
  result.summary = {};
  for (const name of result.contenders) {
    if (!result.rounds[name].length) continue;
    const of = (read) => summary(result.rounds[name].map(read));
    result.summary[name] = Object.fromEntries(
      item.figures.map((figure) => [figure, of(figures[figure].read)]),
    );
  }
  return result;
}

async function main() {
  if (options.list) {
    for (const item of cases) console.log(`${item.name.padEnd(16)}${item.title}`);
    return 0;
  }
  const directory = mkdtempSync(path.join(os.tmpdir(), 'shardcast-bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const config = path.join(directory, 'bench.yaml');
  writeFileSync(config, configuration);
  const start = starters(config);
  const facts = machine({ root: options.root, ...setup });
  const results = [];
  const items = selected();
  for (const item of items) {
    const result = summarise(item, await runCase(item, start));
    results.push(result);
    process.stderr.write(`${caseLines(item, result).join('\n')}\n`);
    mkdirSync(path.dirname(setup.json), { recursive: true });
    writeFileSync(setup.json, JSON.stringify({ machine: facts, setup, results }, null, 1));
  }
  console.log(tableOf(facts, setup, items, results).join('\n'));
  return results.some((result) => result.failures.length) ? 1 : 0;
}

main().then(
  (status) => process.exit(status),
  (error) => {
    console.error(`fanout: ${error.message}`);
    process.exit(1);
  },
);
