// The promise of the client protocol: an SDK misses nothing and sees nothing twice, whatever happens to
// its connections, while a thousand messages a second flow; and members of every kind get the same in
// the same order.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import WebSocket from 'ws';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { Proxy } from './lib/proxy.mjs';
import { FORMS, Sdk } from './lib/sdk.mjs';
import { random, reset, scaled, sleep, until } from './lib/util.mjs';

const GROUP = 'kept:g';
const RATE = 1000; // messages a second
const SECONDS = scaled(60, 3);
const history = { messages: 40000, seconds: 300, bytes: 1 << 26 };

const config = {
  limits: { recovery_bytes: 1 << 25, backlog_bytes: 1 << 23 },
  health: { ping_seconds: 6, pong_timeout_seconds: 5 }, // a busy machine is not a frozen peer
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'kept', history },
    { name: 'user', history },
  ],
};

/** What a member has got, in few bytes: how many, and a digest of all of it. */
class Tally {
  count = 0;
  #digest = createHash('sha256');

  add(text) {
    this.count++;
    this.#digest.update(`${text.length}:${text}`);
  }

  take(form, { data, offset }) {
    this.add(form.text(data));
    if (offset !== this.count) throw new Error(`offset ${offset} is message ${this.count}`);
  }

  end() {
    return this.#digest.digest('hex');
  }
}

/** An SDK that keeps tallies of its group's messages and of its user's. */
async function member(engine, form, options) {
  const sdk = new Sdk(engine, form, { user: 'ann', maxServerPingDelay: 500, timeout: 2000, ...options });
  const heard = sdk.listen(GROUP);
  const tallies = { group: new Tally(), user: new Tally() };
  heard.publications.push = (context) => tallies.group.take(form, context);
  sdk.server.publications.push = (context) => tallies.user.take(form, context);
  heard.sub.subscribe();
  sdk.client.connect();
  await heard.sub.ready();
  return Object.assign(sdk, { heard, tallies });
}

/** Publishes at RATE, in bursts as the timer has it, to the group and now and then to the user. */
async function publish(producers, next, sent) {
  const begun = Date.now();
  for (;;) {
    const due = Math.min(SECONDS, (Date.now() - begun) / 1000) * RATE;
    for (; sent.group < due; sent.group++) {
      const text = `m${sent.group} ${'x'.repeat(next(100))}`;
      producers[next(producers.length)].send({ op: 'broadcast', group: GROUP, data: next(2) ? text : JSON.stringify({ text }) });
      if (sent.group % 10 === 0) producers[0].send({ op: 'broadcast', user: 'ann', data: `to ann ${sent.user++}` });
    }
    if (due >= SECONDS * RATE) return;
    await sleep(4);
  }
}

/** The engine's end of a connection is killed, by the kernel where that is permitted. */
function kill(engine, socket, counts) {
  const { localPort } = socket._socket ?? {};
  if (!localPort) return;
  execFile('ss', ['-K', 'sport', '=', `:${engine.ports.clients}`, 'and', 'dport', '=', `:${localPort}`], () => {
    setTimeout(() => {
      const killed = socket.readyState !== WebSocket.OPEN;
      counts[killed ? 'killed' : 'destroyed'] = (counts[killed ? 'killed' : 'destroyed'] ?? 0) + 1;
      if (!killed) reset(socket._socket);
    }, 50);
  });
}

describe('under cuts', { concurrency: true }, () => {
  for (const shards of [1, 4])
    test(`${shards} shards, ${SECONDS} s`, async (t) => {
      await withEngine({ shards, config }, async (engine) => {
        const next = random(shards);
        const proxy = await Proxy.listen(engine.ports.clients, shards);
        const direct = [];
        class Watched extends WebSocket {
          constructor(...args) {
            super(...args);
            direct.push(this);
            this.on('close', () => direct.splice(direct.indexOf(this), 1));
          }
        }
        const reference = new Tally();
        const raw = await Client.join(engine, GROUP, { onMessage: (data) => reference.add(data.toString()) });
        const steady = await Promise.all(FORMS.map((form) => member(engine, form)));
        const sdks = (await Promise.all(FORMS.flatMap((form) => [
          member(engine, form, { port: proxy.port }),
          member(engine, form, { port: proxy.port }),
          member(engine, form, { websocket: Watched }),
        ])));
        const producers = await Promise.all([1, 2, 3].map(() => Producer.connect(engine)));
        const sent = { group: 0, user: 0 };
        let over = false;
        const publishing = publish(producers, next, sent).then(() => (over = true));
        // In a short run chance may pass one by: until each has been cut.
        while (!over || sdks.some(({ heard }) => heard.subscribed.length < 2)) {
          await sleep(20 + next(150));
          if (next(4)) proxy.cut();
          else if (direct.length) kill(engine, direct[next(direct.length)], proxy.counts);
        }
        await publishing;
        await until(() => reference.count === sent.group, 'the uncut member has everything', 30000);
        for (const sdk of [...steady, ...sdks])
          await until(() => sdk.tallies.group.count >= sent.group && sdk.tallies.user.count >= sent.user, 'an SDK has everything', 30000);
        const digest = reference.end();
        const users = new Set();
        for (const sdk of [...steady, ...sdks]) {
          assert.equal(sdk.tallies.group.count, sent.group);
          assert.equal(sdk.tallies.group.end(), digest, 'the same in the same order');
          users.add(sdk.tallies.user.end());
          const again = sdk.heard.subscribed.slice(1);
          assert.ok(again.every(({ wasRecovering, recovered }) => wasRecovering && recovered), 'all of it by recovery');
          if (sdks.includes(sdk)) assert.ok(again.length > 0, 'it was cut');
          sdk.close();
        }
        assert.equal(users.size, 1);
        const cuts = sdks.reduce((sum, { connected }) => sum + connected.length - 1, 0);
        t.diagnostic(`${sent.group} messages, ${sdks.length} SDKs, ${cuts} times back: ${JSON.stringify(proxy.counts)}`);
        proxy.close();
        await raw.leave();
        await engine.statsWhen((stats) => stats.total_connections === 0, 'all are gone');
        const stats = await engine.quiet();
        assert.equal(stats.messages_in, sent.group + sent.user);
        assert.equal(stats.drops.slow + stats.drops.skip + stats.drops.latest + stats.drops.low, 0);
      });
    });
});
