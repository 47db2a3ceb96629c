// The contract's "Raw clients", frames from a client: published where the namespace allows it, with
// the sender's echo, under the group's rate.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from './lib/client.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { frame, OPCODE, Raw } from './lib/raw.mjs';
import { scaled } from './lib/util.mjs';

const config = {
  namespaces: [
    { name: '', max_rate: 0 },
    { name: 'talk', client_publish: true },
    { name: 'slow', client_publish: true, max_rate: 3 },
  ],
};

test('clients publish', async (t) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);

    await t.test('to every member, the sender included; text as text, binary as binary', async () => {
      const members = await Client.joinMany(engine, 5, () => 'talk:a');
      const outsider = await Client.join(engine, 'talk:b');
      members[0].socket.send('hello');
      members[0].socket.send(Buffer.from([0, 255]));
      for (const member of members) {
        assert.deepEqual(await member.next(), { data: 'hello', binary: false });
        assert.deepEqual(await member.next(), { data: Buffer.from([0, 255]), binary: true });
      }
      await producer.broadcast({ all: true }, 'marker');
      assert.equal((await outsider.next()).data, 'marker');
      for (const client of [...members, outsider]) await client.leave();
    });

    await t.test('echo=0: not to the sender, who is no member of the message', async () => {
      const before = await engine.quiet();
      const sender = await Client.join(engine, 'talk:a', { echo: 0 });
      const other = await Client.join(engine, 'talk:a', { echo: 0 });
      const third = await Client.join(engine, 'talk:a');
      sender.socket.send('from the sender');
      assert.equal((await other.next()).data, 'from the sender');
      assert.equal((await third.next()).data, 'from the sender');
      other.socket.send('from the other');
      assert.equal((await sender.next()).data, 'from the other', 'the first that it gets');
      assert.equal((await third.next()).data, 'from the other');
      await producer.broadcast('talk:a', 'from a producer');
      for (const client of [sender, other, third])
        assert.equal((await client.next()).data, 'from a producer');
      const after = await engine.quiet();
      assert.equal(after.messages_routed - before.messages_routed, 2 + 2 + 3);
      assert.equal(after.messages_in - before.messages_in, 3);
      for (const client of [sender, other, third]) await client.leave();
    });

    await t.test('echo=1 and no echo are the same', async () => {
      const client = await Client.join(engine, 'talk:a', { echo: 1 });
      client.socket.send('back');
      assert.equal((await client.next()).data, 'back');
      await client.leave();
    });

    await t.test('a user\'s own group does not count as a second one', async () => {
      const client = await Client.join(engine, 'talk:a', { user: 'ann' });
      client.socket.send('from ann');
      assert.equal((await client.next()).data, 'from ann');
      await client.leave();
    });

    await t.test('frames sent before the join is done are kept until then', async () => {
      for (let i = 0; i < 20; i++) {
        const client = await Client.open(engine, '/ws/talk:early');
        client.socket.send(`first ${i}`);
        client.socket.send(`second ${i}`);
        assert.deepEqual(await client.take(2), [`first ${i}`, `second ${i}`]);
        await client.leave();
      }
    });

    await t.test('in order with each other, also in fragments', async () => {
      const reader = await Client.join(engine, 'talk:busy');
      const raw = await Raw.upgrade(engine, '/ws/talk:busy?echo=0');
      const count = scaled(2000, 200);
      const frames = [];
      for (let i = 0; i < count; i++) {
        frames.push(frame(OPCODE.text, `${i}:`, { fin: false }), frame(OPCODE.ping, ''), frame(OPCODE.continuation, 'x'.repeat(i % 300)));
      }
      // The default rate is 100 a second: this one is the namespace's own.
      raw.write(Buffer.concat(frames.slice(0, 300)));
      for (let i = 0; i < 100; i++) assert.equal((await reader.next()).data, `${i}:${'x'.repeat(i % 300)}`);
      await raw.drop();
      await reader.leave();
    });

    await t.test('over the rate a frame is dropped and counted, and the connection stays', async () => {
      const client = await Client.join(engine, 'slow:g');
      const before = (await engine.stats()).refused.rate_limited;
      for (let i = 0; i < 10; i++) client.socket.send(`${i}`);
      assert.deepEqual(await client.take(3), ['0', '1', '2']);
      await engine.statsWhen((stats) => stats.refused.rate_limited - before === 7, 'seven are refused');
      const answer = await producer.broadcast('slow:g', 'producers share the window');
      assert.equal(answer.error, 'rate_limited');
      await new Promise((resolve) => setTimeout(resolve, answer.retry_after_ms + 20));
      client.socket.send('later');
      assert.equal((await client.next()).data, 'later');
      await client.leave();
    });

    await t.test('metrics know the source', async () => {
      const { values } = await engine.metrics();
      const stats = await engine.quiet();
      assert.equal(
        values['shardcast_messages_received_total{source="client"}'] +
          values['shardcast_messages_received_total{source="producer"}'],
        stats.messages_in);
      assert.ok(values['shardcast_messages_received_total{source="client"}'] >= 10 + 40 + 3);
    });
  });
});
