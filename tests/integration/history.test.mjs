// The contract's producer command `history` and the command line's: what a group keeps, bounded and
// in order, for whoever asks; and the errors.
import assert from 'node:assert/strict';
import test from './lib/together.mjs';
import { Client } from './lib/client.mjs';
import { runProgram, withEngine } from './lib/engine.mjs';
import { encode, Producer } from './lib/producer.mjs';
import { numbered, numberOf } from './lib/stalled.mjs';
import { SCALE, sleep, until } from './lib/util.mjs';

const config = {
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'kept', history: { messages: 1000 } },
    { name: 'few', history: { messages: 10 } },
    { name: 'short', history: { messages: 1000, seconds: 2 } },
    { name: 'user', history: { messages: 10 } },
    { name: 'experiment', history: { messages: 10 } },
    { name: 'session', history: { messages: 10 } },
  ],
};

const publish = async (producer, target, from, to, data = (i) => `${i}`) => {
  const calls = [];
  for (let i = from; i <= to; i++) calls.push(producer.broadcast(target, data(i)));
  return (await Promise.all(calls)).at(-1);
};

const history = (producer, target, more = {}) =>
  producer.call({ op: 'history', ...(typeof target === 'string' ? { group: target } : target), ...more });

const offsets = (answer) => answer.messages.map((message) => message.offset);
const range = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

for (const shards of [1, 2, 4])
  test(`limit and since; ${shards} shards`, async () => {
    await withEngine({ shards, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      for (const group of ['few:a', 'few:b', 'few:c', 'few:d']) {
        const { epoch } = await publish(producer, group, 1, 30);
        const check = async (more, expected) => {
          const answer = await history(producer, group, more);
          assert.equal(answer.ok, true, answer.message);
          assert.deepEqual(Object.keys(answer).sort(), ['epoch', 'id', 'messages', 'offset', 'ok']);
          assert.equal(answer.epoch, epoch);
          assert.equal(answer.offset, 30);
          assert.deepEqual(answer.messages, expected.map((offset) => ({ offset, data: `${offset}` })), `${more.limit} ${more.since}`);
        };
        await check({}, range(21, 30));
        await check({ limit: 0 }, []);
        await check({ limit: 3 }, range(28, 30));
        await check({ limit: 10 }, range(21, 30));
        await check({ limit: 1000 }, range(21, 30));
        await check({ limit: 2n ** 64n - 1n }, range(21, 30));
        await check({ since: `${epoch}:30` }, []);
        await check({ since: `${epoch}:25` }, range(26, 30));
        await check({ since: `${epoch}:20` }, range(21, 30));
        await check({ since: `${epoch}:20`, limit: 3 }, range(21, 23));
        await check({ since: `${epoch}:20`, limit: 0 }, []);
        for (const since of [`${epoch}:19`, `${epoch}:0`, `${epoch}:31`, `${epoch}:18446744073709551615`, `x${epoch.slice(1)}:25`, ':0', ':30', 'a:b:3', '0000000000000:30']) {
          const answer = await history(producer, group, { since });
          assert.equal(answer.ok, false, since);
          assert.equal(answer.error, 'insufficient_state', since);
          assert.match(answer.message, new RegExp(`^${group}: `));
          assert.deepEqual(Object.keys(answer).sort(), ['error', 'id', 'message', 'ok']);
        }
      }
      assert.equal((await engine.stats()).refused.insufficient_state, 4 * 9);
    });
  });

test('an unknown group has no epoch, and asking makes none', async () => {
  await withEngine({ shards: 2, config: { ...config, limits: { groups: 2 } } }, async (engine) => {
    const producer = await Producer.connect(engine);
    for (let i = 0; i < 20; i++) {
      const { id, ...answer } = await history(producer, `kept:${i}`);
      assert.deepEqual(answer, { ok: true, messages: [], epoch: '', offset: 0 });
    }
    const { id, ...again } = await history(producer, 'kept:1', { since: ':0' });
    assert.deepEqual(again, { ok: true, messages: [], epoch: '', offset: 0 });
    assert.equal((await history(producer, 'kept:1', { since: ':1' })).error, 'insufficient_state');
    assert.equal((await history(producer, 'kept:1', { since: 'abc:0' })).error, 'insufficient_state');
    assert.equal((await producer.broadcast('kept:x', '1')).ok, true);
    assert.equal((await producer.broadcast('kept:y', '1')).ok, true);
  });
});

test('a group without history has a position and no messages', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { epoch } = await publish(producer, 'plain', 1, 5);
    const { id, ...answer } = await history(producer, 'plain');
    assert.deepEqual(answer, { ok: true, messages: [], epoch, offset: 5 });
    assert.deepEqual(offsets(await history(producer, 'plain', { since: `${epoch}:5` })), []);
    assert.equal((await history(producer, 'plain', { since: `${epoch}:4` })).error, 'insufficient_state');
  });
});

test('every target, and every kind of data', async () => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    for (const target of [{ experiment: 42 }, { session: 's' }, { user: 'ann' }, { group: 'user:bob' }]) {
      const sent = ['text ü', Buffer.from([0, 255]), '', Buffer.alloc(0), { a: [1, null] }, Buffer.alloc(300, 7), 'x'.repeat(70)];
      for (const data of sent) await producer.broadcast(target, data);
      const answer = await history(producer, target);
      const got = answer.messages.map(({ data }) => (typeof data === 'string' ? data : Buffer.from(data)));
      assert.deepEqual(got, sent.map((data) => (typeof data === 'string' || Buffer.isBuffer(data) ? data : JSON.stringify(data))));
      assert.deepEqual(offsets(answer), range(1, sent.length));
    }
    assert.deepEqual(offsets(await history(producer, { group: 'experiment:42' })), range(1, 7));
  });
});

test('commands that make no sense', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    for (const [command, error] of [
      [{}, 'bad_command'],
      [{ all: true }, 'bad_command'],
      [{ groups: ['a'] }, 'bad_command'],
      [{ group: 'a b' }, 'bad_group'],
      [{ group: 'a', limit: -1 }, 'bad_command'],
      [{ group: 'a', limit: 'x' }, 'bad_command'],
      [{ group: 'a', since: 7 }, 'bad_command'],
      [{ group: 'a', since: 'abc' }, 'bad_command'],
      [{ group: 'a', since: 'abc:' }, 'bad_command'],
      [{ group: 'a', since: 'now' }, 'bad_command'],
      [{ group: 'a', data: 'x' }, 'bad_command'],
    ]) {
      const answer = await history(producer, command);
      assert.equal(answer.error, error, JSON.stringify(command));
    }
    assert.equal((await history(producer, 'kept:g')).ok, true);
    // Without an id only errors are answered.
    await producer.send({ op: 'history', group: 'kept:g' });
    await producer.send({ op: 'history', group: 'kept:g', since: 'x:1' });
    const { message, ...answer } = await producer.answers.take();
    assert.deepEqual(answer, { id: null, ok: false, error: 'insufficient_state' });
  });
});

test('a producer reads what it has published, in the order of its commands', async () => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const calls = [];
    for (let i = 1; i <= 200; i++) {
      calls.push(producer.broadcast('kept:g', `${i}`));
      calls.push(history(producer, 'kept:g', { limit: 2 }).then((answer) => {
        assert.equal(answer.offset, i);
        assert.deepEqual(offsets(answer), range(Math.max(1, i - 1), i));
      }));
    }
    await Promise.all(calls);
  });
});

test('an answer is within recovery_bytes as sent, and holds as much as that lets it', async () => {
  const RECOVERY = 100000;
  const bounded = {
    limits: { message_bytes: RECOVERY, recovery_bytes: RECOVERY },
    namespaces: [{ name: '', max_rate: 0, history: { messages: 1000, bytes: 64 << 20 } }],
  };
  await withEngine({ shards: 2, config: bounded }, async (engine) => {
    const producer = await Producer.connect(engine);
    const sizes = [0, 1, 30, 31, 32, 200, 300, 5000, 70000];
    let epoch;
    for (let i = 1; i <= 600; i++) {
      const size = sizes[i % sizes.length];
      const data = i % 2 ? 'x'.repeat(size) : Buffer.alloc(size, 1);
      ({ epoch } = await producer.broadcast('kept:g', data));
    }
    const bytes = (answer) => encode({ ...answer, id: 1 }, { useBigInt64: true }).length;
    for (let since = 0; since < 600; since += 7) {
      const answer = await history(producer, 'kept:g', { since: `${epoch}:${since}` });
      const count = answer.messages.length;
      assert.deepEqual(offsets(answer), range(since + 1, since + count));
      assert.ok(bytes(answer) <= RECOVERY, `${bytes(answer)} bytes`);
      if (since + count < 600) {
        const next = await history(producer, 'kept:g', { since: `${epoch}:${since + count}`, limit: 1 });
        assert.ok(bytes({ ...answer, messages: [...answer.messages, ...next.messages] }) > RECOVERY - 10, 'no more has room');
      }
    }
    const newest = await history(producer, 'kept:g');
    assert.deepEqual(offsets(newest), range(601 - newest.messages.length, 600));
    assert.ok(bytes(newest) <= RECOVERY && newest.messages.length > 1);
    // One that has no room by itself is there all the same: who asks gets on.
    const { offset } = await producer.broadcast('kept:g', 'x'.repeat(RECOVERY));
    const last = await history(producer, 'kept:g', { since: `${epoch}:${offset - 1}` });
    assert.equal(last.messages[0].data.length, RECOVERY);
  });
});

test('going through a history page by page', async () => {
  await withEngine({ shards: 2, config: { ...config, limits: { recovery_bytes: 70000 } } }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { epoch } = await publish(producer, 'kept:g', 1, 500, (i) => numbered(i, 1000));
    const all = [];
    let pages = 0;
    for (let at = 0; at < 500; pages++) {
      const { messages } = await history(producer, 'kept:g', { since: `${epoch}:${at}` });
      all.push(...messages);
      at = messages.at(-1).offset;
    }
    assert.deepEqual(all.map(({ data }) => numberOf(data)), range(1, 500));
    assert.ok(pages >= 7 && pages <= 9, `${pages} pages`);
  });
});

test('messages leave by age', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { epoch } = await publish(producer, 'short:g', 1, 3);
    assert.deepEqual(offsets(await history(producer, 'short:g')), [1, 2, 3]);
    await sleep(2100);
    const { id, ...answer } = await history(producer, 'short:g');
    assert.deepEqual(answer, { ok: true, messages: [], epoch, offset: 3 });
    assert.deepEqual(offsets(await history(producer, 'short:g', { since: `${epoch}:3` })), []);
    assert.equal((await history(producer, 'short:g', { since: `${epoch}:2` })).error, 'insufficient_state');
  });
});

test('a producer that does not take its answers is read no further, and loses none', async () => {
  const large = { limits: { recovery_bytes: 4 << 20 }, namespaces: [{ name: '', max_rate: 0, history: { messages: 100, bytes: 8 << 20 } }] };
  await withEngine({ shards: 2, config: large }, async (engine) => {
    const producer = await Producer.connect(engine);
    await publish(producer, 'g', 1, 60, (i) => numbered(i, 60000));
    const before = await engine.memory();
    const greedy = await Producer.connect(engine);
    greedy.socket.pause();
    const count = 400; // 1.4 GB of answers
    for (let i = 1; i <= count; i++) greedy.send({ op: 'history', group: 'g', id: i });
    await sleep(1000);
    // The histories under way hold what the group has dropped since.
    await publish(producer, 'g', 61, 160, (i) => numbered(i, 60000));
    const grown = (await engine.memory()) - before;
    if (SCALE === 1) assert.ok(grown < 60 << 20, `${grown} bytes more`); // sanitizers keep memory for themselves
    greedy.socket.resume();
    let next = 1;
    while (next <= 50) {
      const answer = await greedy.answers.take();
      assert.equal(answer.id, next++);
      assert.equal(answer.ok, true);
      assert.ok(answer.messages.length >= 60);
    }
    await greedy.close();
    assert.equal((await producer.broadcast('g', 'still here')).ok, true);
  });
});

test('while the engine drains', async () => {
  await withEngine({ shards: 2, config: { ...config, drain_seconds: 20 } }, async (engine) => {
    const producer = await Producer.connect(engine);
    await publish(producer, 'kept:g', 1, 3);
    const slow = await Client.join(engine, 'plain', { onMessage: () => {} });
    slow.socket._socket.pause(); // its close frame stays unanswered: the drain takes a while
    engine.signal('SIGTERM');
    await until(async () => {
      const answer = await history(producer, 'kept:g').catch(() => undefined);
      assert.ok(!answer || answer.ok || answer.error === 'shutting_down', answer?.error);
      return !answer || answer.error === 'shutting_down';
    }, 'it is refused');
    slow.socket._socket.resume();
    await slow.end();
  });
});

test('shardcast history', async (t) => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const { epoch } = await publish(producer, 'kept:g', 1, 5);
    await producer.broadcast('kept:g', Buffer.from([0, 171]));
    const run = (...args) => runProgram('shardcast', ['history', '--producers', `127.0.0.1:${engine.ports.producers}`, ...args]);
    const summary = (count) => `kept:g: ${count} message${count === 1 ? '' : 's'}, offset 6, epoch ${epoch}\n`;

    await t.test('messages and the position', async () => {
      const { status, stdout, stderr } = await run('kept:g');
      assert.deepEqual([status, stderr], [0, '']);
      assert.equal(stdout, `1 1\n2 2\n3 3\n4 4\n5 5\n6 00ab\n${summary(6)}`);
    });

    await t.test('--limit and --since', async () => {
      assert.equal((await run('--limit', '2', 'kept:g')).stdout, `5 5\n6 00ab\n${summary(2)}`);
      assert.equal((await run('--limit=0', 'kept:g')).stdout, summary(0));
      assert.equal((await run('kept:g', '--since', `${epoch}:3`)).stdout, `4 4\n5 5\n6 00ab\n${summary(3)}`);
      assert.equal((await run('kept:g', '--since', `${epoch}:3`, '--limit', '1')).stdout, `4 4\n${summary(1)}`);
    });

    await t.test('--json', async () => {
      const { status, stdout } = await run('--json', '--limit', '2', 'kept:g');
      assert.equal(status, 0);
      assert.equal(stdout.split('\n').length, 2);
      assert.deepEqual(JSON.parse(stdout), {
        ok: true, messages: [{ offset: 5, data: '5' }, { offset: 6, binary: 'AKs=' }], epoch, offset: 6 });
    });

    await t.test('a group that is not there', async () => {
      const { status, stdout } = await run('kept:nothing');
      assert.deepEqual([status, stdout], [0, 'kept:nothing: 0 messages, offset 0\n']);
    });

    await t.test('refusals', async () => {
      const gone = await run('kept:g', '--since', 'abc:3');
      assert.deepEqual([gone.status, gone.stdout], [1, '']);
      assert.match(gone.stderr, /^shardcast: insufficient_state: kept:g: .*\n$/);
      const json = await run('kept:g', '--json', '--since', `${epoch}:9`);
      assert.equal(json.status, 1);
      assert.equal(JSON.parse(json.stdout).error, 'insufficient_state');
      assert.equal((await run('a b')).status, 1);
    });

    await t.test('bad usage', async () => {
      for (const args of [[], ['a', 'b'], ['--limit', 'x', 'a'], ['--limit', '-1', 'a'], ['--since', 'now', 'a'], ['--since', 'e:', 'a'], ['--rate', '1', 'a'], ['--nothing', 'a']]) {
        const { status, stdout, stderr } = await run(...args);
        assert.deepEqual([status, stdout], [2, ''], args.join(' '));
        assert.equal(stderr.split('\n').length, 2, stderr);
      }
      const help = await run('--help');
      assert.equal(help.status, 0);
      assert.match(help.stdout, /--since EPOCH:OFFSET/);
    });

    await t.test('a large one', async () => {
      await publish(producer, 'kept:large', 1, 900, (i) => numbered(i, 1000));
      const { status, stdout } = await run('kept:large');
      assert.equal(status, 0);
      const lines = stdout.split('\n');
      assert.equal(lines.length, 902);
      lines.slice(0, 900).forEach((line, i) => assert.equal(line, `${i + 1} ${numbered(i + 1, 1000)}`));
    });
  });
});

test('shardcast history where the engine asks for a token, or is not there', async () => {
  await withEngine({ shards: 1, config: { ...config, tokens: { producers: 'secret' } } }, async (engine) => {
    const args = ['history', '--producers', `127.0.0.1:${engine.ports.producers}`, 'kept:g'];
    const refused = await runProgram('shardcast', args);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /unauthorized/);
    const { status, stdout } = await runProgram('shardcast', args, { env: { SHARDCAST_PRODUCERS_TOKEN: 'secret' } });
    assert.deepEqual([status, stdout], [0, 'kept:g: 0 messages, offset 0\n']);
  });
  const gone = await runProgram('shardcast', ['history', '--producers', '127.0.0.1:1', 'g']);
  assert.equal(gone.status, 1);
  assert.match(gone.stderr, /cannot connect/);
});
