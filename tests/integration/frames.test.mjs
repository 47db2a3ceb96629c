// RFC 6455 and the contract's "Raw clients", after the upgrade: what the engine sends, which input
// closes a connection 1002, 1007, 1008 or 1009, and that nobody else notices.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { closeFrame, frame, OPCODE, Raw } from './lib/raw.mjs';
import { random, scaled } from './lib/util.mjs';

const { text, binary, continuation, ping, pong, close } = OPCODE;
const config = {
  limits: { message_bytes: 5000, backlog_bytes: 1000000 },
  namespaces: [{ name: '', max_rate: 0 }, { name: 'talk', max_rate: 0, client_publish: true }],
};

test('frames', async (t) => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const witness = await Client.join(engine, 'talk:room');
    const joined = async (group) => {
      const raw = await Raw.upgrade(engine, `/ws/${group}?hello=1`);
      const hello = await raw.frame('the hello');
      assert.equal(hello.opcode, text);
      return raw;
    };
    /** Bytes that the engine answers with a close of this code, and then ends the connection. */
    async function closes(bytes, code, { group = 'talk:room', reason } = {}) {
      const raw = await joined(group);
      raw.write(bytes);
      const end = await raw.closeFrame();
      assert.equal(end.code, code, `${bytes.subarray(0, 40).toString('hex')}: ${end.code} "${end.reason}"`);
      if (reason) assert.match(end.reason, reason);
      raw.socket.end();
      await raw.end();
    }
    const unharmed = async () => {
      await producer.broadcast('talk:room', 'still here');
      assert.equal((await witness.next()).data, 'still here');
    };

    await t.test('what the engine sends: whole, unmasked, the shortest header', async () => {
      const raw = await joined('plain');
      for (const size of [0, 1, 125, 126, 127, 4999, 5000]) {
        await producer.broadcast('plain', 'x'.repeat(size));
        await producer.broadcast('plain', Buffer.alloc(size));
        for (const opcode of [text, binary]) {
          const got = await raw.frame();
          assert.deepEqual(
            [got.fin, got.rsv, got.opcode, got.masked, got.payload.length, got.header],
            [true, 0, opcode, false, size, size < 126 ? 2 : 4]);
        }
      }
      await raw.drop();
    });

    await t.test('pings are answered in order with their payload', async () => {
      const raw = await joined('plain');
      const payloads = ['', 'x', 'y'.repeat(125), '\u0000\u00ff'];
      raw.write(Buffer.concat(payloads.map((payload) => frame(ping, payload))));
      for (const payload of payloads) {
        const got = await raw.frame();
        assert.deepEqual([got.opcode, got.payload.toString()], [pong, payload]);
      }
      raw.write(frame(pong, 'unasked')); // harmless
      raw.write(frame(ping, 'alive'));
      assert.equal((await raw.frame()).payload.toString(), 'alive');
      await raw.drop();
    });

    await t.test('a close is answered with its code, then the connection ends', async () => {
      for (const code of [1000, 1001, 3000, 4999, 1011]) {
        const raw = await joined('plain');
        raw.write(closeFrame(code, 'bye'));
        assert.equal((await raw.closeFrame()).code, code);
        await raw.end();
      }
      const raw = await joined('plain');
      raw.write(frame(close));
      assert.ok([1000, 1005].includes((await raw.closeFrame()).code));
      await raw.end();
    });

    await t.test('what comes behind a close is ignored', async () => {
      const raw = await joined('talk:room');
      raw.write(Buffer.concat([closeFrame(1000), frame(text, 'too late'), frame(ping), Buffer.alloc(100, 0xff)]));
      const end = await raw.closeFrame();
      assert.equal(end.code, 1000);
      assert.equal(end.before.length, 0);
      await raw.end();
      await unharmed();
    });

    await t.test('1002: what breaks the protocol', async () => {
      const cases = {
        'not masked': frame(text, 'x', { masked: false }),
        'reserved bit 1': frame(text, 'x', { rsv: 4 }),
        'reserved bit 3': frame(ping, '', { rsv: 1 }),
        'opcode 3': frame(3, 'x'),
        'opcode 7': frame(7),
        'opcode 11': frame(11),
        'opcode 15': frame(15),
        'a ping in pieces': frame(ping, 'x', { fin: false }),
        'a close in pieces': frame(close, '', { fin: false }),
        'a ping of 126 bytes': frame(ping, 'x'.repeat(126)),
        'a continuation of nothing': frame(continuation, 'x'),
        'a message inside a message': Buffer.concat([frame(text, 'x', { fin: false }), frame(text, 'y')]),
        'a close of one byte': frame(close, 'x'),
        'a length in too many bytes': Buffer.from([0x81, 0xfe, 0, 5, 1, 2, 3, 4, 0, 0, 0, 0, 0]),
        'a long length in too many bytes': Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 3, 4]),
        'a length with its highest bit': Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4]),
      };
      for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]) cases[`close code ${code}`] = closeFrame(code);
      for (const bytes of Object.values(cases)) await closes(bytes, 1002);
      await unharmed();
    });

    await t.test('1007: text that is not UTF-8, as soon as it shows', async () => {
      const wrong = [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80]];
      for (const bytes of wrong) await closes(frame(text, Buffer.from(bytes)), 1007);
      await closes(Buffer.concat([frame(text, Buffer.from([0xe2, 0x82]), { fin: false }), frame(continuation, 'x')]), 1007);
      await closes(frame(text, Buffer.from([0x61, 0xff]), { fin: false }), 1007); // the rest need not come
      await closes(frame(close, Buffer.from([0x03, 0xe8, 0xff])), 1007);
      await unharmed();
    });

    await t.test('a character cut by fragments, with a ping inside, is good', async () => {
      const raw = await joined('talk:room');
      const bytes = Buffer.from('a€😀');
      for (let i = 0; i < bytes.length; i++) {
        raw.write(frame(i ? continuation : text, bytes.subarray(i, i + 1), { fin: false }));
        raw.write(frame(ping, `${i}`));
        assert.equal((await raw.frame()).payload.toString(), `${i}`);
      }
      raw.write(frame(continuation, ''));
      const echo = await raw.frame();
      assert.deepEqual([echo.opcode, echo.payload.toString()], [text, 'a€😀']);
      assert.equal((await witness.next()).data, 'a€😀');
      await raw.drop();
    });

    await t.test('1009: longer than message_bytes, at the header that shows it', async () => {
      await closes(frame(binary, Buffer.alloc(5001)), 1009);
      await closes(frame(binary, '', { length: 5001 }), 1009); // no payload needed
      await closes(frame(binary, '', { length: 2n ** 62n }), 1009);
      await closes(frame(text, '', { length: 65535 }), 1009);
      await closes(Buffer.concat([frame(text, 'x'.repeat(3000), { fin: false }), frame(continuation, '', { length: 2001 })]), 1009);
      const raw = await joined('talk:room');
      raw.write(frame(binary, Buffer.alloc(5000, 3)));
      assert.equal((await raw.frame()).payload.length, 5000);
      assert.equal((await witness.next()).data.length, 5000);
      await raw.drop();
    });

    await t.test('1008: a message where clients may not publish', async () => {
      await closes(frame(text, 'hello'), 1008, { group: 'plain', reason: /./ });
      await closes(frame(binary, ''), 1008, { group: 'plain', reason: /./ });
    });

    await t.test('1008: a message from a connection in several groups, or in none but its user', async () => {
      for (const path of ['/ws?group=talk:room&group=talk:other', '/ws?user=ann']) {
        const raw = await Raw.upgrade(engine, path);
        raw.write(frame(text, 'x'));
        const end = await raw.closeFrame();
        assert.equal(end.code, 1008, path);
        assert.ok(end.reason.length > 0);
        raw.socket.end();
        await raw.end();
      }
    });

    await t.test('clients that drop in the middle of a frame', async () => {
      for (let i = 0; i < scaled(100, 20); i++) {
        const raw = await joined('talk:room');
        const bytes = frame(binary, Buffer.alloc(3000, 1));
        raw.write(bytes.subarray(0, 1 + ((i * 37) % (bytes.length - 2))));
        if (i % 2) raw.reset();
        else raw.drop();
      }
      await engine.statsWhen((stats) => stats.total_connections === 1, 'all are gone');
      await unharmed();
    });

    await t.test('random bytes after the upgrade', async () => {
      const pick = random(17);
      for (let i = 0; i < scaled(200, 40); i++) {
        const raw = await Raw.upgrade(engine, '/ws/plain');
        raw.write(Buffer.from(Array.from({ length: 1 + pick(300) }, () => pick(256))));
        raw.socket.end();
        await raw.end();
      }
      await engine.statsWhen((stats) => stats.total_connections === 1, 'all are gone');
      await unharmed();
    });

    await t.test('each end is counted with its reason', async () => {
      const stats = await engine.stats();
      for (const reason of ['client', 'lost', 'protocol_error', 'too_big', 'not_allowed'])
        assert.ok(stats.connections_closed[reason] > 0, reason);
      assert.ok(stats.connections_closed.too_big >= 5);
      assert.equal(stats.connections_closed.slow + stats.connections_closed.no_pong, 0);
      const closed = Object.values(stats.connections_closed).reduce((sum, n) => sum + n, 0);
      const { values } = await engine.metrics();
      assert.equal(values.shardcast_connections_opened_total - closed, stats.total_connections);
    });
  });
});
