// The contract's "Programs": the command line `shardcast pub`, `sub` and `stats` against the engine.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { BIN_DIR, runProgram, startEngine, startProgram, UNLIMITED, withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { same, until, within } from './lib/util.mjs';

const addresses = (engine) => [
  '--server', `127.0.0.1:${engine.ports.clients}`,
  '--producers', `127.0.0.1:${engine.ports.producers}`,
  '--admin', `127.0.0.1:${engine.ports.admin}`,
];

/** A `shardcast sub` that runs: its lines as they come. */
function subscriber(args) {
  const child = startProgram(path.join(BIN_DIR, 'shardcast'), ['sub', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const out = { child, text: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (out.text += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (out.err += text));
  out.ended = new Promise((resolve) => child.on('close', (status, signal) => resolve(status ?? signal)));
  out.lines = (n) => until(() => out.text.split('\n').length > n && out.text.split('\n').slice(0, n), `${n} lines; there is: ${out.text}${out.err}`);
  out.end = () => within(out.ended, 'shardcast sub ends');
  return out;
}

const members = (engine, n) => engine.statsWhen((stats) => stats.total_connections === n, `${n} connections`);

test('pub', async (t) => {
  await withEngine({ config: UNLIMITED }, async (engine) => {
    const pub = (...args) => runProgram('shardcast', ['pub', ...addresses(engine), ...args]);
    const client = await Client.join(engine, ['g', 'experiment:42', 'session:s'], { user: 'ann' });

    await t.test('a message, and what became of it', async () => {
      const { status, stdout, stderr } = await pub('g', 'hello, wörld');
      assert.equal(status, 0, stderr);
      assert.match(stdout, /^g: 1 member, offset 1, epoch \S+\n$/);
      assert.deepEqual(await client.next(), { data: 'hello, wörld', binary: false });
    });

    await t.test('every target', async () => {
      for (const target of [['--user', 'ann'], ['--experiment', '42'], ['--session', 's'], ['--all']]) {
        const { status, stdout } = await pub(...target, `to ${target.join(' ')}`);
        assert.equal(status, 0);
        assert.match(stdout, /: 1 member/);
        assert.equal((await client.next()).data, `to ${target.join(' ')}`);
      }
    });

    await t.test('binary, priority, JSON answers', async () => {
      assert.equal((await pub('--binary', '--priority', 'low', 'g', 'text')).status, 0);
      assert.deepEqual(await client.next(), { data: Buffer.from('text'), binary: true });
      const { stdout } = await pub('--json', 'g', 'x');
      const answer = JSON.parse(stdout);
      assert.deepEqual([answer.ok, answer.members, answer.offset], [true, 1, 3]);
      await client.next();
    });

    await t.test('standard input, a line each, what is no UTF-8 as binary', async () => {
      const input = Buffer.concat([Buffer.from('one\n\nzwei ü\n'), Buffer.from([0xff, 0x00, 0x0a]), Buffer.from('last without newline')]);
      const { status, stdout } = await runProgram('shardcast', ['pub', ...addresses(engine), 'g', '-'], { input });
      assert.equal(status, 0);
      assert.match(stdout, /^5 messages: 5 taken, 0 refused; routed to 5 members in all\n$/);
      for (const data of ['one', '', 'zwei ü']) assert.deepEqual(await client.next(), { data, binary: false });
      assert.deepEqual(await client.next(), { data: Buffer.from([0xff, 0]), binary: true });
      assert.equal((await client.next()).data, 'last without newline');
    });

    await t.test('a hundred thousand lines in order', async () => {
      const reader = await Client.join(engine, 'lines');
      const count = 100000;
      const input = Array.from({ length: count }, (_, i) => `${i}\n`).join('');
      const { status, stderr } = await runProgram('shardcast', ['pub', ...addresses(engine), 'lines'], { input });
      assert.equal(status, 0, stderr);
      const got = await reader.take(count);
      assert.ok(got.every((data, i) => data === `${i}`));
      await reader.leave();
    });

    await t.test('refusals: one line on stderr, status 1', async () => {
      const { status, stdout, stderr } = await pub('not a name', 'x');
      assert.equal(status, 1);
      assert.equal(stdout, '');
      assert.match(stderr, /^shardcast: bad_group: [^\n]+\n$/);
      const big = await runProgram('shardcast', ['pub', ...addresses(engine), 'g', '-'], { input: `fine\n${'x'.repeat(70000)}\nfine\n` });
      assert.equal(big.status, 1);
      assert.match(big.stderr, /line 2: too_large/);
      assert.deepEqual(await client.take(2), ['fine', 'fine']);
      const huge = await runProgram('shardcast', ['pub', ...addresses(engine), 'g', '-'], { input: 'x'.repeat(1e6) });
      assert.equal(huge.status, 1);
      assert.match(huge.stderr, /too_large/);
    });
  });
});

test('sub', async (t) => {
  await withEngine({ config: UNLIMITED }, async (engine) => {
    const producer = await Producer.connect(engine);
    const server = addresses(engine).slice(0, 2);

    await t.test('prints frames of all its groups as lines, binary in hexadecimal', async () => {
      const sub = subscriber([...server, 'a', 'b', '--user', 'ann']);
      await members(engine, 1);
      await until(async () => (await producer.broadcast({ groups: ['a', 'b'] }, 'x')).members === 2, 'it has joined');
      await producer.broadcast({ user: 'ann' }, 'grüße');
      await sub.lines(3); // between groups no order is promised
      await producer.broadcast('a', Buffer.from([0, 255]));
      await producer.broadcast('a', '');
      await producer.broadcast('a', 'y'.repeat(65536));
      const lines = await sub.lines(6);
      assert.deepEqual(lines.slice(0, 5), ['x', 'x', 'grüße', '00ff', '']);
      same(lines[5], 'y'.repeat(65536));
      sub.child.kill('SIGINT');
      assert.equal(await sub.end(), 0);
      const stats = await members(engine, 0);
      assert.equal(stats.connections_closed.client, 1, 'it left with a close frame');
    });

    await t.test('--count and --raw', async () => {
      const sub = subscriber([...server, '--count', '3', '--raw', 'a']);
      await members(engine, 1);
      await until(async () => (await producer.broadcast('a', 'one')).members === 1, 'it has joined');
      await producer.broadcast('a', Buffer.from('bytes'));
      await producer.broadcast('a', 'three');
      assert.equal(await sub.end(), 0);
      assert.equal(sub.text, 'one\nbytes\nthree\n');
      await members(engine, 0);
    });

    await t.test('a closed pipe ends it with status 0', async () => {
      const sub = subscriber([...server, 'a']);
      await members(engine, 1);
      sub.child.stdout.destroy();
      await until(async () => {
        await producer.broadcast('a', 'x');
        return sub.child.exitCode !== null;
      }, 'it ends');
      assert.equal(await sub.end(), 0);
      assert.equal(sub.err, '');
    });

    await t.test('closes are told, and those that are final end it with status 1', async () => {
      const sub = subscriber([...server, 'a']);
      await members(engine, 1);
      await until(async () => (await producer.disconnect({ group: 'a' }, { reason: 'logged out' })).members === 1, 'it is closed');
      assert.equal(await sub.end(), 1);
      assert.match(sub.err, /3503 "logged out"/);
    });

    await t.test('refusals end it with status 1', async () => {
      for (const [group, pattern] of [['a b', /400/], ['user:ann', /403/]]) {
        const sub = subscriber([...server, group]);
        assert.equal(await sub.end(), 1);
        assert.match(sub.err, pattern);
        assert.match(sub.err, /^[^\n]+\n$/);
      }
    });

    await t.test('it comes back after a close that is not final', async () => {
      const sub = subscriber([...server, 'a']);
      await members(engine, 1);
      await until(async () => (await producer.disconnect({ group: 'a' }, { code: 4000 })).members === 1, 'it is closed');
      await until(async () => (await producer.broadcast('a', 'back')).members === 1, 'it is back');
      await sub.lines(1);
      sub.child.kill('SIGTERM');
      assert.equal(await sub.end(), 0);
    });
  });
});

test('sub comes back to an engine that was started again', async () => {
  let engine = await startEngine({ config: UNLIMITED });
  const { clients } = engine.ports;
  const sub = subscriber(['--server', `127.0.0.1:${clients}`, 'g']);
  const once = subscriber(['--server', `127.0.0.1:${clients}`, '--once', 'g']);
  await members(engine, 2);
  await engine.stop();
  assert.equal(await once.end(), 0, '1001 is a clean end');
  engine = await startEngine({ config: UNLIMITED, args: ['--listen', `127.0.0.1:${clients}`] });
  const producer = await Producer.connect(engine);
  await until(async () => (await producer.broadcast('g', 'again')).members === 1, 'it is back');
  await sub.lines(1);
  assert.match(sub.err, /1001 "shutting down"/);
  sub.child.kill('SIGINT');
  assert.equal(await sub.end(), 0);
  await engine.stop();
});

test('stats', async () => {
  await withEngine({ shards: 3, config: UNLIMITED }, async (engine) => {
    const client = await Client.join(engine, 'g');
    const table = await runProgram('shardcast', ['stats', ...addresses(engine)]);
    assert.equal(table.status, 0, table.stderr);
    assert.match(table.stdout, /^total_connections +1$/m);
    assert.match(table.stdout, /^drops +0$/m);
    assert.match(table.stdout, /^ +2 /m, 'a line for the third shard');
    const raw = await runProgram('shardcast', ['stats', '--json', ...addresses(engine)]);
    assert.equal(JSON.parse(raw.stdout).total_connections, 1);
    await client.leave();
  });
});

test('tokens come from the environment', async () => {
  const env = { SHARDCAST_PRODUCERS_TOKEN: 'p', SHARDCAST_ADMIN_TOKEN: 'a' };
  await withEngine({ env, config: UNLIMITED }, async (engine) => {
    const run = (args, more) => runProgram('shardcast', [...args, ...addresses(engine)], { env: more });
    assert.equal((await run(['pub', 'g', 'x'], env)).status, 0);
    assert.match((await run(['pub', 'g', 'x'], {})).stderr, /unauthorized/);
    assert.match((await run(['pub', 'g', 'x'], { SHARDCAST_PRODUCERS_TOKEN: 'q' })).stderr, /unauthorized/);
    assert.equal((await run(['stats'], env)).status, 0);
    const refused = await run(['stats'], {});
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /401/);
  });
});

test('usage', async () => {
  const run = (...args) => runProgram('shardcast', args);
  assert.equal((await run('--help')).status, 0);
  assert.match((await run('--version')).stdout, /^shardcast \d/);
  for (const command of ['pub', 'sub', 'stats']) {
    const help = await run(command, '--help');
    assert.equal(help.status, 0);
    assert.match(help.stdout, new RegExp(`^Usage: shardcast ${command}`));
  }
  for (const args of [[], ['nonsense'], ['pub'], ['sub'], ['pub', 'g', 'a', 'b'], ['pub', '--raw', 'g', 'x'], ['stats', 'x'],
    ['sub', '--count', '0', 'g'], ['sub', '--count'], ['stats', '--admin', 'nowhere'], ['pub', '--user', 'u', '--all', 'x'],
    ['pub', '--priority', 'urgent', 'g', 'x'], ['stats', '--admin', '127.0.0.1:99999']]) {
    const { status, stdout, stderr } = await run(...args);
    assert.equal(status, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, /^shardcast: [^\n]+\n$/, args.join(' '));
  }
  const gone = ['--server', '127.0.0.1:1', '--producers', '127.0.0.1:1', '--admin', '127.0.0.1:1'];
  for (const args of [['pub', 'g', 'x'], ['stats'], ['sub', '--once', 'g']]) {
    const { status, stderr } = await run(...args, ...gone);
    assert.equal(status, 1, args.join(' '));
    assert.match(stderr, /^shardcast: cannot connect to 127\.0\.0\.1:1: [^\n]+\n$/);
  }
});
