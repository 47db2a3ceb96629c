// The load generator, run for a test: its result as an object.
import assert from 'node:assert/strict';
import { runProgram } from './engine.mjs';

export const FAULTS = ['lost', 'repeated', 'reordered', 'misdelivered', 'corrupted', 'unexpected', 'closed'];

/** Where an engine is to be reached, as `load` wants it. */
export const addresses = (engine) => ({
  clients: `127.0.0.1:${engine.ports.clients}`,
  producers: `127.0.0.1:${engine.ports.producers}`,
  admin: `127.0.0.1:${engine.ports.admin}`,
});

/** The arguments that name a server. */
export const reach = ({ clients, producers, admin }) => [
  '--clients', clients, '--producers', producers, '--admin', admin,
];

/** Runs a scenario and returns {status, result, stderr}; without a result when it printed none. */
export async function load(scenario, server, args) {
  const all = [scenario, ...args.map(String), '--json', '--quiet', ...reach(server)];
  const { status, stdout, stderr } = await runProgram('shardcast-load', all);
  return { status, stderr, result: stdout.trim() ? JSON.parse(stdout) : null };
}

/** That a run found nothing wrong. */
export function assertClean({ status, stderr, result }) {
  assert.equal(status, 0, `${stderr}${JSON.stringify(result?.measurement?.faults)}`);
  const { measurement } = result;
  assert.ok(measurement.delivered > 0);
  if (measurement.expected) assert.equal(measurement.delivered, measurement.expected);
  for (const fault of FAULTS) assert.equal(measurement.faults[fault], 0, fault);
}
