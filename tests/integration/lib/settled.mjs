// Waiting until all shards of an engine have done what they were handed.
import { Producer } from './producer.mjs';

const probes = new WeakMap();

/** A producer of its own, and groups without members whose homes are all of the shards (but for a
 *  chance of one in millions). */
async function probe(engine) {
  if (!probes.has(engine)) {
    const count = 16 * (await engine.stats()).shards.length;
    const groups = Array.from({ length: count }, (_, i) => `probe:${i}`);
    probes.set(engine, { groups, producer: await Producer.connect(engine) });
  }
  return probes.get(engine);
}

/** Waits until everything that has been answered has come to the sockets of the members, and a
 *  configuration that was read again to all shards. A shard answers after what it was handed before:
 *  with the first answer the home has handed its messages over, with the second the members' shard
 *  has them, with the third it has been at every socket. */
export async function settled(engine) {
  const { producer, groups } = await probe(engine);
  for (let round = 0; round < 3; round++) await producer.broadcast({ groups }, '');
}
