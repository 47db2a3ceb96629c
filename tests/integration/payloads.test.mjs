// The contract's "Producers", key `data`: str and bin verbatim, any other msgpack value as JSON
// text; and message_bytes, "one payload, after transcoding".
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { encode, Producer } from './lib/producer.mjs';
import { same } from './lib/util.mjs';

const config = {
  limits: { message_bytes: 200000, backlog_bytes: 8000000 },
  namespaces: [{ name: '', max_rate: 0 }],
};

/** A broadcast whose `data` is given as msgpack bytes. */
function withData(data, more = {}) {
  const head = encode({ op: 'broadcast', group: 'g', ...more });
  const bytes = Buffer.concat([head, encode('data'), Buffer.from(data)]);
  bytes[0]++; // one more pair in the fixmap
  return bytes;
}

test('payloads', async (t) => {
  await withEngine({ config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const client = await Client.join(engine, 'g');
    const arrives = async (data, expected) => {
      const answer = await producer.broadcast('g', data);
      assert.equal(answer.ok, true, JSON.stringify(answer));
      const frame = await client.next();
      assert.equal(frame.binary, expected.binary);
      same(frame.data, expected.data);
    };
    const arrivesRaw = async (data, expected) => {
      await producer.write(withData(data));
      same((await client.next()).data, expected);
    };
    const refused = async (data, error, pattern) => {
      await producer.write(withData(data, { id: 1234567 }));
      const answer = await producer.answers.take();
      assert.equal(answer.error, error);
      if (pattern) assert.match(answer.message, pattern);
      assert.equal(answer.id, 1234567);
    };

    await t.test('text is verbatim', async () => {
      const texts = ['', 'x', 'Grüße, 世界 🌍', '{"a": 1, "a":2}', '\u0000\n\r\t', 'a'.repeat(125), 'a'.repeat(126), '\uFEFFbom'];
      for (const text of texts) await arrives(text, { data: text, binary: false });
    });

    await t.test('every size about the borders of frame headers and segments', async () => {
      for (const size of [124, 125, 126, 127, 4095, 4096, 16383, 16384, 65534, 65535, 65536, 65537, 199999, 200000]) {
        const text = 'é'.repeat(size / 2) + (size % 2 ? 'x' : '');
        await arrives(text, { data: text, binary: false });
        const bytes = Buffer.alloc(size, 0xfe);
        await arrives(bytes, { data: bytes, binary: true });
      }
    });

    await t.test('binary is verbatim', async () => {
      const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      for (const bytes of [Buffer.alloc(0), Buffer.from([0xff]), all, Buffer.from('text')])
        await arrives(bytes, { data: bytes, binary: true });
    });

    await t.test('other values become JSON text', async () => {
      const values = [
        { a: 1, b: [true, false, null], c: { d: 'é"\\\n\u0001' } }, [], {}, 0, -1, 3.5, true, false,
        'x', [1, [2, [3]]], 1e300, -0.1,
      ];
      for (const value of values) {
        if (typeof value === 'string') continue;
        await producer.broadcast('g', value);
        const frame = await client.next();
        assert.equal(frame.binary, false);
        assert.deepEqual(JSON.parse(frame.data), value);
      }
    });

    await t.test('null is a value, too', () => arrives(null, { data: 'null', binary: false }));

    await t.test('integers keep all 64 bits', async () => {
      for (const n of [18446744073709551615n, -9223372036854775808n, 9007199254740993n]) {
        await producer.broadcast('g', [n]);
        assert.equal((await client.next()).data, `[${n}]`);
      }
    });

    await t.test('floats: NaN and infinities become null, the others survive', async () => {
      await arrives([NaN, Infinity, -Infinity], { data: '[null,null,null]', binary: false });
      await producer.broadcast('g', [0.1, 5e-324, 1.7976931348623157e308, 100]);
      assert.deepEqual(JSON.parse((await client.next()).data), [0.1, 5e-324, 1.7976931348623157e308, 100]);
      await arrivesRaw([0x91, 0xca, 0x3e, 0x80, 0x00, 0x00], '[0.25]'); // a float of 32 bits
    });

    await t.test('bin inside becomes base64 with padding', async () => {
      await producer.broadcast('g', { b: Buffer.from([0, 255, 16, 1]) });
      assert.deepEqual(JSON.parse((await client.next()).data), { b: 'AP8QAQ==' });
    });

    await t.test('strings inside are escaped as JSON wants it', async () => {
      const text = Array.from({ length: 128 }, (_, i) => String.fromCharCode(i)).join('') + '\u2028🌍';
      await producer.broadcast('g', [text]);
      assert.deepEqual(JSON.parse((await client.next()).data), [text]);
    });

    const nested = (depth) => Buffer.concat([Buffer.alloc(depth - 1, 0x91), Buffer.from([0x90])]);

    await t.test('32 levels are taken, 33 are not', async () => {
      await arrivesRaw(nested(32), '['.repeat(32) + ']'.repeat(32));
      await refused(nested(33), 'bad_command', /32|deep|level/i);
    });

    await t.test('a million levels are refused, too', () => refused(nested(150000), 'bad_command'));

    await t.test('keys that are not strings are refused', async () => {
      await refused([0x81, 0x01, 0x02], 'bad_command', /key/i);
      await refused([0x91, 0x81, 0xc4, 0x01, 0x61, 0x02], 'bad_command', /key/i);
    });

    await t.test('extension types are refused', async () => {
      await refused([0xd4, 0x05, 0x00], 'bad_command', /ext/i);
      await refused([0x91, 0xc7, 0x03, 0x01, 0, 0, 0], 'bad_command', /ext/i);
      await refused([0xd6, 0xff, 0, 0, 0, 0], 'bad_command', /ext/i); // a timestamp is one
    });

    await t.test('a str that is not UTF-8 is refused, at the top and inside', async () => {
      const wrong = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80]];
      for (const bytes of wrong) {
        await refused([0xa0 + bytes.length, ...bytes], 'bad_command', /UTF-8/i);
        await refused([0x91, 0xa0 + bytes.length, ...bytes], 'bad_command', /UTF-8/i);
        await refused([0x81, 0xa0 + bytes.length, ...bytes, 0xc0], 'bad_command', /UTF-8/i);
      }
    });

    await t.test('what is over message_bytes is too_large and leaves the connection open', async () => {
      for (const data of ['x'.repeat(200001), Buffer.alloc(200001), Buffer.alloc(230000)]) {
        const answer = await producer.broadcast('g', data);
        assert.equal(answer.error, 'too_large', answer.message);
        assert.equal(answer.ok, false);
      }
    });

    await t.test('it is the transcoded size that counts', async () => {
      // 150,000 bytes of bin are 200,000 of base64, and two brackets and two quotes.
      assert.equal((await producer.broadcast('g', [Buffer.alloc(150000)])).error, 'too_large');
      assert.equal((await producer.broadcast('g', [Buffer.alloc(149997)])).ok, true);
      assert.equal((await client.next()).data.length, 200000);
      // Escapes grow six-fold.
      assert.equal((await producer.broadcast('g', ['\u0001'.repeat(40000)])).error, 'too_large');
    });

    await t.test('and nothing that was refused reached the member', async () => {
      await arrives('the end', { data: 'the end', binary: false });
      const stats = await engine.quiet();
      assert.equal(stats.deliveries, stats.messages_routed);
      assert.equal(stats.deliveries, client.received);
    });
  });
});
