// uWebSockets as a broadcast server that does the engine's work: members subscribe to a group by
// its URL, one control connection publishes. Publishing, fan-out, batching and writing are native
// code; JavaScript runs once per published message and once per connection.
//
// usage: server.mjs PORT (0: any) [deferred | handler]; prints "listening PORT" on stdout.
//
// The configuration is uWebSockets' best for this work:
//   - no compression, no idle timeout and so no timers or pings of its own;
//   - maxBackpressure far beyond what a run may have on its way: it drops nothing;
//   - app.publish() on a topic: uWebSockets keeps what is published in one turn of its loop and
//     writes up to 32 messages to a subscriber at once (its own corking);
//   - the first group has a route of its own without an upgrade handler, which is the native path;
//     only the others need one, to read the group from the URL;
//   - a published message is the payload as it came, and its topic is found by the number in its
//     first four bytes: nothing is parsed or built in JavaScript.
//
// `handler` publishes straight from the message handler, as uWebSockets' examples do. There, the
// publisher's own socket is corked, and uWebSockets corks one socket at a time: as soon as one read
// brings more than 32 messages, every message goes out to every subscriber with a write of its own.
// `deferred` therefore keeps the messages of one read and publishes them when the handlers are
// done; that costs a copy of each message (the handler's buffer dies with it) and saves most writes.
import uWS from '@trufflesuite/uws-js-unofficial';

// Without the native addon for this Node, the package falls back to JavaScript: no fair peer.
if (!/\[native code\]/.test(Function.prototype.toString.call(uWS.App))) {
  console.error('uWebSockets has no native addon for this Node.js; nothing to compare with');
  process.exit(1);
}

const port = Number(process.argv[2] ?? 0);
const deferred = (process.argv[3] ?? 'deferred') === 'deferred';
const prefix = 'load'; // of the groups' names, as shardcast-load has them

const settings = {
  compression: uWS.DISABLED,
  maxPayloadLength: 16 * 1024 * 1024,
  maxBackpressure: 1024 * 1024 * 1024,
  idleTimeout: 0,
  maxLifetime: 0,
  sendPingsAutomatically: false,
};

const app = uWS.App();
const topics = [];

function topicOf(number) {
  topics[number] ??= `${prefix}${number}`;
  return topics[number];
}

function publish(message) {
  app.publish(topicOf(new Uint32Array(message, 0, 1)[0]), message, true);
}

let waiting = [];

function publishWaiting() {
  const messages = waiting;
  waiting = [];
  for (const message of messages) publish(message);
}

function defer(message) {
  if (waiting.push(message.slice(0)) === 1) setImmediate(publishWaiting);
}

app.ws('/publish', {
  ...settings,
  message: deferred ? (ws, message) => defer(message) : (ws, message) => publish(message),
});

app.ws(`/ws/${prefix}0`, {
  ...settings,
  open: (ws) => {
    ws.subscribe(`${prefix}0`);
  },
});

app.ws('/ws/:group', {
  ...settings,
  upgrade: (res, req, context) => {
    res.upgrade(
      { group: req.getParameter(0) },
      req.getHeader('sec-websocket-key'),
      req.getHeader('sec-websocket-protocol'),
      req.getHeader('sec-websocket-extensions'),
      context,
    );
  },
  open: (ws) => {
    ws.subscribe(ws.getUserData().group);
  },
});

app.listen('127.0.0.1', port, (socket) => {
  if (!socket) {
    console.error(`uWebSockets cannot listen on port ${port}`);
    process.exit(1);
  }
  console.log(`listening ${uWS.us_socket_local_port(socket)}`);
});

process.on('SIGTERM', () => process.exit(0));
