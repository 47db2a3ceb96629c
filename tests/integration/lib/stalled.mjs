// Members that stop reading, and what waits in the engine for them.
import assert from 'node:assert/strict';
import { OPCODE, Raw } from './raw.mjs';
import { sleep, until } from './util.mjs';

export const dropped = (stats) => Object.values(stats.drops).reduce((sum, n) => sum + n, 0);

/** Messages that are neither delivered nor dropped yet. */
export const waiting = (stats) => stats.messages_routed - stats.deliveries - dropped(stats);

/** The figures once they stand still: who reads has everything, and sockets that are full stay so. */
export async function standstill(engine) {
  let before;
  let same = 0;
  await until(async () => {
    const { deliveries, bytes_out, drops, messages_routed } = await engine.stats();
    const now = JSON.stringify([deliveries, bytes_out, drops, messages_routed]);
    same = now === before ? same + 1 : 0;
    before = now;
    await sleep(10);
    return same >= 3;
  }, 'the figures stand still');
  return engine.stats();
}

/** A payload of `size` bytes that begins with its number. */
export const numbered = (number, size) => `${number}:`.padEnd(size, 'x');
export const numberOf = (data) => parseInt(data.toString('latin1', 0, 12), 10);

/** Bytes of a text frame from the engine. */
export const frameBytes = (size) => size + (size < 126 ? 2 : size < 65536 ? 4 : 10);

/** Joins with hello=1 and then reads nothing until it is told to. */
export async function stall(engine, path) {
  const raw = await Raw.upgrade(engine, `${path}${path.includes('?') ? '&' : '?'}hello=1`);
  const hello = await raw.frame('the hello');
  raw.hello = JSON.parse(hello.payload).groups;
  raw.socket.pause();
  return raw;
}

/** Publishes numbered messages to a group until `enough(figures, count)`. Returns the number that
 *  follows the last. */
export async function publishUntil(engine, producer, group, size, enough, { from = 0, ...more } = {}) {
  const burst = Math.max(1, Math.round(100000 / size));
  let next = from;
  while (!enough(await engine.stats(), next - from)) {
    assert.ok((next - from) * size < 400e6, 'the kernel takes no more at last');
    const calls = [];
    for (let i = 0; i < burst; i++) calls.push(producer.broadcast(group, numbered(next++, size), more));
    for (const answer of await Promise.all(calls)) assert.equal(answer.ok, true, answer.message);
  }
  return next;
}

/** Publishes until at least `bytes` wait in the engine, for the one member that does not read. */
export function fill(engine, producer, group, size, bytes, options) {
  return publishUntil(engine, producer, group, size, (stats) => waiting(stats) * size >= bytes, options);
}

/** Goes on reading: the payloads of text frames until one equals `last`, each frame checked. */
export async function readUpTo(raw, last) {
  const all = [];
  raw.socket.resume();
  for (;;) {
    const next = await raw.frame(`frame ${all.length}, up to ${last.slice(0, 20)}`);
    assert.ok(next, `the connection ends after ${all.length} frames`);
    if (next.opcode === OPCODE.ping) continue;
    assert.ok(next.fin && !next.rsv && !next.masked, 'a frame as the engine sends them');
    assert.equal(next.opcode, OPCODE.text);
    const data = next.payload.toString('latin1');
    all.push(data);
    if (data === last) return all;
  }
}
