// The contract's "Raw clients": which pages may connect, and who may claim to be a user.
import assert from 'node:assert/strict';
import os from 'node:os';
import test from 'node:test';
import { withEngine } from './lib/engine.mjs';
import { Raw, upgradeRequest } from './lib/raw.mjs';

/** The status of a handshake with these headers. */
async function status(engine, headers, { path = '/ws/g', host = '127.0.0.1' } = {}) {
  const raw = await Raw.connect(engine.ports.clients, { host });
  raw.write(upgradeRequest(path, headers));
  const head = await raw.head();
  await raw.drop();
  return head.status;
}

test('without a list: pages of the same host and port, and of loopback', async () => {
  await withEngine({}, async (engine) => {
    assert.equal(await status(engine, {}), 101, 'no Origin: no page');
    for (const [origin, host] of [
      ['http://localhost', 'x'], ['http://localhost:3000', 'x'], ['https://localhost:8443', 'x'], ['http://127.0.0.1:5173', 'x'],
      ['http://127.1.2.3', 'x'], ['http://[::1]:80', 'x'], ['http://LOCALHOST', 'x'],
      ['http://app.example', 'app.example'], ['http://app.example:8080', 'app.example:8080'], ['http://APP.example', 'app.EXAMPLE'],
    ])
      assert.equal(await status(engine, { Origin: origin, Host: host }), 101, `${origin} at ${host}`);
    for (const [origin, host] of [
      ['http://evil.example', 'app.example'], ['http://app.example:81', 'app.example:80'], ['http://localhost.evil.example', 'x'],
      ['http://127.0.0.1.evil.example', 'x'], ['null', 'x'], ['', 'x'], ['http://', 'x'], ['nonsense', 'x'],
      ['http://app.example.evil', 'app.example'], ['http://xapp.example', 'app.example'],
    ])
      assert.equal(await status(engine, { Origin: origin, Host: host }), 403, `${origin} at ${host}`);
    const { connections_refused: refused } = await engine.stats();
    assert.equal(refused.not_allowed, 10);
  });
});

test('with a list: what is in it, compared whole and without case, and nothing else', async () => {
  await withEngine({ config: { origins: ['https://app.example', 'http://dev.example:8080'] } }, async (engine) => {
    for (const origin of ['https://app.example', 'HTTPS://App.Example', 'http://dev.example:8080'])
      assert.equal(await status(engine, { Origin: origin }), 101, origin);
    for (const origin of ['http://app.example', 'https://app.example:443x', 'https://app.example.evil', 'http://dev.example',
      'https://sub.app.example', 'http://localhost', 'null'])
      assert.equal(await status(engine, { Origin: origin, Host: 'localhost' }), 403, origin);
    assert.equal(await status(engine, {}), 101, 'no Origin: no page');
  });
});

test('["*"] is any page', async () => {
  await withEngine({ config: { origins: ['*'] } }, async (engine) => {
    for (const origin of ['https://anything.example', 'null', 'http://x:1'])
      assert.equal(await status(engine, { Origin: origin }), 101, origin);
  });
});

test('user= is believed on loopback only, unless insecure', async () => {
  const args = ['--listen', '0.0.0.0:0'];
  await withEngine({ args }, async (engine) => {
    assert.equal(await status(engine, {}, { path: '/ws/g?user=ann' }), 403);
    assert.equal(await status(engine, {}, { path: '/ws?user=ann' }), 403);
    assert.equal(await status(engine, {}, { path: '/ws/g' }), 101);
    assert.equal(await status(engine, {}, { path: '/ws/g?user=a%20b' }), 400, '400 comes before 403');
    assert.equal(await status(engine, { Origin: 'http://localhost' }), 403, 'loopback pages are known on loopback only');
  });
  await withEngine({ args, config: { insecure: true } }, async (engine) => {
    assert.equal(await status(engine, {}, { path: '/ws/g?user=ann' }), 101);
    const address = Object.values(os.networkInterfaces()).flat().find((one) => one.family === 'IPv4' && !one.internal);
    if (address) assert.equal(await status(engine, {}, { path: '/ws/g', host: address.address }), 101);
  });
});
