// RFC 6455 section 4.2 and the contract's "Raw clients": what an upgrade request must be, in any cut
// of its bytes, and what happens to those who never finish one.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { UNLIMITED, withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { acceptKey, frame, OPCODE, Raw, upgradeRequest } from './lib/raw.mjs';
import { SCALE, sleep, within } from './lib/util.mjs';

test('the upgrade request', async (t) => {
  await withEngine({ shards: 2, config: UNLIMITED }, async (engine) => {
    const producer = await Producer.connect(engine);
    const ask = async (bytes) => {
      const raw = await Raw.connect(engine.ports.clients);
      raw.write(bytes);
      const head = await raw.head();
      return { raw, ...head };
    };
    const refused = async (bytes, ...statuses) => {
      const { raw, status } = await ask(bytes);
      assert.ok(statuses.includes(status), `${JSON.stringify(bytes.slice(0, 200))}: ${status}`);
      await raw.end();
    };

    await t.test('101 with the right accept key, and nothing that was not asked for', async () => {
      const key = 'AQIDBAUGBwgJCgsMDQ4PEA==';
      const { raw, status, headers, first } = await ask(upgradeRequest('/ws/g', { 'Sec-WebSocket-Key': key }));
      assert.equal(status, 101);
      assert.match(first, /^HTTP\/1\.1 101 /);
      assert.equal(headers['sec-websocket-accept'], acceptKey(key));
      assert.equal(headers.upgrade.toLowerCase(), 'websocket');
      assert.equal(headers.connection.toLowerCase(), 'upgrade');
      assert.equal(headers['sec-websocket-protocol'], undefined);
      assert.equal(headers['sec-websocket-extensions'], undefined);
      await raw.drop();
    });

    await t.test('extensions that are offered are declined', async () => {
      const { raw, status, headers } = await ask(
        upgradeRequest('/ws/g', { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }));
      assert.equal(status, 101);
      assert.equal(headers['sec-websocket-extensions'], undefined);
      await raw.drop();
    });

    await t.test('header names and tokens in any case, lists, odd white space', async () => {
      for (const headers of [
        { Upgrade: null, Connection: null, UPGRADE: 'WebSocket', CONNECTION: 'keep-alive, UPGRADE' },
        { Upgrade: 'websocket', Connection: 'keep-alive,Upgrade' },
        { Upgrade: '  websocket  ', Connection: 'Upgrade\t' },
      ]) {
        const { raw, status } = await ask(upgradeRequest('/ws/g', headers));
        assert.equal(status, 101, JSON.stringify(headers));
        await raw.drop();
      }
    });

    await t.test('what RFC 6455 section 4.2.1 requires and is not there', async () => {
      await refused(upgradeRequest('/ws/g', {}, { method: 'POST' }), 400, 405, 426);
      await refused(upgradeRequest('/ws/g', {}, { method: 'HEAD' }), 400, 405, 426);
      await refused(upgradeRequest('/ws/g', {}, { version: 'HTTP/1.0' }), 400, 426, 505);
      await refused(upgradeRequest('/ws/g', { Host: null }), 400);
      for (const key of [null, '', 'short', 'AQIDBAUGBwgJCgsMDQ4P', 'AQIDBAUGBwgJCgsMDQ4PEBE=', '!QIDBAUGBwgJCgsMDQ4PEA=='])
        await refused(upgradeRequest('/ws/g', { 'Sec-WebSocket-Key': key }), 400);
      for (const version of ['8', '12', '14', '0', '13x', '']) {
        const { raw, status, headers } = await ask(upgradeRequest('/ws/g', { 'Sec-WebSocket-Version': version }));
        assert.ok([400, 426].includes(status), `version ${version}: ${status}`);
        if (status === 426) assert.equal(headers['sec-websocket-version'], '13');
        await raw.end();
      }
    });

    await t.test('headers that may stand once, twice', async () => {
      await refused(upgradeRequest('/ws/g', { 'Sec-WebSocket-Key': ['AQIDBAUGBwgJCgsMDQ4PEA==', 'dGhlIHNhbXBsZSBub25jZQ=='] }), 400);
      await refused(upgradeRequest('/ws/g', { 'Sec-WebSocket-Version': ['13', '8'] }), 400, 426);
      await refused(upgradeRequest('/ws/g', { Host: ['a', 'b'] }), 400);
    });

    await t.test('what is no HTTP', async () => {
      for (const bytes of ['\r\n\r\n\r\n\r\n', 'nonsense\r\n\r\n', 'GET\r\n\r\n', 'GET /ws/g\r\n\r\n', 'GET /ws/g HTTP/9.9\r\n\r\n',
        `GET /ws/g HTTP/1.1\r\nbroken header\r\n\r\n`, '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\r\n\r\n'])
        await refused(bytes, 400, 404, 426, 505, 0);
    });

    await t.test('a head of megabytes', async () => {
      for (const bytes of [`GET /ws/${'a'.repeat(3e6)}`, upgradeRequest('/ws/g', { 'X-Long': 'a'.repeat(3e6) }),
        upgradeRequest('/ws/g', Object.fromEntries(Array.from({ length: 20000 }, (_, i) => [`X-${i}`, 'a'])))]) {
        const { raw, status } = await ask(bytes);
        assert.ok([0, 400, 414, 431].includes(status), String(status));
        await raw.end();
      }
    });

    await t.test('byte by byte, and frames in the same segment as the request', async () => {
      const raw = await Raw.connect(engine.ports.clients);
      for (const byte of Buffer.from(upgradeRequest('/ws/pieces?hello=1'))) {
        raw.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      assert.equal((await raw.head()).status, 101);
      assert.equal((await raw.frame()).opcode, OPCODE.text);
      await raw.drop();

      const { raw: hasty, status } = await ask(Buffer.concat([
        Buffer.from(upgradeRequest('/ws/pieces')), frame(OPCODE.ping, 'early'), frame(OPCODE.ping, 'bird')]));
      assert.equal(status, 101);
      assert.equal((await hasty.frame()).payload.toString(), 'early');
      assert.equal((await hasty.frame()).payload.toString(), 'bird');
      await hasty.drop();
    });

    await t.test('clients that go while they join', async () => {
      for (let i = 0; i < 200; i++) {
        const raw = await Raw.connect(engine.ports.clients);
        const request = upgradeRequest(`/ws?${Array.from({ length: 1 + (i % 20) }, (_, n) => `group=g${n}`).join('&')}`);
        raw.write(i % 3 ? request : request.slice(0, i));
        if (i % 2) await new Promise(setImmediate);
        if (i % 5) raw.reset();
        else raw.drop();
      }
      const stats = await engine.statsWhen(
        (now) => now.total_connections === 0 && now.active_groups === 0, 'all are gone, and their homes know it');
      assert.equal(stats.group_connections, 0);
      const groups = Array.from({ length: 20 }, (_, n) => `g${n}`);
      assert.equal((await producer.broadcast({ groups }, 'x')).members, 0);
    });
  });
});

test('who does not finish the upgrade request is cut after ten seconds', async () => {
  await withEngine({ shards: 4, config: UNLIMITED }, async (engine) => {
    const count = SCALE < 1 ? 300 : 1000;
    const member = await Client.join(engine, 'g');
    const producer = await Producer.connect(engine);
    const begun = Date.now();
    const silent = await Promise.all(Array.from({ length: count }, () => Raw.connect(engine.ports.clients)));
    const half = await Raw.connect(engine.ports.clients);
    half.write(upgradeRequest('/ws/g').slice(0, 60));
    const trickle = await Raw.connect(engine.ports.clients);
    const request = upgradeRequest('/ws/g', { 'X-Long': 'a'.repeat(1000) });
    let at = 0;
    const drip = setInterval(() => trickle.ended || trickle.write(request.slice(at, (at += 1))), 200);

    // Meanwhile everyone else is served as ever.
    for (let i = 0; i < 30; i++) {
      assert.equal((await producer.broadcast('g', `${i}`)).members, 1);
      assert.equal((await member.next()).data, `${i}`);
      await sleep(100);
    }
    const late = await Client.join(engine, 'g');
    assert.ok(silent.every((raw) => !raw.ended), 'nobody is cut early');

    await within(Promise.all([...silent, half, trickle].map((raw) => raw.closed)), 'all are cut', 40000);
    clearInterval(drip);
    assert.ok(Date.now() - begun >= 9000, 'not before their time');
    const stats = await engine.statsWhen(
      (now) => now.connections_refused.handshake_timeout === count + 2, 'each is counted');
    assert.equal(stats.total_connections, 2);
    assert.equal((await producer.broadcast('g', 'end')).members, 2);
    assert.equal((await late.next()).data, 'end');
  });
});

test('TCP connections that open and close at once', async () => {
  await withEngine({ shards: 2, config: UNLIMITED }, async (engine) => {
    for (let i = 0; i < 500; i++) {
      const raw = await Raw.connect(engine.ports.clients);
      if (i % 2) raw.reset();
      else raw.drop();
    }
    const client = await Client.join(engine, 'g');
    await client.leave();
  });
});
