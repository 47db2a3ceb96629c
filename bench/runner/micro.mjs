// bench/micro's work: runs the micro-benchmarks, and compares two builds line by line.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { median, showRatio } from './statistics.mjs';

const TURNS = 3; // of each build

const { values: options, positionals: names } = parseArgs({
  options: {
    build: { type: 'string' },
    against: { type: 'string' },
    rounds: { type: 'string' },
  },
  allowPositionals: true,
});

// A line of a benchmark that has a figure.
const LINE = /^(.+?) +([\d.]+) ns \(([\d.]+)-([\d.]+)\)/;

function run(build, name, stdio) {
  const program = path.join(build, 'bench', `micro_${name}`);
  const args = options.rounds ? [options.rounds] : [];
  const { error, status, stdout } = spawnSync(program, args, { stdio, encoding: 'utf8' });
  if (error) throw new Error(`${program}: ${error.message}`);
  if (status !== 0) throw new Error(`${program} failed`);
  return stdout;
}

// The figures of one run, added to those of the runs before.
function collect(text, figures) {
  for (const line of text.split('\n')) {
    const found = LINE.exec(line);
    if (!found) continue;
    const [name, middle, lowest, highest] = [found[1], ...found.slice(2).map(Number)];
    if (!figures.has(name)) figures.set(name, []);
    figures.get(name).push({ middle, lowest, highest });
  }
}

function merged(runs) {
  return {
    median: median(runs.map((r) => r.middle)),
    lowest: Math.min(...runs.map((r) => r.lowest)),
    highest: Math.max(...runs.map((r) => r.highest)),
  };
}

function shown({ median: middle, lowest, highest }) {
  return `${middle.toFixed(1)} ns (${lowest.toFixed(1)}-${highest.toFixed(1)})`;
}

function compare(name) {
  const before = new Map();
  const after = new Map();
  for (let turn = 0; turn < TURNS; turn++) {
    collect(run(options.against, name, ['ignore', 'pipe', 'inherit']), before);
    collect(run(options.build, name, ['ignore', 'pipe', 'inherit']), after);
  }
  for (const [line, runs] of after) {
    const now = merged(runs);
    const then = before.has(line) ? merged(before.get(line)) : null;
    const apart = then && (now.lowest > then.highest || now.highest < then.lowest);
    const ratio = then
      ? `${showRatio(now.median / then.median)}${apart ? '' : ' (the ranges meet)'}`
      : 'new';
    console.log(
      `${line.padEnd(54)} ${(then ? shown(then) : '').padEnd(28)} ${shown(now).padEnd(28)} ${ratio}`,
    );
  }
}

try {
  if (options.against)
    console.log(`${'what'.padEnd(54)} ${'before'.padEnd(28)} ${'after'.padEnd(28)} ratio`);
  for (const name of names) {
    if (options.against) {
      compare(name);
    } else {
      console.log(`\n== ${name}`);
      run(options.build, name, 'inherit');
    }
  }
} catch (error) {
  console.error(`micro: ${error.message}`);
  process.exit(1);
}
