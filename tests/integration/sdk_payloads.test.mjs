// What becomes of payloads on their way to Centrifuge clients, as `sdk.md` has it: JSON text verbatim,
// other text as a string, bytes in base64; and back from clients to members of every kind.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { assertError, forEachForm, FORMS, Sdk, Wire } from './lib/sdk.mjs';

const config = {
  limits: { message_bytes: 65536 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'kept', history: { messages: 100, seconds: 300 } },
    { name: 'talk', client_publish: true, history: { messages: 100, seconds: 300 } },
  ],
};

const nested = (levels, inner = '1') => '['.repeat(levels) + inner + ']'.repeat(levels);

/** Texts that are JSON: embedded as they are. */
const VERBATIM = ['{}', '[]', '0', '-0', '-0.0', '1E400', '1e-9999', '12345678901234567890', '{"id":9007199254740993}',
  '3.14159265358979323846264338327950288', 'true', 'null', '""', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"\u{1f600}"', '"\\/"', '"/"',
  '"<&>\u2028\u2029"', '"\u007f"', '{"a":1,"a":2}', '{"":{"":[]}}', ' { "a" : [ 1 , 2 ] } ', '\t1\r', nested(128), `{"a":${nested(127)}}`,
  `"${'x'.repeat(65000)}"`];

/** Texts that are none: strings. */
const STRINGS = ['', ' ', 'hello', '{', '{"a":}', '[1,]', '01', '+1', '.5', '1.', 'NaN', 'tru', "'a'", '"a', '"a"b', '"\n"', '1\n2', '\\', '"',
  'a\nb\r\n\tc', '\u0000\u0001\u001f', '\u2028 größe \u{1f600}', '\ufeff{}', '\u00a0{}', '{}\u0000', nested(129), `{"a":${nested(128)}}`,
  nested(30000)];

/** JSON over several lines, and in one. */
const LINES = [['{\n  "a": [\r\n 1,\n2\n]\n}\n', '{  "a": [\r 1,2]}'], ['\n\n1\n', '1'], ['"\\n"\n', '"\\n"']];

/** Other msgpack values, as JSON. */
const VALUES = [[null, 'null'], [true, 'true'], [42, '42'], [18446744073709551615n, '18446744073709551615'], [-9223372036854775808n, '-9223372036854775808'],
  [0.5, '0.5'], [NaN, 'null'], [-Infinity, 'null'], [{ a: [1, 'x\n'], b: new Uint8Array([1, 2]) }, '{"a":[1,"x\\n"],"b":"AQI="}'], [[], '[]'], [{}, '{}']];

const BYTES = [[], [0], [1, 2], [1, 2, 3], [255, 254, 253, 252], Array.from({ length: 256 }, (_, i) => i)].map((all) => Buffer.from(all));

/** What `data` is in JSON, for every payload: [what a producer sends, the text]. */
const JSON_DATA = [...VERBATIM.map((text) => [text, text]), ...STRINGS.map((text) => [text, JSON.stringify(text), true]), ...LINES, ...VALUES,
  ...BYTES.map((bytes) => [bytes, `"${bytes.toString('base64')}"`])];

/** A JSON string may be escaped in other ways than JSON.stringify() does. */
const sameText = (actual, expected, loose) =>
  loose ? assert.equal(JSON.parse(actual), JSON.parse(expected)) : assert.equal(actual, expected);

test('JSON members: data is as documented, to the byte', async (t) => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const wire = await Wire.connect(engine, FORMS[0]);
    const raw = await Client.join(engine, 'kept:g');
    const { epoch } = (await wire.subscribe('kept:g')).subscribe;
    const texts = [];
    await t.test('published', async () => {
      for (const [i, [data, text, loose]] of JSON_DATA.entries()) {
        assert.equal((await producer.broadcast('kept:g', data)).ok, true, `${i}`);
        await wire.others.take('the publication');
        const frame = wire.frames.at(-1);
        assert.equal(frame.includes('\n'), false, 'in one line');
        const [, got] = frame.match(/^\{"push":\{"channel":"kept:g","pub":\{"data":(.*),"offset":\d+\}\}\}$/s);
        sameText(got, text, loose);
        texts.push(got);
      }
      for (const [data] of JSON_DATA) {
        const { data: got, binary } = await raw.next();
        if (typeof data === 'string') assert.equal(got, data, 'raw members have it verbatim');
        assert.equal(binary, Buffer.isBuffer(data));
      }
    });
    await t.test('in history, and recovered', async () => {
      const count = JSON_DATA.length;
      for (const [i, text] of texts.entries()) {
        await wire.ask({ history: { channel: 'kept:g', limit: 1, since: { epoch, offset: i } } });
        const part = `{"publications":[{"data":${text},"offset":${i + 1}}],"epoch":"${epoch}","offset":${count}}}`;
        assert.ok(wire.frames.at(-1).endsWith(part), wire.frames.at(-1).slice(0, 200));
      }
      const late = await Wire.connect(engine, FORMS[0]);
      await late.subscribe('kept:g', { recover: true, epoch, offset: 0 });
      const all = texts.map((text, i) => `{"data":${text},"offset":${i + 1}}`).join(',');
      assert.ok(late.frames.at(-1).includes(`"publications":[${all}]`));
      await late.leave();
    });
    await wire.leave();
    await raw.leave();
  });
});

forEachForm(test, 'the SDK understands every payload', async (form) => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const sdk = await Sdk.connect(engine, form);
    const heard = await sdk.subscribe('g');
    for (const [data, text] of JSON_DATA) {
      await producer.broadcast('g', data);
      const got = (await heard.publications.take()).data;
      if (form.name === 'json') assert.deepEqual(got, JSON.parse(text));
      else if (Buffer.isBuffer(data)) assert.deepEqual(Buffer.from(got), data, 'the bytes themselves');
      else assert.equal(Buffer.from(got).toString(), typeof data === 'string' ? data : text, 'the text unchanged');
    }
    sdk.close();
  });
});

test('what a JSON client publishes goes on as it stands', async () => {
  await withEngine({ shards: 2, config }, async (engine) => {
    const wire = await Wire.connect(engine, FORMS[0]);
    const raw = await Client.join(engine, 'talk:g');
    await wire.subscribe('talk:g');
    const texts = VERBATIM.map((text) => text.trim());
    for (const [i, text] of texts.entries()) {
      wire.write(`{"id":${1000 + i},"publish":{"channel":"talk:g","data":${text}}}`);
      assert.equal((await raw.next()).data, text);
    }
    await wire.ask({ ping: {} }); // the last ones are there, too
    const replies = wire.log.filter(({ id }) => id >= 1000);
    assert.deepEqual(replies, texts.map((_, i) => ({ id: 1000 + i, publish: {} })));
    const pushes = wire.frames.flatMap((one) => one.split('\n')).filter((line) => line.includes('"push"'));
    pushes.forEach((line, i) => assert.ok(line.includes(`"pub":{"data":${texts[i]},"info":`), line.slice(0, 200)));

    // What is no payload: nothing, too deep, too long. None of it ends the connection.
    const before = (await engine.stats()).messages_in;
    for (const publish of ['{"channel":"talk:g"}', `{"channel":"talk:g","data":${nested(129)}}`, `{"channel":"talk:g","data":${nested(20000)}}`,
      `{"channel":"talk:g","data":{"deep":${nested(128)}}}`, `{"channel":"talk:g","data":"${'x'.repeat(65535)}"}`]) {
      wire.write(`{"id":2000,"publish":${publish}}`);
      let reply;
      while ((reply = await wire.others.take('the reply')).id !== 2000);
      assertError(reply, 107);
    }
    assert.equal((await engine.stats()).messages_in, before);
    assert.ok((await wire.ask({ publish: { channel: 'talk:g', data: 'x'.repeat(65534) } })).publish, 'the longest');
    await wire.leave();
    await raw.leave();
  });
});
