// GET /demo on the client port: the page and its files as HTTP serves them. What the page does in a
// browser is in browser_demo.test.mjs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { startEngine, withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { Raw, upgradeRequest } from './lib/raw.mjs';
import { parallel, sleep } from './lib/util.mjs';

const get = (engine, path, headers, options) =>
  engine.get(path, headers, { port: engine.ports.clients, ...options });

/** The page's own paths: what it and what it loads refer to. */
async function pagePaths(engine) {
  const paths = new Set(['/demo']);
  for (const path of paths) {
    const { body } = await get(engine, path);
    if (path === '/demo') for (const [, to] of body.matchAll(/(?:href|src)="([^"]+)"/g)) paths.add(to);
    else if (path !== '/demo/centrifuge.js')
      for (const [, to] of body.matchAll(/from '\.\/([^']+)'/g)) paths.add(`/demo/${to}`);
  }
  return [...paths];
}

test('the page and what it loads come from the engine, and from nowhere else', async () => {
  await withEngine({}, async (engine) => {
    const paths = await pagePaths(engine);
    assert.ok(paths.length >= 6, paths.join(' '));
    for (const path of paths) {
      assert.match(path, /^\/demo(\/|$)/);
      const { status, headers, body } = await get(engine, path);
      assert.equal(status, 200, path);
      assert.equal(Number(headers['content-length']), Buffer.byteLength(body), path);
      assert.match(headers['content-security-policy'], /^default-src 'none'; script-src 'self'; /);
      assert.doesNotMatch(headers['content-security-policy'], /http|\*|unsafe/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers.connection, 'close');
      const type = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' }[path.split('.')[1]] ?? 'text/html';
      assert.equal(headers['content-type'].split(';')[0], type, path);
    }
    const stats = await engine.stats();
    assert.equal(stats.total_connections, 0);
    assert.deepEqual(Object.values(stats.connections_refused).filter(Boolean), []);
  });
});

test('the SDK is the npm package, unchanged, behind its licence', async () => {
  await withEngine({}, async (engine) => {
    const folder = new URL('node_modules/centrifuge/', import.meta.url);
    const { body } = await get(engine, '/demo/centrifuge.js');
    const licence = readFileSync(new URL('LICENSE', folder), 'utf8');
    const sdk = readFileSync(new URL('dist/centrifuge.js', folder), 'utf8');
    assert.ok(body === `/*!\n${licence}*/\n${sdk}`);
  });
});

test('HEAD, entity tags, queries', async () => {
  await withEngine({}, async (engine) => {
    const { headers, body } = await get(engine, '/demo?user=ann&group=a');
    const head = await get(engine, '/demo', {}, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.body, '');
    assert.equal(head.headers['content-length'], String(body.length));
    assert.equal(head.headers.etag, headers.etag);
    for (const tags of [headers.etag, `"x", W/${headers.etag}`, '*']) {
      const known = await get(engine, '/demo', { 'If-None-Match': tags });
      assert.equal(known.status, 304);
      assert.equal(known.body, '');
      assert.equal(known.headers.etag, headers.etag);
    }
    assert.equal((await get(engine, '/demo', { 'If-None-Match': '"x"' })).status, 200);
    assert.equal((await get(engine, '/demo/main.js', { 'If-None-Match': headers.etag })).status, 200);
  });
});

test('what is refused, and counted', async () => {
  await withEngine({}, async (engine) => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const { status, headers } = await get(engine, '/demo', {}, { method });
      assert.equal(status, 405, method);
      assert.equal(headers.allow, 'GET, HEAD');
    }
    for (const path of ['/', '/demo/', '/Demo', '/demo/x', '/demo/../demo', '/demo%2Fmain.js', '/%64emo', '/demo.html'])
      assert.equal((await get(engine, path)).status, 404, path);
    const raw = await Raw.connect(engine.ports.clients);
    raw.write('GET /demo HTTP/1.1\r\n\r\n');
    assert.equal((await raw.head()).status, 400);
    await raw.end();
    const { connections_refused: refused } = await engine.stats();
    assert.equal(refused.bad_request, 5);
    assert.equal(refused.no_such_path, 8);
  });
});

test('a request in pieces, one with an upgrade, two at once; who goes in between', async () => {
  await withEngine({ shards: 2 }, async (engine) => {
    const request = 'GET /demo/centrifuge.js HTTP/1.1\r\nHost: h\r\n\r\n';
    const pieces = await Raw.connect(engine.ports.clients);
    for (const byte of request) {
      pieces.write(byte);
      await new Promise(setImmediate);
    }
    assert.equal((await pieces.head()).status, 200);
    await pieces.end();

    const upgrade = await Raw.connect(engine.ports.clients);
    upgrade.write(upgradeRequest('/demo'));
    assert.equal((await upgrade.head()).status, 200, 'an upgrade that is not given');
    await upgrade.end();

    const both = await Raw.connect(engine.ports.clients);
    both.write(request + request);
    assert.equal((await both.head()).status, 200);
    await both.end();

    await parallel(Array.from({ length: 100 }, (_, i) => i), 20, async (i) => {
      const raw = await Raw.connect(engine.ports.clients);
      raw.write(request);
      if (i % 2) await raw.head();
      if (i % 4 < 2) raw.reset();
      else raw.drop();
    });
    // Nothing of it disturbs those who are there for messages.
    const member = await Client.join(engine, 'g');
    const producer = await Producer.connect(engine);
    assert.equal((await producer.broadcast('g', 'still here')).members, 1);
    assert.equal((await member.next()).data, 'still here');
    await engine.statsWhen((stats) => stats.total_connections === 1, 'the readers are gone');
  });
});

test('no page beyond limits.connections, nor in a drain', async () => {
  await withEngine({ shards: 1, config: { limits: { connections: 2 } } }, async (engine) => {
    const clients = [await Client.join(engine, 'g'), await Client.join(engine, 'g')];
    assert.equal((await get(engine, '/demo')).status, 503);
    assert.equal((await engine.stats()).connections_refused.connection_limit, 1);
    await clients[0].leave();
    for (let tries = 0; (await get(engine, '/demo')).status !== 200; tries++) {
      assert.ok(tries < 100, 'there is room again');
      await sleep(50);
    }
  });
  const engine = await startEngine({ shards: 1 });
  const waits = await Raw.connect(engine.ports.clients);
  waits.write('GET /demo HTTP/1.1\r\nHost: h\r\n');
  engine.signal('SIGTERM');
  await waits.end();
  await engine.stop();
});
