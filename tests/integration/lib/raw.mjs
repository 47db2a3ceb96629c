// A client that writes and reads bytes: for input that no WebSocket library would send, and for
// seeing exactly what the engine sends.
import { createHash, randomBytes } from 'node:crypto';
import net from 'node:net';
import { within } from './util.mjs';

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** A frame as a client sends it. Every part of it can be made wrong. */
export function frame(opcode, payload = '', { fin = true, masked = true, rsv = 0, length } = {}) {
  const body = Buffer.from(payload);
  const size = length ?? body.length;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  let header;
  if (size < 126) {
    header = Buffer.from([first, (masked ? 0x80 : 0) | Number(size)]);
  } else if (size < 65536) {
    header = Buffer.from([first, (masked ? 0x80 : 0) | 126, 0, 0]);
    header.writeUInt16BE(Number(size), 2);
  } else {
    header = Buffer.concat([Buffer.from([first, (masked ? 0x80 : 0) | 127]), Buffer.alloc(8)]);
    header.writeBigUInt64BE(BigInt(size), 2);
  }
  if (!masked) return Buffer.concat([header, body]);
  const mask = randomBytes(4);
  return Buffer.concat([header, mask, body.map((byte, i) => byte ^ mask[i & 3])]);
}

export function closeFrame(code, reason = '') {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return frame(OPCODE.close, payload);
}

/** A request for an upgrade; a header set to null is left out. */
export function upgradeRequest(path, headers = {}, { method = 'GET', version = 'HTTP/1.1' } = {}) {
  const all = {
    Host: '127.0.0.1',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...headers,
  };
  const lines = Object.entries(all)
    .filter(([, value]) => value !== null)
    .flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}\r\n`));
  return `${method} ${path} ${version}\r\n${lines.join('')}\r\n`;
}

export const acceptKey = (key) =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

const open = new Set();

/** Drops every connection to a port that a test has left. */
export const dropAll = (port) => Promise.all([...open].filter((raw) => raw.port === port).map((raw) => raw.drop()));

export class Raw {
  #buffer = Buffer.alloc(0);
  #wake = () => {};
  ended = false; // the engine has ended its side, or the connection is gone

  constructor(socket) {
    this.socket = socket;
    this.port = socket.remotePort;
    open.add(this);
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.#buffer = this.#buffer.length ? Buffer.concat([this.#buffer, chunk]) : chunk;
      this.#wake();
    });
    const end = () => {
      this.ended = true;
      this.#wake();
    };
    socket.on('end', end);
    socket.on('error', end);
    this.closed = new Promise((resolve) => socket.on('close', () => resolve(end())));
    this.closed.then(() => open.delete(this));
  }

  static async connect(port, options = {}) {
    const socket = net.connect({ port, host: '127.0.0.1', ...options });
    await within(
      new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject)),
      'a socket connects',
    );
    return new Raw(socket);
  }

  /** Connects and upgrades; the engine's frames are read with frame(). */
  static async upgrade(engine, path, headers) {
    const raw = await Raw.connect(engine.ports.clients);
    raw.write(upgradeRequest(path, headers));
    const head = await raw.head();
    if (head.status !== 101) throw new Error(`${path}: HTTP status ${head.status}`);
    raw.response = head;
    return raw;
  }

  write(bytes) {
    this.socket.write(bytes);
  }

  /** Waits until `parse(buffer)` returns [value, bytes used]; undefined at the connection's end. */
  async #parse(parse, what, ms) {
    const read = async () => {
      for (;;) {
        const found = parse(this.#buffer);
        if (found) {
          this.#buffer = this.#buffer.subarray(found[1]);
          return found[0];
        }
        if (this.ended) return undefined;
        await new Promise((resolve) => (this.#wake = resolve));
      }
    };
    return within(read(), what, ms);
  }

  /** An HTTP response's head and body: {status, headers, body}. */
  async head() {
    const head = await this.#parse((buffer) => {
      const at = buffer.indexOf('\r\n\r\n');
      return at < 0 ? undefined : [buffer.subarray(0, at).toString('latin1'), at + 4];
    }, 'a response');
    if (head === undefined) return { status: 0, headers: {} };
    const [first, ...lines] = head.split('\r\n');
    const headers = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    return { status: Number(first.split(' ')[1]), first, headers };
  }

  /** The next frame from the engine: {fin, rsv, opcode, masked, payload, header}; undefined at the
   *  end. */
  frame(what = 'a frame', ms) {
    return this.#parse((buffer) => {
      if (buffer.length < 2) return undefined;
      let size = buffer[1] & 0x7f;
      let at = 2;
      if (size === 126) {
        if (buffer.length < 4) return undefined;
        size = buffer.readUInt16BE(2);
        at = 4;
      } else if (size === 127) {
        if (buffer.length < 10) return undefined;
        size = Number(buffer.readBigUInt64BE(2));
        at = 10;
      }
      if (buffer.length < at + size) return undefined;
      const value = {
        fin: !!(buffer[0] & 0x80),
        rsv: (buffer[0] >> 4) & 7,
        opcode: buffer[0] & 15,
        masked: !!(buffer[1] & 0x80),
        header: at,
        payload: Buffer.from(buffer.subarray(at, at + size)),
      };
      return [value, at + size];
    }, what, ms);
  }

  /** Reads up to the close frame: {code, reason, before: frames that came first}. `code` is
   *  undefined where the connection ended without one. */
  async closeFrame(what = 'a close frame', ms) {
    const before = [];
    for (;;) {
      const next = await this.frame(what, ms);
      if (!next) return { before };
      if (next.opcode === OPCODE.close) {
        const code = next.payload.length ? next.payload.readUInt16BE(0) : 1005;
        return { code, reason: next.payload.subarray(2).toString(), before };
      }
      before.push(next);
    }
  }

  /** Waits until the engine has ended the connection. */
  end(what = 'the engine ends the connection', ms) {
    return within(this.closed, what, ms);
  }

  drop() {
    this.socket.destroy();
    return this.closed;
  }

  /** Ends with a reset: as a host that is gone. */
  reset() {
    this.socket.resetAndDestroy();
    return this.closed;
  }
}
