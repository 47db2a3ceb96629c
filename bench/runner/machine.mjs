// What a figure is worth depends on where it was taken: machine, kernel, builds and versions.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

function firstLine(command, args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8' }).split('\n')[0].trim();
  } catch {
    return 'unknown';
  }
}

function debian() {
  if (!existsSync('/etc/os-release')) return os.type();
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? os.type();
}

// Busy time of all cores since the machine started, in ticks of 10 ms.
function busyTicks() {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return user + nice + system + irq + softirq + steal;
}

// Waits until the machine has been idle for half a second (3 % of a core is idle), at most `seconds`.
export async function quiet(seconds) {
  const end = Date.now() + 1000 * seconds;
  while (Date.now() < end) {
    const before = busyTicks();
    await new Promise((resolve) => setTimeout(resolve, 500));
    if (busyTicks() - before <= 1.5) return;
  }
}

export function machine({ root, engine, against, uws }) {
  const facts = {
    date: new Date().toISOString().slice(0, 10),
    processor: `${os.cpus()[0].model.trim()}, ${os.cpus().length} cores`,
    memory: `${(os.totalmem() / 2 ** 30).toFixed(0)} GiB`,
    system: `${debian()}, Linux ${os.release()}`,
    engine: `${firstLine(engine, ['--version'])}, commit ${firstLine('git', ['-C', root, 'rev-parse', '--short', 'HEAD'])}`,
    node: process.version,
  };
  if (against) facts.against = firstLine(against, ['--version']);
  if (uws) {
    const manifest = path.join(uws, 'node_modules/@trufflesuite/uws-js-unofficial/package.json');
    facts.uws = JSON.parse(readFileSync(manifest, 'utf8')).version;
  }
  return facts;
}
