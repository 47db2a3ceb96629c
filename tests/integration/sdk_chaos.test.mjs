// Centrifuge clients that do anything at any time, while the configuration changes and messages flow:
// every command is answered in order, and what the engine counts adds up when all are gone.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { FORMS, Wire } from './lib/sdk.mjs';
import { dropped } from './lib/stalled.mjs';
import { random, scaled, sleep } from './lib/util.mjs';

const CHANNELS = ['a', 'b', 'kept:a', 'kept:b', 'seen:a', 'seen:b', 'talk:a', 'few:a', 'latest:a', 'skip:a', 'user:u1', 'bad name', '*'];

/** One of many configurations of the same namespaces. */
const config = (next) => ({
  limits: { backlog_bytes: 1 << (16 + next(4)), recovery_bytes: 1 << (16 + next(5)), message_bytes: 20000, groups_per_connection: 4 + next(8) },
  health: { ping_seconds: 2, pong_timeout_seconds: 1 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'kept', history: { messages: next(3) * 50, seconds: 300 }, presence: next(2) === 0 },
    { name: 'seen', presence: next(3) > 0, history: { messages: next(2) * 10, seconds: 60 } },
    { name: 'talk', client_publish: next(4) > 0, presence: next(2) === 0, priority: ['low', 'normal', 'critical'][next(3)] },
    { name: 'few', max_members: next(6), max_rate: 1 + next(100), client_publish: true, presence: true },
    { name: 'latest', slow_consumer: 'latest', presence: next(2) === 0, history: { messages: next(2) * 10, seconds: 60 } },
    { name: 'skip', slow_consumer: 'skip', presence: next(2) === 0, priority: 'low' },
    { name: 'user', history: { messages: next(2) * 20, seconds: 60 }, presence: true, max_members: next(2) * 8 },
  ],
});

function command(next, form) {
  const channel = CHANNELS[next(CHANNELS.length)];
  const flag = next(4);
  const data = form.data(`{"n":"${'x'.repeat(next(2) ? next(50) : next(15000))}"}`);
  switch (next(12)) {
    case 0: case 1: case 2: return { subscribe: { channel, join_leave: next(2) === 0 } };
    case 3: return { subscribe: { channel, recover: true, offset: next(40), flag } };
    case 4: return { subscribe: { channel, recover: true, epoch: '_', flag } };
    case 5: case 6: return { unsubscribe: { channel } };
    case 7: return { publish: { channel, data } };
    case 8: return { history: { channel, limit: next(60) - 5, reverse: next(2) === 0, ...(next(2) ? { since: { offset: next(40) } } : {}) } };
    case 9: return { presence: { channel } };
    case 10: return { presence_stats: { channel } };
    default: return { ping: {} };
  }
}

/** Lives until it has had enough, or something ends it. */
async function live(engine, form, next, counts) {
  const user = next(2) ? `u${next(3)}` : undefined;
  const wire = await Wire.open(engine, form, { user });
  if (next(20) === 0) return wire.drop();
  wire.ask({ connect: {} }).catch(() => {});
  const asked = [];
  for (let round = next(30); round > 0 && wire.close_code === undefined; round--) {
    const commands = Array.from({ length: 1 + next(next(3) ? 5 : 60) }, () => command(next, form));
    const replies = wire.askAll(commands).then((all) =>
      all.forEach((reply, i) => {
        const [method] = Object.keys(commands[i]);
        assert.ok(method in reply || reply.error?.code >= 100, JSON.stringify([commands[i], reply]));
        counts.answered++;
      }));
    asked.push(replies.catch((error) => assert.match(error.message, /was closed/)));
    for (const message of wire.others.drain()) if (!Object.keys(message).length) wire.send({});
    if (next(8) === 0) {
      wire.socket.pause();
      await sleep(next(400));
      wire.socket.resume();
    }
    if (next(3) === 0) await sleep(next(30));
    if (next(4) === 0) await asked.at(-1);
  }
  if (next(3) === 0) wire.drop();
  else if (next(3) === 0) wire.reset();
  else wire.leave().catch(() => {});
  await Promise.all(asked);
  await wire.closed;
}

for (const shards of [1, 3])
  test(`anything at any time: ${shards} shards`, async (t) => {
    const next = random(7 * shards);
    await withEngine({ shards, config: config(next) }, async (engine) => {
      const end = Date.now() + scaled(6000, 2000);
      const counts = { answered: 0, lives: 0, sent: 0, reloads: 0 };
      const until = (work) => (async () => {
        while (Date.now() < end) await work();
      })();
      const producers = await Promise.all([1, 2].map(() => Producer.connect(engine)));
      await Promise.all([
        ...Array.from({ length: 16 }, (_, i) => until(async () => {
          counts.lives++;
          await live(engine, FORMS[i % FORMS.length], next, counts);
        })),
        ...producers.map((producer) => until(async () => {
          const group = CHANNELS[next(CHANNELS.length - 2)];
          const target = next(20) ? { group } : { all: true };
          const priority = next(3) ? {} : { priority: ['low', 'normal', 'critical'][next(3)] };
          counts.sent++;
          await producer.broadcast(target, 'm'.repeat(next(4) ? 100 : next(10000)), priority);
          if (next(200) === 0) await producer.disconnect(target);
          if (next(10) === 0) await sleep(next(5));
        })),
        until(async () => {
          const raw = await Client.open(engine, `/ws/${CHANNELS[next(9)]}?user=u${next(3)}`).catch(() => undefined);
          await sleep(next(200));
          await raw?.drop();
        }),
        until(async () => {
          counts.reloads++;
          await engine.reload(config(next));
          await sleep(50 + next(300));
        }),
      ]);
      t.diagnostic(JSON.stringify(counts));
      const stats = await engine.statsWhen((now) => now.total_connections === 0 && now.active_groups === 0 && now.active_users === 0, 'all are gone');
      assert.equal(stats.messages_routed, stats.deliveries + dropped(stats), JSON.stringify(stats));
      assert.equal(stats.group_connections + stats.active_experiments + stats.active_sessions, 0);
      const { values } = await engine.metrics();
      for (const [name, value] of Object.entries(values)) if (/^shardcast_(group_members|inbox_depth)/.test(name)) assert.equal(value, 0, name);
      await engine.reload(config(() => 1));
      const last = await Wire.connect(engine, FORMS[0]);
      for (const channel of CHANNELS.filter((one) => /^[a-z]+:?[a-z]$/.test(one)).slice(0, 8)) {
        const reply = await last.ask({ presence_stats: { channel } });
        assert.equal(reply.presence_stats?.num_clients ?? 0, 0, `${channel}: ${JSON.stringify(reply)}`);
      }
      await last.leave();
    });
  });
