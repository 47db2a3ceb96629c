// A small broadcast server that does one thing wrong, to see that the load generator notices. It has
// raw clients at /ws/GROUP, with hello=1, and two kinds of producers: a WebSocket at /publish, whose
// messages begin with the number of the group loadN that they are for, and msgpack commands by TCP.
import { createServer } from 'node:net';
import { decodeMultiStream } from '@msgpack/msgpack';
import { WebSocketServer } from 'ws';

/** What can go wrong with a message; `members` are those of its group, `others` of another group,
 *  `fresh` those that have got nothing yet. Each returns whether it has delivered the message itself.
 *  `turn` counts the messages of one group, from 0. */
export const seeded = {
  lost({ members, message, turn }) {
    if (turn !== 0) return false;
    toTheRest(members, message);
    return true;
  },
  repeated({ members, message, turn }) {
    if (turn === 0) send(members[0], message);
    return false;
  },
  reordered({ members, message, turn, state }) {
    if (turn > 1) return false;
    toTheRest(members, message);
    if (turn === 0) {
      state.held = message;
    } else {
      send(members[0], message);
      send(members[0], state.held);
    }
    return true;
  },
  misdelivered({ others, message, turn }) {
    if (turn === 0) send(others[0], message);
    return false;
  },
  corrupted({ members, message, turn }) {
    if (turn !== 0) return false;
    send(members[0], changed(message));
    toTheRest(members, message);
    return true;
  },
  unexpected({ members, turn }) {
    if (turn === 0) send(members[0], 'text');
    return false;
  },
  closed({ members, turn }) {
    if (turn === 0) members[0].close(3008, 'slow');
    return false;
  },
};

/** One that is in misses the first message after that. */
export function lostAfterJoining({ members, fresh, message, turn, state }) {
  const [late] = fresh;
  if (turn < 0 || !late || state.done) return false;
  state.done = true;
  for (const member of members) if (member !== late) send(member, message);
  return true;
}

const send = (member, message) => member.send(message);
const toTheRest = (members, message) => members.slice(1).forEach((member) => send(member, message));

function changed(message) {
  if (typeof message === 'string') return `${message.slice(0, -1)}?`;
  const copy = Buffer.from(message);
  copy[copy.length >> 1] ^= 1;
  return copy;
}

class Groups {
  #members = new Map();
  #offsets = new Map();
  #fresh = new Set();
  #first;
  #state = {};

  constructor(fault, at) {
    this.fault = fault;
    this.at = at;
  }

  join(name, socket, hello) {
    this.#first ??= name;
    this.#members.set(name, [...(this.#members.get(name) ?? []), socket]);
    this.#fresh.add(socket);
    socket.on('close', () => {
      this.#members.set(name, this.#members.get(name).filter((other) => other !== socket));
      this.#fresh.delete(socket);
    });
    const offset = this.#offsets.get(name) ?? 0;
    if (hello) socket.send(JSON.stringify({ groups: { [name]: { epoch: 'e', offset } } }));
  }

  /** Only one group's messages go wrong. */
  publish(name, message) {
    const members = this.#members.get(name) ?? [];
    const [, others] = [...this.#members].find(([other]) => other !== name) ?? [];
    const offset = this.#offsets.get(name) ?? 0;
    const turn = name === this.#first ? offset - this.at : -1;
    const fresh = members.filter((member) => this.#fresh.has(member));
    this.#offsets.set(name, offset + 1);
    for (const member of fresh) this.#fresh.delete(member);
    const event = { members, others, fresh, message, turn, state: this.#state };
    if (turn >= 0 && this.fault(event)) return;
    for (const member of members) send(member, message);
  }

  publishToAll(message) {
    for (const members of this.#members.values()) for (const member of members) send(member, message);
  }
}

/** A producer's data as the frame that members get. */
const frameOf = (data) =>
  typeof data === 'string' ? data : data instanceof Uint8Array ? Buffer.from(data) : JSON.stringify(data);

async function serveCommands(socket, groups) {
  try {
    for await (const command of decodeMultiStream(socket)) {
      if (command.op !== 'broadcast') continue;
      if (command.all) groups.publishToAll(frameOf(command.data));
      else groups.publish(command.group, frameOf(command.data));
    }
  } catch {
    // The generator has gone.
  }
}

const listening = (server) => new Promise((resolve) => server.once('listening', resolve));

/** Starts one whose `fault` may strike from message `at` (from 0) of a group on. */
export async function startFaulty(fault, at) {
  const groups = new Groups(fault, at);
  const websockets = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  websockets.on('connection', (socket, request) => {
    const url = new URL(request.url, 'ws://localhost');
    socket.on('error', () => {});
    if (url.pathname === '/publish')
      socket.on('message', (message) => groups.publish(`load${message.readUInt32LE(0)}`, message));
    else groups.join(decodeURIComponent(url.pathname.slice('/ws/'.length)), socket, url.searchParams.has('hello'));
  });
  const sockets = new Set();
  const commands = createServer((socket) => {
    sockets.add(socket);
    serveCommands(socket, groups);
  });
  commands.listen(0, '127.0.0.1');
  await Promise.all([listening(websockets), listening(commands)]);
  const clients = `127.0.0.1:${websockets.address().port}`;
  return {
    clients,
    admin: clients,
    commands: `127.0.0.1:${commands.address().port}`,
    stop() {
      for (const socket of websockets.clients) socket.terminate();
      for (const socket of sockets) socket.destroy();
      websockets.close();
      commands.close();
    },
  };
}
