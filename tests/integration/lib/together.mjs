// node:test's test() for a file whose tests wait more than they work: they run at the same time.
// Each has an engine of its own, and none may say how fast anything is.
import { describe, it } from 'node:test';

const AT_A_TIME = 8;
const tests = [];

/** As node:test's; the file must have called it for every test when its first `await` comes. */
export default function test(...definition) {
  if (!tests.length)
    queueMicrotask(() => describe('together', { concurrency: AT_A_TIME }, () => tests.forEach((one) => it(...one))));
  tests.push(definition);
}
