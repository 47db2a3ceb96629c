// The contract's "Programs" and "Configuration file": flags, environment and file with their
// precedence, --check and --print-config, the one line that tells a fault, and the reload.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from './lib/together.mjs';
import { Client } from './lib/client.mjs';
import { runProgram, startEngine, temporaryFolder, withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { OPCODE, Raw } from './lib/raw.mjs';
import { settled } from './lib/settled.mjs';
import { sleep, until, within } from './lib/util.mjs';

const folder = temporaryFolder();
const write = (name, text) => {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
};
const daemon = (...args) => runProgram('shardcastd', args);

test('help and version', async () => {
  const help = await daemon('--help');
  assert.equal(help.status, 0);
  assert.equal(help.stderr, '');
  for (const flag of ['--config', '--listen', '--producers', '--admin', '--shards', '--check', '--print-config', '--version', '--help'])
    assert.ok(help.stdout.includes(flag), flag);
  const version = await daemon('--version');
  assert.equal(version.status, 0);
  assert.match(version.stdout, /^shardcastd \d+\.\d+\.\d+\n$/);
});

test('faults: exit status 2 and exactly one line', async (t) => {
  const cases = [
    // the file, and the beginning of the line behind FILE:LINE:
    ['shards: many\n', 1, 'shards'],
    ['shards: -1\n', 1, 'shards'],
    ['\n\nlisten:\n  clients: nowhere\n', 4, 'listen.clients'],
    ['nonsense: 1\n', 1, 'nonsense'],
    ['limits: { message_bytes: big }\n', 1, 'limits.message_bytes'],
    ['limits:\n  message_bytes: 65536\n  backlog_bytes: 65535\n', 3, 'limits.backlog_bytes'],
    ['limits:\n  recovery_bytes: 100\n', 2, 'limits.recovery_bytes'],
    ['health: { ping_seconds: 10, pong_timeout_seconds: 10 }\n', 1, 'health.pong_timeout_seconds'],
    ['health: { ping_seconds: 1.5 }\n', 1, 'health.ping_seconds'],
    ['insecure: perhaps\n', 1, 'insecure'],
    ['namespaces:\n  - name: ""\n  - name: a\n  - name: "b c"\n', 4, 'namespaces[2].name'],
    ['namespaces:\n  - { name: a, max_rate: 1000001 }\n', 2, 'namespaces[0].max_rate'],
    ['namespaces:\n  - { name: a, priority: urgent }\n', 2, 'namespaces[0].priority'],
    ['namespaces:\n  - { name: a, slow_consumer: wait }\n', 2, 'namespaces[0].slow_consumer'],
    ['namespaces:\n  - { name: a, history: { seconds: 10, position_seconds: 5 } }\n', 2, 'namespaces[0].history.position_seconds'],
    ['namespaces:\n  - { name: a, histroy: {} }\n', 2, 'namespaces[0].histroy'],
    ['drain_seconds: [1]\n', 1, 'drain_seconds'],
    ['listen: { producers: 0.0.0.0:7481 }\n', 1, 'listen.producers'],
    ['listen: { admin: "[::]:7482" }\n', 1, 'listen.admin'],
    ['shards: [1\n', 1, 'yaml'],
    ['\t- x\n', 1, 'yaml'],
  ];
  for (const [text, line, key] of cases)
    await t.test(JSON.stringify(text), async () => {
      const file = write('faulty.yaml', text);
      for (const args of [['--check', '--config', file], ['--config', file]]) {
        const { status, stderr, stdout } = await daemon(...args);
        assert.equal(status, 2, stderr);
        assert.equal(stdout, '');
        assert.match(stderr, /^[^\n]+\n$/, 'one line');
        assert.ok(stderr.startsWith(`${file}:${line}: ${key}: `), stderr);
        assert.match(stderr, /; allowed: ./);
      }
    });

  await t.test('flags', async () => {
    for (const [args, flag] of [
      [['--nonsense'], '--nonsense'], [['--listen'], '--listen'], [['--listen', 'nowhere'], '--listen'],
      [['--shards', 'x'], '--shards'], [['--shards', '-1'], '--shards'], [['--admin', '0.0.0.0:7482'], '--admin'],
      [['--producers', '0.0.0.0:0'], '--producers'], [['--config', path.join(folder, 'missing.yaml')], '--config'],
      [['--config', folder], '--config'], [['--listen', '127.0.0.1:70000'], '--listen'],
    ]) {
      const { status, stderr } = await daemon(...args);
      assert.equal(status, 2, stderr);
      assert.match(stderr, /^[^\n]+\n$/, 'one line');
      assert.ok(stderr.startsWith(`shardcastd: ${flag}: `), stderr);
    }
    assert.equal((await daemon('operand')).status, 2);
  });

  await t.test('variables', async () => {
    for (const [name, value] of [['SHARDS', 'x'], ['LISTEN', 'nowhere'], ['PRODUCERS', ':'], ['ADMIN', '1.2.3.4:1']]) {
      const { status, stderr } = await runProgram('shardcastd', ['--check'], { env: { [`SHARDCAST_${name}`]: value } });
      assert.equal(status, 2, stderr);
      assert.ok(stderr.startsWith(`shardcastd: SHARDCAST_${name}: `), stderr);
    }
    const missing = await runProgram('shardcastd', ['--check'], { env: { SHARDCAST_CONFIG: path.join(folder, 'missing') } });
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /^[^\n]+\n$/);
  });
});

test('--check says nothing of a good file', async () => {
  const file = write('good.yaml', 'shards: 3\nnamespaces:\n  - { name: "", max_rate: 7 }\n  - { name: talk, client_publish: true }\n');
  const { status, stderr } = await daemon('--check', '--config', file);
  assert.equal(status, 0);
  assert.equal(stderr, '');
  for (const text of ['', '{}', '# nothing\n', '---\n'])
    assert.equal((await daemon('--check', '--config', write('empty.yaml', text))).status, 0, JSON.stringify(text));
});

test('beyond loopback a token is wanted, or the word that it is meant', async () => {
  const beyond = ['--check', '--producers', '0.0.0.0:0', '--admin', '0.0.0.0:0'];
  const insecure = write('insecure.yaml', 'insecure: true\n');
  assert.equal((await daemon(...beyond)).status, 2);
  assert.equal((await daemon(...beyond, '--config', insecure)).status, 0);
  const env = { SHARDCAST_PRODUCERS_TOKEN: 'a', SHARDCAST_ADMIN_TOKEN: 'b' };
  assert.equal((await runProgram('shardcastd', beyond, { env })).status, 0);
  assert.equal((await runProgram('shardcastd', beyond, { env: { ...env, SHARDCAST_ADMIN_TOKEN: '' } })).status, 2);
  assert.equal((await runProgram('shardcastd', beyond, { env: { ...env, SHARDCAST_ADMIN_TOKEN: '***' } })).status, 2);
  assert.equal((await daemon('--check', '--producers', '[::1]:0', '--admin', '127.8.9.1:0', '--listen', '0.0.0.0:0')).status, 0);
});

test('--print-config is the effective configuration, and --config reads it back', async () => {
  const file = write('print.yaml', `
listen: { clients: 127.0.0.1:1111, producers: 127.0.0.1:2222 }
shards: 3
tokens: { producers: "s3cret", admin: "" }
origins: ["https://a.example", "http://b.example:8080"]
limits: { groups: 10, message_bytes: 1000 }
namespaces:
  - { name: "", max_rate: 7 }
  - { name: talk, client_publish: true, history: { messages: 5 } }
`);
  const env = { SHARDCAST_PRODUCERS: '127.0.0.1:3333', SHARDCAST_SHARDS: '5', SHARDCAST_ADMIN: '' };
  const first = await runProgram('shardcastd', ['--print-config', '--config', file, '--shards', '6'], { env });
  assert.equal(first.status, 0, first.stderr);
  assert.match(first.stdout, /shards: 6/, 'a flag goes before the environment');
  assert.match(first.stdout, /127\.0\.0\.1:3333/, 'the environment before the file');
  assert.match(first.stdout, /127\.0\.0\.1:1111/, 'the file before the default');
  assert.match(first.stdout, /127\.0\.0\.1:7482/, 'an empty variable is not set');
  assert.ok(!first.stdout.includes('s3cret'), 'tokens are not told');
  assert.match(first.stdout, /\*\*\*/);
  assert.match(first.stdout, /ping_seconds: 25/, 'defaults are in it');
  const again = await daemon('--print-config', '--config', write('printed.yaml', first.stdout));
  assert.equal(again.status, 0, again.stderr);
  assert.equal(again.stdout.replace(/""/g, '"***"'), first.stdout.replace(/""/g, '"***"'), 'what is read back is the same');
  const plain = await daemon('--print-config');
  assert.match(plain.stdout, /127\.0\.0\.1:7480/);
});

test('an address that is taken is a runtime failure: status 1', async () => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const taken = `127.0.0.1:${server.address().port}`;
  const free = '127.0.0.1:0';
  for (const args of [
    ['--listen', taken, '--producers', free, '--admin', free],
    ['--listen', free, '--producers', taken, '--admin', free],
    ['--listen', free, '--producers', free, '--admin', taken],
  ]) {
    const { status, stderr } = await daemon(...args);
    assert.equal(status, 1, stderr);
    assert.ok(stderr.includes(taken.split(':')[1]) || /in use/i.test(stderr), stderr);
  }
  server.close();
});

test('it starts without a configuration, with one shard per core', async () => {
  const engine = await startEngine({ shards: 0, config: null });
  const producer = await Producer.connect(engine);
  const { shards } = await producer.call({ op: 'hello' });
  assert.ok(shards >= 1);
  assert.equal((await engine.stats()).shards.length, shards);
  await producer.close();
  await engine.stop();
});

test('namespaces: what one does not name it inherits from ""', async () => {
  const config = `
namespaces:
  - { name: talk, max_rate: 3 }
  - { name: "", max_rate: 5, max_members: 2, client_publish: true }
  - { name: user, max_rate: 1 }
`;
  await withEngine({ config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const taken = async (target, n) => {
      const answers = await Promise.all(Array.from({ length: n }, () => producer.broadcast(target, 'x')));
      return answers.filter((answer) => answer.ok).length;
    };
    assert.equal(await taken('talk:x', 8), 3);
    assert.equal(await taken('other', 8), 5);
    assert.equal(await taken('talkative:x', 8), 5, 'the whole part before the colon');
    assert.equal(await taken('talk', 8), 5, 'no colon: all the rest');
    assert.equal(await taken({ user: 'ann' }, 8), 1);
    await Client.joinMany(engine, 2, () => 'talk:y');
    const third = await Client.open(engine, '/ws/talk:y');
    assert.deepEqual(await third.end(), { code: 1013, reason: 'group full: talk:y' });
    const speaker = await Client.join(engine, 'talk:z');
    speaker.socket.send('client_publish is inherited');
    assert.equal((await speaker.next()).data, 'client_publish is inherited');
  });
});

test('reload', async (t) => {
  const before = { namespaces: [{ name: '', max_rate: 3, max_members: 3 }], limits: { message_bytes: 1000 } };
  await withEngine({ shards: 4, config: before }, async (engine) => {
    const producer = await Producer.connect(engine);
    const members = await Client.joinMany(engine, 3, () => 'g');
    const taken = async (group, n) => {
      const answers = await Promise.all(Array.from({ length: n }, () => producer.broadcast(group, 'x')));
      return answers.filter((answer) => answer.ok).length;
    };
    assert.equal(await taken('g', 10), 3);

    await t.test('namespaces and limits take effect for existing and new groups', async () => {
      await engine.reload({ namespaces: [{ name: '', max_rate: 50, max_members: 4 }], limits: { message_bytes: 2000 } });
      assert.equal((await producer.broadcast('new', 'x'.repeat(1500))).ok, true, 'message_bytes is the new one');
      assert.equal((await producer.broadcast('new', 'x'.repeat(2001))).error, 'too_large');
      assert.equal((await producer.call({ op: 'hello' })).message_bytes, 2000);
      await sleep(1100); // what was taken before has left the window
      assert.equal(await taken('g', 60), 50);
      members.push(await Client.join(engine, 'g'));
    });

    await t.test('max_members lowered: nobody is closed, and nobody joins until there is room', async () => {
      await engine.reload({ namespaces: [{ name: '', max_rate: 0, max_members: 2 }] });
      const late = await Client.open(engine, '/ws/g');
      assert.equal((await late.end()).code, 1013, 'the new limit holds');
      assert.equal((await producer.broadcast('g', 'all still here')).members, 4);
      for (const member of members.splice(0, 3)) await member.leave();
      await settled(engine); // a home hears of a leave a moment later
      members.push(await Client.join(engine, 'g'));
      const third = await Client.open(engine, '/ws/g');
      assert.equal((await third.end()).code, 1013);
    });

    await t.test('client_publish may be taken back', async () => {
      await engine.reload({ namespaces: [{ name: '', client_publish: true, max_rate: 0 }] });
      const speaker = await Client.join(engine, 'talk');
      speaker.socket.send('allowed');
      assert.equal((await speaker.next()).data, 'allowed');
      await engine.reload({ namespaces: [{ name: '', max_rate: 0 }] });
      speaker.socket.send('no more');
      assert.equal((await speaker.end()).code, 1008);
    });

    await t.test('a bad file is logged with the line of --check and changes nothing', async () => {
      const bad = 'namespaces:\n  - { name: "", max_rate: fast }\n';
      await engine.reload(bad);
      const line = (await daemon('--check', '--config', engine.file)).stderr.trim();
      assert.match(line, /:2: namespaces\[0\]\.max_rate: /);
      // The log quotes: compare without quotes and backslashes.
      const plain = (text) => text.replace(/[\\"]/g, '');
      await until(() => engine.log.some((one) => plain(one).includes(plain(line))), 'the line is logged');
      assert.equal(await taken('fresh', 300), 300, 'the settings of before');
      assert.equal((await engine.get('/readyz')).status, 200);
    });

    await t.test('what needs a restart is logged and does not change', async () => {
      await engine.reload({ shards: 9, listen: { clients: '127.0.0.1:1' }, insecure: true, namespaces: [{ name: '', max_rate: 0 }] });
      await engine.logged(/restart/i);
      assert.equal((await producer.call({ op: 'hello' })).shards, 4);
    });

    await t.test('a hundred reloads in traffic', async () => {
      const reader = await Client.join(engine, 'busy');
      for (let i = 0; i < 100; i++) {
        writeFileSync(engine.file, JSON.stringify({ namespaces: [{ name: '', max_rate: 0, max_members: i % 2 ? 0 : 1000 }] }));
        engine.signal('SIGHUP');
        assert.equal((await producer.broadcast('busy', `${i}`)).ok, true);
      }
      for (let i = 0; i < 100; i++) assert.equal((await reader.next()).data, `${i}`);
    });
  });
});

test('reload: origins, and a connection keeps the pings that it began with', async () => {
  const before = { origins: ['https://a.example'], health: { ping_seconds: 2, pong_timeout_seconds: 1 } };
  await withEngine({ shards: 1, config: before }, async (engine) => {
    const origin = 'https://b.example';
    const attempt = async () => {
      const raw = await Raw.upgrade(engine, '/ws/g', { Origin: origin }).catch(() => undefined);
      await raw?.drop();
      return !!raw;
    };
    assert.equal(await attempt(), false);
    const old = await Raw.upgrade(engine, '/ws/g');
    await engine.reload({ origins: [origin], health: { ping_seconds: 0, pong_timeout_seconds: 1 } });
    assert.equal(await attempt(), true, 'the new origin may connect');
    const fresh = await Raw.upgrade(engine, '/ws/g');
    const { code, before: frames } = await old.closeFrame('3012 for the old one');
    assert.equal(code, 3012);
    assert.ok(frames.some((one) => one.opcode === OPCODE.ping));
    assert.ok(!fresh.ended, 'the new one is not pinged');
    await fresh.drop();
  });
});

test('SIGHUP without a file to read does no harm', async () => {
  await withEngine({ config: null }, async (engine) => {
    engine.signal('SIGHUP');
    await sleep(100);
    assert.equal((await engine.get('/healthz')).status, 200);
    await within(Client.join(engine, 'g'), 'clients join');
  });
});
