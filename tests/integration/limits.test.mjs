// The contract's limits, exact over the whole engine however many come at once on however many
// shards: max_members, limits.connections, groups_per_connection and limits.groups; and the tokens
// of producers and admin.
import assert from 'node:assert/strict';
import test from './lib/together.mjs';
import { Client, refusal } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { closeFrame, OPCODE, Raw, upgradeRequest } from './lib/raw.mjs';
import { settled } from './lib/settled.mjs';
import { parallel, scaled, sleep, until } from './lib/util.mjs';

const times = (n, make = (i) => i) => Array.from({ length: n }, (_, i) => make(i));

/** Connects `paths.length` sockets, then asks for all upgrades at once. */
async function rush(engine, paths) {
  const sockets = await parallel(paths, 100, () => Raw.connect(engine.ports.clients));
  sockets.forEach((raw, i) => raw.write(upgradeRequest(paths[i])));
  return Promise.all(sockets.map(async (raw) => {
    raw.response = await raw.head();
    return raw;
  }));
}

/** The first frame of each: the hello of those that joined, the close of the others. */
async function outcomes(sockets) {
  const joined = [];
  const refused = [];
  await Promise.all(sockets.map(async (raw) => {
    assert.equal(raw.response.status, 101);
    const first = await raw.frame('a hello or a close');
    if (first.opcode === OPCODE.text) {
      joined.push(raw);
      return;
    }
    assert.equal(first.opcode, OPCODE.close);
    refused.push({ code: first.payload.readUInt16BE(0), reason: first.payload.subarray(2).toString() });
    raw.write(closeFrame(1013));
    await raw.end();
  }));
  return { joined, refused };
}

for (const shards of [1, 2, 4])
  test(`max_members, everyone at once: ${shards} shards`, async () => {
    const limit = scaled(1000, 200);
    const config = { namespaces: [{ name: '', max_members: limit }] };
    await withEngine({ shards, config }, async (engine) => {
      const { joined, refused } = await outcomes(await rush(engine, times(limit * 1.5, () => '/ws/g?hello=1')));
      assert.equal(joined.length, limit);
      assert.equal(refused.length, limit / 2);
      for (const one of refused) assert.deepEqual(one, { code: 1013, reason: 'group full: g' });
      let stats = await engine.statsWhen((now) => now.total_connections === limit, 'the members are there');
      assert.equal(stats.group_connections, limit);
      assert.equal(stats.connections_refused.group_full, limit / 2);
      assert.equal(stats.shards.reduce((sum, shard) => sum + shard.connections_refused.group_full, 0), limit / 2);
      // Which shard's joins were first is chance; that every shard had some is not.
      const joins = (shard) => shard.total_connections + shard.connections_refused.group_full;
      assert.ok(stats.shards.every((shard) => joins(shard) > 0), 'all shards have some');
      const producer = await Producer.connect(engine);
      assert.equal((await producer.broadcast('g', 'x')).members, limit);

      // Leaves and joins at once: as many places as have been left, each at once when it is.
      for (const leavers of [1, 20, limit / 2]) {
        const gone = joined.splice(0, leavers);
        await Promise.all(gone.map(async (raw) => {
          raw.write(closeFrame(1000));
          await raw.closeFrame();
          raw.socket.end();
        }));
        await settled(engine); // a home hears of a leave a moment later
        const next = await outcomes(await rush(engine, times(leavers + 30, () => '/ws/g?hello=1')));
        assert.equal(next.joined.length, leavers);
        assert.equal(next.refused.length, 30);
        joined.push(...next.joined);
      }
      assert.equal((await producer.broadcast('g', 'x')).members, limit);
      stats = await engine.statsWhen((now) => now.total_connections === limit, 'the figures agree');
      assert.equal(stats.group_connections, limit);
      await Promise.all(joined.map((raw) => raw.drop()));
      await engine.statsWhen((now) => now.group_connections === 0, 'all are gone');
    });
  });

for (const shards of [1, 2, 4])
  test(`max_members by namespace: ${shards} shards`, async () => {
    const config = { namespaces: [
      { name: '', max_members: 7 }, { name: 'experiment', max_members: 3 }, { name: 'session' },
      { name: 'open', max_members: 0 }, { name: 'user', max_members: 2 }, { name: 'single', max_members: 1 },
    ] };
    await withEngine({ shards, config }, async (engine) => {
      const groups = { g: 7, 'other:g': 7, 'experiment:1': 3, 'experiment:2': 3, 'session:a': 7, 'single:a': 1, 'single:b': 1 };
      const paths = Object.keys(groups).flatMap((name) => times(20, () => `/ws/${name}?hello=1`));
      const { joined, refused } = await outcomes(await rush(engine, paths));
      const producer = await Producer.connect(engine);
      for (const [name, limit] of Object.entries(groups)) {
        assert.equal((await producer.broadcast(name, 'x')).members, limit, name);
        assert.equal(refused.filter(({ reason }) => reason === `group full: ${name}`).length, 20 - limit, name);
      }
      assert.equal(joined.length, Object.values(groups).reduce((sum, n) => sum + n, 0));
      const open = await outcomes(await rush(engine, times(300, () => '/ws/open:g?hello=1')));
      assert.equal(open.joined.length, 300, '0 is no limit');
      // A user's group has the limit of namespace user; everyone's has none.
      const users = await outcomes(await rush(engine, times(5, () => '/ws/open:g?user=ann&hello=1')));
      assert.equal(users.joined.length, 2);
      for (const one of users.refused) assert.deepEqual(one, { code: 1013, reason: 'group full: user:ann' });
      assert.equal((await producer.broadcast('open:g', 'x')).members, 302, 'who is refused leaves the others');
      await engine.statsWhen((now) => now.total_connections === joined.length + 302, 'the refused are gone');
      assert.equal((await producer.broadcast({ all: true }, 'x')).members, joined.length + 302);
    });
  });

test('max_members lowered by SIGHUP: the members stay, and nobody joins until there is room', async () => {
  const config = (max_members) => ({ namespaces: [{ name: '', max_members }] });
  await withEngine({ shards: 4, config: config(10) }, async (engine) => {
    const members = await Client.joinMany(engine, 10, () => 'g');
    await engine.reload(config(5));
    const producer = await Producer.connect(engine);
    const tries = async () => (await outcomes(await rush(engine, times(8, () => '/ws/g?hello=1')))).joined;
    assert.equal((await outcomes(await rush(engine, ['/ws/new?hello=1']))).joined.length, 1, 'others are not concerned');
    assert.equal((await tries()).length, 0);
    for (let i = 0; i < 5; i++) await members.pop().leave();
    await settled(engine);
    assert.equal((await tries()).length, 0, 'five of five');
    await members.pop().leave();
    await members.pop().leave();
    await settled(engine);
    assert.equal((await tries()).length, 2);
    assert.equal((await producer.broadcast('g', 'x')).members, 5);
    for (const member of members) assert.equal(member.close_code, undefined);
    await engine.reload(config(9));
    assert.equal((await tries()).length, 4, 'a raised limit makes room');
  });
});

for (const shards of [1, 2, 4])
  test(`limits.connections: ${shards} shards`, async () => {
    const limit = 100;
    await withEngine({ shards, config: { limits: { connections: limit } } }, async (engine) => {
      // A socket counts from its accept on, also before it has said anything.
      const idle = engine.sockets();
      const silent = await parallel(times(40), 20, () => Raw.connect(engine.ports.clients));
      await engine.hasSockets(idle, 40, 'all are accepted');
      const all = await rush(engine, times(90, (i) => `/ws/g${i}?hello=1`));
      const by = (status) => all.filter((raw) => raw.response.status === status);
      assert.equal(by(101).length, 60);
      assert.equal(by(503).length, 30);
      await Promise.all(by(503).map((raw) => raw.end('a refused one is closed')));
      let stats = await engine.statsWhen((now) => now.total_connections === 60, 'all have joined');
      assert.equal(stats.connections_refused.connection_limit, 30);

      // Those that were silent have their places.
      silent.forEach((raw, i) => raw.write(upgradeRequest(`/ws/s${i}?hello=1`)));
      for (const raw of silent) assert.equal((await raw.head()).status, 101);
      assert.equal((await refusal(engine, '/ws/g')).status, 503);
      // An upgrade that is refused for another reason frees its place with its socket.
      assert.equal((await refusal(engine, '/nothing')).status, 404);
      await engine.statsWhen((now) => now.total_connections === limit, 'all places are taken');

      // Room after a close of any kind.
      const ends = [
        (raw) => { raw.write(closeFrame(1000)); return raw.closeFrame().then(() => raw.drop()); },
        (raw) => raw.drop(),
        (raw) => raw.reset(),
      ];
      for (const [i, end] of ends.entries()) {
        await end(silent[i]);
        let refused = 0;
        await until(async () => {
          const [raw] = await rush(engine, [`/ws/again${i}`]);
          if (raw.response.status === 503) refused++;
          return raw.response.status === 101;
        }, 'there is room again');
        assert.equal((await refusal(engine, '/ws/g')).status, 503, `only one place (after ${refused} tries)`);
      }
      assert.equal((await engine.stats()).total_connections, limit);
      // The limit can be raised and lowered, and closes nobody.
      await engine.reload({ limits: { connections: limit + 5 } });
      assert.equal((await rush(engine, ['/ws/more']))[0].response.status, 101, 'a higher limit holds');
      await engine.reload({ limits: { connections: 10 } });
      assert.equal((await rush(engine, ['/ws/more']))[0].response.status, 503, 'a lower one, too');
      await engine.statsWhen((now) => now.total_connections === limit + 1, 'nobody is closed');
    });
  });

test('groups_per_connection: names given twice count once, the user\'s group is none of them', async () => {
  await withEngine({ shards: 4, config: { limits: { groups_per_connection: 4 } } }, async (engine) => {
    const query = (names, more = '') => `/ws?${names.map((name) => `group=${name}`).join('&')}${more}`;
    await (await Client.join(engine, ['a', 'b', 'c', 'd'], { user: 'ann' })).leave();
    await (await Client.open(engine, query(['a', 'b', 'c', 'd', 'a', 'b']))).leave();
    for (const path of [query(['a', 'b', 'c', 'd', 'e']), query(['a', 'b', 'c', 'd', 'e'], '&user=ann'), `/ws/e${query(['a', 'b', 'c', 'd']).slice(3)}`])
      assert.equal((await refusal(engine, path)).status, 400, path);
    assert.equal((await engine.stats()).connections_refused.bad_request, 3);
    await engine.reload({ limits: { groups_per_connection: 5 } });
    await Client.join(engine, ['a', 'b', 'c', 'd', 'e']);
  });
});

for (const shards of [1, 2, 4])
  test(`limits.groups is exact, everyone is none of them: ${shards} shards`, async () => {
    const limit = 50;
    const config = { limits: { groups: limit }, namespaces: [{ name: '', max_rate: 0 }] };
    await withEngine({ shards, config }, async (engine) => {
      const producers = await Promise.all(times(4, () => Producer.connect(engine)));
      // Nobody is connected; then groups of producers, all at once.
      const begun = Date.now();
      let answers = await Promise.all(times(limit * 2, (i) => producers[i % 4].broadcast(`p${i}`, 'x')));
      const known = answers.flatMap((answer, i) => (answer.ok ? [`p${i}`] : []));
      assert.equal(known.length, limit);
      for (const answer of answers.filter((one) => !one.ok)) assert.equal(answer.error, 'overloaded');
      // Known ones go on, and who joins one of them is in everyone, too.
      const member = await Client.join(engine, known.slice(0, 3));
      assert.equal((await producers[0].broadcast(known[0], 'x')).members, 1);
      assert.equal((await producers[0].broadcast({ all: true }, 'to all')).members, 1);
      assert.deepEqual(await member.take(2), ['x', 'to all']);
      const late = await Client.open(engine, '/ws/another');
      assert.deepEqual(await late.end(), { code: 1013, reason: 'try again later' });
      const user = await Client.open(engine, `/ws/${known[0]}?user=ann`);
      assert.deepEqual(await user.end(), { code: 1013, reason: 'try again later' });
      const stats = await engine.stats();
      assert.equal(stats.refused.overloaded, limit);
      assert.equal(stats.connections_refused.overloaded, 2);

      // All but those with a member are forgotten 5 s after their last message.
      const later = async () => (await producers[1].broadcast('later', 'x')).ok;
      await until(later, 'there is room again');
      assert.ok(Date.now() - begun >= 5000, `after ${Date.now() - begun} ms`);
      await sleep(1500); // each home looks once in a second
      const taken = 4; // `later`, and the three of the member
      let rushed;
      await until(async () => {
        await later();
        rushed = await outcomes(await rush(engine, times(limit * 2, (i) => `/ws/j${i}?hello=1`)));
        assert.ok(rushed.joined.length <= limit - taken, 'joins count like messages');
        for (const one of rushed.refused) assert.deepEqual(one, { code: 1013, reason: 'try again later' });
        if (rushed.joined.length === limit - taken) return true;
        await Promise.all(rushed.joined.map((raw) => raw.drop())); // a home has not looked yet
        return false;
      }, 'the last of the old ones is gone');
      answers = await Promise.all(times(5, (i) => producers[0].broadcast(`q${i}`, 'x')));
      for (const answer of answers) assert.equal(answer.error, 'overloaded');
      for (const raw of rushed.joined) await raw.drop();
      await member.leave();
    });
  });

test('a producers\' token: hello first, a wrong one closes', async (t) => {
  const config = { tokens: { producers: 'secret', admin: '' } };
  await withEngine({ shards: 2, config }, async (engine) => {
    let refused = 0;
    const refusedFirst = async (command) => {
      refused++;
      const producer = await Producer.connect(engine);
      await producer.send({ ...command, id: 9 });
      const answer = await producer.answers.take('the answer');
      assert.deepEqual([answer.id, answer.ok, answer.error], [9, false, 'unauthorized'], JSON.stringify(command));
      assert.equal(typeof answer.message, 'string');
      await producer.ended;
    };
    await t.test('everything before hello is unauthorized and closes', async () => {
      for (const command of [{ op: 'ping' }, { op: 'stats' }, { op: 'broadcast', group: 'g', data: 'x' },
        { op: 'disconnect', group: 'g' }, { op: 'history', group: 'g' }, { op: 'nothing' }])
        await refusedFirst(command);
    });
    await t.test('a hello with no token, or a wrong one', async () => {
      await refusedFirst({ op: 'hello' });
      for (const token of ['', 'secre', 'secret!', 'Secret', 'x'.repeat(5000)]) await refusedFirst({ op: 'hello', token });
    });
    await t.test('what follows a refused one is not carried out', async () => {
      const member = await Client.join(engine, 'g');
      const producer = await Producer.connect(engine);
      producer.send({ op: 'hello', token: 'wrong' });
      producer.send({ op: 'hello', token: 'secret' });
      producer.send({ op: 'broadcast', group: 'g', data: 'not to come' });
      await producer.ended;
      refused++;
      const good = await Producer.connect(engine);
      assert.equal((await good.call({ op: 'hello', token: 'secret' })).ok, true);
      assert.equal((await good.broadcast('g', 'to come')).offset, 1);
      assert.equal((await member.next()).data, 'to come');
      await member.leave();
    });
    await t.test('the right one opens the connection for good', async () => {
      const producer = await Producer.connect(engine);
      const hello = await producer.call({ op: 'hello', token: 'secret' });
      assert.equal(hello.shards, 2);
      for (let i = 0; i < 3; i++) assert.equal((await producer.call({ op: 'ping' })).ok, true);
    });
    const stats = await engine.stats();
    assert.equal(stats.refused.unauthorized, refused);
  });
});

test('an admin\'s token: /stats and /metrics want it, and the other token is none', async () => {
  const config = { tokens: { producers: 'for producers', admin: 'for admin' } };
  await withEngine({ shards: 1, config }, async (engine) => {
    for (const target of ['/stats', '/metrics']) {
      for (const Authorization of ['', 'Bearer', 'Bearer ', 'Bearer for producers', 'Bearer for admin ', 'for admin']) {
        const answer = await engine.get(target, Authorization ? { Authorization } : {});
        assert.equal(answer.status, Authorization === 'Bearer for admin ' ? answer.status : 401, `${target} ${Authorization}`);
      }
      const good = await engine.get(target, { Authorization: 'Bearer for admin' });
      assert.equal(good.status, 200);
      assert.equal(good.body.includes('for producers') || good.body.includes('for admin'), false);
    }
    const producer = await Producer.connect(engine);
    assert.equal((await producer.call({ op: 'hello', token: 'for producers' })).ok, true);
    assert.equal((await producer.call({ op: 'stats' })).stats.total_connections, 0);
  });
});
