// That /healthz names the shard whose loop does not turn, and only while it does not: one thread of
// the engine is held by a debugger's means.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';
import { withEngine } from './lib/engine.mjs';
import { until } from './lib/util.mjs';

function threadOfShard(engine, shard) {
  const tasks = `/proc/${engine.pid}/task`;
  return readdirSync(tasks).find((id) => readFileSync(`${tasks}/${id}/comm`, 'utf8').trim() === `shard-${shard}`);
}

test('a shard that does not turn is named', async (t) => {
  await withEngine({ shards: 2 }, async (engine) => {
    const holder = spawn(process.env.SHARDCAST_HOLD_THREAD, [threadOfShard(engine, 1)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(holder, 'exit');
    const [said] = await Promise.race([once(holder.stdout, 'data'), ended]);
    if (said === 1) return t.skip('threads may not be held here');
    try {
      await until(async () => (await engine.get('/healthz')).status === 503, 'it is noticed');
      const { body } = await engine.get('/healthz');
      assert.match(body, /shard 1\b/);
      assert.equal((await engine.get('/readyz')).status, 200);
    } finally {
      holder.stdin.end();
    }
    assert.deepEqual(await ended, [0, null]);
    await until(async () => (await engine.get('/healthz')).status === 200, 'it turns again');
  });
});
