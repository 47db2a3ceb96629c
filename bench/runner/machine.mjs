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
