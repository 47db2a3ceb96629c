// The JavaScript SDK as npm has it, in headless Chromium, while its connections are cut at random:
// no message is missed, none comes twice, none out of order.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from './lib/together.mjs';
import { closePage, openPage, Wire } from './lib/browser.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { random, scaled, sleep, within } from './lib/util.mjs';

const CLIENTS = 8;
const RATE = 1000; // messages per second, over all groups
const GROUPS = ['run:a', 'run:b'];

const config = {
  namespaces: [
    { name: '', max_rate: 0 },
    { name: 'run', history: { messages: 100000, seconds: 600, bytes: 64 << 20 } },
  ],
};

const sdk = (build) => readFileSync(new URL(`node_modules/centrifuge/dist/${build}`, import.meta.url), 'utf8');

/** Runs in the page: clients that note what they get, per group, in `window.seen`. */
function subscribeAll({ url, options, clients, groups }) {
  window.seen = [];
  window.faults = [];
  window.recovered = 0;
  for (let i = 0; i < clients; i++) {
    const client = new Centrifuge(url, { minReconnectDelay: 10, maxReconnectDelay: 200, ...options });
    for (const group of groups) {
      const seen = { next: 0 };
      window.seen.push(seen);
      const subscription = client.newSubscription(group);
      subscription.on('subscribed', (context) => {
        seen.joined = true;
        if (context.wasRecovering && !context.recovered) window.faults.push(`${group}: not recovered`);
        if (context.hasRecoveredPublications) window.recovered++;
      });
      subscription.on('publication', ({ data, offset }) => {
        const { n } = options.protocol === 'protobuf' ? JSON.parse(new TextDecoder().decode(data)) : data;
        if (n !== seen.next || offset !== n + 1)
          window.faults.push(`${group}: message ${n} at ${offset}, not ${seen.next}`);
        seen.next = n + 1;
      });
      subscription.subscribe();
    }
    client.connect();
  }
}

/** Publishes to the groups in turn, at RATE. Returns how many each got. */
async function publish(engine, seconds) {
  const producer = await Producer.connect(engine);
  const begun = Date.now();
  const count = seconds * RATE;
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, Math.floor(((Date.now() - begun) * RATE) / 1000));
    for (; sent < due; sent++)
      await producer.send({
        op: 'broadcast',
        group: GROUPS[sent % GROUPS.length],
        data: { n: Math.floor(sent / GROUPS.length), text: 'x'.repeat(100) },
      });
    await sleep(2);
  }
  await producer.call({ op: 'ping' });
  await producer.close();
  return count / GROUPS.length;
}

for (const [name, build, options] of [
  ['JSON', 'centrifuge.js', {}],
  ['Protobuf', 'centrifuge.protobuf.js', { protocol: 'protobuf' }],
])
  for (const shards of [1, 4])
    test(`${name}, ${shards} shards: ${RATE} messages a second while connections are cut`, async () => {
      await withEngine({ shards, config }, async (engine) => {
        const wire = await Wire.open(engine.ports.clients);
        // The demo's page, without its scripts and its policy: it is one that the engine allows.
        const page = await openPage(`http://127.0.0.1:${wire.port}/demo`, {
          without: '**/*.js',
          bypassCSP: true,
        });
        await page.addScriptTag({ content: sdk(build) });
        const url = `ws://127.0.0.1:${wire.port}/connection/websocket`;
        await page.evaluate(subscribeAll, { url, options, clients: CLIENTS, groups: GROUPS });
        await page.waitForFunction(() => window.seen.every((seen) => seen.joined));

        const choose = random(shards + name.length);
        let cuts = 0;
        let done = false;
        const cutting = (async () => {
          while (!done) {
            await sleep(50 + choose(200));
            if (!wire.connections) continue;
            wire.cut(choose(10) ? choose : undefined); // now and then all of them
            cuts++;
          }
        })();
        const count = await publish(engine, scaled(30, 4));
        done = true;
        await cutting;

        await page.waitForFunction(
          (all) => window.faults.length || window.seen.every((seen) => seen.next >= all), count)
          .catch(() => {}); // what is missing is told below
        const { seen, faults, recovered } = await page.evaluate(() => ({
          seen: window.seen.map((one) => one.next),
          faults: window.faults.slice(0, 5),
          recovered: window.recovered,
        }));
        assert.deepEqual(faults, []);
        assert.deepEqual(seen, seen.map(() => count));
        assert.ok(cuts >= 8, `${cuts} cuts`);
        assert.ok(recovered > 0, 'something had to be recovered');
        await closePage(page);
        await within(wire.close(), 'the wire closes');
      });
    });
