// Clients of the Centrifuge protocol. Wire writes commands and reads replies as they are; Sdk is the
// real one from npm, unmodified. Each speaks a form of the protocol: every test that takes one runs
// for all of them.
import { Centrifuge as JsonCentrifuge } from 'centrifuge';
import { Centrifuge as ProtobufCentrifuge } from 'centrifuge/build/protobuf';
import assert from 'node:assert/strict';
import { after } from 'node:test';
import WebSocket from 'ws';
import { decodeReplies, encodeCommands } from './protobuf.mjs';
import { Mailbox, reset, SLOW, until, within } from './util.mjs';

const json = {
  name: 'json',
  Centrifuge: JsonCentrifuge,
  protocols: undefined,
  encode: (commands) => commands.map((command) => JSON.stringify(command)).join('\n'),
  decode: (frame) => frame.split('\n').map((line) => JSON.parse(line)),
  /** What a client publishes to say this text, which is JSON. */
  data: (text) => JSON.parse(text),
  /** The payload that a publication's data stands for, where it is text. */
  text: (data) => (typeof data === 'string' ? data : JSON.stringify(data)),
  /** A reply as this form has it. */
  expected: (reply) => reply,
};

const isAbsent = (value) => value === 0 || value === false || value === '' || (Array.isArray(value) && !value.length);

const protobuf = {
  name: 'protobuf',
  Centrifuge: ProtobufCentrifuge,
  protocols: 'centrifuge-protobuf',
  encode: encodeCommands,
  decode: decodeReplies,
  data: (text) => Buffer.from(text),
  text: (data) => Buffer.from(data).toString(),
  /** What is 0, false or empty is not there. */
  expected: (reply) => Object.fromEntries(Object.entries(reply).filter(([, value]) => !isAbsent(value))),
};

export const FORMS = [json, protobuf];

/** Registers `work(form, test context)` once for each form. */
export function forEachForm(test, name, ...rest) {
  const [options, work] = rest.length > 1 ? rest : [{}, rest[0]];
  for (const form of FORMS) test(`${name} (${form.name})`, options, (t) => work(form, t));
}

export const address = (engine, { user, query, port = engine.ports.clients } = {}) => {
  const search = new URLSearchParams(query);
  if (user !== undefined) search.set('user', user);
  return `ws://127.0.0.1:${port}/connection/websocket${search.size ? `?${search}` : ''}`;
};

export class Wire {
  #next = 1;
  #asked = new Map();
  /** What answers no ask(): pushes, pings, replies to commands that were sent. */
  others = new Mailbox();
  /** All messages, as they came. */
  log = [];
  /** And the frames that they came in; text as a string. */
  frames = [];

  constructor(engine, form, options = {}) {
    this.form = form;
    this.socket = new WebSocket(address(engine, options), form.protocols, { perMessageDeflate: false, ...options.ws });
    this.opened = new Promise((resolve, reject) => this.socket.on('open', resolve).on('error', reject));
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) =>
      this.socket.on('close', (code, reason) => {
        this.close_code = code;
        const gone = new Error(`the connection was closed: ${code} "${reason}"`);
        for (const { reject } of this.#asked.values()) reject(gone);
        this.others.fail(gone);
        resolve({ code, reason: reason.toString() });
      }),
    );
    this.socket.on('message', (data, binary) => this.#take(binary ? data : data.toString(), binary));
  }

  /** Upgraded, and nothing said. */
  static async open(engine, form, options) {
    const wire = new Wire(engine, form, options);
    await within(wire.opened, 'the upgrade');
    return wire;
  }

  /** Connected: `wire.greeting` is what the engine said. */
  static async connect(engine, form, { request = {}, ...options } = {}) {
    const wire = await Wire.open(engine, form, options);
    wire.greeting = (await wire.ask({ connect: request })).connect;
    return wire;
  }

  #take(frame, binary) {
    assert.equal(binary, this.form.name !== 'json', 'the kind of frame that the form has');
    this.frames.push(frame);
    for (const message of this.form.decode(frame)) {
      this.log.push(message);
      const asked = this.#asked.get(message.id);
      this.#asked.delete(message.id);
      if (asked) asked.resolve(message);
      else this.others.push(message);
    }
  }

  write(frame) {
    this.socket.send(frame);
  }

  /** Commands in one frame, as they are. */
  send(...commands) {
    this.write(this.form.encode(commands));
  }

  /** A command with an id of its own, in a frame of its own: its reply. */
  ask(command, what = `the reply to ${JSON.stringify(command)}`) {
    return this.askAll([command], what).then(([reply]) => reply);
  }

  /** Commands in one frame: their replies. */
  async askAll(commands, what = 'the replies') {
    const numbered = commands.map((command) => ({ id: this.#next++, ...command }));
    const replies = numbered.map(({ id }) => new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject })));
    for (const reply of replies) reply.catch(() => {});
    this.send(...numbered);
    return within(Promise.all(replies), what);
  }

  subscribe(channel, more = {}) {
    return this.ask({ subscribe: { channel, ...more } });
  }

  /** The next message that answers nothing; pings are answered and left out. */
  async push(what = 'a push') {
    for (;;) {
      const message = await this.others.take(what);
      if (Object.keys(message).length) return message.push ?? message;
      this.send({});
    }
  }

  /** The text of the next publication. */
  async text(channel) {
    const push = await this.push(`a publication of ${channel}`);
    assert.equal(push.channel, channel);
    return this.form.text(push.pub.data);
  }

  /** Waits until what was on its way is there, and returns what was not taken of it. */
  async rest() {
    await this.ask({ ping: {} });
    return this.others.drain();
  }

  async silent() {
    assert.deepEqual(await this.rest(), []);
  }

  end(what = 'the engine closes', ms) {
    return within(this.closed, what, ms);
  }

  async leave() {
    this.socket.close(1000);
    return this.end();
  }

  drop() {
    this.socket.terminate();
    return this.closed;
  }

  reset() {
    if (this.socket._socket) reset(this.socket._socket);
    return this.closed;
  }
}

/** Of a client's info what the engine knows; for the rest some forms of the SDK have defaults. */
export const who = ({ user, client }) => ({ user, client });

/** One subscription of an Sdk, or its server-side ones. */
class Heard {
  publications = new Mailbox();
  joins = new Mailbox();
  leaves = new Mailbox();
  /** Contexts of `subscribed` and `error` events. */
  subscribed = [];
  errors = [];
  unsubscribed = new Mailbox();

  constructor(form, source) {
    this.form = form;
    source.on('publication', (context) => this.publications.push(context));
    source.on('join', ({ info }) => this.joins.push(who(info)));
    source.on('leave', ({ info }) => this.leaves.push(who(info)));
    source.on('subscribed', (context) => this.subscribed.push(context));
    source.on('error', (context) => this.errors.push(context.error));
    source.on('unsubscribed', (context) => this.unsubscribed.push(context));
  }

  async text(what) {
    return this.form.text((await this.publications.take(what)).data);
  }

  async texts(count) {
    const all = [];
    while (all.length < count) all.push(await this.text(`publication ${all.length + 1} of ${count}`));
    return all;
  }
}

const living = new Set();
after(() => living.forEach((sdk) => sdk.close())); // they would come back for ever

export class Sdk {
  /** Contexts of `connecting` (it comes back) and `disconnected` (it stays away). */
  connecting = [];
  disconnected = new Mailbox();
  connected = [];

  constructor(engine, form, { user, query, port, ...options } = {}) {
    this.form = form;
    this.client = new form.Centrifuge(address(engine, { user, query, port }), {
      websocket: WebSocket,
      minReconnectDelay: 10,
      maxReconnectDelay: 200,
      timeout: 5000 * SLOW,
      ...options,
    });
    this.client.on('connecting', (context) => this.connecting.push(context));
    this.client.on('connected', (context) => this.connected.push(context));
    this.client.on('disconnected', (context) => this.disconnected.push(context));
    this.server = new Heard(form, this.client);
    living.add(this);
  }

  static async connect(engine, form, options) {
    const sdk = new Sdk(engine, form, options);
    sdk.client.connect();
    await within(sdk.client.ready(), 'the SDK connects');
    return sdk;
  }

  /** A subscription, not asked for yet. */
  listen(channel, options) {
    const sub = this.client.newSubscription(channel, { minResubscribeDelay: 10, maxResubscribeDelay: 200, ...options });
    return Object.assign(new Heard(this.form, sub), { sub });
  }

  async subscribe(channel, options) {
    const heard = this.listen(channel, options);
    heard.sub.subscribe();
    await within(heard.sub.ready(), `the SDK subscribes to ${channel}`);
    return heard;
  }

  /** Waits until it has connected `times` times in all. */
  again(times) {
    return until(() => this.connected.length >= times, `the SDK connects ${times} times`);
  }

  close() {
    living.delete(this);
    this.client.disconnect();
  }
}

/** The error that a reply must be. */
export function assertError(reply, code, temporary = false) {
  assert.equal(reply.error?.code, code, JSON.stringify(reply));
  assert.ok(reply.error.message.length > 0, 'a message that is not empty');
  assert.equal(reply.error.temporary ?? false, temporary);
  assert.deepEqual(Object.keys(reply).sort(), ['error', 'id']);
}
