// A producer: msgpack over TCP with the reference JavaScript implementation of msgpack, which knows
// nothing of the engine.
import { decodeMultiStream, encode } from '@msgpack/msgpack';
import net from 'node:net';
import { Mailbox, within } from './util.mjs';

export { encode };

export class Producer {
  #next = 1;
  #calls = new Map();
  /** Answers that no call() waits for, in the order in which they came. */
  answers = new Mailbox();
  closed = false;
  #drained; // while the socket's buffer is full

  constructor(socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => {}); // 'close' follows
    this.ended = new Promise((resolve) =>
      socket.on('close', () => {
        this.closed = true;
        const gone = new Error('the engine closed the producer connection');
        for (const call of this.#calls.values()) call.reject(gone);
        this.#calls.clear();
        resolve();
      }),
    );
    this.#read();
  }

  static async connect(engine) {
    const socket = net.connect(engine.ports.producers, '127.0.0.1');
    await within(
      new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject)),
      'a producer connects',
    );
    return new Producer(socket);
  }

  async #read() {
    try {
      for await (const answer of decodeMultiStream(this.socket, { useBigInt64: true })) {
        const call = this.#calls.get(answer.id);
        this.#calls.delete(answer.id);
        if (call) call.resolve(answer);
        else this.answers.push(answer);
      }
    } catch {
      // The socket's end; who waits is told below.
    }
    this.answers.fail(new Error('the engine closed the producer connection'));
  }

  /** Sends bytes as they are. Resolves when the socket wants more. */
  write(bytes) {
    if (this.socket.write(bytes) || this.socket.destroyed) return Promise.resolve();
    this.#drained ??= Promise.race([
      new Promise((resolve) => this.socket.once('drain', resolve)),
      this.ended,
    ]).finally(() => (this.#drained = undefined));
    return this.#drained;
  }

  /** Sends a command as it is. */
  send(command) {
    return this.write(encode(command, { useBigInt64: true }));
  }

  #expect(id) {
    const answer = new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
    answer.catch(() => {});
    return answer;
  }

  /** Sends a command with an id of its own and returns its answer. */
  call(command) {
    if (this.closed) return Promise.reject(new Error('the producer connection is closed'));
    const id = this.#next++;
    const answer = this.#expect(id);
    this.send({ ...command, id });
    return within(answer, `the answer to ${command.op} with id ${id}`);
  }

  /** Sends commands at once, in one piece, and returns their answers. */
  callAll(commands) {
    const numbered = commands.map((command) => ({ ...command, id: this.#next++ }));
    const answers = Promise.all(numbered.map(({ id }) => this.#expect(id)));
    this.write(Buffer.concat(numbered.map((command) => encode(command, { useBigInt64: true }))));
    return within(answers, `the answers to ${commands.length} commands`);
  }

  broadcast(target, data, more = {}) {
    const where = typeof target === 'string' ? { group: target } : target;
    return this.call({ op: 'broadcast', ...where, data, ...more });
  }

  disconnect(target, more = {}) {
    return this.call({ op: 'disconnect', ...target, ...more });
  }

  close() {
    this.socket.destroy();
    return this.ended;
  }
}
