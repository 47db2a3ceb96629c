// What the Protobuf form of the Centrifuge protocol has of its own: how it is chosen, its framing to
// the byte, bytes that are no commands, and payloads that are no text.
import assert from 'node:assert/strict';
import test from 'node:test';
import WebSocket from 'ws';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { address, FORMS, Sdk, Wire } from './lib/sdk.mjs';
import { until, within } from './lib/util.mjs';

const [json, protobuf] = FORMS;
const bad_request = { code: 3501, reason: 'bad request' };

const config = {
  health: { ping_seconds: 2, pong_timeout_seconds: 1 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'kept', history: { messages: 10, seconds: 300 } },
    { name: 'talk', client_publish: true },
  ],
};

const bytes = (hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const CONNECT = '04 08 01 22 00';

test('how it is chosen', async () => {
  await withEngine({ config }, async (engine) => {
    const speaks = async (protocols, query) => {
      const socket = new WebSocket(address(engine, { query }), protocols);
      const reply = new Promise((resolve, reject) => {
        socket.on('open', () => socket.send(socket.protocol === 'centrifuge-protobuf' || (query && !socket.protocol) ? bytes(CONNECT) : '{"id":1,"connect":{}}'));
        socket.on('message', (data, binary) => resolve([socket.protocol, binary ? 'protobuf' : 'json']));
        socket.on('error', reject).on('close', (code) => reject(new Error(`closed ${code}`)));
      });
      const answer = await within(reply, 'a reply');
      socket.terminate();
      return answer;
    };
    assert.deepEqual(await speaks('centrifuge-protobuf'), ['centrifuge-protobuf', 'protobuf']);
    assert.deepEqual(await speaks(['other', 'centrifuge-protobuf']), ['centrifuge-protobuf', 'protobuf']);
    assert.deepEqual(await speaks(undefined, { format: 'protobuf' }), ['', 'protobuf']);
    assert.deepEqual(await speaks(undefined, { cf_protocol: 'protobuf' }), ['', 'protobuf']);
    assert.deepEqual(await speaks('centrifuge-protobuf', { format: 'protobuf' }), ['centrifuge-protobuf', 'protobuf']);
    assert.deepEqual(await speaks('centrifuge-json', { format: 'protobuf' }), ['centrifuge-json', 'json']);
    assert.deepEqual(await speaks(undefined), ['', 'json']);
  });
});

test('the bytes', async () => {
  await withEngine({ config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const wire = await Wire.open(engine, protobuf);
    const gives = async (command, reply) => {
      const before = wire.frames.length;
      wire.write(bytes(command));
      await until(() => wire.frames.length > before, 'a reply');
      if (reply) assert.equal(wire.frames.at(-1).toString('hex'), reply.replaceAll(' ', ''), command);
    };
    await gives(CONNECT);
    assert.equal(wire.frames[0][0], wire.frames[0].length - 1, 'its length comes first');
    await gives('07 08 02 2a 03 0a 01 67', '04 08 02 32 00'); // subscribe g
    await producer.broadcast('g', 'x');
    await until(() => wire.frames.length === 3, 'the publication');
    assert.equal(wire.frames[2].toString('hex'), '0a22081201672203220178'); // no position: no offset
    await gives('07 08 05 32 03 0a 01 67', '04 08 05 3a 00'); // unsubscribe
    await gives('10 08 03 3a 0c 0a 06 74 61 6c 6b 3a 67 12 02 7b 7d', '04 08 03 42 00'); // publish
    await gives('04 08 06 5a 00', '04 08 06 62 00'); // ping
    const limited = await wire.ask({ rpc: {} });
    assert.deepEqual([limited.error.code, limited.error.temporary], [108, undefined]);
    await until(() => wire.frames.some((frame) => frame.equals(bytes('00'))), 'a ping');
    wire.write(bytes('00'));
    // Two commands and a pong that nobody asked for.
    wire.write(bytes('04 08 07 5a 00 04 08 08 5a 00 00'));
    assert.deepEqual(await wire.end(), bad_request);
    assert.equal(wire.frames.at(-1).toString('hex'), '040807620004080862 00'.replaceAll(' ', ''));
  });
});

/** After a connect: bytes that close it. */
const MALFORMED = {
  'no command at all': '',
  'a length over the end': '05 08 02 5a 00',
  'a length without an end': 'ff',
  'an absurd length': 'ff ff ff ff ff ff ff ff ff 01',
  'a length of eleven bytes': '80 80 80 80 80 80 80 80 80 80 00',
  'an id of eleven bytes': '0e 08 82 80 80 80 80 80 80 80 80 80 00 5a 00',
  'an id that is cut': '02 08 80',
  'a field that is cut': '06 08 02 2a 05 0a 01',
  'an inner field that is cut': '07 08 02 2a 03 0a 02 67',
  'a request that is a number': '04 08 02 28 01',
  'an id that is a string': '05 0a 01 61 5a 00',
  'a channel that is a number': '06 08 02 2a 02 08 07',
  'a bool that is a string': '0a 08 02 2a 06 0a 01 67 1a 01 31',
  'wire type 3': '05 08 02 5a 00 0b',
  'wire type 4': '05 08 02 5a 00 0c',
  'wire type 6': '05 08 02 5a 00 0e',
  'wire type 7': '05 08 02 5a 00 0f',
  'field number 0': '06 08 02 5a 00 02 00',
  'no id': '02 5a 00',
  'no method': '02 08 02',
  'two methods': '06 08 02 5a 00 32 00',
  'no channel': '04 08 02 2a 00',
  'a name that is not UTF-8': '07 08 02 2a 03 0a 01 ff',
  'a second connect': CONNECT,
};

test('bytes that are no commands close 3501', async () => {
  await withEngine({ config }, async (engine) => {
    await Promise.all(Object.entries(MALFORMED).map(async ([what, hex]) => {
      const wire = await Wire.connect(engine, protobuf);
      wire.write(bytes(hex));
      assert.deepEqual(await wire.end(what), bad_request, what);
      assert.equal(wire.frames.length, 1, what);
    }));
    // What stands before it in the frame is carried out and answered.
    const wire = await Wire.connect(engine, protobuf);
    wire.write(bytes('07 08 02 2a 03 0a 01 67 04 08 03 5a 00 09 08 04 5a'));
    assert.deepEqual(await wire.end(), bad_request);
    assert.deepEqual(wire.log.slice(1), [{ id: 2, subscribe: {} }, { id: 3, ping: {} }]);
    const stats = await engine.statsWhen((now) => now.total_connections === 0, 'all are gone');
    assert.equal(stats.connections_closed.protocol_error, Object.keys(MALFORMED).length + 1);
  });
});

test('what is taken: unknown fields, any order, the last of two, names that are none', async () => {
  await withEngine({ config }, async (engine) => {
    const wire = await Wire.connect(engine, protobuf);
    const answers = async (hex, id) => {
      const before = wire.log.length;
      const command = bytes(hex);
      wire.write(Buffer.concat([Buffer.from([command.length]), command]));
      await until(() => wire.log.length > before, `the answer to ${hex}`);
      assert.equal(wire.log.at(-1).id, id);
      return wire.log.at(-1);
    };
    // Unknown fields of wire types 0, 1, 2 and 5: before the request, in it, and behind it.
    const unknown = 'a0 06 05 a1 06 01 02 03 04 05 06 07 08 a2 06 03 01 02 03 a5 06 01 02 03 04';
    const inner = bytes(`${unknown} 0a 01 67`).length.toString(16);
    assert.ok((await answers(`${unknown} 2a ${inner} ${unknown} 0a 01 67 ${unknown} 08 02`, 2)).subscribe);
    assert.equal((await answers('08 03 2a 03 0a 01 67', 3)).error.code, 105, 'that was g');
    // A scalar given twice; an id over 32 bits is cut; a varint may be longer than it need be.
    assert.ok((await answers('08 04 08 05 5a 00', 5)).ping);
    assert.ok((await answers('08 87 80 80 80 10 5a 00', 7)).ping);
    assert.ok((await answers('08 86 00 5a 00', 6)).ping);
    for (const [id, name] of [[8, '00'], [9, '20'], [10, '2a']])
      assert.equal((await answers(`08 ${id.toString(16).padStart(2, '0')} 2a 03 0a 01 ${name}`, id)).error.code, 107, name);
    await wire.leave();
  });
});

test('payloads between all forms are the bytes', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const raw = await Client.join(engine, 'talk:g');
    const wires = await Promise.all(FORMS.map((form) => Wire.connect(engine, form)));
    for (const wire of wires) await wire.subscribe('talk:g');
    const sdk = await Sdk.connect(engine, protobuf);
    const heard = await sdk.subscribe('talk:g');
    for (const [data, inJson] of [
      [Buffer.from('{"a":1}\n'), { a: 1 }], [Buffer.from('größe\n'), 'größe\n'], [Buffer.from([0x7b, 0xff]), 'e/8='], [Buffer.from([0]), '\u0000'],
      [Buffer.from([0xed, 0xa0, 0x80]), '7aCA'], [Buffer.from([1, 2, 0xfe]), 'AQL+'],
    ]) {
      await heard.sub.publish(data);
      const text = inJson !== data.toString('base64');
      assert.deepEqual(await raw.next(), text ? { data: data.toString(), binary: false } : { data, binary: true });
      assert.deepEqual((await wires[0].push()).pub.data, inJson);
      assert.deepEqual(Buffer.from((await wires[1].push()).pub.data), data);
      assert.deepEqual(Buffer.from((await heard.publications.take()).data), data);
    }
    for (const data of [Buffer.from([0, 255]), '', 'x\ny', Buffer.alloc(0)]) {
      await producer.broadcast('talk:g', data);
      const { pub } = await wires[1].push();
      assert.deepEqual(Buffer.from(pub.data ?? []), Buffer.from(data), 'bin as it is, str as its bytes');
    }
    const { error } = await wires[1].ask({ publish: { channel: 'talk:g' } });
    assert.equal(error.code, 107, 'no data');
    sdk.close();
  });
});
