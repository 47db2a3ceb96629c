// The Centrifuge protocol's positions: history, and recovery of what was missed by a subscribe. That
// offsets are those of the producers' acknowledgements, and every case in which nothing is recovered.
import assert from 'node:assert/strict';
import test from './lib/together.mjs';
import { withEngine } from './lib/engine.mjs';
import { Producer } from './lib/producer.mjs';
import { assertError, forEachForm, Sdk, Wire } from './lib/sdk.mjs';
import { sleep, until } from './lib/util.mjs';

const config = {
  limits: { message_bytes: 1024, backlog_bytes: 2048, recovery_bytes: 1048576 },
  namespaces: [
    { name: '', max_rate: 0, max_members: 0 },
    { name: 'kept', history: { messages: 5, seconds: 300 } },
    { name: 'much', history: { messages: 2000, seconds: 300 } },
    { name: 'small', history: { messages: 100, seconds: 300, bytes: 1024 } },
    { name: 'short', history: { messages: 100, seconds: 1, position_seconds: 1 } },
  ],
};

/** Publishes `count` messages, m1 and so on, and checks that they are numbered so. Returns the epoch. */
async function publish(producer, group, count, from = 1) {
  let epoch;
  for (let i = from; i < from + count; i++) {
    const answer = await producer.broadcast(group, `m${i}`);
    assert.equal(Number(answer.offset), i);
    ({ epoch } = answer);
  }
  return epoch;
}

const numbers = (first, last) => {
  const all = [];
  for (let i = first; first <= last ? i <= last : i >= last; i += first <= last ? 1 : -1) all.push(i);
  return all;
};

const range = (count) => Array.from({ length: count }, (_, i) => i);
const offsetsOf = ({ publications }) => publications.map(({ offset }) => offset);

/** The offsets of publications, each of which must be m and its offset. */
const offsets = (form, publications = []) =>
  publications.map(({ data, offset, ...rest }) => {
    assert.equal(form.text(data), `m${offset}`);
    assert.deepEqual(rest, {});
    return offset;
  });

forEachForm(test, 'history', async (form, t) => {
  await withEngine({ shards: 4, config: { ...config, limits: { ...config.limits, groups: 3 } } }, async (engine) => {
    const producer = await Producer.connect(engine);
    const epoch = await publish(producer, 'kept:g', 8);
    const wire = await Wire.connect(engine, form);
    const history = async (more, channel = 'kept:g') => {
      const { history: got } = await wire.ask({ history: { channel, ...more } });
      if (form.name === 'json') assert.deepEqual(Object.keys(got), ['publications', 'epoch', 'offset']);
      return got;
    };
    const gives = async (more, expected) => {
      const got = await history(more);
      assert.deepEqual(offsets(form, got.publications), expected, JSON.stringify(more));
      assert.deepEqual([got.epoch, got.offset], [epoch, 8]);
    };

    await t.test('limits', async () => {
      await gives({}, []);
      await gives({ limit: 0 }, []);
      await gives({ limit: -1 }, [4, 5, 6, 7, 8]);
      await gives({ limit: -7 }, [4, 5, 6, 7, 8]);
      await gives({ limit: 2 }, [4, 5]);
      await gives({ limit: 2147483647 }, [4, 5, 6, 7, 8]);
      await gives({ reverse: true }, []);
      await gives({ limit: 2, reverse: true }, [8, 7]);
      await gives({ limit: -1, reverse: true }, [8, 7, 6, 5, 4]);
    });

    await t.test('since, which is exclusive', async () => {
      const since = (offset, more) => ({ limit: -1, since: { epoch, offset }, ...more });
      await gives(since(0), [4, 5, 6, 7, 8]);
      await gives(since(3), [4, 5, 6, 7, 8]);
      await gives(since(6), [7, 8]);
      await gives(since(6, { limit: 1 }), [7]);
      await gives(since(6, { limit: 0 }), []);
      await gives(since(8), []);
      await gives(since(100), []);
      await gives({ limit: -1, since: {} }, [4, 5, 6, 7, 8]);
      await gives({ limit: -1, since: { offset: 7 } }, [8]);
      await gives(since(6, { reverse: true }), [5, 4]);
      await gives(since(6, { reverse: true, limit: 1 }), [5]);
      await gives(since(4, { reverse: true }), []);
      await gives(since(100, { reverse: true }), [8, 7, 6, 5, 4]);
    });

    await t.test('what is refused', async () => {
      const refuses = async (more, code, channel = 'kept:g') => assertError(await wire.ask({ history: { channel, ...more } }), code);
      for (const other of ['_', 'other', `${epoch}x`, 'ä', 'x'.repeat(5000)]) {
        await refuses({ limit: -1, since: { epoch: other, offset: 8 } }, 112);
        await refuses({ since: { epoch: other, offset: 0 } }, 112, 'kept:nobody');
      }
      await refuses({ limit: -1, reverse: true, since: { epoch, offset: 0 } }, 107);
      await refuses({ limit: -1, reverse: true, since: {} }, 107);
      await refuses({ limit: 1 }, 108, 'nokept');
    });

    await t.test('of a group that is not there', async () => {
      const expected = form.expected({ publications: [], epoch: '', offset: 0 });
      for (const more of [{}, { limit: -1 }, { limit: 1, since: { offset: 0 } }])
        assert.deepEqual(await history(more, 'kept:nobody'), expected);
      for (let i = 0; i < 5; i++) await history({ limit: -1 }, `kept:nobody${i}`);
      for (const group of ['a', 'b']) assert.equal((await producer.broadcast(group, 'x')).ok, true, 'asking has made none');
      assert.equal((await producer.broadcast('c', 'x')).error, 'overloaded');
    });

    await t.test('by the SDK', async () => {
      const sdk = await Sdk.connect(engine, form);
      const heard = await sdk.subscribe('kept:g');
      const got = await heard.sub.history({ limit: 2, since: { epoch, offset: 4 } });
      assert.deepEqual([got.epoch, got.offset, got.publications.map(({ offset }) => offset)], [epoch, 8, [5, 6]]);
      const newest = await sdk.client.history('kept:g', { limit: 1, reverse: true });
      assert.deepEqual(newest.publications.map(({ offset, channel }) => [channel, offset]), [['kept:g', 8]]);
      sdk.close();
    });
    await wire.leave();
  });
});

forEachForm(test, 'recovery by subscribe', async (form, t) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const epoch = await publish(producer, 'kept:g', 8);
    const before = await engine.stats();
    const wire = await Wire.connect(engine, form);
    const subscribe = async (more) => {
      const reply = await wire.subscribe('kept:g', more);
      await wire.ask({ unsubscribe: { channel: 'kept:g' } });
      return reply;
    };
    const gives = async (more, rest, recovered) => {
      const { publications, ...got } = (await subscribe(more)).subscribe;
      const expected = form.expected({ recoverable: true, positioned: true, epoch, ...rest });
      assert.deepEqual(got, expected, JSON.stringify(more));
      if (recovered.length) assert.deepEqual(offsets(form, publications), recovered);
      else assert.equal(publications, undefined);
    };

    await t.test('not asked for', async () => {
      for (const more of [{}, { recoverable: true, positioned: true }, { recover: false, epoch, offset: 7 }, { epoch: 'x', offset: 1, flag: 2 }])
        await gives(more, { offset: 8 }, []);
    });

    await t.test('all that was missed', async () => {
      const was = (offset) => ({ was_recovering: true, recovered: true, offset });
      await gives({ recover: true, epoch, offset: 3 }, was(3), [4, 5, 6, 7, 8]);
      await gives({ recover: true, epoch, offset: 7 }, was(7), [8]);
      await gives({ recover: true, epoch, offset: 8 }, was(8), []);
      await gives({ recover: true, offset: 6 }, was(6), [7, 8]);
      await gives({ recover: true, epoch: '', offset: 6 }, was(6), [7, 8]);
      await gives({ recover: true, epoch, offset: 6, flag: 3 }, was(6), [7, 8]);
    });

    await t.test('what cannot be had', async () => {
      const lost = { was_recovering: true, recovered: false, offset: 8 };
      for (const position of [{ epoch, offset: 2 }, { epoch }, {}, { epoch, offset: 9 }, { epoch, offset: 2 ** 52 }, { epoch: '_', offset: 8 },
        { epoch: '_' }, { epoch: 'other', offset: 8 }, { epoch: epoch.toUpperCase(), offset: 8 }, { epoch: 'x'.repeat(3000), offset: 8 }]) {
        await gives({ recover: true, ...position }, lost, []);
        await gives({ recover: true, ...position, flag: 1 }, lost, []);
        assertError(await subscribe({ recover: true, ...position, flag: 2 }), 112);
      }
    });

    await t.test('a group that is new', async () => {
      const { subscribe: got } = await wire.subscribe('kept:new', { recover: true });
      assert.deepEqual(got, form.expected({ recoverable: true, positioned: true, epoch: got.epoch, offset: 0, was_recovering: true, recovered: true }));
      const told = await producer.broadcast('kept:new', 'm1');
      assert.deepEqual([told.epoch, Number(told.offset)], [got.epoch, 1]);
      assert.equal((await wire.push()).pub.offset, 1);
    });

    await t.test('what is recovered counts as nothing', async () => {
      const { deliveries, messages_routed, bytes_out } = await engine.quiet();
      assert.deepEqual([deliveries - before.deliveries, messages_routed - before.messages_routed], [1, 1]);
      assert.ok(bytes_out < 200, `${bytes_out}`);
    });
    await wire.leave();
  });
});

forEachForm(test, 'within recovery_bytes, as sent', async (form) => {
  const more = { ...config, limits: { ...config.limits, message_bytes: 900 } };
  await withEngine({ shards: 2, config: more }, async (engine) => {
    const producer = await Producer.connect(engine);
    const wire = await Wire.connect(engine, form, { user: 'ann' });
    const { epoch } = await producer.broadcast('much:g', 'x'.repeat(895));
    for (let i = 0; i < 200; i++) producer.broadcast('much:g', { quoted: '"\n'.repeat(i % 200) });
    await producer.broadcast('much:g', Buffer.alloc(300));
    const ask = async (flag = 0) => {
      const reply = await wire.subscribe('much:g', { recover: true, epoch, offset: 1, flag });
      const bytes = Buffer.byteLength(wire.frames.at(-1));
      await wire.ask({ unsubscribe: { channel: 'much:g' } });
      return { reply, bytes };
    };
    const whole = await ask();
    assert.equal(whole.reply.subscribe.publications.length, 201);
    // A recovery is no backlog: this one is far over backlog_bytes.
    assert.ok(whole.bytes > 10 * config.limits.backlog_bytes);
    assert.equal((await engine.stats()).connections_closed.slow, 0);
    const digits = (id) => String(id).length; // the replies' ids may be longer
    const limit = async (recovery_bytes) => engine.reload({ ...more, limits: { ...more.limits, recovery_bytes } });
    for (const flag of [0, 2]) {
      await limit(whole.bytes + 2);
      const enough = await ask(flag);
      assert.equal(enough.reply.subscribe.recovered, true);
      assert.ok(enough.bytes - digits(enough.reply.id) <= whole.bytes - digits(whole.reply.id));
      await limit(enough.bytes - 1);
      const { reply } = await ask(flag);
      if (flag) {
        assertError(reply, 112);
      } else {
        assert.equal(reply.subscribe.recovered ?? false, false);
        assert.deepEqual([reply.subscribe.offset, reply.subscribe.publications], [202, undefined]);
      }
      await engine.statsWhen((now) => now.group_connections === 0, 'it is no member');
    }

    // History is cut at its end, one message at least.
    await limit(5000);
    const history = async (more) => {
      const { history: got } = await wire.ask({ history: { channel: 'much:g', limit: -1, ...more } });
      return { ...got, bytes: Buffer.byteLength(wire.frames.at(-1)), numbers: got.publications.map(({ offset }) => offset) };
    };
    const cut = await history({});
    assert.ok(cut.bytes <= 5000 && cut.bytes > 3500, `${cut.bytes}`);
    assert.deepEqual(cut.numbers, numbers(1, cut.numbers.length));
    assert.equal(cut.offset, 202);
    const back = await history({ reverse: true });
    assert.ok(back.bytes <= 5000 && back.bytes > 3500, `${back.bytes}`);
    assert.deepEqual(back.numbers, numbers(202, 203 - back.numbers.length));
    await limit(900);
    const one = await history({});
    assert.deepEqual([one.numbers, one.offset], [[1], 202]);
  });
});

forEachForm(test, 'no frame is over 1 MiB', async (form) => {
  const limits = { backlog_bytes: 4 << 20 }; // for all that is sent at once
  const big = { limits, namespaces: [{ name: '', max_rate: 0, history: { messages: 100, seconds: 300, bytes: 1 << 24 } }] };
  await withEngine({ shards: 2, config: big }, async (engine) => {
    const producer = await Producer.connect(engine);
    const wire = await Wire.connect(engine, form);
    const groups = ['a', 'b', 'c', 'd', 'e', 'f'];
    await Promise.all(groups.flatMap((group) => range(30).map(() => producer.broadcast(group, 'x'.repeat(60000)))));
    const histories = await wire.askAll(groups.map((channel) => ({ history: { channel, limit: -1 } })));
    for (const { history } of histories) assert.deepEqual(offsetsOf(history), numbers(1, history.publications.length));
    const recoveries = await wire.askAll(groups.map((channel) => ({ subscribe: { channel, recover: true, offset: 14 } })));
    for (const { subscribe } of recoveries) assert.deepEqual(offsetsOf(subscribe), numbers(15, 30));
    await Promise.all(range(20).map(() => producer.broadcast({ groups }, 'y'.repeat(60000))));
    await until(() => wire.log.filter(({ push }) => push).length === 20 * groups.length, 'live, too');
    const sizes = wire.frames.map((frame) => Buffer.byteLength(frame));
    assert.ok(Math.max(...sizes) <= 1 << 20, `${Math.max(...sizes)}`);
    assert.ok(sizes.filter((size) => size > 900000).length >= 2 * groups.length, 'and they are used');
  });
});

forEachForm(test, 'what is gone: too many, too many bytes, too old, forgotten', async (form) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const wire = await Wire.connect(engine, form);
    const recovers = async (channel, position, expected) => {
      const { subscribe: got } = await wire.subscribe(channel, { recover: true, ...position });
      assert.deepEqual([got.recovered ?? false, got.publications?.length ?? 0], expected, JSON.stringify([channel, position]));
      await wire.ask({ unsubscribe: { channel } });
      return got;
    };
    const epoch = {};
    const short = await producer.broadcast('short:g', 'm1');
    epoch.small = (await producer.broadcast('small:g', 'x'.repeat(500))).epoch;
    for (let i = 0; i < 2; i++) await producer.broadcast('small:g', 'x'.repeat(500));
    await recovers('small:g', { epoch: epoch.small, offset: 1 }, [true, 2]);
    await recovers('small:g', { epoch: epoch.small, offset: 0 }, [false, 0]);
    const position = { epoch: short.epoch, offset: 0 };
    await sleep(1500);
    // Too old, then forgotten: it has no members and its last message is position_seconds old.
    const got = await recovers('short:g', position, [false, 0]);
    assert.ok(got.epoch === short.epoch || !got.offset);
    await until(async () => {
      await sleep(300);
      return (await recovers('short:g', { ...position, offset: 1 }, [false, 0]).catch(() => undefined))?.epoch !== short.epoch;
    }, 'a new epoch');
    // Not while it has a member.
    const { epoch: kept } = (await wire.subscribe('short:g')).subscribe;
    await sleep(2500);
    assert.equal((await producer.broadcast('short:g', 'm')).epoch, kept);
    assert.equal((await wire.push()).channel, 'short:g');
    await wire.leave();
  });
});

forEachForm(test, 'an SDK that was away has everything, or is told', async (form) => {
  await withEngine({ shards: 4, config }, async (engine) => {
    const producer = await Producer.connect(engine);
    const sdk = await Sdk.connect(engine, form);
    const heard = await sdk.subscribe('kept:g');
    const since = await sdk.subscribe('much:g', { since: { offset: 0, epoch: '' } });
    let next = 1;
    let times = 1;
    const away = async (count) => {
      sdk.client.disconnect();
      await publish(producer, 'kept:g', count, next);
      await publish(producer, 'much:g', count, next);
      next += count;
      sdk.client.connect();
      times++;
      await until(() => [heard, since].every(({ subscribed }) => subscribed.length === times), 'it is subscribed again');
    };
    for (const count of [3, 0, 5]) {
      const from = next;
      await away(count);
      for (const one of [heard, since])
        assert.deepEqual(await one.texts(count), numbers(from, from + count - 1).slice(0, count).map((i) => `m${i}`));
    }
    const from = next;
    await away(6);
    assert.deepEqual(await since.texts(6), numbers(from, from + 5).map((i) => `m${i}`));
    const told = heard.subscribed.map(({ wasRecovering, recovered }) => [wasRecovering, recovered]);
    assert.deepEqual(told, [[false, false], [true, true], [true, true], [true, true], [true, false]]);
    await publish(producer, 'kept:g', 1, next);
    assert.equal(await heard.text(), `m${next}`, 'nothing but what is new');
    sdk.close();
  });
});
