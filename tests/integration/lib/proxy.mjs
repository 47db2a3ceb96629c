// A network that fails: a TCP proxy before the engine whose connections can be cut in every way.
import net from 'node:net';
import { after } from 'node:test';
import { random, reset } from './util.mjs';

/** What can happen to a connection: [what the client's side sees, what the engine's side sees]. */
const CUTS = {
  end: (near, far) => (near.destroySoon(), far.destroySoon()),
  reset: (near, far) => (reset(near), reset(far)),
  near: (near, far) => (reset(near), setTimeout(() => far.destroy(), 200)),
  far: (near, far) => (reset(far), setTimeout(() => near.destroy(), 200)),
  // Nothing passes any more, and nobody is told.
  freeze: (near, far) => {
    for (const socket of [near, far]) socket.unpipe().pause();
    setTimeout(() => (near.destroy(), far.destroy()), 6000);
  },
};

const listening = new Set();
after(() => listening.forEach((proxy) => proxy.close())); // of tests that failed

export class Proxy {
  #pairs = new Map();
  #random;
  counts = {};

  constructor(target, seed) {
    this.#random = random(seed);
    this.server = net.createServer((near) => {
      const far = net.connect(target, '127.0.0.1');
      for (const socket of [near, far]) {
        socket.setNoDelay(true);
        socket.on('error', () => {}); // 'close' follows
      }
      near.pipe(far).pipe(near);
      this.#pairs.set(near, far);
      near.on('close', () => this.#pairs.delete(near) && far.destroy());
      far.on('close', () => this.#pairs.delete(near) && near.destroy());
    });
  }

  static async listen(target, seed) {
    const proxy = new Proxy(target, seed);
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    listening.add(proxy);
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  /** Cuts one connection, in one way or another. */
  cut() {
    const pairs = [...this.#pairs];
    if (!pairs.length) return;
    const [near, far] = pairs[this.#random(pairs.length)];
    const [name, cut] = Object.entries(CUTS)[this.#random(Object.keys(CUTS).length)];
    this.#pairs.delete(near);
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    cut(near, far);
  }

  close() {
    listening.delete(this);
    this.server.close();
    for (const sockets of this.#pairs) for (const socket of sockets) socket.destroy();
  }
}
