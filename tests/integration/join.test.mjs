// The contract's "Raw clients": how groups are asked for, what is refused before the upgrade and in
// which order, the hello, and the limits that joining meets.
import assert from 'node:assert/strict';
import test from './lib/together.mjs';
import { Client, refusal } from './lib/client.mjs';
import { UNLIMITED, withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { Raw, upgradeRequest } from './lib/raw.mjs';
import { parallel, until } from './lib/util.mjs';

test('asking for groups', async (t) => {
  await withEngine({ shards: 4, config: UNLIMITED }, async (engine) => {
    const producer = await Producer.connect(engine);

    /** Opens `path` and checks that the connection is in exactly these groups. */
    async function joins(path, groups, options) {
      const client = await Client.open(engine, path + (path.includes('?') ? '&' : '?') + 'hello=1', { ...options, hello: true });
      await client.joined();
      assert.deepEqual(Object.keys(client.hello).sort(), [...groups].sort(), path);
      for (const group of groups) {
        await producer.broadcast(group, `to ${group}`);
        assert.deepEqual(await client.next(), { data: `to ${group}`, binary: false }, path);
      }
      await client.leave();
    }

    await t.test('in the path, in the query, in both', async () => {
      await joins('/ws/alpha', ['alpha']);
      await joins('/ws?group=alpha', ['alpha']);
      await joins('/ws?group=alpha&group=beta', ['alpha', 'beta']);
      await joins('/ws/alpha?group=beta', ['alpha', 'beta']);
      await joins('/ws/experiment:42', ['experiment:42']);
    });

    await t.test('a name given twice counts once', async () => {
      await joins('/ws/alpha?group=alpha&group=alpha', ['alpha']);
      await joins(`/ws?${'group=a&'.repeat(300)}group=b`, ['a', 'b']);
    });

    await t.test('names are percent-decoded once, and + stays +', async () => {
      await joins('/ws/experiment%3A42', ['experiment:42']);
      await joins('/ws?group=%61lpha', ['alpha']);
      await joins('/ws/a+b', ['a+b']);
      await joins('/ws?group=a+b', ['a+b']);
      await joins('/ws?group=a%2Bb', ['a+b']);
      await joins('/ws?group=a%26b%3D', ['a&b=']);
      await joins('/ws?group=a=b', ['a=b']);
    });

    await t.test('a user is in the group of that user', async () => {
      await joins('/ws/alpha?user=ann', ['alpha', 'user:ann']);
      await joins('/ws?user=ann', ['user:ann']);
      await joins('/ws?user=a%3Ab', ['user:a:b']);
    });

    await t.test('parameters that are not known are ignored', async () => {
      await joins('/ws/alpha?foo=bar&Group=x&=&&token', ['alpha']);
      await joins('/ws?group=alpha&groups=beta', ['alpha']);
    });

    await t.test('without hello=1 there is none', async () => {
      const client = await Client.open(engine, '/ws/quiet');
      await engine.statsWhen((stats) => stats.group_connections === 1, 'it has joined');
      await producer.broadcast('quiet', 'the first frame');
      assert.equal((await client.next()).data, 'the first frame');
      await client.leave();
    });

    await t.test('shardcast.raw is chosen where it is offered, nothing otherwise', async () => {
      for (const [offered, chosen] of [[['shardcast.raw'], 'shardcast.raw'], [['x', 'shardcast.raw'], 'shardcast.raw'], [[], '']]) {
        const client = await Client.open(engine, '/ws/alpha', { protocols: offered });
        assert.equal(client.socket.protocol, chosen);
        await client.leave();
      }
      const raw = await Raw.upgrade(engine, '/ws/alpha', { 'Sec-WebSocket-Protocol': 'chat, SHARDCAST.RAW' });
      assert.equal(raw.response.headers['sec-websocket-protocol'], undefined);
      await raw.drop();
    });
  });
});

test('refusals before the upgrade', async (t) => {
  const config = { limits: { groups_per_connection: 3 } };
  await withEngine({ shards: 2, config }, async (engine) => {
    const expected = {};
    /** One request refused with `status`, counted under `reason`. */
    async function refused(path, status, reason, options) {
      expected[reason] = (expected[reason] ?? 0) + 1;
      const answer = await refusal(engine, path, options);
      assert.equal(answer.status, status, `${path}: ${answer.body}`);
      assert.ok(answer.body.length > 0, 'with a word for people');
      return answer;
    }

    await t.test('404: no such path', async () => {
      for (const path of ['/', '/w', '/wsx', '/wsx/alpha', '/WS/alpha', '/nothing?group=alpha', '/connection'])
        await refused(path, 404, 'no_such_path');
    });

    await t.test('400: neither group nor user', async () => {
      for (const path of ['/ws', '/ws?', '/ws?foo=bar', '/ws?hello=1'])
        await refused(path, 400, 'bad_request');
    });

    await t.test('400: names that are none', async () => {
      for (const path of ['/ws/a%20b', '/ws/a/b', '/ws/a%2Fb', '/ws/%00', '/ws/%C3%A9', '/ws/a%252Fb', '/ws/*', '/ws/a,b',
        '/ws/a%22', '/ws/a%5Cb', '/ws/a%3Fb', '/ws/a%23', '/ws/a%', '/ws/a%4', '/ws/a%zz', `/ws/${'a'.repeat(129)}`,
        '/ws?group=', '/ws?group=a&group=', '/ws?group=a%20b', '/ws?group=a&group=%zz', '/ws?user=', '/ws?user=a%20b',
        `/ws/a?user=${'a'.repeat(124)}`])
        await refused(path, 400, 'bad_group');
    });

    await t.test('400: more than groups_per_connection; the user is not counted', async () => {
      await refused('/ws?group=a&group=b&group=c&group=d', 400, 'bad_request');
      await refused('/ws/a?group=b&group=c&group=d', 400, 'bad_request');
      const client = await Client.join(engine, ['a', 'b', 'c', 'a'], { user: 'ann' });
      await client.leave();
    });

    await t.test('400: user or since given twice', async () => {
      await refused('/ws/a?user=x&user=x', 400, 'bad_request');
      await refused('/ws/a?since=now&since=now', 400, 'bad_request');
    });

    await t.test('400: since that is none, or with what does not go with it', async () => {
      for (const query of ['since=', 'since=abc', 'since=abc:', 'since=:1', 'since=abc:x', 'since=abc:-1', 'since=now&user=x',
        'since=now&echo=0', 'since=now&group=b', 'since=abc:18446744073709551616'])
        await refused(`/ws/a?${query}`, 400, 'bad_request');
    });

    await t.test('403: user groups by name', async () => {
      await refused('/ws/user:ann', 403, 'not_allowed');
      await refused('/ws?group=user:ann', 403, 'not_allowed');
      await refused('/ws/a?group=user%3Aann&user=ann', 403, 'not_allowed');
    });

    await t.test('426: no upgrade asked', async () => {
      for (const headers of [{ Upgrade: null, Connection: null }, { Upgrade: 'h2c' }]) {
        expected.bad_request++;
        const raw = await Raw.connect(engine.ports.clients);
        raw.write(upgradeRequest('/ws/alpha', headers));
        const answer = await raw.head();
        assert.equal(answer.status, 426);
        assert.equal(answer.headers.upgrade.toLowerCase(), 'websocket');
        await raw.end();
      }
    });

    await t.test('the order: 404, 400, 403, 426', async () => {
      const plain = async (path) => {
        const raw = await Raw.connect(engine.ports.clients);
        raw.write(upgradeRequest(path, { Upgrade: null, Connection: null, Origin: 'http://elsewhere.example' }));
        const { status } = await raw.head();
        await raw.end();
        return status;
      };
      const foreign = { headers: { Origin: 'http://elsewhere.example' } };
      expected.no_such_path++;
      assert.equal(await plain('/nothing?group=a%20b'), 404);
      expected.bad_group++;
      assert.equal(await plain('/ws/a%20b'), 400);
      expected.not_allowed++;
      assert.equal(await plain('/ws/fine'), 403);
      await refused('/nothing?group=a%20b', 404, 'no_such_path', foreign);
      await refused('/ws?group=user:x&group=a%20b', 400, 'bad_group', foreign);
      await refused('/ws/fine', 403, 'not_allowed', foreign);
    });

    await t.test('every refusal is counted with its reason, and no connection is left', async () => {
      const stats = await engine.statsWhen((now) => now.total_connections === 0, 'all are gone');
      for (const [reason, n] of Object.entries(stats.connections_refused))
        assert.equal(n, expected[reason] ?? 0, reason);
    });
  });
});

test('503 at the connection limit, and room again when one goes', async () => {
  await withEngine({ shards: 4, config: { limits: { connections: 5 } } }, async (engine) => {
    const clients = await Client.joinMany(engine, 5, (i) => `g${i}`);
    for (let i = 0; i < 3; i++) assert.equal((await refusal(engine, '/ws/g')).status, 503);
    // The order of the contract: what is wrong with the request is told first.
    assert.equal((await refusal(engine, '/nothing')).status, 404);
    assert.equal((await refusal(engine, '/ws/a%20b')).status, 400);
    assert.equal((await refusal(engine, '/ws/user:x')).status, 403);
    assert.equal((await engine.stats()).connections_refused.connection_limit, 3);
    await clients.pop().leave();
    await until(() => Client.join(engine, 'g').then(() => true, () => false), 'there is room again');
    assert.equal((await engine.stats()).total_connections, 5);
  });
});

test('the member limit is exact, also when everyone comes at once', async () => {
  await withEngine({ shards: 16 }, async (engine) => {
    const limit = 1000; // the default of max_members
    const attempts = await parallel(Array.from({ length: limit + 30 }), 200, async () => {
      const client = await Client.open(engine, '/ws/popular?hello=1', { hello: true });
      return client.joined().then(() => ({ client }), async () => ({ client, closed: await client.end() }));
    });
    const members = attempts.filter((attempt) => !attempt.closed);
    const refused = attempts.filter((attempt) => attempt.closed);
    assert.equal(members.length, limit);
    for (const { closed } of refused) assert.deepEqual(closed, { code: 1013, reason: 'group full: popular' });
    let stats = await engine.statsWhen((now) => now.total_connections === limit, 'the refused are gone');
    assert.equal(stats.group_connections, limit);
    assert.equal(stats.connections_refused.group_full, 30);

    const producer = await Producer.connect(engine);
    assert.equal((await producer.broadcast('popular', 'to a thousand')).members, limit);
    for (const { client } of members) assert.equal((await client.next()).data, 'to a thousand');

    for (let i = 0; i < 5; i++) {
      await members[i].client.leave();
      await until(async () => {
        const client = await Client.open(engine, '/ws/popular?hello=1', { hello: true });
        return client.joined().then(() => true, () => false);
      }, 'the place is free again');
    }
    stats = await engine.statsWhen((now) => now.group_connections === limit, 'it is full again');
    assert.equal((await producer.broadcast('popular', 'again')).members, limit);
  });
});

test('a connection that asks for several groups gets them all or none', async (t) => {
  const config = { namespaces: [{ name: '', max_rate: 0 }, { name: 'small', max_members: 1 }] };
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const holder = await Client.join(engine, 'small:room');

    await t.test('closed 1013, and it leaves the others', async () => {
      const names = Array.from({ length: 20 }, (_, i) => `open${i}`);
      for (const user of [undefined, 'ann']) {
        const query = [...names, 'small:room'].map((name) => `group=${name}`).join('&') + (user ? `&user=${user}` : '');
        const client = await Client.open(engine, `/ws?${query}`);
        assert.deepEqual(await client.end(), { code: 1013, reason: 'group full: small:room' });
        assert.equal(client.received, 0);
      }
      await engine.statsWhen((stats) => stats.total_connections === 1 && stats.active_groups === 1 && stats.active_users === 0,
        'it has left the groups that took it');
      for (const name of names) assert.equal((await producer.broadcast(name, 'x')).members, 0);
      assert.equal((await engine.stats()).connections_refused.group_full, 2);
    });

    await t.test('and is not told of what is published meanwhile', async () => {
      assert.equal((await producer.broadcast({ all: true }, 'to all')).members, 1);
      assert.equal((await holder.next()).data, 'to all');
    });

    await t.test('another small group is not concerned', async () => {
      const client = await Client.join(engine, ['small:other', 'open0']);
      await client.leave();
    });
  });
});

test('limits.groups: 1013 for who joins, overloaded for who publishes', async () => {
  const config = { limits: { groups: 3 }, namespaces: [{ name: '', max_rate: 0 }] };
  await withEngine({ shards: 1, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const clients = await Client.joinMany(engine, 3, (i) => `g${i}`);
    const late = await Client.open(engine, '/ws/g3');
    assert.deepEqual(await late.end(), { code: 1013, reason: 'try again later' });
    const answer = await producer.broadcast('g4', 'x');
    assert.deepEqual([answer.ok, answer.error], [false, 'overloaded']);
    assert.equal('retry_after_ms' in answer, false);
    const some = await producer.broadcast({ groups: ['g0', 'g5', 'g1', 'g6'] }, 'x');
    assert.equal(some.ok, false);
    assert.equal(some.error, 'overloaded');
    assert.equal(some.members, 2);
    assert.deepEqual(some.refused, ['g5', 'g6']);
    assert.equal((await clients[0].next()).data, 'x');
    assert.equal((await clients[1].next()).data, 'x');
    assert.equal((await producer.broadcast('g0', 'known groups go on')).members, 1);
    const stats = await engine.stats();
    assert.equal(stats.connections_refused.overloaded, 1);
    assert.ok(stats.refused.overloaded >= 2);
    // A group without members and messages is forgotten after five seconds.
    await clients[2].leave();
    await until(async () => (await producer.broadcast('g7', 'x')).ok, 'there is room for another');
  });
});

test('a group is forgotten five seconds after its last member and message', async () => {
  await withEngine({ shards: 2, config: UNLIMITED }, async (engine) => {
    const producer = await Producer.connect(engine);
    const kept = await Client.join(engine, 'kept');
    const first = { kept: await producer.broadcast('kept', 'x'), gone: await producer.broadcast('gone', 'x') };
    assert.equal(kept.hello.kept.offset, 0);
    assert.equal(kept.hello.kept.epoch, first.kept.epoch);
    await new Promise((resolve) => setTimeout(resolve, 8000));
    const second = { kept: await producer.broadcast('kept', 'y'), gone: await producer.broadcast('gone', 'y') };
    assert.equal(second.kept.epoch, first.kept.epoch, 'who has members is kept');
    assert.equal(second.kept.offset, 2);
    assert.notEqual(second.gone.epoch, first.gone.epoch, 'a new epoch');
    assert.equal(second.gone.offset, 1);
  });
});

test('a user with several connections is one active user', async () => {
  await withEngine({ shards: 4, config: UNLIMITED }, async (engine) => {
    const phones = await Client.joinMany(engine, 6, (i) => `g${i}`, { user: 'ann' });
    const tablet = await Client.join(engine, [], { user: 'bob' });
    const stats = await engine.stats();
    assert.equal(stats.active_users, 2);
    assert.equal(stats.total_connections, 7);
    assert.equal(stats.group_connections, 6, 'user groups are in no membership');
    assert.equal(stats.active_groups, 6);
    const producer = await Producer.connect(engine);
    assert.equal((await producer.broadcast({ user: 'ann' }, 'x')).members, 6);
    for (const phone of phones) assert.equal((await phone.next()).data, 'x');
    assert.equal(tablet.received, 0);
  });
});
