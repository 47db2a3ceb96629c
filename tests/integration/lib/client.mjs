// A client: npm's ws, as an application would use it.
import WebSocket from 'ws';
import { Mailbox, frameBytes, parallel, within } from './util.mjs';

export class Client {
  /** Frames as they came: {data, binary}; text as a string, binary as a Buffer. */
  frames = new Mailbox();
  received = 0;
  bytes = 0; // of the messages' frames as they came, with their headers
  #awaited = [];

  constructor(url, protocols, { onMessage, hello, ...options } = {}) {
    this.url = url;
    this.socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('open', resolve);
      this.socket.on('error', reject);
    });
    this.opened.catch(() => {});
    const greetings = new Mailbox();
    this.joined = () => greetings.take(`the hello of ${url}`).then(() => this);
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.close_code = code;
        const gone = new Error(`${url} was closed: ${code} "${reason}"`);
        this.frames.fail(gone);
        greetings.fail(gone);
        for (const { reject } of this.#awaited.splice(0)) reject(gone);
        resolve({ code, reason: reason.toString() });
      });
    });
    this.socket.on('message', (data, binary) => {
      if (hello && !this.hello) {
        this.hello = JSON.parse(data.toString()).groups;
        greetings.push(this);
        return;
      }
      this.received++;
      this.bytes += frameBytes(data.length);
      if (onMessage) onMessage(data, binary, this);
      else this.frames.push({ data: binary ? data : data.toString(), binary });
      if (this.#awaited.length) this.#tell();
    });
  }

  #tell() {
    const come = this.#awaited.filter(({ count }) => count <= this.received);
    this.#awaited = this.#awaited.filter(({ count }) => count > this.received);
    for (const { resolve } of come) resolve();
  }

  /** Opens `path` on the client port; resolves after the upgrade (joins come a moment later). */
  static async open(engine, path, { protocols, ...options } = {}) {
    const client = new Client(`ws://127.0.0.1:${engine.ports.clients}${path}`, protocols, options);
    await within(client.opened, `${path} is upgraded`);
    return client;
  }

  /** Joins groups and waits until the engine has said so (hello=1). `client.hello` is what it
   *  said, as {group: {epoch, offset}}. */
  static async join(engine, groups, { user, echo, ...options } = {}) {
    const query = new URLSearchParams([...[groups].flat().map((group) => ['group', group])]);
    if (user !== undefined) query.append('user', user);
    if (echo !== undefined) query.append('echo', echo);
    query.append('hello', '1');
    const client = await Client.open(engine, `/ws?${query}`, { ...options, hello: true });
    await client.joined();
    return client;
  }

  /** Joins one group with a position, `now` or {epoch, offset}; as join() it waits for the hello. */
  static async since(engine, group, position, options = {}) {
    const since = position === 'now' ? 'now' : `${position.epoch}:${position.offset}`;
    const client = await Client.open(engine, `/ws/${group}?since=${since}&hello=1`, { ...options, hello: true });
    return client.joined();
  }

  /** `count` clients joined in one group each: group(i) names it. */
  static joinMany(engine, count, group, options) {
    const numbers = Array.from({ length: count }, (_, i) => i);
    return parallel(numbers, 64, (i) => Client.join(engine, group(i), options));
  }

  /** The next frame. */
  next(what = `a frame on ${this.url}`) {
    return this.frames.take(what);
  }

  /** The data of the next `count` frames. */
  async take(count) {
    const all = [];
    while (all.length < count) all.push((await this.next(`frame ${all.length + 1} of ${count} on ${this.url}`)).data);
    return all;
  }

  /** Waits until it has been sent so many messages. */
  has(count, what = `${this.url} has ${count} messages`, ms) {
    if (this.received >= count) return Promise.resolve();
    if (this.close_code !== undefined) return Promise.reject(new Error(`${what}: it was closed ${this.close_code}`));
    const come = new Promise((resolve, reject) => this.#awaited.push({ count, resolve, reject }));
    come.catch(() => {}); // may be rejected after within() has given up
    return within(come, what, ms).catch((error) => {
      throw new Error(`${error.message}; it has ${this.received}`);
    });
  }

  end(what = `${this.url} is closed`, ms) {
    return within(this.closed, what, ms);
  }

  /** Leaves with a close frame and waits for the engine's: all that was on its way arrives. */
  async leave() {
    this.socket.close(1000);
    return this.end();
  }

  /** Goes without a word. */
  drop() {
    this.socket.terminate();
    return this.closed;
  }
}

/** What an upgrade is refused with: {status, headers, body}. */
export function refusal(engine, path, { headers, protocols } = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${engine.ports.clients}${path}`, protocols, { headers });
  const answer = new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => {
      socket.terminate();
      reject(new Error(`${path} was not refused`));
    });
    socket.on('unexpected-response', (request, response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
  });
  return within(answer, `${path} is refused`);
}
