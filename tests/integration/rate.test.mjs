// The contract's "Rate": fewer than max_rate in the second before, per group, exact; what a refusal
// says; what counts and what does not.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { encode, Producer } from './lib/producer.mjs';
import { sleep, until } from './lib/util.mjs';

const config = {
  namespaces: [
    { name: '' }, // the default: 100 in any one second
    { name: 'five', max_rate: 5 },
    { name: 'one', max_rate: 1 },
    { name: 'fast', max_rate: 50000 },
    { name: 'free', max_rate: 0 },
  ],
};

test('rate limits', async (t) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producers = [await Producer.connect(engine), await Producer.connect(engine)];
    const [producer] = producers;
    /** `n` messages at once, half of them from each producer. */
    const send = async (target, n, more) => {
      const where = typeof target === 'string' ? { group: target } : target;
      const all = Array.from({ length: n }, (_, i) => ({ op: 'broadcast', ...where, data: `${i}`, ...more }));
      const answers = await Promise.all(producers.map((one, k) => one.callAll(all.filter((_, i) => i % 2 === k))));
      return answers.flat();
    };
    const taken = (answers) => answers.filter((answer) => answer.ok).length;

    await t.test('the default is 100 per group and second', async () => {
      const answers = await send('g', 130);
      assert.equal(taken(answers), 100);
      const refused = answers.find((answer) => !answer.ok);
      assert.equal(refused.error, 'rate_limited');
      assert.equal(refused.message, 'g: more than 100 messages in one second');
      assert.ok(Number.isInteger(refused.retry_after_ms));
      assert.ok(refused.retry_after_ms >= 1 && refused.retry_after_ms <= 1000, `${refused.retry_after_ms}`);
    });

    await t.test('each group has its own window', async () => {
      for (let i = 0; i < 20; i++) assert.equal(taken(await send(`five:${i}`, 8)), 5);
    });

    await t.test('after retry_after_ms the next is taken, and only as many as have left the window', async () => {
      for (let round = 0; round < 2; round++) {
        const one = { op: 'broadcast', group: 'one:retry', data: 'x' };
        const [first, refused] = await producer.callAll([one, one]);
        assert.equal(first.ok, true);
        assert.equal(refused.error, 'rate_limited');
        await sleep(refused.retry_after_ms + 2); // a timer of this process may be a millisecond early
      }
    });

    await t.test('refused messages do not count', async () => {
      // Five and then, however many are refused, five more as the first leave the window.
      let accepted = 0;
      await until(async () => (accepted += taken(await send('five:pressed', 4))) >= 10, 'ten are taken');
    });

    await t.test('never more than max_rate in any one second', async () => {
      const begun = process.hrtime.bigint();
      let accepted = 0;
      await until(async () => (accepted += taken(await send('five:steady', 3))) >= 15, 'fifteen are taken');
      const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
      assert.ok(accepted <= 5 * Math.ceil(seconds), `${accepted} in ${seconds} s`);
    });

    await t.test('high rates are kept, too', async () => {
      const count = 60000;
      const before = await engine.stats();
      const begun = process.hrtime.bigint();
      await producer.write(Buffer.concat(Array(count).fill(encode({ op: 'broadcast', group: 'fast:g', data: 'x' }))));
      await producer.call({ op: 'ping' });
      const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
      const refused = producer.answers.drain();
      for (const answer of refused) assert.equal(answer.error, 'rate_limited');
      const accepted = (await engine.stats()).messages_in - before.messages_in;
      assert.equal(accepted + refused.length, count);
      assert.ok(accepted <= 50000 * 1.01 * Math.ceil(seconds), `${accepted} in ${seconds} s`);
      assert.ok(accepted >= 50000 * 0.99, `${accepted}`);
    });

    await t.test('0 is no limit', async () => assert.equal(taken(await send('free:g', 3000)), 3000));

    await t.test('messages to a group without members count, critical ones are limited like others', async () => {
      assert.equal(taken(await send('five:critical', 9, { priority: 'critical' })), 5);
    });

    await t.test('what is refused reaches nobody and has no offset', async () => {
      const member = await Client.join(engine, 'five:member');
      const answers = await send('five:member', 12);
      const accepted = answers.filter((answer) => answer.ok);
      assert.deepEqual(accepted.map((answer) => answer.offset).sort(), [1, 2, 3, 4, 5]);
      const got = await member.take(5);
      assert.equal(new Set(got).size, 5);
      await producer.broadcast({ all: true }, 'marker');
      assert.equal((await member.next()).data, 'marker');
    });

    await t.test('groups: who is over the rate is told, the others are served', async () => {
      const member = await Client.join(engine, 'free:a');
      await send('one:full', 1);
      const answer = await producer.broadcast({ groups: ['free:a', 'one:full', 'free:b'] }, 'x');
      assert.equal(answer.ok, false);
      assert.equal(answer.error, 'rate_limited');
      assert.deepEqual(answer.refused, ['one:full']);
      assert.equal(answer.members, 1);
      assert.ok(answer.retry_after_ms > 0);
      assert.equal((await member.next()).data, 'x');
    });

    await t.test('everyone has no limit of rate', async () => {
      const answers = await Promise.all(Array.from({ length: 300 }, () => producer.broadcast({ all: true }, 'x')));
      assert.equal(taken(answers), 300);
    });

    await t.test('user groups have the limits of namespace user, here the default', async () => {
      assert.equal(taken(await send({ user: 'ann' }, 110)), 100);
    });

    await t.test('refusals are counted by their code, and are no messages_in', async () => {
      const before = await engine.stats();
      const answers = await send('five:counted', 15);
      const after = await engine.stats();
      assert.equal(taken(answers), 5);
      assert.equal(after.messages_in - before.messages_in, 5);
      assert.equal(after.refused.rate_limited - before.refused.rate_limited, 10);
    });
  });
});
