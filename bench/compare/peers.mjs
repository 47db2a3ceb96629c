// Who is compared, where it is found, and how it is started: each with its configuration from
// bench/peers, with one thread (or one worker) that serves, on free ports of loopback.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { launch, startEngine, startUws, stop } from '../runner/servers.mjs';

const START_SECONDS = 15;
const START_TRIES = 3;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A directory of its own for each program run; gone when this one ends.
const scratch = mkdtempSync(path.join(os.tmpdir(), 'shardcast-compare-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

export function onPath(program) {
  const places = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  return places.map((place) => path.join(place, program)).find(existsSync);
}

// What a program says of its version, wherever it says it.
function says(command, args, pattern) {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return pattern.exec(`${stdout}${stderr}`)?.[1] ?? 'unknown';
}

function debianVersion(name) {
  const { status, stdout } = spawnSync('dpkg-query', ['-W', '-f', '${Version}', name], {
    encoding: 'utf8',
  });
  return status === 0 ? stdout : 'unknown';
}

// So many ports that are free now, all open at once so that they differ.
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = net.createServer();
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', () => resolve(server));
      });
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

// Until the server takes connections on its ports; an error when it ends before.
async function listening(child, ports, name, errors) {
  const end = Date.now() + 1000 * START_SECONDS;
  for (const port of ports) {
    while (!(await accepts(port))) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`${name} ended at its start:\n${errors()}`);
      if (Date.now() > end) throw new Error(`${name} did not start within ${START_SECONDS} s`);
      await sleep(20);
    }
  }
}

// A configuration of bench/peers with the names between @ filled in, comments apart.
function filledIn(template, values) {
  return template.replace(/^[^#\n].*$/gm, (line) =>
    line.replace(/@([A-Z_]+)@/g, (_, key) => values[key]),
  );
}

// Starts a server that is told its ports in its configuration: `file` of bench/peers. `oneport`: members
// and the publisher use the same.
async function startOnce({ root, name, file, command, args, facts, oneport, protocol, cores }) {
  const directory = mkdtempSync(path.join(scratch, `${name}-`));
  const ports = await freePorts(oneport ? 1 : 2);
  const [clients, producers] = [ports[0], ports.at(-1)];
  const config = path.join(directory, path.basename(file));
  const addresses = { clients: `127.0.0.1:${clients}`, producers: `127.0.0.1:${producers}` };
  writeFileSync(
    config,
    filledIn(readFileSync(path.join(root, 'bench/peers', file), 'utf8'), {
      ...facts,
      DIRECTORY: directory,
      CLIENTS: addresses.clients,
      PRODUCERS: addresses.producers,
      CLIENTS_PORT: clients,
      PRODUCERS_PORT: producers,
    }),
  );
  const child = launch(cores, command, args(config, directory), {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors = (errors + chunk).slice(-2000)));
  const server = { child, pid: child.pid, ...addresses, admin: addresses.producers, protocol };
  try {
    await listening(child, ports, name, () => errors);
  } catch (error) {
    await stop(server);
    throw error;
  }
  return server;
}

// Somebody else may take a port between the search for it and the start: then another one is tried.
async function startConfigured(how) {
  for (let tries = 1; ; tries++) {
    try {
      return await startOnce(how);
    } catch (error) {
      if (tries === START_TRIES) throw error;
    }
  }
}

const nchanModule = '/usr/lib/nginx/modules/ngx_nchan_module.so';

// Installs uWebSockets under build/peers, from the lock file.
function installUws(root) {
  const directory = path.join(root, 'build/peers/uws');
  const source = path.join(root, 'bench/peers/uws');
  mkdirSync(directory, { recursive: true });
  cpSync(source, directory, { recursive: true });
  if (!existsSync(path.join(directory, 'node_modules/@trufflesuite/uws-js-unofficial')))
    execFileSync(
      'npm',
      ['ci', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
      {
        cwd: directory,
        stdio: ['ignore', process.stderr, 'inherit'],
      },
    );
  return directory;
}

// The limits that hold by default are for production; here they would be what is measured.
const engineConfig = `limits: { backlog_bytes: 268435456 }
namespaces:
  - { name: "", max_members: 0, max_rate: 0 }
`;

function shardcast({ engine }) {
  const config = path.join(scratch, 'shardcast.yaml');
  writeFileSync(config, engineConfig);
  return {
    title: 'Shardcast',
    missing: existsSync(engine)
      ? null
      : `${engine} (cmake --preset release && cmake --build --preset release)`,
    version: () => says(engine, ['--version'], /shardcastd (\S+)/),
    start: (cores) => startEngine({ path: engine, config, shards: 1, cores }),
  };
}

function uws({ root }) {
  let directory;
  return {
    title: 'uWebSockets',
    missing: null,
    version: () => {
      directory ??= installUws(root);
      const manifest = path.join(
        directory,
        'node_modules/@trufflesuite/uws-js-unofficial/package.json',
      );
      return `${JSON.parse(readFileSync(manifest, 'utf8')).version} on Node ${process.version}`;
    },
    start: (cores) => {
      directory ??= installUws(root);
      return startUws({ directory, mode: 'deferred', cores });
    },
  };
}

function nchan({ root }) {
  const command = onPath('nginx');
  return {
    title: 'nchan',
    missing:
      command && existsSync(nchanModule) ? null : 'Debian packages nginx and libnginx-mod-nchan',
    version: () =>
      `${debianVersion('libnginx-mod-nchan')} in nginx ${says(command, ['-v'], /nginx\/(\S+)/)}`,
    start: (cores) =>
      startConfigured({
        root,
        name: 'nchan',
        file: 'nchan/nginx.conf',
        command,
        args: (config, directory) => ['-e', 'stderr', '-p', directory, '-c', config],
        facts: { MODULE: nchanModule },
        oneport: true,
        protocol: 'nchan',
        cores,
      }),
  };
}

function nats({ root }) {
  const command = onPath('nats-server');
  return {
    title: 'nats-server',
    missing: command ? null : 'Debian package nats-server',
    version: () => says(command, ['--version'], /v?(\d\S*)/),
    start: (cores) =>
      startConfigured({
        root,
        name: 'nats-server',
        file: 'nats/nats.conf',
        command,
        args: (config) => ['-c', config],
        protocol: 'nats',
        cores,
      }),
  };
}

function mosquitto({ root }) {
  const command = onPath('mosquitto');
  return {
    title: 'mosquitto',
    missing: command ? null : 'Debian package mosquitto',
    version: () => says(command, ['-h'], /mosquitto version (\S+)/),
    start: (cores) =>
      startConfigured({
        root,
        name: 'mosquitto',
        file: 'mosquitto/mosquitto.conf',
        command,
        args: (config) => ['-c', config],
        protocol: 'mqtt',
        cores,
      }),
  };
}

// All who can take part, in the table's order; Shardcast is the first.
export function contenders(setup) {
  return {
    shardcast: shardcast(setup),
    uws: uws(setup),
    nchan: nchan(setup),
    nats: nats(setup),
    mosquitto: mosquitto(setup),
  };
}
