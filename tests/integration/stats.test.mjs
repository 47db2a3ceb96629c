// The contract's figures after a scenario with known numbers: every key of /stats, of each shard and
// of all, every metric, and what producers are told agree with it and with each other.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import test from './lib/together.mjs';
import { Client, refusal } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { closeFrame, frame, OPCODE, Raw, upgradeRequest } from './lib/raw.mjs';
import { fill, frameBytes, numbered, publishUntil, readUpTo, stall, undisturbed } from './lib/stalled.mjs';
import { eventually, sleep } from './lib/util.mjs';

const PROMTOOL = '/usr/bin/promtool';

const ERRORS = ['bad_command', 'unknown_op', 'bad_group', 'too_large', 'rate_limited',
  'insufficient_state', 'overloaded', 'shutting_down', 'unauthorized'];
const DROPS = ['closed', 'slow', 'skip', 'latest', 'low'];
const REFUSED = ['bad_group', 'bad_request', 'not_allowed', 'no_such_path', 'connection_limit',
  'group_full', 'overloaded', 'handshake_timeout', 'shutting_down'];
const CLOSED = ['client', 'lost', 'no_pong', 'slow', 'disconnected', 'protocol_error', 'too_big',
  'not_allowed', 'insufficient_state', 'shutdown'];
const NUMBERS = ['total_connections', 'group_connections', 'experiment_connections', 'session_connections',
  'active_groups', 'active_experiments', 'active_sessions', 'active_users', 'messages_in',
  'messages_routed', 'deliveries', 'bytes_out'];
const MAPS = { drops: DROPS, refused: ERRORS, connections_refused: REFUSED, connections_closed: CLOSED };

const zeroes = (names) => Object.fromEntries(names.map((name) => [name, 0]));

/** That a tree of figures has exactly these values, and 0 for every reason that is not named. */
function assertFigures(stats, expected, what) {
  for (const key of NUMBERS) assert.equal(stats[key], expected[key], `${what}: ${key}`);
  for (const [map, names] of Object.entries(MAPS))
    assert.deepEqual(stats[map], { ...zeroes(names), ...expected[map] }, `${what}: ${map}`);
}

/** That the shards add up to the whole, in every key. */
function assertSums(stats) {
  const sum = (pick) => stats.shards.reduce((all, shard) => all + pick(shard), 0);
  for (const key of NUMBERS) assert.equal(sum((shard) => shard[key]), stats[key], `sum of ${key}`);
  for (const [map, names] of Object.entries(MAPS)) {
    assert.deepEqual(Object.keys(stats[map]).sort(), [...names].sort(), map);
    for (const name of names) assert.equal(sum((shard) => shard[map][name]), stats[map][name], `sum of ${map}.${name}`);
  }
  assert.deepEqual(Object.keys(stats).sort(), [...NUMBERS, ...Object.keys(MAPS), 'shards'].sort(), 'no other keys');
}

/** That the metrics say what the figures say. */
function assertMetrics(values, stats, { members, producer, client }) {
  const total = (map) => Object.values(map).reduce((sum, n) => sum + n, 0);
  const expected = {
    shardcast_connections: stats.total_connections,
    shardcast_groups: stats.active_groups + stats.active_experiments,
    'shardcast_messages_received_total{source="producer"}': producer,
    'shardcast_messages_received_total{source="client"}': client,
    shardcast_messages_routed_total: stats.messages_routed,
    shardcast_deliveries_total: stats.deliveries,
    shardcast_sent_bytes_total: stats.bytes_out,
    shardcast_connections_opened_total: stats.total_connections + total(stats.connections_closed),
  };
  for (const [name, n] of Object.entries(members)) expected[`shardcast_group_members{namespace="${name}"}`] = n;
  for (const [family, map] of [['messages_refused', stats.refused], ['drops', stats.drops],
    ['connections_refused', stats.connections_refused], ['connections_closed', stats.connections_closed]])
    for (const [reason, n] of Object.entries(map)) expected[`shardcast_${family}_total{reason="${reason}"}`] = n;
  for (let i = 0; i < stats.shards.length; i++) expected[`shardcast_inbox_depth{shard="${i}"}`] = 0;
  const seen = Object.fromEntries(Object.keys(expected).map((name) => [name, values[name]]));
  assert.deepEqual(seen, expected);
  assert.equal(producer + client, stats.messages_in);
  // Nothing else but the histograms and what inboxes did.
  for (const name of Object.keys(values))
    assert.ok(name in expected || /^shardcast_(inbox_full_total\{|turn_seconds_|delivery_seconds_)/.test(name), name);
}

function assertHistograms({ values, types, body }, shards) {
  const check = (family, labels) => {
    const prefix = `shardcast_${family}_bucket{${labels}${labels && ','}le="`;
    const buckets = Object.keys(values).filter((name) => name.startsWith(prefix));
    const counts = buckets.map((name) => values[name]);
    const bounds = buckets.map((name) => name.slice(prefix.length, -2));
    assert.deepEqual(bounds.slice(0, -1).map(Number), bounds.slice(0, -1).map(Number).sort((a, b) => a - b));
    assert.equal(bounds.at(-1), '+Inf');
    assert.deepEqual(counts, [...counts].sort((a, b) => a - b), 'buckets are cumulative');
    const suffix = labels && `{${labels}}`;
    assert.equal(values[`shardcast_${family}_count${suffix}`], counts.at(-1));
    assert.ok(values[`shardcast_${family}_sum${suffix}`] >= 0);
    return counts.at(-1);
  };
  assert.equal(types.shardcast_turn_seconds, 'histogram');
  assert.equal(types.shardcast_delivery_seconds, 'histogram');
  for (let i = 0; i < shards; i++) assert.ok(check('turn_seconds', `shard="${i}"`) > 0, 'its loop has turned');
  assert.ok(body.endsWith('\n'));
  return check('delivery_seconds', '');
}

const config = {
  limits: { message_bytes: 70000, backlog_bytes: 200000, groups: 14, connections: 12, groups_per_connection: 3 },
  health: { ping_seconds: 3600, pong_timeout_seconds: 2 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'experiment', max_rate: 3 },
    { name: 'session' },
    { name: 'talk', client_publish: true, max_rate: 6 },
    { name: 'small', max_members: 1 },
  ],
};

for (const shards of [1, 2, 4])
  test(`every figure after a scenario: ${shards} shards`, async (t) => {
    await withEngine({ shards, config }, async (engine) => {
      const producer = await Producer.connect(engine);
      await producer.call({ op: 'ping' });
      const idle = engine.sockets();
      const expected = { ...zeroes(NUMBERS), drops: {}, refused: {}, connections_refused: {}, connections_closed: {} };
      let produced = 0;
      let published = 0;
      const check = async (members) => {
        // Joins and leaves, and what was sent without asking for an answer, take a moment.
        const stats = await eventually(async () => {
          const now = await engine.stats();
          assertFigures(now, expected, 'stats');
          return now;
        });
        assertSums(stats);
        assertMetrics((await engine.metrics()).values, stats, { members, producer: produced, client: published });
        const told = (await producer.call({ op: 'stats' })).stats;
        assertFigures(told, expected, 'what the producer is told');
        assert.equal(told.shards.length, shards);
        return stats;
      };
      /** A message that `count` members get. */
      const says = async (target, data, count, more) => {
        const answer = await producer.broadcast(target, data, more);
        assert.deepEqual([answer.ok, answer.members], [true, count], JSON.stringify(answer));
        produced++;
        counts(Buffer.byteLength(data), count);
      };
      const counts = (size, count) => {
        expected.messages_in++;
        expected.messages_routed += count;
        expected.deliveries += count;
        expected.bytes_out += count * frameBytes(size);
      };
      const none = { '': 0, experiment: 0, session: 0, talk: 0, small: 0 };

      await t.test('nothing yet', () => check(none));

      const clients = {
        a: await Client.join(engine, 'g1'),
        b: await Client.join(engine, ['g1', 'experiment:1', 'session:s'], { user: 'ann' }),
        c: await Client.join(engine, ['experiment:1', 'experiment:2'], { user: 'ann' }),
        d: await Client.join(engine, 'talk:t', { echo: 0 }),
        e: await Client.join(engine, 'talk:t'),
        f: await Client.join(engine, [], { user: 'bob' }),
        g: await Client.join(engine, 'small:g'),
      };
      const members = { '': 2, experiment: 3, session: 1, talk: 2, small: 1 };
      Object.assign(expected, {
        total_connections: 7, group_connections: 6, experiment_connections: 3, session_connections: 1,
        active_groups: 4, active_experiments: 2, active_sessions: 1, active_users: 2,
      });
      await t.test('members', () => check(members));

      await t.test('messages', async () => {
        for (let i = 0; i < 10; i++) await says('g1', 'twelve bytes', 2);
        for (const size of [0, 1, 125, 126, 65535, 65536, 70000]) await says('g1', 'x'.repeat(size), 2);
        await says('g1', Buffer.from('binary'), 2);
        await says('g1', 'größe', 2);
        await says({ experiment: 1 }, 'x', 2);
        await says({ experiment: '2' }, 'x', 1, { priority: 'critical' });
        await says({ session: 's' }, 'x', 1, { priority: 'low' });
        await says({ user: 'ann' }, 'to ann', 2);
        await says({ all: true }, 'to all', 7);
        await says({ groups: ['g1', 'session:s', 'experiment:1'] }, 'to three', 5);
        await says('nobody', 'to nobody', 0);
        // Without an id, too.
        await producer.send({ op: 'broadcast', group: 'g1', data: 'silently' });
        produced++;
        counts(8, 2);
        for (let i = 0; i < 2; i++) clients.d.socket.send(`from d ${i}`);
        for (let i = 0; i < 2; i++) clients.e.socket.send(`from e ${i}`);
        published += 4;
        for (let i = 0; i < 2; i++) counts(8, 1);
        for (let i = 0; i < 2; i++) counts(8, 2);
        const stats = await check(members);
        // Of a message each shard with members of it counts one delivery time.
        const timed = assertHistograms(await engine.metrics(), shards);
        assert.ok(timed >= stats.messages_in - 1 && timed <= stats.messages_routed, `${timed}`);
        let got = 0;
        for (const client of Object.values(clients)) got += client.received;
        assert.equal(got, stats.deliveries);
      });

      await t.test('commands and frames refused', async () => {
        const refused = async (command, error) => {
          const answer = await producer.call(command);
          assert.deepEqual([answer.ok, answer.error], [false, error], JSON.stringify(command));
          expected.refused[error] = (expected.refused[error] ?? 0) + 1;
        };
        for (const command of [{ op: 'broadcast', data: 'x' }, { op: 'broadcast', group: 'g', data: 'x', more: 1 },
          { op: 'broadcast', groups: [], data: 'x' }, { op: 'broadcast', group: 'g', data: 'x', priority: 'high' }])
          await refused(command, 'bad_command');
        await refused({ op: 'nothing' }, 'unknown_op');
        for (const group of ['', 'a b', 'a'.repeat(129)]) await refused({ op: 'broadcast', group, data: 'x' }, 'bad_group');
        await refused({ op: 'broadcast', groups: ['g1', 'a b'], data: 'x' }, 'bad_group');
        await refused({ op: 'broadcast', group: 'g1', data: 'x'.repeat(70001) }, 'too_large');
        await sleep(1100); // what experiment:1 has had is no longer in its window
        for (let i = 0; i < 3; i++) await says({ experiment: 1 }, 'x', 2);
        for (let i = 0; i < 4; i++) await refused({ op: 'broadcast', experiment: 1, data: 'x' }, 'rate_limited');
        // A command that any group takes is a message; that another refused it is counted, too.
        const answer = await producer.broadcast({ groups: ['g1', 'experiment:1'] }, 'to one');
        assert.deepEqual([answer.error, answer.members], ['rate_limited', 2]);
        expected.refused.rate_limited++;
        produced++;
        counts(6, 2);
        // Client frames over the rate.
        for (let i = 0; i < 9; i++) clients.e.socket.send(`frame ${i}`);
        published += 6;
        for (let i = 0; i < 6; i++) counts(7, 2);
        expected.refused.rate_limited += 3;
        await check(members);
      });

      await t.test('groups beyond limits.groups', async () => {
        // Known: g1, experiment:1 and 2, session:s, talk:t, small:g, user:ann and user:bob. For 5 s: nobody.
        let taken = 0;
        for (let i = 0; i < 12; i++) {
          const answer = await producer.broadcast(`more${i}`, 'x');
          if (answer.ok) {
            taken++;
            produced++;
            counts(1, 0);
          } else {
            assert.equal(answer.error, 'overloaded');
            expected.refused.overloaded = (expected.refused.overloaded ?? 0) + 1;
          }
        }
        assert.ok(taken === 5 || taken === 6, `${taken}`);
        const late = await Client.open(engine, '/ws/beyond');
        assert.equal((await late.end()).code, 1013);
        expected.connections_refused.overloaded = 1;
        await check(members);
      });

      await t.test('connections refused', async () => {
        const refusals = async (reason, status, paths, options) => {
          for (const path of paths) assert.equal((await refusal(engine, path, options)).status, status, path);
          expected.connections_refused[reason] = (expected.connections_refused[reason] ?? 0) + paths.length;
        };
        await refusals('no_such_path', 404, ['/', '/wsx']);
        await refusals('bad_group', 400, ['/ws/a%20b', '/ws?group=', '/ws?user=']);
        await refusals('bad_request', 400, ['/ws', '/ws?group=a&group=b&group=c&group=d', '/ws/a?user=x&user=y']);
        await refusals('not_allowed', 403, ['/ws/user:x']);
        await refusals('not_allowed', 403, ['/ws/g1'], { headers: { Origin: 'http://elsewhere.example' } });
        const plain = await Raw.connect(engine.ports.clients);
        plain.write(upgradeRequest('/ws/g1', { Upgrade: null }));
        assert.equal((await plain.head()).status, 426);
        expected.connections_refused.bad_request++;
        await plain.end();
        const late = await Client.open(engine, '/ws/small:g');
        assert.equal((await late.end()).code, 1013);
        expected.connections_refused.group_full = 1;
        // Five of twelve sockets are free.
        await engine.hasSockets(idle, 7, 'those that were refused are gone');
        const silent = [];
        for (let i = 0; i < 5; i++) silent.push(await Raw.connect(engine.ports.clients));
        await engine.hasSockets(idle, 12, 'all places are taken');
        await refusals('connection_limit', 503, ['/ws/g1', '/ws/g1']);
        await Promise.all(silent.slice(1).map((raw) => raw.drop()));
        await silent[0].end('it is cut after 10 s');
        expected.connections_refused.handshake_timeout = 1;
        await check(members);
      });

      await t.test('connections closed', async () => {
        const ends = async (reason, path, code, act) => {
          const before = expected.connections_closed[reason] ?? 0;
          const raw = await Raw.upgrade(engine, path);
          await engine.statsWhen((now) => now.total_connections === 8 || now.connections_closed[reason] > before, 'it is there');
          await act(raw);
          if (code) assert.equal((await raw.closeFrame(`a close ${code}`)).code, code);
          await raw.drop();
          expected.connections_closed[reason] = before + 1;
          await engine.statsWhen((now) => now.total_connections === 7, `${reason}: it is gone`);
        };
        await ends('client', '/ws/g1', 1000, (raw) => raw.write(closeFrame(1000)));
        await ends('lost', '/ws/g1', 0, (raw) => raw.reset());
        await ends('lost', '/ws/g1', 0, (raw) => raw.socket.end());
        await ends('protocol_error', '/ws/g1', 1002, (raw) => raw.write(frame(OPCODE.text, 'x', { masked: false })));
        await ends('protocol_error', '/ws/talk:t', 1007, (raw) => raw.write(frame(OPCODE.text, Buffer.from([0xff]))));
        await ends('too_big', '/ws/talk:t', 1009, (raw) => raw.write(frame(OPCODE.text, '', { length: 70001 })));
        await ends('not_allowed', '/ws/g1', 1008, (raw) => raw.write(frame(OPCODE.text, 'x')));
        await ends('insufficient_state', '/ws/g1?since=now', 3010, () => {});
        await ends('disconnected', '/ws/g1?user=zoe', 4000, () => producer.disconnect({ user: 'zoe' }, { code: 4000 }));
        await check(members);
      });

      await t.test('and when all have gone, nothing is left but what was counted', async () => {
        await Promise.all(Object.values(clients).map((client) => client.leave()));
        expected.connections_closed.client += 7;
        for (const key of NUMBERS.slice(0, 8)) expected[key] = 0;
        await check(none);
      });
    });
  });

test('what slow members did not get: drops by reason, and what they read is what was delivered', async () => {
  const slow = {
    limits: { backlog_bytes: 300000 },
    health: { ping_seconds: 0, pong_timeout_seconds: 20 },
    namespaces: ['close', 'skip', 'latest'].reduce((all, name) => [...all, { name, slow_consumer: name }],
      [{ name: '', max_rate: 0, max_members: 0 }]),
  };
  await withEngine({ shards: 4, config: slow }, async (engine) => {
    const producer = await Producer.connect(engine);
    const size = 3000;
    let read = 0;
    let sent = 0;
    const witness = await Client.join(engine, ['close:g', 'skip:g', 'latest:g', 'low:g'], { onMessage: () => {} });

    const readers = [witness];
    const skip = await stall(engine, '/ws/skip:g');
    sent = await publishUntil(engine, producer, 'skip:g', size, (now) => now.drops.skip > 50, { readers });
    read += (await readUpTo(skip, numbered(sent - 1, size))).length;
    const latest = await stall(engine, '/ws/latest:g');
    sent = await publishUntil(engine, producer, 'latest:g', size, (now) => now.drops.latest > 50, { readers });
    read += (await readUpTo(latest, numbered(sent - 1, size))).length;
    const others = (stats) => [stats.deliveries - read - witness.received,
      stats.bytes_out - read * frameBytes(size) - witness.bytes];
    assert.deepEqual(others(await engine.quiet()), [0, 0]);
    let lost; // to members that an attempt was given up with
    const { slow: low, half, before: then } = await undisturbed(engine, async () => {
      lost = others(await engine.quiet());
      const member = await stall(engine, '/ws/low:g');
      return { slow: member, half: await fill(engine, producer, 'low:g', size, 170000, { readers }) };
    }, async () => {
      const had = witness.received;
      for (let i = 0; i < 7; i++) await producer.broadcast('low:g', 'low', { priority: 'low' });
      await witness.has(had + 7);
    }, { readers });
    await producer.broadcast('low:g', numbered(half, size));
    read += (await readUpTo(low, numbered(half, size))).length;
    const closing = await stall(engine, '/ws/close:g');
    await publishUntil(engine, producer, 'close:g', size, (now) => now.connections_closed.slow, { readers });
    closing.socket.resume();
    const { code, before } = await closing.closeFrame();
    assert.equal(code, 3008);
    read += before.length;
    await closing.drop();

    const stats = await engine.quiet();
    assert.equal(stats.drops.low - then.drops.low, 7);
    for (const reason of ['skip', 'latest', 'slow']) assert.ok(stats.drops[reason] > 0, reason);
    assert.deepEqual(others(stats), lost);
    assertSums(stats);
    for (const raw of [skip, latest, low]) await raw.drop();
    await witness.leave();
  });
});

test('bytes_out of a member that is cut in mid-frame: what the kernel took, and no more', async () => {
  const impatient = {
    limits: { backlog_bytes: 300000 },
    health: { ping_seconds: 3600, pong_timeout_seconds: 2 },
    namespaces: [{ name: '', max_rate: 0 }],
  };
  await withEngine({ shards: 2, config: impatient }, async (engine) => {
    const producer = await Producer.connect(engine);
    await producer.call({ op: 'ping' });
    const idle = engine.sockets();
    const slow = await stall(engine, '/ws/g');
    const size = 60000;
    let read = 0;
    slow.socket.on('data', (chunk) => (read += chunk.length));
    await publishUntil(engine, producer, 'g', size, (now) => now.connections_closed.slow);
    const stats = await engine.statsWhen((now) => now.total_connections === 0, 'it is closed');
    assert.ok(stats.bytes_out > 0);
    await engine.hasSockets(idle, 0, 'it is cut');
    slow.socket.resume();
    await slow.end();
    const after = await engine.quiet();
    assert.equal(after.bytes_out, read);
    assert.equal(after.deliveries, Math.floor(read / frameBytes(size)));
  });
});

test('no_pong is counted', async () => {
  const config = { health: { ping_seconds: 2, pong_timeout_seconds: 1 }, namespaces: [{ name: '', max_rate: 0 }] };
  await withEngine({ shards: 2, config }, async (engine) => {
    const raw = await Raw.upgrade(engine, '/ws/g');
    assert.equal((await raw.closeFrame()).code, 3012);
    await raw.drop();
    const expected = { ...zeroes(NUMBERS), connections_closed: { no_pong: 1 } };
    const stats = await eventually(async () => {
      const now = await engine.stats();
      assertFigures(now, expected, 'stats');
      return now;
    });
    assertSums(stats);
    assertMetrics((await engine.metrics()).values, stats, { members: { '': 0 }, producer: 0, client: 0 });
  });
});

test('unauthorized is counted', async () => {
  await withEngine({ shards: 2, config: { tokens: { producers: 'secret', admin: '' } } }, async (engine) => {
    for (let i = 0; i < 3; i++) {
      const producer = await Producer.connect(engine);
      await producer.send({ op: 'broadcast', group: 'g', data: 'x' });
      await producer.ended;
    }
    const stats = await engine.stats();
    assertFigures(stats, { ...zeroes(NUMBERS), refused: { unauthorized: 3 } }, 'stats');
    assertSums(stats);
  });
});

test('promtool has no complaint', { skip: !existsSync(PROMTOOL) && 'promtool is not installed' }, async () => {
  const odd = { namespaces: [{ name: '', max_rate: 0 }, { name: 'a$b' }, { name: 'experiment' }] };
  await withEngine({ shards: 3, config: odd }, async (engine) => {
    const producer = await Producer.connect(engine);
    const client = await Client.join(engine, ['a$b:c', 'experiment:1']);
    for (let i = 0; i < 5; i++) await producer.broadcast('a$b:c', 'x');
    await client.take(5);
    const { body } = await engine.metrics();
    const child = spawn(PROMTOOL, ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const said = [];
    child.stdout.on('data', (chunk) => said.push(chunk));
    child.stderr.on('data', (chunk) => said.push(chunk));
    child.stdin.end(body);
    const status = await new Promise((resolve) => child.on('close', resolve));
    assert.equal(Buffer.concat(said).toString(), '');
    assert.equal(status, 0);
  });
});
