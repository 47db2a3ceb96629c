// Members that stop reading, and what waits in the engine for them.
import assert from 'node:assert/strict';
import { OPCODE, Raw } from './raw.mjs';
import { settled } from './settled.mjs';
import { frameBytes, until } from './util.mjs';

export { frameBytes };

export const dropped = (stats) => Object.values(stats.drops).reduce((sum, n) => sum + n, 0);

/** Messages that are neither delivered nor dropped yet. */
export const waiting = (stats) => stats.messages_routed - stats.deliveries - dropped(stats);

/** The figures once they stand still: who reads has been sent everything, and the kernel takes no
 *  more for those who do not (though it may, later, at a second thought: see undisturbed()). */
export async function standstill(engine) {
  const figures = ({ deliveries, bytes_out, drops, messages_routed }) =>
    JSON.stringify([deliveries, bytes_out, drops, messages_routed]);
  let stats = await engine.stats();
  await until(async () => {
    const before = figures(stats);
    await settled(engine);
    stats = await engine.stats();
    return figures(stats) === before;
  }, 'the figures stand still');
  return stats;
}

/** A payload of `size` bytes that begins with its number. */
export const numbered = (number, size) => `${number}:`.padEnd(size, 'x');
export const numberOf = (data) => parseInt(data.toString('latin1', 0, 12), 10);

/** Joins with hello=1 and then reads nothing until it is told to. */
export async function stall(engine, path) {
  const raw = await Raw.upgrade(engine, `${path}${path.includes('?') ? '&' : '?'}hello=1`);
  const hello = await raw.frame('the hello');
  raw.hello = JSON.parse(hello.payload).groups;
  raw.socket.pause();
  return raw;
}

/** Publishes numbered messages to a group until `enough(figures, count)`. `readers` are members that
 *  are not to fall behind: they have each burst before the next begins. Returns the number that
 *  follows the last. */
export async function publishUntil(engine, producer, group, size, enough, { from = 0, readers = [], ...more } = {}) {
  const burst = Math.max(1, Math.round(100000 / size));
  const before = readers.map((reader) => reader.received);
  let next = from;
  while (!(await enough(await engine.stats(), next - from))) {
    assert.ok((next - from) * size < 400e6, 'the kernel takes no more at last');
    const calls = [];
    for (let i = 0; i < burst; i++) calls.push(producer.broadcast(group, numbered(next++, size), more));
    for (const answer of await Promise.all(calls)) assert.equal(answer.ok, true, answer.message);
    await Promise.all(readers.map((reader, i) => reader.has(before[i] + next - from)));
  }
  return next;
}

/** Publishes until at least `bytes` wait in the engine at a standstill, for members that do not read. */
export function fill(engine, producer, group, size, bytes, options) {
  const behind = (stats) => waiting(stats) * size >= bytes;
  const enough = async (stats) => behind(stats) && behind(await standstill(engine));
  return publishUntil(engine, producer, group, size, enough, options);
}

/** Has `prepare` make a member that is behind, and `act` do something while it is, until the kernel
 *  has taken nothing for it meanwhile: at a second thought it takes some more, and then nothing can
 *  be said of what waited. Returns the member, and as `before` and `after` the figures at a standstill.
 *  prepare() returns {slow, …}; act() gets that. `readers` are those who read and have everything. */
export async function undisturbed(engine, prepare, act, { readers = [] } = {}) {
  const taken = (stats) => stats.bytes_out - readers.reduce((sum, reader) => sum + reader.bytes, 0);
  for (;;) {
    const prepared = await prepare();
    prepared.before = await standstill(engine);
    const bytes = taken(prepared.before);
    await act(prepared);
    prepared.after = await standstill(engine);
    if (taken(prepared.after) === bytes) return prepared;
    const others = prepared.after.total_connections - 1;
    await prepared.slow.drop();
    await engine.statsWhen((now) => now.total_connections === others, 'it has gone');
    await engine.quiet();
  }
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
