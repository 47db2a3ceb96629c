// Starting and stopping the servers under test: each on its own cores, on free ports of loopback,
// fresh for every measurement, and ended by its pid.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import os from 'node:os';
import { createInterface } from 'node:readline';

const running = new Set();

// Each is the first of a process group, and so are its workers, if it has any.
function killAll(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

// Whatever happens to this program, no server outlives it.
process.on('exit', () => {
  for (const child of running) killAll(child);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => process.exit(130));
}

// Runs a command on some cores; '' is any.
export function launch(cores, command, args, options) {
  const own = { ...options, detached: true };
  const child = cores
    ? spawn('taskset', ['-c', cores, command, ...args], own)
    : spawn(command, args, own);
  running.add(child);
  return child;
}

// Resolves with what `pattern` finds in a line of the stream.
function lineMatching(child, stream, pattern, name) {
  return new Promise((resolve, reject) => {
    const seen = [];
    const timer = setTimeout(() => reject(new Error(`${name} did not start within 15 s`)), 15000);
    const over = () => reject(new Error(`${name} ended at its start:\n${seen.join('\n')}`));
    child.once('exit', over);
    child.once('error', reject);
    createInterface({ input: stream }).on('line', (line) => {
      const found = pattern.exec(line);
      if (seen.length < 20) seen.push(line);
      if (!found) return;
      clearTimeout(timer);
      child.off('exit', over);
      resolve(found);
    });
  });
}

async function waitReady(admin) {
  for (let tries = 0; tries < 200; tries++) {
    const response = await fetch(`http://${admin}/readyz`).catch(() => null);
    await response?.arrayBuffer();
    if (response?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('the engine is not ready after 5 s');
}

export async function startEngine({ path, config, shards, cores }) {
  const any = '127.0.0.1:0';
  const args = ['--config', config, '--shards', String(shards)];
  args.push('--listen', any, '--producers', any, '--admin', any);
  const child = launch(cores, path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const pattern = /msg=listening clients=(\S+) producers=(\S+) admin=(\S+)/;
  const [, clients, producers, admin] = await lineMatching(child, child.stderr, pattern, path);
  await waitReady(admin);
  return { child, pid: child.pid, clients, producers, admin, protocol: 'msgpack' };
}

export async function startUws({ directory, mode, cores }) {
  const child = launch(cores, process.execPath, ['server.mjs', '0', mode], {
    cwd: directory,
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [, port] = await lineMatching(child, child.stdout, /^listening (\d+)$/, 'uWebSockets');
  const address = `127.0.0.1:${port}`;
  return {
    child,
    pid: child.pid,
    clients: address,
    producers: address,
    admin: address,
    protocol: 'websocket',
  };
}

export async function stop(server) {
  const { child } = server;
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit');
    const timer = setTimeout(() => killAll(child), 15000);
    child.kill('SIGTERM');
    await ended;
    clearTimeout(timer);
  } else {
    killAll(child); // a worker may be left of it
  }
  running.delete(child);
}

// Sets the niceness of a process's threads; those that it makes later inherit it.
function renice(pid, niceness) {
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) os.setPriority(Number(thread), niceness);
  } catch {
    // It has ended, or may not have more: the figures then say what they say.
  }
}

// Runs shardcast-load against a server; resolves with its exit status and what it printed.
export async function load({ path, cores, server, args, niceness }) {
  const all = [...args.map(String), '--json', '--quiet', '--pid', String(server.pid)];
  all.push('--clients', server.clients, '--producers', server.producers, '--admin', server.admin);
  all.push('--protocol', server.protocol);
  const child = launch(cores, path, all, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (errors += chunk));
  const timer = setTimeout(() => killAll(child), 180000);
  const [status] = await once(child, 'close');
  clearTimeout(timer);
  running.delete(child);
  return { status, out, errors };
}
