// The contract's "Producers": ids, answers in the order of the commands, any cut of the input, and
// what each op answers.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { UNLIMITED, withEngine } from './lib/engine.mjs';
import { encode, Producer } from './lib/producer.mjs';
import { random, same, scaled, sleep } from './lib/util.mjs';

const pack = (command) => Buffer.from(encode(command, { useBigInt64: true }));

test('ids and answers', async (t) => {
  await withEngine({ shards: 4, config: UNLIMITED }, async (engine) => {
    const producer = await Producer.connect(engine);
    const answers = producer.answers;
    const client = await Client.join(engine, 'g');

    await t.test('without an id, or with nil, only errors are answered, with id nil', async () => {
      await producer.send({ op: 'broadcast', group: 'g', data: 'one' });
      await producer.send({ op: 'broadcast', group: 'g', data: 'two', id: null });
      await producer.send({ op: 'ping' });
      await producer.send({ op: 'broadcast', group: 'a b', data: 'three' });
      await producer.send({ op: 'broadcast', group: 'a b', data: 'three', id: null });
      for (let i = 0; i < 2; i++) {
        const answer = await answers.take();
        assert.deepEqual([answer.id, answer.ok, answer.error], [null, false, 'bad_group']);
        assert.equal(typeof answer.message, 'string');
      }
      assert.deepEqual(await client.take(2), ['one', 'two']);
      assert.equal(answers.size, 0);
    });

    await t.test('ids of all 64 bits come back', async () => {
      for (const id of [0, 1, 127, 128, 255, 65536, 4294967296n, 9007199254740993n, 18446744073709551615n]) {
        await producer.send({ op: 'ping', id });
        const answer = await answers.take();
        assert.equal(BigInt(answer.id), BigInt(id));
        assert.equal(answer.ok, true);
      }
    });

    await t.test('an id of a wrong type is bad_command, with id nil', async () => {
      for (const id of ['7', -1, 1.5, true, [], {}, new Uint8Array(1)]) {
        await producer.send({ op: 'ping', id });
        const answer = await answers.take();
        assert.deepEqual([answer.id, answer.error], [null, 'bad_command']);
      }
    });

    await t.test('the id comes back wherever it stands in a refused command', async () => {
      for (const command of [
        { id: 5, op: 'broadcast', group: 'a b', data: '' },
        { op: 'broadcast', group: 'a b', id: 5, data: '' },
        { op: 'nonsense', id: 5 },
        { op: 'broadcast', group: 7, data: '', id: 5 },
        { wrong: 1, id: 5 },
      ]) {
        await producer.send(command);
        const answer = await answers.take();
        assert.deepEqual([answer.id, answer.ok], [5, false], JSON.stringify(command));
      }
    });

    await t.test('hello', async () => {
      const hello = await producer.call({ op: 'hello' });
      assert.equal(hello.ok, true);
      assert.equal(hello.server, 'shardcast');
      assert.match(hello.version, /^\d+\.\d+\.\d+/);
      assert.equal(hello.shards, 4);
      assert.equal(hello.message_bytes, 65536);
    });

    await t.test('hello with a token where none is asked for', async () => {
      assert.equal((await producer.call({ op: 'hello', token: 'anything' })).ok, true);
    });

    await t.test('ping', async () => {
      const answer = await producer.call({ op: 'ping' });
      assert.equal(answer.ok, true);
    });

    await t.test('stats are what the admin port tells', async () => {
      const answer = await producer.call({ op: 'stats' });
      assert.equal(answer.ok, true);
      const plain = (value) => JSON.parse(JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? Number(v) : v)));
      const ours = plain(answer.stats);
      const theirs = await engine.stats();
      const shape = (value) => Array.isArray(value)
        ? value.map(shape)
        : typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, shape(v)])) : typeof value;
      assert.deepEqual(shape(ours), shape(theirs));
      for (const key of ['total_connections', 'messages_in', 'messages_routed', 'deliveries', 'drops', 'refused'])
        assert.deepEqual(ours[key], theirs[key], key);
    });

    await t.test('an answer for each of 16 groups on 4 shards comes in the order of the commands', async () => {
      const count = scaled(5000, 500);
      const commands = [];
      for (let i = 0; i < count; i++) {
        const kind = i % 7;
        commands.push(
          kind === 0 ? { op: 'ping', id: i }
          : kind === 1 ? { op: 'broadcast', groups: [`g${i % 16}`, `g${(i + 5) % 16}`], data: 'x', id: i }
          : kind === 2 ? { op: 'broadcast', group: 'bad name', data: 'x', id: i }
          : kind === 3 ? { op: 'stats', id: i }
          : kind === 4 ? { op: 'disconnect', user: 'nobody', id: i }
          : kind === 5 ? { op: 'broadcast', all: true, data: 'x', id: i }
          : { op: 'broadcast', group: `g${i % 16}`, data: 'x', id: i });
      }
      producer.write(Buffer.concat(commands.map(pack)));
      for (let i = 0; i < count; i++) {
        const answer = await answers.take(`answer ${i}`);
        assert.equal(answer.id, i);
        assert.equal(answer.ok, i % 7 !== 2);
      }
    });
  });
});

test('any cut of the input', async (t) => {
  await withEngine({ shards: 2, config: UNLIMITED }, async (engine) => {
    const client = await Client.join(engine, 'g');

    await t.test('byte by byte', async () => {
      const producer = await Producer.connect(engine);
      const bytes = Buffer.concat([
        pack({ op: 'broadcast', group: 'g', data: 'é'.repeat(40), id: 1 }),
        pack({ op: 'broadcast', group: 'g', data: { a: [1, 2n ** 63n, -5, 1.5, null] }, id: 2 }),
        pack({ op: 'broadcast', groups: ['g', 'h'], data: Buffer.alloc(300, 7), id: 3 }),
        pack({ op: 'hello', id: 4 }),
      ]);
      for (const byte of bytes) {
        await producer.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      for (let id = 1; id <= 4; id++) {
        const answer = await producer.answers.take();
        assert.deepEqual([answer.id, answer.ok], [id, true]);
      }
      assert.deepEqual(await client.take(3),
        ['é'.repeat(40), '{"a":[1,9223372036854775808,-5,1.5,null]}', Buffer.alloc(300, 7)]);
      await producer.close();
    });

    await t.test('cut in two at every place, with a pause', async () => {
      const producer = await Producer.connect(engine);
      const bytes = pack({ op: 'broadcast', group: 'g', data: 'grüße', priority: 'normal', id: 300 });
      for (let cut = 1; cut < bytes.length; cut++) {
        await producer.write(bytes.subarray(0, cut));
        await sleep(1);
        await producer.write(bytes.subarray(cut));
        assert.equal((await producer.answers.take()).ok, true, `cut at ${cut}`);
        assert.equal((await client.next()).data, 'grüße');
      }
      await producer.close();
    });

    await t.test('thousands of commands in pieces of random size', async () => {
      const producer = await Producer.connect(engine);
      const count = scaled(20000, 2000);
      const sizes = random(4711);
      const texts = Array.from({ length: count }, (_, i) => `${i}:${'x'.repeat(sizes(200))}`);
      const bytes = Buffer.concat(texts.map((data, i) => pack({ op: 'broadcast', group: 'g', data, id: i })));
      const sending = (async () => {
        for (let at = 0; at < bytes.length;) {
          const end = at + 1 + sizes(sizes(10) ? 3000 : 100000);
          await producer.write(bytes.subarray(at, end));
          if (sizes(20) === 0) await sleep(1);
          at = end;
        }
      })();
      for (let i = 0; i < count; i++) assert.equal((await producer.answers.take()).id, i);
      (await client.take(count)).forEach((data, i) => same(data, texts[i]));
      await sending;
      await producer.close();
    });

    await t.test('a large command that comes slowly does not hold up other producers', async () => {
      const slow = await Producer.connect(engine);
      const quick = await Producer.connect(engine);
      const bytes = pack({ op: 'broadcast', group: 'g', data: 'y'.repeat(60000), id: 1 });
      const last = bytes.length - 1;
      for (let at = 0; at < last; at += 6000) {
        await slow.write(bytes.subarray(at, Math.min(at + 6000, last)));
        assert.equal((await quick.broadcast('g', 'quick')).ok, true);
        same((await client.next()).data, 'quick');
      }
      await slow.write(bytes.subarray(last));
      assert.equal((await slow.answers.take()).ok, true);
      assert.equal((await client.next()).data.length, 60000);
      await slow.close();
      await quick.close();
    });

    await t.test('what came whole before a producer ended is carried out', async () => {
      const producer = await Producer.connect(engine);
      const half = pack({ op: 'broadcast', group: 'g', data: 'half' }).subarray(0, 10);
      await producer.write(Buffer.concat([pack({ op: 'broadcast', group: 'g', data: 'whole' }), half]));
      producer.socket.end();
      assert.equal((await client.next()).data, 'whole');
      await producer.ended;
      const other = await Producer.connect(engine);
      await other.broadcast('g', 'next');
      assert.equal((await client.next()).data, 'next');
      await other.close();
    });
  });
});

test('many producers at once', async () => {
  await withEngine({ shards: 4, config: UNLIMITED }, async (engine) => {
    const producers = await Promise.all(Array.from({ length: 200 }, () => Producer.connect(engine)));
    const answers = await Promise.all(producers.map((producer, i) => producer.broadcast(`g${i % 10}`, 'x')));
    assert.ok(answers.every((answer) => answer.ok));
    const offsets = {};
    answers.forEach((answer, i) => (offsets[i % 10] ??= []).push(answer.offset));
    for (const list of Object.values(offsets))
      assert.deepEqual(list.sort((a, b) => a - b), Array.from({ length: 20 }, (_, i) => i + 1));
    for (const producer of producers) producer.close();
  });
});
