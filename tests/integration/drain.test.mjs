// The contract's "Stopping": a drain keeps what was acknowledged, tells every client 1001, keeps
// /healthz at 200 and /readyz at 503, and ends with status 0; a second signal ends at once with 1.
import assert from 'node:assert/strict';
import test from './lib/together.mjs';
import { Client, refusal } from './lib/client.mjs';
import { startEngine, withEngine } from './lib/engine.mjs';
import { encode, Producer } from './lib/producer.mjs';
import { Raw } from './lib/raw.mjs';
import { fill, stall } from './lib/stalled.mjs';
import { scaled, sleep, until, within } from './lib/util.mjs';

const namespaces = [{ name: '', max_rate: 0 }];
const patient = { limits: { backlog_bytes: 200000000 }, namespaces };
const goodbye = { code: 1001, reason: 'shutting down' };

/** An engine that drains, and a member that keeps it from ending: it reads nothing, and megabytes
 *  wait for it. Other clients have been told. */
async function drainingEngine(drain_seconds) {
  const engine = await startEngine({ shards: 2, config: { ...patient, drain_seconds } });
  const producer = await Producer.connect(engine);
  const slow = await stall(engine, '/ws/stubborn');
  const sent = await fill(engine, producer, 'stubborn', 60000, 4 << 20);
  const member = await Client.join(engine, 'g');
  engine.signal('SIGTERM');
  assert.deepEqual(await member.end(), goodbye);
  return { engine, producer, slow, sent };
}

for (const signal of ['SIGTERM', 'SIGINT'])
  test(`${signal} with clients: each gets 1001, the exit status is 0`, async () => {
    const engine = await startEngine({ shards: 4, config: { namespaces } });
    const clients = await Client.joinMany(engine, 100, (i) => [`g${i % 7}`, `h${i}`], { user: 'ann' });
    const producer = await Producer.connect(engine);
    assert.equal((await producer.broadcast({ all: true }, 'last words')).members, 100);
    engine.signal(signal);
    for (const client of clients) {
      assert.equal((await client.next()).data, 'last words');
      assert.deepEqual(await client.end(), goodbye);
    }
    await within(producer.ended, 'the producer connection ends');
    await engine.stop();
  });

test('an idle engine ends at once, also with connections that say nothing', async () => {
  const engine = await startEngine({ shards: 4, config: { namespaces, drain_seconds: 60 } });
  const silent = await Raw.connect(engine.ports.clients);
  const producer = await Producer.connect(engine);
  const admin = await Raw.connect(engine.ports.admin);
  await engine.stop();
  await Promise.all([silent.end(), producer.ended, admin.end()]);
});

// Those that lay unread when nothing was left to do were thrown away.
test('commands that have come are answered, though nobody is left to drain', async () => {
  for (let round = 0; round < scaled(10, 3); round++) {
    const engine = await startEngine({ shards: 2, config: { namespaces } });
    const producers = await Promise.all(Array.from({ length: 4 }, () => Producer.connect(engine)));
    const answers = producers.flatMap((producer) =>
      Array.from({ length: 500 }, () => producer.broadcast('g', 'x'.repeat(200))));
    await sleep(round % 3); // have been written
    engine.signal('SIGTERM');
    for (const answer of await within(Promise.all(answers), 'all answers'))
      assert.ok(answer.ok || answer.error === 'shutting_down', answer.message);
    await engine.stop();
  }
});

test('everything acknowledged before and during the drain is delivered before the 1001', async () => {
  for (let round = 0; round < scaled(5, 2); round++) {
    const engine = await startEngine({ shards: 4, config: patient });
    const members = await Client.joinMany(engine, 8, (i) => (i % 2 ? 'a' : ['a', 'b']));
    const producer = await Producer.connect(engine);
    const taken = { a: [], b: [] };
    const refused = [];
    let sent = 0;
    const reading = (async () => {
      for (;;) {
        const answer = await producer.answers.take('an answer').catch(() => undefined);
        if (!answer) return;
        const group = answer.id % 2 ? 'a' : 'b';
        if (answer.ok) taken[group].push(answer.id);
        else refused.push(answer);
      }
    })();
    const publishing = (async () => {
      while (!producer.closed) {
        const burst = [];
        for (let i = 0; i < 50; i++, sent++)
          burst.push(encode({ op: 'broadcast', group: sent % 2 ? 'a' : 'b', data: `${sent % 2 ? 'a' : 'b'} ${sent}`, id: sent }));
        await producer.write(Buffer.concat(burst));
        await sleep(1);
      }
    })();
    await until(() => taken.a.length > 500, 'traffic is under way');
    engine.signal('SIGTERM');
    for (const [i, member] of members.entries()) {
      assert.deepEqual(await member.end(), goodbye);
      member.got = { a: [], b: [] };
      for (const { data } of member.frames.drain()) {
        const [group, id] = data.split(' ');
        member.got[group].push(Number(id));
      }
      if (i % 2) assert.equal(member.got.b.length, 0);
    }
    await producer.ended;
    await Promise.all([reading, publishing]);
    await engine.stop();
    for (const answer of refused) assert.equal(answer.error, 'shutting_down', answer.message);
    for (const [i, member] of members.entries())
      for (const group of i % 2 ? ['a'] : ['a', 'b'])
        assert.deepEqual(member.got[group], taken[group], 'what was acknowledged, and nothing else');
  }
});

test('while it drains: readyz 503, healthz 200, nobody new, commands answered', async (t) => {
  const { engine, producer, slow, sent } = await drainingEngine(3600);

  await t.test('the admin port goes on', async () => {
    assert.equal((await engine.get('/readyz')).status, 503);
    assert.equal((await engine.get('/healthz')).status, 200);
    assert.equal((await engine.get('/metrics')).status, 200);
    const stats = await engine.stats();
    assert.equal(stats.messages_routed, sent);
    assert.ok(stats.deliveries < sent, 'the rest waits for the slow member');
  });

  await t.test('new clients get 503 or no connection', async () => {
    const outcome = await refusal(engine, '/ws/g').catch((error) => error);
    assert.ok(outcome.status === 503 || /ECONNREFUSED|ECONNRESET|hang up/.test(outcome.message), String(outcome.message));
  });

  await t.test('commands are answered: carried out, or shutting_down', async () => {
    const answer = await producer.broadcast('g', 'too late').catch((error) => error);
    if (!(answer instanceof Error)) assert.ok(answer.ok || answer.error === 'shutting_down', answer.error);
  });

  await t.test('it ends with the last client', async () => {
    await slow.drop();
    await engine.stop();
  });
});

test('what is left after drain_seconds is cut, and the status is 0', async () => {
  const { engine, slow } = await drainingEngine(1);
  await engine.stop();
  slow.socket.resume();
  assert.equal((await slow.closeFrame()).code, undefined);
});

test('a member that wakes up during the drain gets what it missed, then 1001', async () => {
  const { engine, slow, sent } = await drainingEngine(3600);
  slow.socket.resume();
  const { code, reason, before } = await slow.closeFrame('the close');
  assert.deepEqual({ code, reason }, goodbye);
  assert.equal(before.length, sent);
  slow.socket.end();
  await engine.stop();
});

test('a second signal ends the engine at once with status 1', async () => {
  for (const second of ['SIGTERM', 'SIGINT']) {
    const { engine, slow } = await drainingEngine(3600);
    assert.equal(engine.child.exitCode, null, 'it waits for the slow member');
    await engine.stop({ signal: second, status: 1 });
    await slow.drop();
  }
});

test('many starts and stops', async () => {
  for (let i = 0; i < scaled(20, 5); i++)
    await withEngine({ shards: 1 + (i % 4) }, async (engine) => {
      if (i % 2) await Client.join(engine, 'g');
    });
});
