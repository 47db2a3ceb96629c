// The Centrifuge protocol's own pings and pongs, and clients that never say who they are. All of it
// waits for time to pass, so all of it waits together.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { forEachForm, Sdk, Wire } from './lib/sdk.mjs';
import { SLOW, sleep, until } from './lib/util.mjs';

const config = {
  health: { ping_seconds: 3, pong_timeout_seconds: 2 },
  namespaces: [{ name: '', max_rate: 0, max_members: 0 }, { name: 'kept', max_rate: 0, history: { messages: 16 } }],
};
const isPing = (message) => Object.keys(message).length === 0;
const together = { concurrency: true };

/** Answers pings as long as it lives. */
const answerPings = (wire) => wire.push().then(() => assert.fail('a push'), () => {});

/** When its first pings come, in ms since it asked to connect. */
async function pingTimes(engine, form) {
  const wire = await Wire.open(engine, form);
  const begun = Date.now();
  await wire.ask({ connect: {} });
  await wire.subscribe('g');
  const times = [];
  while (times.length < 3) {
    if (!isPing(await wire.others.take('a ping'))) continue;
    times.push(Date.now() - begun);
    wire.send({});
  }
  await wire.drop();
  return times;
}

describe('time passes', together, () => {
  forEachForm(test, 'pings and pongs', together, async (form, t) => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      const traffic = setInterval(() => producer.send({ op: 'broadcast', group: 'g', data: 'x' }), 100);
      await Promise.all([
        t.test('the first after half to one interval, then each interval, whatever else is sent', async () => {
          const times = await Promise.all(Array.from({ length: 30 }, () => pingTimes(engine, form)));
          const firsts = times.map(([first]) => first);
          assert.ok(Math.min(...firsts) >= 1500, `the first after ${Math.min(...firsts)} ms`);
          assert.ok(Math.max(...firsts) <= 3000 + 1500 * SLOW, `the last after ${Math.max(...firsts)} ms`);
          assert.ok(Math.max(...firsts) - Math.min(...firsts) > 500, 'spread out');
          for (const [first, , third] of times)
            assert.ok(Math.abs((third - first) / 2 - 3000) < 700 * SLOW, `pings after ${first}, then ${third} ms`);
        }),
        t.test('no pong: 3012, whatever else comes', async () => {
          const wire = await Wire.connect(engine, form);
          const talk = setInterval(() => {
            wire.send({ id: 100, ping: {} });
            wire.socket.ping();
            wire.socket.pong();
          }, 100);
          assert.deepEqual(await wire.end(), { code: 3012, reason: 'no pong' });
          clearInterval(talk);
          assert.equal(wire.log.filter(isPing).length, 1);
          assert.ok(wire.log.length > 5, 'its commands were answered');
        }),
        t.test('no pong: 3012, however busy it is', async () => {
          const wire = await Wire.connect(engine, form);
          const begun = Date.now();
          const asking = (async () => {
            for (;;) await wire.askAll(Array.from({ length: 20 }, () => ({ subscribe: { channel: 'h' } }))
              .flatMap((one) => [one, { unsubscribe: { channel: 'h' } }]));
          })();
          await assert.rejects(asking, /3012/);
          assert.ok(Date.now() - begun < 5000 + 1500 * SLOW, `after ${Date.now() - begun} ms`);
        }),
        t.test('a pong behind a message that takes long counts when its turn comes', async () => {
          for (let i = 0; i < 16; i++) await producer.broadcast('kept:g', 'x'.repeat(60000));
          const wire = await Wire.connect(engine, form);
          const pongs = answerPings(wire);
          wire.socket.on('message', () => { // 8 MB/s or so: what the kernel holds is read long before a pong is due
            wire.socket.pause();
            setTimeout(() => wire.socket.resume(), 125);
          });
          const replies = await wire.askAll(Array.from({ length: 64 }, () => ({ history: { channel: 'kept:g', limit: -1 } })));
          assert.ok(replies.every((reply) => reply.history.publications.length === 16));
          wire.socket.removeAllListeners('message');
          await wire.drop();
          await pongs;
        }),
        t.test('WebSocket pings are answered, pongs ignored', async () => {
          const wire = await Wire.open(engine, form);
          let pongs = 0;
          wire.socket.on('pong', () => pongs++);
          wire.socket.on('ping', () => assert.fail('WebSocket pings are not for Centrifuge clients'));
          wire.socket.pong('unasked');
          wire.socket.ping('before');
          await until(() => pongs === 1, 'a pong before the connect');
          await wire.ask({ connect: {} });
          wire.socket.pong('unasked');
          wire.socket.ping('after');
          await until(() => pongs === 2, 'a pong after it');
          await wire.ask({ ping: {} });
          await wire.leave();
        }),
        t.test('one pong for one ping', async () => {
          const wire = await Wire.connect(engine, form);
          while (!isPing(await wire.others.take('a ping')));
          wire.send({});
          await wire.ask({ ping: {} });
          wire.send({});
          assert.deepEqual(await wire.end(), { code: 3501, reason: 'bad request' });
        }),
        t.test('the SDK lives on, also when nothing else is sent', async () => {
          const options = { maxServerPingDelay: 2500 };
          const sdks = [await Sdk.connect(engine, form, options), await Sdk.connect(engine, form, options)];
          await sdks[0].subscribe('g');
          await sleep(8000);
          for (const sdk of sdks) {
            assert.deepEqual(sdk.connecting.map(({ code }) => code), [0], 'it has connected once');
            sdk.close();
          }
        }),
      ]);
      clearInterval(traffic);
      const stats = await engine.statsWhen((now) => now.total_connections === 0, 'all are gone');
      assert.equal(stats.connections_closed.no_pong, 2);
      assert.equal(stats.connections_closed.protocol_error, 1);
      assert.equal(stats.connections_refused.handshake_timeout, 0);
    });
  });

  forEachForm(test, 'no connect in 15 s: 3502', async (form) => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const silent = await Wire.open(engine, form);
      const alive = await Wire.open(engine, form, { user: 'ann' });
      const pings = setInterval(() => alive.socket.ping(), 500);
      const begun = Date.now();
      for (const wire of [silent, alive]) {
        assert.deepEqual(await wire.end('the stale one is closed', 20000), { code: 3502, reason: 'stale' });
        assert.ok(Date.now() - begun > 14000, 'not before its time');
        assert.deepEqual(wire.log, []);
      }
      clearInterval(pings);
      const stats = await engine.stats();
      assert.equal(stats.connections_refused.handshake_timeout, 2);
      assert.equal(stats.total_connections, 0);
    });
  });

  forEachForm(test, 'a connection keeps the interval that it was told', async (form) => {
    await withEngine({ shards: 2, config }, async (engine) => {
      const join = async (ping) => {
        const wire = await Wire.connect(engine, form);
        assert.equal(wire.greeting.ping, ping);
        answerPings(wire);
        return wire;
      };
      const wires = [await join(3)];
      await engine.reload({ ...config, health: { ping_seconds: 60, pong_timeout_seconds: 1 } });
      wires.push(await join(60));
      await engine.reload({ ...config, health: { ping_seconds: 0, pong_timeout_seconds: 1 } });
      wires.push(await join(undefined));
      await sleep(8000);
      const [often, ...never] = wires.map((wire) => wire.log.filter(isPing).length);
      assert.ok(often >= 2 && often <= 3, `${often}`);
      assert.deepEqual(never, [0, 0]);
      for (const wire of wires) await wire.drop();
    });
  });

  forEachForm(test, 'ping_seconds 0: no ping, no pong, and an unasked pong is none', async (form) => {
    await withEngine({ config: { ...config, health: { ping_seconds: 0, pong_timeout_seconds: 1 } } }, async (engine) => {
      const wire = await Wire.connect(engine, form);
      assert.deepEqual(Object.keys(wire.greeting).sort(), ['client', 'subs', 'version']);
      await sleep(2500);
      await wire.silent();
      wire.send({});
      assert.deepEqual(await wire.end(), { code: 3501, reason: 'bad request' });
    });
  });
});
