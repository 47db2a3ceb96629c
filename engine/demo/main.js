// Connects to the engine that this page came from, and keeps the groups that it is in. Which these
// are, and who one is, stands in the page's address: it can be linked, and loaded again.
import { Room } from './room.js';
import { View } from './view.js';

const CONNECTION = '/connection/websocket';
const FIRST_GROUP = 'analytics_dashboard';

const address = new URLSearchParams(location.search);
let user = address.get('user') ?? '';
const rooms = new Map();
let current = null;
let centrifuge = null;

const view = new View({
  join: (name) => join(name, true),
  leave: () => leave(current),
  choose: (room) => choose(room),
  publish: (text) => current.publish(text),
  rename: (name) => rename(name),
  toggle: () => (centrifuge.state === 'disconnected' ? centrifuge.connect() : centrifuge.disconnect()),
});

function show() {
  view.groups([...rooms.values()], current);
  view.room(current);
}

function changed(room) {
  if (room === current && !document.hidden) room.unread = 0;
  view.changed(show);
}

/* The connection */

function websocketUrl() {
  const url = new URL(CONNECTION, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  if (user) url.searchParams.set('user', user);
  return url;
}

/** A browser does not tell why a WebSocket was refused; the same request without an upgrade does.
 *  'Upgrade required' means that nothing is wrong with it otherwise. Empty: no engine answers. */
async function reasonOfRefusal() {
  const url = websocketUrl();
  url.protocol = location.protocol;
  const response = await fetch(url).catch(() => null);
  if (!response) return '';
  if (response.status !== 426) return (await response.text()).trim();
  return 'The engine is there but refuses this page. Where it has a list of origins, this one must be in it.';
}

function connect() {
  // Short delays: someone looks on. The SDK's own are for many clients.
  const client = new Centrifuge(websocketUrl().href, { minReconnectDelay: 250, maxReconnectDelay: 3000 });
  const away = () => rooms.forEach((room) => room.subscription || room.away());
  centrifuge = client;
  client.on('connecting', ({ code, reason }) => {
    view.connection('connecting', code ? `Connecting again: ${reason}` : 'Connecting');
    away();
  });
  client.on('connected', (context) => {
    view.connection('connected', `Connected as ${user || context.client.slice(0, 8)}`, context.client);
    view.problem('');
  });
  client.on('disconnected', ({ reason }) => {
    view.connection('disconnected', `Disconnected: ${reason}`);
    away();
  });
  let failures = 0; // the first may be an engine that just comes back
  client.on('connected', () => (failures = 0));
  client.on('error', async () => {
    const reason = ++failures > 1 ? await reasonOfRefusal() : '';
    if (client === centrifuge && client.state === 'connecting') view.problem(reason);
  });
  // What the engine subscribes a client to: everyone, and the user's own group.
  client.on('subscribed', (context) => {
    const { channel } = context;
    if (!rooms.has(channel)) rooms.set(channel, new Room(channel, null, changed));
    rooms.get(channel).subscribed(context);
  });
  client.on('publication', (publication) => rooms.get(publication.channel).publication(publication));
  client.connect();
}

/* Groups */

function remember() {
  const query = new URLSearchParams();
  if (user) query.set('user', user);
  for (const room of rooms.values()) if (room.subscription) query.append('group', room.name);
  history.replaceState(null, '', `${location.pathname}?${query}`);
}

function choose(room) {
  current = room;
  if (room) room.unread = 0;
  show();
}

function join(name, chosen) {
  view.joinProblem('');
  if (!rooms.has(name)) {
    const subscription = centrifuge.newSubscription(name, { joinLeave: true });
    const room = new Room(name, subscription, changed, (why) => {
      view.joinProblem(`${name} ${why}`);
      leave(room);
    });
    rooms.set(name, room);
    subscription.subscribe();
    remember();
  }
  if (chosen || !current) choose(rooms.get(name));
}

function leave(room) {
  rooms.delete(room.name);
  centrifuge.removeSubscription(room.subscription);
  remember();
  if (room === current) choose([...rooms.values()][0] ?? null);
}

/** Another user is another connection: everything begins anew. */
function rename(name) {
  const groups = [...rooms.values()].filter((room) => room.subscription).map((room) => room.name);
  user = name;
  centrifuge.removeAllListeners();
  centrifuge.disconnect();
  rooms.clear();
  current = null;
  connect();
  groups.forEach((group) => join(group, false));
  remember();
}

document.addEventListener('visibilitychange', () => current && changed(current));
setInterval(() => view.rates([...rooms.values()]), 1000);

view.name(user);
connect();
const groups = address.getAll('group');
for (const name of groups.length ? groups : [FIRST_GROUP]) join(name, false);
