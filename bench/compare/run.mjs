// Shardcast against its peers: the same work for everybody, measured by the same client, in one run.
// See bench/README.md, "bench/compare".
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine, quiet } from '../runner/machine.mjs';
import { load, stop } from '../runner/servers.mjs';
import { cases } from './cases.mjs';
import { contenders, onPath } from './peers.mjs';
import { plot } from './plot.mjs';
import { caseLines, publish, report } from './table.mjs';

const HELP = `usage: node bench/compare/run.mjs [OPTION...]

Runs Shardcast, uWebSockets, nchan, nats-server and mosquitto in turns on the same
work, one server at a time with one serving thread each, and prints server CPU per
delivery, deliveries per second, latency and memory: medians with the range of the
rounds, and the ratio of Shardcast to each peer. Traffic stays on loopback; nothing
is left running. Needs the release build, and the Debian packages nginx,
libnginx-mod-nchan, nats-server, mosquitto and gnuplot-nox; uWebSockets is installed
from npm under build/peers.

  --rounds N        rounds of each case (5)
  --seconds N       of measuring in each round (1.5)
  --quick           1 round of 0.5 s: a look, not a measurement
  --cases A,B       only these cases (--list shows them)
  --peers X,Y       only these peers: uws, nchan, nats, mosquitto; none: Shardcast alone
  --list            the cases, and exit
  --patient N       waits up to N seconds before each measurement until nothing else
                    keeps the machine busy (0)
  --bin DIR         where shardcastd and shardcast-load are (build/release/bin)
  --server-cores L  cores of the server, as for taskset (0)
  --load-cores L    cores of the generator (2 where there are more than 2, else 1)
  --out DIR         gets results.json, RESULTS.md and results.svg (build/bench/compare)
  --from FILE       makes table and plot of a results.json; runs nothing
  --write           puts table and plot into the tree: bench/README.md, bench/compare
  --help            this

Exit status: 0; 1 when something could not be measured at all; 2 on bad usage. What a
peer cannot do is said in the table, and is no failure.
`;

const TRIES = 2;

function usage(text) {
  console.error(`compare: ${text}; see --help`);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        cases: { type: 'string' },
        peers: { type: 'string' },
        list: { type: 'boolean', default: false },
        patient: { type: 'string', default: '0' },
        bin: { type: 'string' },
        'server-cores': { type: 'string' },
        'load-cores': { type: 'string' },
        out: { type: 'string' },
        from: { type: 'string' },
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    return usage(error.message.split('. ')[0]);
  }
}

function number(value, name, least) {
  const n = Number(value);
  if (!(n >= least)) usage(`--${name} ${value}: a number of at least ${least} is wanted`);
  return n;
}

// The names in a list given by a person, in the order that all of them have.
function chosen(text, all, name) {
  if (text === undefined) return all;
  const wanted = text.split(',').filter((part) => part && part !== 'none');
  const unknown = wanted.find((part) => !all.includes(part));
  if (unknown) usage(`--${name}: there is no ${unknown}; allowed are ${all.join(', ')}`);
  return all.filter((part) => wanted.includes(part));
}

const options = parse();
const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const cores = os.cpus().length;
const bin = options.bin ?? path.join(root, 'build/release/bin');
const setup = {
  root,
  engine: path.join(bin, 'shardcastd'),
  generator: path.join(bin, 'shardcast-load'),
  rounds: number(options.rounds ?? (options.quick ? 1 : 5), 'rounds', 1),
  seconds: number(options.seconds ?? (options.quick ? 0.5 : 1.5), 'seconds', 0.1),
  patient: number(options.patient, 'patient', 0),
  serverCores: options['server-cores'] ?? (cores > 1 ? '0' : ''),
  loadCores: options['load-cores'] ?? (cores > 2 ? '2' : cores > 1 ? '1' : ''),
  out: options.out ?? path.join(root, 'build/bench/compare'),
};

async function measure(contender, item, name) {
  await quiet(setup.patient);
  const server = await contender.start(setup.serverCores);
  try {
    const args = [
      ...item.load,
      ...(item.own?.[name] ?? []),
      '--seconds',
      setup.seconds,
      '--warmup',
      0.5,
    ];
    const result = await load({ path: setup.generator, cores: setup.loadCores, server, args });
    const errors = result.errors.trim();
    if (!result.out.trim())
      return { failure: errors || 'shardcast-load was killed after 3 minutes' };
    const measured = JSON.parse(result.out);
    if (result.status !== 0)
      measured.failure = errors || JSON.stringify(measured.measurement.faults);
    return measured;
  } catch (error) {
    return { failure: error.message };
  } finally {
    await stop(server);
  }
}

// All rounds of one case, everybody in turn. Who begins changes with the round, so that nobody is
// always measured behind the same one. What fails is kept, and the others go on; who has failed
// twice is left out.
async function runCase(item, everybody, names) {
  const rounds = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < setup.rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length];
      if (rounds[name].filter((r) => r.failure).length >= TRIES) continue;
      process.stderr.write(`==> ${item.name}: round ${round + 1} of ${setup.rounds}, ${name}\n`);
      const result = await measure(everybody[name], item, name).catch((error) => ({
        failure: error.message,
      }));
      if (result.failure) process.stderr.write(`    ${result.failure.split('\n')[0]}\n`);
      rounds[name].push(result);
    }
  }
  return { name: item.name, rounds };
}

// The results of all cases, kept as soon as each is through.
async function run(names, items) {
  const everybody = contenders(setup);
  const missing = names.filter((name) => everybody[name].missing);
  if (missing.length)
    usage(
      `not here: ${missing.map((name) => everybody[name].missing).join('; ')} (--peers leaves peers out)`,
    );
  const began = Date.now();
  const results = {
    machine: machine({ root, engine: setup.engine }),
    setup,
    versions: Object.fromEntries(names.map((name) => [name, everybody[name].version()])),
    titles: Object.fromEntries(names.map((name) => [name, everybody[name].title])),
    cases: [],
  };
  mkdirSync(setup.out, { recursive: true });
  for (const item of items) {
    results.cases.push(await runCase(item, everybody, names));
    results.minutes = (Date.now() - began) / 60000;
    process.stderr.write(`${caseLines(results, item).join('\n')}\n`);
    writeFileSync(path.join(setup.out, 'results.json'), JSON.stringify(results, null, 1));
  }
  return results;
}

async function main() {
  if (options.help) return process.stdout.write(HELP) && 0;
  if (options.list) {
    for (const item of cases) console.log(`${item.name.padEnd(16)}${item.title}`);
    return 0;
  }
  const plotter = onPath('gnuplot');
  if (!plotter && options.write)
    usage('--write: the plot wants gnuplot (Debian package gnuplot-nox)');
  if (!plotter)
    process.stderr.write('compare: no plot: gnuplot is not here (Debian package gnuplot-nox)\n');
  const peers = chosen(options.peers, ['uws', 'nchan', 'nats', 'mosquitto'], 'peers');
  const wanted = chosen(
    options.cases,
    cases.map((item) => item.name),
    'cases',
  );
  const items = cases.filter((item) => wanted.includes(item.name));
  const results = options.from
    ? JSON.parse(readFileSync(options.from, 'utf8'))
    : await run(['shardcast', ...peers], items);
  const lines = report(results);
  const svg = path.join(setup.out, 'results.svg');
  mkdirSync(setup.out, { recursive: true });
  writeFileSync(path.join(setup.out, 'RESULTS.md'), `${lines.join('\n')}\n`);
  if (plotter) plot(plotter, results, svg);
  if (options.write) publish(root, lines, svg);
  console.log(lines.join('\n'));
  return results.cases.some((one) =>
    Object.values(one.rounds)
      .flat()
      .every((r) => r.failure),
  )
    ? 1
    : 0;
}

main().then(
  (status) => process.exit(status),
  (error) => {
    console.error(`compare: ${error.message}`);
    process.exit(1);
  },
);
