// The Centrifuge protocol's framing: sub-protocols, several commands in a frame, how long a frame may
// be, what is malformed, and that all of it is bounded.
import assert from 'node:assert/strict';
import test from 'node:test';
import WebSocket from 'ws';
import { refusal } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { frame, OPCODE, Raw } from './lib/raw.mjs';
import { address, assertError, forEachForm, FORMS, Wire } from './lib/sdk.mjs';
import { SLOW, scaled, until, within } from './lib/util.mjs';

const PATH = '/connection/websocket';
const KIB = 1024;
const bad_request = { code: 3501, reason: 'bad request' };

const config = {
  limits: { message_bytes: 65536, groups_per_connection: 1000 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'kept', history: { messages: 10, seconds: 300 } },
    { name: 'talk', client_publish: true },
  ],
};

test('which sub-protocol is chosen, and what the URL may say', async (t) => {
  await withEngine({ config }, async (engine) => {
    const chosen = async (protocols, query) => {
      const socket = new WebSocket(address(engine, { query }), protocols);
      await within(new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject)), 'the upgrade');
      const { protocol, extensions } = socket;
      socket.terminate();
      assert.equal(extensions, '', 'no compression, though it is offered');
      return protocol;
    };
    await t.test('the one that is offered, or none', async () => {
      assert.equal(await chosen(undefined), '');
      assert.equal(await chosen('centrifuge-json'), 'centrifuge-json');
      assert.equal(await chosen(['other', 'centrifuge-json']), 'centrifuge-json');
      // npm's ws leaves a server that chooses none of its own; raw bytes show what it said.
      for (const protocol of ['other', 'shardcast.raw', 'Centrifuge-JSON']) {
        const raw = await Raw.upgrade(engine, PATH, { 'Sec-WebSocket-Protocol': protocol });
        assert.equal(raw.response.headers['sec-websocket-protocol'], undefined, protocol);
        await raw.drop();
      }
    });
    await t.test('parameters that are not known are ignored', async () => {
      assert.equal(await chosen(undefined, { cf_ws_frame_ping_pong: 'true', group: 'a b', hello: '1', since: 'x', format: 'json' }), '');
    });
    await t.test('refusals before the upgrade', async () => {
      for (const [path, status] of [['/connection/websocketx', 404], ['/connection', 404], ['/connection/websocket/', 404],
        [`${PATH}?user=`, 400], [`${PATH}?user=a%20b`, 400], [`${PATH}?user=a&user=b`, 400], [`${PATH}?user=${'u'.repeat(124)}`, 400]])
        assert.equal((await refusal(engine, path)).status, status, path);
      assert.equal((await refusal(engine, PATH, { headers: { Origin: 'https://other.example' } })).status, 403);
      const stats = await engine.stats();
      assert.equal(stats.connections_refused.no_such_path, 3);
      assert.equal(stats.connections_refused.not_allowed, 1);
      assert.equal(stats.connections_refused.bad_group + stats.connections_refused.bad_request, 4);
    });
  });
});

forEachForm(test, 'several commands in one frame are answered in order', async (form) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const wire = await Wire.open(engine, form);
    const groups = Array.from({ length: 300 }, (_, i) => `g${i}`);
    const commands = [{ id: 7, connect: {} }];
    for (const [i, channel] of groups.entries()) commands.push({ id: 10 + i, subscribe: { channel } });
    commands.push({ id: 1000, publish: { channel: 'talk:x', data: form.data('1') } });
    commands.push({ id: 1001, history: { channel: 'kept:x' } });
    commands.push({ id: 1002, subscribe: { channel: 'a b' } });
    commands.push({ id: 1002, ping: {} }, { id: 4294967295, unsubscribe: { channel: 'g0' } });
    wire.send(...commands);
    await until(() => wire.log.length === commands.length, 'all are answered');
    assert.deepEqual(wire.log.map(({ id }) => id), commands.map(({ id }) => id));
    for (const reply of wire.log.slice(1, 301)) assert.deepEqual(reply, { id: reply.id, subscribe: {} });
    assertError(wire.log[303], 107);
    assert.deepEqual(wire.log.slice(304), [{ id: 1002, ping: {} }, { id: 4294967295, unsubscribe: {} }]);
    assert.ok(wire.frames.length < wire.log.length, 'answers share frames, too');
    const stats = await engine.stats();
    assert.equal(stats.group_connections, 299);
    await wire.leave();
  });
});

test('what stands between JSON commands', async () => {
  await withEngine({ config }, async (engine) => {
    const wire = await Wire.open(engine, FORMS[0]);
    wire.write('\n\n {"id":1,"connect":{}} \r\n\t\n{"id":2,"ping":{}}\r\n\r\n{ "ping" : { } , "id" : 3 }\n \n');
    await until(() => wire.log.length === 3, 'all are answered');
    assert.deepEqual(wire.log.slice(1), [{ id: 2, ping: {} }, { id: 3, ping: {} }]);
    // Escapes in keys and names, unknown fields, null for what is absent, the last of two.
    wire.write('{"id":4,"sub\\u0073cribe":{"channel":"\\u00671"}}\n' +
      '{"id":5,"more":[{}],"subscribe":{"channel":"a","channel":"g2","delta":"fossil","tf":{"x":[1]},"data":null,"token":null,"unknown":1e5}}');
    await until(() => wire.log.length === 5, 'both are answered');
    assert.deepEqual(wire.log.slice(3), [{ id: 4, subscribe: {} }, { id: 5, subscribe: {} }]);
    const stats = await engine.stats();
    assert.equal(stats.active_groups, 2);
    await wire.ask({ unsubscribe: { channel: 'g1' } });
    await engine.statsWhen((now) => now.active_groups === 1, 'g1 has been left by that name');
    await wire.leave();
  });
});

/** A connect that fills a frame of `size` bytes. */
const longConnect = (size) => `{"id":1,"connect":{"name":"${'n'.repeat(size - 33)}"}}\n`.padEnd(size, ' ').slice(0, size);

for (const [message_bytes, limit] of [[65536, 128 * KIB], [1024, 128 * KIB], [128 * KIB - 4096 + 1, 128 * KIB + 1], [300000, 304096]])
  test(`a frame of commands may have ${limit} bytes where a message may have ${message_bytes}`, async () => {
    await withEngine({ config: { ...config, limits: { message_bytes } } }, async (engine) => {
      for (const over of [0, 1]) {
        const text = longConnect(limit + over);
        assert.equal(text.length, limit + over);
        const whole = await Wire.open(engine, FORMS[0]);
        whole.write(text);
        const parts = await Raw.upgrade(engine, PATH);
        parts.write(Buffer.concat([frame(OPCODE.text, text.slice(0, 70000), { fin: false }), frame(OPCODE.ping, 'between'),
          frame(OPCODE.continuation, text.slice(70000))]));
        if (over) {
          assert.deepEqual(await whole.end(), { code: 1009, reason: 'message is too big' });
          const { code, before } = await parts.closeFrame();
          assert.deepEqual([code, before.map(({ opcode }) => opcode)], [1009, [OPCODE.pong]]);
        } else {
          assert.equal((await whole.others.take('the reply')).id, 1);
          assert.equal((await parts.frame()).opcode, OPCODE.pong, 'pings are answered before a connect, too');
          assert.equal(JSON.parse((await parts.frame()).payload).id, 1);
          await whole.leave();
        }
        parts.drop();
      }
    });
  });

test('an absurd length is refused by its header', async () => {
  await withEngine({ config }, async (engine) => {
    const raw = await Raw.upgrade(engine, PATH);
    raw.write(frame(OPCODE.text, '', { length: 1e12 }));
    assert.equal((await raw.closeFrame()).code, 1009);
    await raw.drop();
    const stats = await engine.statsWhen((now) => now.connections_refused.bad_request === 1, 'it is counted as a refusal');
    assert.equal(stats.total_connections, 0);
    assert.equal(stats.connections_closed.too_big, 0, 'it never was a connection');
  });
});

const MALFORMED = ['', ' ', '\n', 'x', '[]', '1', 'null', '"connect"', '{', '}', '{}x', '{"id":1', '{"id":1}', '{"id":1,}', '{id:1}',
  '{"id":1,"nothing":{}}', '{"id":1,"connect":1}', '{"id":1,"connect":[]}', '{"id":1,"connect":"{}"}', '{"connect":{}}',
  '{"id":0,"connect":{}}', '{"id":-1,"connect":{}}', '{"id":1.5,"connect":{}}', '{"id":1e2,"connect":{}}', '{"id":"1","connect":{}}',
  '{"id":01,"connect":{}}', '{"id":18446744073709551616,"connect":{}}', '{"id":true,"connect":{}}',
  '{"id":1,"connect":{},"ping":{}}', '{"id":1,"connect":{"token":1}}', '{"id":1,"connect":{"subs":[]}}', '{"id":1,"connect":{"subs":{"a":1}}}',
  '{"id":1,"connect":{"subs":{"a":{"offset":-1}}}}', '{"id":1,"connect":{"data":{"a":}}}', `{"id":1,"connect":${'['.repeat(1000)}}`,
  `{"id":1,"connect":{"data":${'['.repeat(200)}${']'.repeat(200)}}}`, '{"id":1,"connect":{"name":"\\x"}}', '{"id":1,"connect":{"name":"\t"}}',
  '{"id":1,"connect":{}}{"id":2,"ping":{}}', '\u0000', '{"id":1,"connect":{}}\u0000', '\ufeff{"id":1,"connect":{}}'];

const MALFORMED_LATER = ['{"id":1,"subscribe":{}}', '{"id":1,"subscribe":{"channel":""}}', '{"id":1,"subscribe":{"channel":1}}',
  '{"id":1,"subscribe":{"channel":null}}', '{"id":1,"subscribe":{"channel":["a"]}}', '{"subscribe":{"channel":"a"}}',
  '{"id":1,"subscribe":{"channel":"a","recover":1}}', '{"id":1,"subscribe":{"channel":"a","offset":1.0}}',
  '{"id":1,"subscribe":{"channel":"a","epoch":7}}', '{"id":1,"subscribe":{"channel":"a","flag":"1"}}', '{"id":1,"publish":{}}',
  '{"id":1,"publish":{"data":{}}}', '{"id":1,"publish":{"channel":"talk:x","data":tru}}', '{"id":1,"unsubscribe":{}}', '{"id":1,"presence":{}}',
  '{"id":1,"presence_stats":{}}', '{"id":1,"history":{}}', '{"id":1,"history":{"channel":"kept:x","limit":"1"}}',
  '{"id":1,"history":{"channel":"kept:x","since":1}}', '{"id":1,"history":{"channel":"kept:x","since":{"offset":"1"}}}', '{"id":1,"sub_refresh":{}}',
  '{"id":1,"connect":{}}', '{"ping":{}}', '{"rpc":{"method":"x"}}', '{}', '{"id":1}'];

test('malformed JSON closes 3501, before and after the connect', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const refused = await Promise.all(MALFORMED.map(async (text) => {
      const wire = await Wire.open(engine, FORMS[0]);
      wire.write(text);
      assert.deepEqual(await wire.end(text), bad_request, text);
      assert.deepEqual(wire.frames, [], text);
    }));
    await Promise.all([...MALFORMED, ...MALFORMED_LATER].map(async (text) => {
      const wire = await Wire.connect(engine, FORMS[0]);
      wire.write(text);
      assert.deepEqual(await wire.end(text), bad_request, text);
      assert.equal(wire.frames.length, 1, text);
    }));
    const stats = await engine.quiet();
    assert.equal(stats.connections_refused.bad_request, refused.length);
    assert.equal(stats.connections_closed.protocol_error, MALFORMED.length + MALFORMED_LATER.length);
    assert.equal(stats.total_connections, 0);
    assert.equal(stats.active_groups, 0);
  });
});

forEachForm(test, 'what is no command closes 3501', async (form) => {
  await withEngine({ config }, async (engine) => {
    const closes = async (wire, frame) => {
      wire.write(frame);
      assert.deepEqual(await wire.end(), bad_request);
    };
    await closes(await Wire.open(engine, form), form.encode([{ id: 1, subscribe: { channel: 'a' } }]));
    await closes(await Wire.open(engine, form), form.encode([{}]));
    for (const commands of [[{ id: 1, connect: {} }], [{}], [{ subscribe: { channel: 'a' } }], [{ id: 1, subscribe: { channel: '' } }], [{ id: 1 }]])
      await closes(await Wire.connect(engine, form), form.encode(commands));
    const other = form.name === 'json' ? Buffer.from('{"id":1,"ping":{}}') : '{"id":1,"ping":{}}';
    await closes(await Wire.connect(engine, form), other);
    await closes(await Wire.connect(engine, form), form.name === 'json' ? '' : Buffer.alloc(0));

    // What came before it in the frame is answered.
    const wire = await Wire.connect(engine, form);
    wire.send({ id: 5, subscribe: { channel: 'g' } }, { id: 6, ping: {} }, { id: 7 }, { id: 8, ping: {} });
    assert.deepEqual(await wire.end(), bad_request);
    assert.deepEqual(wire.log.slice(1), [{ id: 5, subscribe: {} }, { id: 6, ping: {} }]);
    await engine.statsWhen((now) => now.active_groups === 0, 'it has left its group');

    const sender = await Wire.connect(engine, form);
    sender.send({ send: { data: form.data('{}') } });
    assert.deepEqual(await sender.end(), { code: 3508, reason: 'not available' });
  });
});

test('text that is not UTF-8, and frames that RFC 6455 forbids', async () => {
  await withEngine({ config }, async (engine) => {
    for (const [bytes, code] of [[frame(OPCODE.text, Buffer.from([0x7b, 0xff])), 1007], [frame(3, 'x'), 1002], [frame(OPCODE.text, '{}', { masked: false }), 1002]]) {
      const raw = await Raw.upgrade(engine, PATH);
      raw.write(bytes);
      const close = await raw.closeFrame();
      assert.equal(close.code, code);
      assert.ok(close.reason.length > 0);
      await raw.drop();
    }
    assert.equal((await engine.statsWhen((now) => now.connections_refused.bad_request === 3, 'they are counted')).total_connections, 0);
  });
});

forEachForm(test, 'a client that asks and does not read costs bounded memory, and gets every answer', async (form) => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const wire = await Wire.connect(engine, form);
    wire.socket.pause();
    const before = await engine.memory();
    const frames = scaled(400, 100);
    const each = 500;
    let id = 100;
    for (let i = 0; i < frames; i++)
      wire.send(...Array.from({ length: each }, () => ({ id: id++, history: { channel: 'kept:x' } })));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const grown = (await engine.memory()) - before;
    if (SLOW === 1) assert.ok(grown < 20e6, `memory grew by ${grown}`); // sanitizers keep what is freed for a while
    wire.socket.resume();
    await until(() => wire.log.length === 1 + frames * each, 'all are answered', 60000);
    wire.log.slice(1).forEach((reply, i) => assert.equal(reply.id, 100 + i));
    await wire.leave();
  });
});
