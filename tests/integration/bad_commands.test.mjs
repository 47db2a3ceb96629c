// The contract's "Producers", errors: every kind of bad input gets the documented answer, closes
// the connection only where the stream cannot be read on, and touches nobody else.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { UNLIMITED, withEngine } from './lib/engine.mjs';
import { encode, Producer } from './lib/producer.mjs';
import { random, scaled, SLOW, until, within } from './lib/util.mjs';

const COMMAND_MAX = 65536 + 65536; // message_bytes + 65536

/** The codes of bytes that begin a value with a length of 32 bits. */
const with32 = (code, n, ...rest) => Buffer.from([code, n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255, ...rest]);

test('bad input from producers', async (t) => {
  await withEngine({ shards: 2, config: UNLIMITED }, async (engine) => {
    const witness = await Client.join(engine, 'witness');
    const other = await Producer.connect(engine);
    let beats = 0;

    /** Another producer and a client go on as before. */
    async function unharmed() {
      const data = `beat ${++beats}`;
      assert.equal((await other.broadcast('witness', data)).members, 1);
      assert.equal((await witness.next()).data, data);
    }

    async function refusedWith(command, error, pattern) {
      const producer = await Producer.connect(engine);
      const answer = await producer.call(command);
      assert.deepEqual([answer.ok, answer.error], [false, error], `${JSON.stringify(command)}: ${answer.message}`);
      assert.ok(answer.message.length > 0);
      assert.equal('retry_after_ms' in answer, false);
      if (pattern) assert.match(answer.message, pattern);
      assert.equal((await producer.call({ op: 'ping' })).ok, true, 'the connection stays open');
      await producer.close();
    }

    /** The stream cannot be read on: one answer with id nil, then the end. */
    async function closedWith(bytes, error) {
      const producer = await Producer.connect(engine);
      await producer.write(Buffer.concat([Buffer.from(encode({ op: 'ping', id: 1 })), bytes]));
      assert.equal((await producer.answers.take()).id, 1, 'what came before is answered');
      const answer = await producer.answers.take();
      assert.deepEqual([answer.ok, answer.error], [false, error], answer.message);
      await within(producer.ended, 'the connection is closed');
      await unharmed();
    }

    await t.test('unknown_op', async () => {
      for (const op of ['', 'nonsense', 'Broadcast', 'broadcast ', 'subscribe'])
        await refusedWith({ op, group: 'g', data: '' }, 'unknown_op');
    });

    await t.test('bad_command: op missing or of a wrong type', async () => {
      await refusedWith({ group: 'g', data: '' }, 'bad_command', /op/);
      for (const op of [1, null, true, ['broadcast'], new Uint8Array(9)])
        await refusedWith({ op, group: 'g', data: '' }, 'bad_command', /op/);
    });

    await t.test('bad_command: values that are no maps', async () => {
      const producer = await Producer.connect(engine);
      const values = [1, -1, null, true, 'broadcast', [1, 2], [], 1.5, new Uint8Array(3)];
      for (const value of values) {
        await producer.write(encode(value));
        const answer = await producer.answers.take();
        assert.deepEqual([answer.id, answer.error], [null, 'bad_command'], JSON.stringify(value));
      }
      await producer.write(Buffer.from([0x80])); // a map, but with nothing in it
      assert.equal((await producer.answers.take()).error, 'bad_command');
      assert.equal((await producer.call({ op: 'ping' })).ok, true);
      await producer.close();
    });

    await t.test('bad_command: no target, two targets, and targets that are none', async () => {
      for (const target of [
        {}, { group: 'a', groups: ['b'] }, { group: 'a', all: true }, { user: 'a', session: 'b' },
        { experiment: 'a', group: 'b' }, { all: false }, { all: 1 }, { all: null }, { groups: [] },
        { groups: 'a' }, { groups: [1] }, { groups: { a: 1 } }, { group: 1 }, { group: null }, { group: ['a'] },
        { user: null }, { user: 1.5 }, { user: true }, { user: [] }, { session: {} }, { experiment: false },
        { group: new Uint8Array([97]) },
      ])
        await refusedWith({ op: 'broadcast', ...target, data: 'x' }, 'bad_command');
    });

    await t.test('bad_group: names of every wrong kind', async () => {
      const names = ['', ' ', 'a b', 'a/b', 'a?b', 'a#b', 'a%b', '*', 'a*', 'a,b', 'a"b', 'a\\b', 'a\u0000b', 'a\nb',
        '\u007f', 'é', 'a'.repeat(129), 'a'.repeat(5000), '\t'];
      for (const name of names) {
        await refusedWith({ op: 'broadcast', group: name, data: 'x' }, 'bad_group');
        await refusedWith({ op: 'broadcast', groups: ['fine', name], data: 'x' }, 'bad_group');
        if (name) await refusedWith({ op: 'disconnect', user: name }, 'bad_group');
      }
      for (const kind of ['experiment', 'session', 'user'])
        for (const id of ['a b', 'a/b', 'a'.repeat(129)])
          await refusedWith({ op: 'broadcast', [kind]: id, data: 'x' }, 'bad_group');
    });

    await t.test('bad_group refuses a command with groups as a whole', async () => {
      const member = await Client.join(engine, 'fine');
      await refusedWith({ op: 'broadcast', groups: ['fine', 'a b'], data: 'x' }, 'bad_group', /a b|name/);
      const producer = await Producer.connect(engine);
      await producer.broadcast('fine', 'the first');
      assert.equal((await member.next()).data, 'the first');
      await member.leave();
      await producer.close();
    });

    await t.test('bad_command: a name that is not UTF-8', async () => {
      const producer = await Producer.connect(engine);
      const bytes = Buffer.from(encode({ op: 'broadcast', group: 'XY', data: 'x', id: 9 }));
      bytes[bytes.indexOf('XY')] = 0xff;
      await producer.write(bytes);
      assert.equal((await producer.answers.take()).error, 'bad_command');
      await producer.close();
    });

    await t.test('bad_command: data missing, or keys that the op does not use, named', async () => {
      await refusedWith({ op: 'broadcast', group: 'g' }, 'bad_command', /data/);
      await refusedWith({ op: 'broadcast', group: 'g', data: '', code: 3000 }, 'bad_command', /code/);
      await refusedWith({ op: 'broadcast', group: 'g', data: '', dta: 1 }, 'bad_command', /dta/);
      await refusedWith({ op: 'broadcast', group: 'g', data: '', token: 't' }, 'bad_command', /token/);
      await refusedWith({ op: 'disconnect', user: 'u', data: '' }, 'bad_command', /data/);
      await refusedWith({ op: 'disconnect', user: 'u', priority: 'low' }, 'bad_command', /priority/);
      await refusedWith({ op: 'ping', group: 'g' }, 'bad_command', /group/);
      await refusedWith({ op: 'stats', data: 'g' }, 'bad_command', /data/);
      await refusedWith({ op: 'hello', limit: 1 }, 'bad_command', /limit/);
      await refusedWith({ op: 'disconnect' }, 'bad_command');
    });

    await t.test('bad_command: the same key twice', async () => {
      const producer = await Producer.connect(engine);
      const body = ['op', 'broadcast', 'group', 'g', 'group', 'h', 'data', 'x', 'id', 3].map((v) => Buffer.from(encode(v)));
      await producer.write(Buffer.concat([Buffer.from([0x85]), ...body]));
      assert.equal((await producer.answers.take()).error, 'bad_command');
      await producer.close();
    });

    await t.test('bad_command: priority', async () => {
      for (const priority of ['urgent', '', 1, null, true, ['low']])
        await refusedWith({ op: 'broadcast', group: 'g', data: '', priority }, 'bad_command', /priority/);
    });

    await t.test('bad_command: code and reason of disconnect', async () => {
      for (const code of [0, 1000, 2999, 5000, 70000, -3000, '3000', 3000.5, null])
        await refusedWith({ op: 'disconnect', user: 'u', code }, 'bad_command', /code/);
      for (const reason of ['', 'a'.repeat(124), 'é'.repeat(62), 7, null, '{"a":1}', '[]', '"text"', '12'])
        await refusedWith({ op: 'disconnect', user: 'u', reason }, 'bad_command', /reason/);
    });

    await t.test('a long nonsense key or op does not come back at full length', async () => {
      const producer = await Producer.connect(engine);
      for (const command of [{ op: 'x'.repeat(50000) }, { op: 'ping', ['k'.repeat(50000)]: 1 }, { op: 'broadcast', group: 'n'.repeat(50000), data: '' }]) {
        const answer = await producer.call(command);
        assert.ok(answer.message.length < 1000);
      }
      await producer.close();
    });

    await t.test('bytes that are not msgpack close the connection', async () => {
      await closedWith(Buffer.from([0xc1]), 'bad_command'); // the one byte that msgpack never uses
      await closedWith(Buffer.from([0x81, 0xc1]), 'bad_command');
      await closedWith(Buffer.from([0x82, 0xa2, 0x6f, 0x70, 0xc1, 0xff, 0xff]), 'bad_command');
    });

    await t.test('text protocols are no msgpack maps', async () => {
      // Each letter is a small integer of msgpack: a value that is no map.
      const producer = await Producer.connect(engine);
      await producer.write('GET / HTTP/1.1\r\n\r\n');
      for (let i = 0; i < 18; i++) assert.equal((await producer.answers.take()).error, 'bad_command');
      await producer.close();
      await unharmed();
    });

    await t.test('lengths and counts that cannot be are refused as soon as they show', async () => {
      for (const bytes of [
        with32(0xdd, 33000000), // array of 33 million
        with32(0xdf, 0xffffffff), // map of 4 billion
        with32(0xdb, 0xffffffff), // str of 4 GiB
        with32(0xc6, 0x7fffffff), // bin of 2 GiB
        with32(0xc9, 0x7fffffff, 5), // ext
        Buffer.concat([Buffer.from([0x81]), with32(0xdd, 1000000)]),
        Buffer.concat([Buffer.from([0x83, 0xa4]), Buffer.from('data'), with32(0xdb, COMMAND_MAX)]),
      ])
        await closedWith(bytes, 'too_large');
    });

    await t.test('a command over message_bytes + 65536 is too_large and closes', async () => {
      await closedWith(Buffer.from(encode({ op: 'broadcast', group: 'g', data: 'x'.repeat(COMMAND_MAX) })), 'too_large');
      const many = { op: 'broadcast', groups: Array.from({ length: 30000 }, (_, i) => `group-${i}`), data: '' };
      await closedWith(Buffer.from(encode(many)), 'too_large');
    });

    await t.test('a payload over message_bytes leaves it open', async () => {
      await refusedWith({ op: 'broadcast', group: 'g', data: 'x'.repeat(65537) }, 'too_large', /65536|message_bytes/);
      await refusedWith({ op: 'broadcast', group: 'g', data: 'x'.repeat(130000) }, 'too_large');
    });

    await t.test('depth: thousands of levels, in a command and in place of one', async () => {
      const deep = (code, n) => Buffer.alloc(n, code);
      const producer = await Producer.connect(engine);
      const head = Buffer.from(encode({ op: 'broadcast', group: 'g', id: 1 }));
      head[0]++;
      await producer.write(Buffer.concat([head, Buffer.from(encode('data')), deep(0x91, 100000), Buffer.from([0xc0])]));
      assert.equal((await producer.answers.take()).error, 'bad_command');
      await producer.write(Buffer.concat([deep(0x91, 100000), Buffer.from([0xc0])]));
      assert.equal((await producer.answers.take()).error, 'bad_command');
      assert.equal((await producer.call({ op: 'ping' })).ok, true);
      await producer.close();
      await unharmed();
    });

    await t.test('random bytes, and good commands with bytes changed', async () => {
      const pick = random(99);
      const good = Buffer.from(encode({ op: 'broadcast', group: 'elsewhere', data: { a: [1, 'zwei', null] }, id: 3 }));
      for (let round = 0; round < scaled(300, 50); round++) {
        const producer = await Producer.connect(engine);
        const bytes = round % 2 ? Buffer.from(Array.from({ length: 1 + pick(400) }, () => pick(256))) : Buffer.concat([good, good, good]);
        if (!(round % 2)) for (let i = 0; i < 1 + pick(4); i++) bytes[pick(bytes.length)] = pick(256);
        producer.write(bytes);
        producer.socket.end();
        await within(producer.ended, 'the connection ends');
      }
      await unharmed();
    });

    await t.test('a producer that never reads its answers is not read on; others are', async () => {
      const deaf = await Producer.connect(engine);
      deaf.socket.pause();
      const command = Buffer.from(encode({ op: 'stats', id: 1 }));
      const block = Buffer.concat(Array(4096).fill(command));
      const before = await engine.memory();
      let taken = 0;
      let stuck = false;
      while (!stuck && taken < 400e6) {
        const wants = deaf.socket.write(block);
        taken += block.length;
        if (!wants) stuck = await Promise.race([
          new Promise((resolve) => deaf.socket.once('drain', () => resolve(false))),
          new Promise((resolve) => setTimeout(() => resolve(true), 1500)),
        ]);
      }
      assert.ok(stuck, 'the engine stops reading');
      await unharmed();
      const grown = (await engine.memory()) - before;
      const bound = SLOW > 1 ? 600e6 : 150e6; // sanitizers keep what is freed for a while
      assert.ok(grown < bound, `memory grew by ${grown} bytes`);
      await deaf.close();
      await unharmed();
    });

    await t.test('producers that go in the middle of everything', async () => {
      const command = Buffer.from(encode({ op: 'broadcast', group: 'witness2', data: 'x'.repeat(1000), id: 1 }));
      for (let i = 0; i < scaled(100, 20); i++) {
        const producer = await Producer.connect(engine);
        producer.write(Buffer.concat([...Array(50).fill(command), command.subarray(0, 500)]));
        if (i % 2) await new Promise(setImmediate);
        if (i % 3) producer.socket.resetAndDestroy();
        else producer.close();
      }
      await unharmed();
    });

    await t.test('every refusal is counted with its code', async () => {
      const { refused } = await engine.stats();
      for (const code of ['bad_command', 'unknown_op', 'bad_group', 'too_large']) assert.ok(refused[code] > 0, code);
      const before = refused.bad_group;
      await other.broadcast('a b', '');
      await other.send({ op: 'broadcast', group: 'a b', data: '' }); // counted without an id, too
      await until(async () => (await engine.stats()).refused.bad_group === before + 2, 'two more');
    });
  });
});

test('tokens: unauthorized closes the connection', async () => {
  const config = { ...UNLIMITED, tokens: { producers: 'open sesame', admin: '' } };
  await withEngine({ config }, async (engine) => {
    const good = await Producer.connect(engine);
    assert.equal((await good.call({ op: 'hello', token: 'open sesame' })).ok, true);
    assert.equal((await good.broadcast('g', 'x')).ok, true);
    for (const command of [
      { op: 'broadcast', group: 'g', data: 'x' }, { op: 'ping' }, { op: 'stats' }, { op: 'hello' },
      { op: 'hello', token: '' }, { op: 'hello', token: 'open sesam' }, { op: 'hello', token: 'open sesame!' },
    ]) {
      const bad = await Producer.connect(engine);
      const answer = await bad.call(command);
      assert.deepEqual([answer.ok, answer.error], [false, 'unauthorized'], JSON.stringify(command));
      await within(bad.ended, 'the connection is closed');
    }
    assert.equal((await good.broadcast('g', 'x')).ok, true);
    assert.equal((await engine.stats()).refused.unauthorized, 7);
    assert.equal((await engine.stats()).messages_in, 2);
  });
});
