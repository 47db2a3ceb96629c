// Headless Chromium, as a person's browser would use the engine, and a wire to it that can be cut.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after } from 'node:test';
import { chromium } from 'playwright-core';
import { reset, SLOW, within } from './util.mjs';

const CHROMIUM = process.env.SHARDCAST_CHROMIUM || '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
  '--disable-background-networking', '--disable-component-update',
  // Hosts of other names than this machine's, for the rules about a page's origin.
  '--host-resolver-rules=MAP *.example 127.0.0.1',
];

let launched;
after(async () => (await launched)?.close());

/** A page in a browser of its own (no cookies, cache or storage of others), `without` the files of
 *  this pattern. What goes wrong in it, and what it loads from elsewhere, is in `page.faults`. */
export async function openPage(url, { without, ...options } = {}) {
  launched ??= chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  const context = await (await launched).newContext(options);
  if (without) await context.route(without, (route) => route.abort());
  const page = await context.newPage();
  page.setDefaultTimeout(15000 * SLOW);
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) page.faults.push(message.text());
  });
  page.on('request', (request) => {
    if (new URL(request.url()).host !== new URL(url).host) page.faults.push(`loads ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

export async function closePage(page) {
  await page.context().close();
  assert.deepEqual(page.faults, []);
}

/** A relay in front of the client port, as a network is that loses connections. */
export class Wire {
  #ends = new Set();
  #down = false;

  static async open(port) {
    const wire = new Wire();
    wire.server = net.createServer((near) => wire.#carry(near, port));
    await new Promise((resolve) => wire.server.listen(0, '127.0.0.1', resolve));
    wire.port = wire.server.address().port;
    return wire;
  }

  #carry(near, port) {
    if (this.#down) return near.resetAndDestroy();
    const far = net.connect(port, '127.0.0.1');
    const ends = [near, far];
    this.#ends.add(ends);
    for (const [end, other] of [[near, far], [far, near]]) {
      end.setNoDelay(true);
      end.on('error', () => {}); // 'close' follows
      end.on('close', () => {
        this.#ends.delete(ends);
        other.destroy();
      });
      end.pipe(other);
    }
  }

  get connections() {
    return this.#ends.size;
  }

  /** Ends a connection without a word: `random(n)` chooses which of n, and how; without it, all. */
  cut(random) {
    const all = [...this.#ends];
    for (const ends of random ? all.splice(random(all.length), 1) : all)
      for (const end of ends) random?.(2) ? end.destroy() : reset(end);
  }

  down() {
    this.#down = true;
    this.cut();
  }

  up() {
    this.#down = false;
  }

  close() {
    this.cut();
    return within(new Promise((resolve) => this.server.close(resolve)), 'the wire closes');
  }
}
