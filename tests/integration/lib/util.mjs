// What every test needs: waiting with a generous limit, and how large and how patient a run is.

// Sizes of the large tests: 1 is the full size; sanitizer builds run less.
export const SCALE = Number(process.env.SHARDCAST_TEST_SCALE || 1);
// How many times slower than a release build the engine may be: a factor on every time limit.
export const SLOW = Number(process.env.SHARDCAST_TEST_SLOW || 1);

// After so many milliseconds (times SLOW) what has not come will not come. The kernel may take many
// seconds to bring a reader what it held back while it did not read.
const LIMIT = 60000;

export const scaled = (n, least = 1) => Math.max(least, Math.round(n * SCALE));

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The promise's outcome, or an error that says what did not come within `ms` (times SLOW). */
export function within(promise, what, ms = LIMIT) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timed out: ${what}`)), ms * SLOW);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

/** Asks again and again until `question` answers something true, and returns that. */
export async function until(question, what, ms = LIMIT) {
  const end = Date.now() + ms * SLOW;
  for (let pause = 2; ; pause = Math.min(pause * 2, 50)) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`timed out: ${what}`);
    await sleep(pause);
  }
}

/** Tries assertions again and again until they hold, and returns what `check` returns; or fails as they
 *  failed last. */
export async function eventually(check, ms) {
  let failure;
  let outcome;
  await until(() => check().then((value) => (outcome = { value }), (error) => (failure = error, false)), '', ms)
    .catch(() => { throw failure; });
  return outcome.value;
}

/** How late things come on this machine: until the returned function is called, and that answers with
 *  the most that `touch`, an answer of the engine, came after it was due, in ms. */
export function lateness(touch) {
  let worst = 0;
  let over = false;
  const watching = (async () => {
    while (!over) {
      const due = Date.now() + 20;
      await sleep(20);
      await touch();
      worst = Math.max(worst, Date.now() - due);
    }
  })();
  return () => {
    over = true;
    return watching.then(() => worst);
  };
}

/** Bytes of a frame from the engine. */
export const frameBytes = (size) => size + (size < 126 ? 2 : size < 65536 ? 4 : 10);

/** That two payloads are equal, with a message of bearable length where they are not. */
export function same(actual, expected, what = 'the payload') {
  if (typeof actual === 'string' ? actual === expected : Buffer.isBuffer(actual) && actual.equals(expected)) return;
  const tell = (value) => `${value?.length} of ${JSON.stringify(value)?.slice(0, 80)}`;
  throw new Error(`${what} is ${tell(actual)}, not ${tell(expected)}`);
}

/** A queue whose reader waits: what sockets push and tests take. */
export class Mailbox {
  #items = [];
  #waiting = [];
  #failure;

  push(item) {
    const waiter = this.#waiting.shift();
    if (waiter) waiter.resolve(item);
    else this.#items.push(item);
  }

  /** Nothing more will come: whoever waits, now or later, gets this error. */
  fail(error) {
    this.#failure ??= error;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
  }

  take(what = 'an item', ms = LIMIT) {
    if (this.#items.length) return Promise.resolve(this.#items.shift());
    if (this.#failure) return Promise.reject(this.#failure);
    const coming = new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    coming.catch(() => {}); // may be rejected after within() has given up
    return within(coming, what, ms);
  }

  get size() {
    return this.#items.length;
  }

  /** What is there now, without waiting. */
  drain() {
    return this.#items.splice(0);
  }
}

/** The same pseudo-random numbers in every run: failures can be repeated. */
export function random(seed) {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Runs `work(item)` for every item, at most `width` at a time. */
export async function parallel(items, width, work) {
  const results = new Array(items.length);
  let next = 0;
  const run = async () => {
    while (next < items.length) {
      const i = next++;
      results[i] = await work(items[i], i);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, run));
  return results;
}

/** Ends a socket with a reset, as a host that is gone. Node does not take one that is ending already. */
export const reset = (socket) => (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy());
