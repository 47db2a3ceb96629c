// The contract's "Admin": what the admin port answers, which figures there are, and that every
// reason is there from the start, with 0.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { UNLIMITED, withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { Raw } from './lib/raw.mjs';

const ERRORS = ['bad_command', 'unknown_op', 'bad_group', 'too_large', 'rate_limited',
  'insufficient_state', 'overloaded', 'shutting_down', 'unauthorized'];
const DROPS = ['closed', 'slow', 'skip', 'latest', 'low'];
const CONNECTIONS_REFUSED = ['bad_group', 'bad_request', 'not_allowed', 'no_such_path',
  'connection_limit', 'group_full', 'overloaded', 'handshake_timeout', 'shutting_down'];
const CONNECTIONS_CLOSED = ['client', 'lost', 'no_pong', 'slow', 'disconnected', 'protocol_error',
  'too_big', 'not_allowed', 'insufficient_state', 'shutdown'];
const NUMBERS = ['total_connections', 'group_connections', 'experiment_connections',
  'session_connections', 'active_groups', 'active_experiments', 'active_sessions', 'active_users',
  'messages_in', 'messages_routed', 'deliveries', 'bytes_out'];
const MAPS = {
  drops: DROPS,
  refused: ERRORS,
  connections_refused: CONNECTIONS_REFUSED,
  connections_closed: CONNECTIONS_CLOSED,
};

function assertZeroed(map, keys, name) {
  for (const key of keys) assert.equal(map[key], 0, `${name}.${key}`);
}

test('the admin port of an engine that has just started', async (t) => {
  await withEngine({ shards: 3 }, async (engine) => {
    await t.test('healthz and readyz are 200', async () => {
      assert.equal((await engine.get('/healthz')).status, 200);
      assert.equal((await engine.get('/readyz')).status, 200);
    });

    await t.test('stats is JSON with every key, and every reason is there with 0', async () => {
      const answer = await engine.get('/stats');
      assert.equal(answer.status, 200);
      assert.match(answer.headers['content-type'], /^application\/json/);
      const stats = JSON.parse(answer.body);
      for (const key of NUMBERS) assert.equal(stats[key], 0, key);
      for (const [name, keys] of Object.entries(MAPS)) assertZeroed(stats[name], keys, name);
      assert.equal(stats.shards.length, 3);
    });

    await t.test('metrics has every family, and every reason is there with 0', async () => {
      const { values, types, headers } = await engine.metrics();
      assert.match(headers['content-type'], /^(text\/plain|application\/openmetrics-text)/);
      for (const name of ['connections', 'groups']) {
        assert.equal(types[`shardcast_${name}`], 'gauge', name);
        assert.equal(values[`shardcast_${name}`], 0, name);
      }
      assert.equal(types.shardcast_group_members, 'gauge');
      assert.equal(values['shardcast_group_members{namespace=""}'], 0);
      for (const name of ['messages_routed', 'deliveries', 'sent_bytes', 'connections_opened'])
        assert.equal(values[`shardcast_${name}_total`], 0, name);
      for (const source of ['producer', 'client'])
        assert.equal(values[`shardcast_messages_received_total{source="${source}"}`], 0, source);
      for (const [name, reasons] of [
        ['messages_refused', ERRORS],
        ['drops', DROPS],
        ['connections_refused', CONNECTIONS_REFUSED],
        ['connections_closed', CONNECTIONS_CLOSED],
      ])
        for (const reason of reasons)
          assert.equal(values[`shardcast_${name}_total{reason="${reason}"}`], 0, `${name} ${reason}`);
      for (const shard of [0, 1, 2]) {
        assert.equal(values[`shardcast_inbox_depth{shard="${shard}"}`], 0);
        assert.equal(values[`shardcast_inbox_full_total{shard="${shard}"}`], 0);
        const turns = values[`shardcast_turn_seconds_bucket{shard="${shard}",le="+Inf"}`];
        assert.ok(turns > 0, 'loops have turned');
        assert.equal(values[`shardcast_turn_seconds_count{shard="${shard}"}`] >= turns, true);
      }
      assert.equal(types.shardcast_turn_seconds, 'histogram');
      assert.equal(types.shardcast_delivery_seconds, 'histogram');
    });

    await t.test('each family has HELP and TYPE, and its samples stand together', async () => {
      const { body } = await engine.metrics();
      const seen = new Set();
      let family;
      for (const line of body.trimEnd().split('\n')) {
        if (line === '# EOF') continue;
        const comment = line.match(/^# (HELP|TYPE|UNIT) (\S+)/);
        if (comment) {
          if (comment[2] !== family) {
            assert.ok(!seen.has(comment[2]), `${comment[2]} stands in one place`);
            seen.add((family = comment[2]));
          }
          continue;
        }
        assert.match(line, /^[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.eEInf]+$/);
        assert.ok(line.startsWith(family), `${line} belongs to ${family}`);
      }
    });

    await t.test('what is not there is 404, and what is no GET is refused', async () => {
      assert.equal((await engine.get('/nothing')).status, 404);
      assert.equal((await engine.get('/stats/more')).status, 404);
      assert.equal((await engine.get('/stats', {}, { method: 'POST' })).status, 405);
    });

    await t.test('broken HTTP and silent connections harm nobody', async () => {
      const silent = await Raw.connect(engine.ports.admin);
      const broken = await Raw.connect(engine.ports.admin);
      broken.write(`${'\u0000\u00ff'.repeat(2000)}\r\n\r\n`);
      const long = await Raw.connect(engine.ports.admin);
      long.write(`GET /${'a'.repeat(200000)} HTTP/1.1\r\n\r\n`);
      assert.equal((await engine.get('/healthz')).status, 200);
      for (const raw of [silent, broken, long]) await raw.drop();
      assert.equal((await engine.get('/healthz')).status, 200);
    });
  });
});

test('metrics tell the same as the figures after traffic', async () => {
  const config = { namespaces: [{ name: '', max_rate: 0, client_publish: true }, { name: 'experiment', max_rate: 1 }] };
  await withEngine({ config }, async (engine) => {
    const clients = [
      await Client.join(engine, 'news'),
      await Client.join(engine, ['experiment:1', 'news', 'session:a'], { user: 'ann' }),
      await Client.join(engine, 'experiment:1'),
    ];
    const producer = await Producer.connect(engine);
    for (let i = 0; i < 10; i++) await producer.broadcast('news', 'twelve bytes');
    await producer.broadcast('experiment:1', 'taken');
    assert.equal((await producer.broadcast('experiment:1', 'refused')).error, 'rate_limited');
    assert.equal((await producer.broadcast('a b', 'x')).error, 'bad_group');
    clients[0].socket.send('from a client');
    await clients[1].take(12);
    await clients[2].take(1);
    const stats = await engine.quiet();
    const { values, body } = await engine.metrics();

    assert.equal(values.shardcast_connections, 3);
    assert.equal(values.shardcast_groups, stats.active_groups + stats.active_experiments);
    assert.equal(values.shardcast_groups, 3);
    assert.equal(values['shardcast_group_members{namespace="experiment"}'], 2);
    assert.equal(values['shardcast_group_members{namespace=""}'], 3);
    assert.equal(values['shardcast_messages_received_total{source="producer"}'], 11);
    assert.equal(values['shardcast_messages_received_total{source="client"}'], 1);
    assert.equal(stats.messages_in, 12);
    assert.equal(values['shardcast_messages_refused_total{reason="rate_limited"}'], 1);
    assert.equal(values['shardcast_messages_refused_total{reason="bad_group"}'], 1);
    assert.equal(values.shardcast_messages_routed_total, 24);
    assert.equal(values.shardcast_messages_routed_total, stats.messages_routed);
    assert.equal(values.shardcast_deliveries_total, stats.deliveries);
    // 20 deliveries of 12 bytes, 2 of 5, 2 of 13, each behind a header of two bytes.
    assert.equal(stats.bytes_out, 20 * 14 + 2 * 7 + 2 * 15);
    assert.equal(values.shardcast_sent_bytes_total, stats.bytes_out);
    assert.equal(values.shardcast_connections_opened_total, 3);

    const buckets = [...body.matchAll(/^shardcast_delivery_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)];
    const counts = buckets.map((bucket) => Number(bucket[2]));
    assert.ok(counts.length > 2);
    assert.deepEqual(counts, [...counts].sort((a, b) => a - b), 'buckets are cumulative');
    assert.equal(buckets.at(-1)[1], '+Inf');
    assert.equal(counts.at(-1), values.shardcast_delivery_seconds_count);
    assert.ok(counts.at(-1) > 0);

    await clients[0].leave();
    clients[1].drop();
    const after = await engine.statsWhen(
      (now) => now.connections_closed.client === 1 && now.connections_closed.lost === 1,
      'both ends are counted',
    );
    assert.equal(after.total_connections, 1);
    const closed = Object.values(after.connections_closed).reduce((sum, n) => sum + n, 0);
    const opened = (await engine.metrics()).values.shardcast_connections_opened_total;
    assert.equal(opened - closed, 1, 'opened - closed = connections');
  });
});

test('tokens: stats and metrics want theirs, the probes none', async () => {
  const config = { ...UNLIMITED, tokens: { admin: 'let me in', producers: '' } };
  await withEngine({ config }, async (engine) => {
    for (const target of ['/stats', '/metrics']) {
      assert.equal((await engine.get(target)).status, 401, target);
      for (const wrong of ['Bearer wrong', 'Bearer let me i', 'Bearer let me in!', 'let me in', 'Basic let me in'])
        assert.equal((await engine.get(target, { Authorization: wrong })).status, 401, wrong);
      assert.equal((await engine.get(target, { Authorization: 'Bearer let me in' })).status, 200);
    }
    for (const target of ['/healthz', '/readyz']) assert.equal((await engine.get(target)).status, 200);
  });
});

test('the token may come from the environment, before the file', async () => {
  const config = { tokens: { admin: 'of-the-file' } };
  await withEngine({ config, env: { SHARDCAST_ADMIN_TOKEN: 'of-the-environment' } }, async (engine) => {
    const status = async (token) =>
      (await engine.get('/stats', { Authorization: `Bearer ${token}` })).status;
    assert.equal(await status('of-the-file'), 401);
    assert.equal(await status('of-the-environment'), 200);
  });
});
