// The cases of bench/fanout: what is run, which figures are shown, and which bars they have to meet.
// A bar's `max` or `min` is for the ratio of medians, engine to peer; `absolute` is for the engine's
// own median.

// How each figure is read from what shardcast-load prints, and how a person wants to see it.
export const figures = {
  cpu: {
    title: 'server CPU per delivery',
    unit: 'time',
    read: (r) => r.measurement.server.cpu_ns / r.measurement.delivered,
  },
  rate: { title: 'deliveries per second', unit: 'count', read: (r) => r.measurement.per_second },
  p50: { title: 'latency p50', unit: 'time', read: (r) => r.measurement.latency_ns.p50 },
  p99: { title: 'latency p99', unit: 'time', read: (r) => r.measurement.latency_ns.p99 },
  p999: { title: 'latency p99.9', unit: 'time', read: (r) => r.measurement.latency_ns.p999 },
  upgrades: { title: 'upgrades per second', unit: 'count', read: (r) => r.connect.per_second },
  upgradeCpu: {
    title: 'server CPU per upgrade',
    unit: 'time',
    read: (r) => r.connect.server_cpu_ns / r.connect.opened,
  },
  memory: {
    title: 'RSS per idle connection',
    unit: 'kib',
    read: (r) => (r.connect.rss_after - r.connect.rss_before) / r.connect.opened / 1024,
  },
  idleCpu: {
    title: 'server CPU while idle, share of a core',
    unit: 'percent',
    read: (r) => r.idle.server_cpu_ns / r.idle.seconds / 1e7,
  },
};

const traffic = ['cpu', 'rate', 'p50', 'p99', 'p999'];

// `contenders` are tried in turn in every round; the first is judged against the second. `uws` is
// uWebSockets at its best, publishing outside of its message handler; `uws-handler` publishes in it,
// as its examples do (see peers/uws/server.mjs), and is shown for what it costs.
const both = ['engine', 'uws'];
const ways = ['engine', 'uws', 'uws-handler'];

// What is shown of a contender, where that is not every figure of the case.
export const shown = { 'uws-handler': ['cpu', 'rate'], 'as-long': ['cpu', 'rate'] };

export const cases = [
  {
    name: 'single',
    title: '1000 members, single messages, 100/s',
    load: ['fanout', '--members', 1000, '--rate', 100],
    contenders: both,
    figures: traffic,
    bars: { cpu: { max: 0.95 } },
  },
  {
    name: 'burst16',
    title: '1000 members, bursts of 16, 1600/s',
    load: ['fanout', '--members', 1000, '--rate', 1600, '--burst', 16, '--window', 1024],
    contenders: ways,
    figures: traffic,
    bars: { cpu: { max: 0.9 } },
  },
  {
    name: 'burst30',
    title: '1000 members, bursts of 30, 6000/s',
    load: ['fanout', '--members', 1000, '--rate', 6000, '--burst', 30, '--window', 1024],
    contenders: ways,
    figures: traffic,
    bars: { cpu: { max: 0.8 }, rate: { absolute: { min: 5_900_000 } } },
  },
  {
    name: 'flatout',
    title: '1000 members, flat out',
    load: ['fanout', '--members', 1000, '--rate', 0],
    // Each with the window that it is fastest with.
    own: {
      engine: ['--window', 4096],
      uws: ['--window', 4096],
      'uws-handler': ['--window', 64],
    },
    contenders: ways,
    figures: ['cpu', 'rate'],
    judgeAll: true, // against both ways
    bars: { rate: { min: 10 } },
  },
  {
    name: 'members50',
    title: '50 members, single messages, 200/s',
    load: ['fanout', '--members', 50, '--rate', 200],
    contenders: both,
    figures: traffic,
    bars: { cpu: { max: 1.15 }, p99: { max: 1.5 } },
  },
  {
    name: 'members10000',
    title: '10,000 members, single messages, 5/s',
    load: ['fanout', '--members', 10000, '--rate', 5],
    contenders: both,
    figures: traffic,
    bars: { cpu: { max: 1.0 } },
  },
  {
    name: 'groups10000',
    title: '10,000 groups of one member, flat out',
    load: ['groups', '--groups', 10000, '--members', 1, '--rate', 0, '--window', 20000],
    contenders: ways,
    figures: ['cpu', 'rate'],
    bars: {},
  },
  {
    name: 'storm',
    title: 'connecting 15,000, 200 handshakes at once',
    load: ['storm', '--members', 15000, '--waves', 1],
    contenders: both,
    figures: ['upgrades', 'upgradeCpu'],
    bars: { upgrades: { min: 0.8 } },
  },
  {
    name: 'idle',
    title: '15,000 idle connections',
    load: ['idle', '--members', 15000],
    contenders: both,
    figures: ['memory', 'idleCpu'],
    bars: { memory: { absolute: { max: 1.9 } } },
  },
  {
    name: 'latency',
    title: '1 member, 50 messages/s, else idle',
    load: ['fanout', '--members', 1, '--rate', 50],
    contenders: ['engine', 'uws', 'engine-2'],
    figures: ['p50', 'p99'],
    bars: {},
  },
];

// The engine with 2 shards against itself with 1: what the work costs when shards share it.
const shared = ['single', 'burst16', 'burst30', 'flatout', 'members50', 'members10000', 'groups10000'];

for (const name of shared) {
  const one = cases.find((c) => c.name === name);
  cases.push({
    ...one,
    name: `${name}-2`,
    title: `${one.title}: 2 shards`,
    contenders: ['engine-2', 'engine-1'],
    bars: { cpu: { max: 1.15 } },
  });
}

// Centrifuge clients against raw ones of the same engine: a push wraps its message, and in JSON bytes
// become base64, so their frames are longer. `as-long` is raw clients with frames of as many bytes.
const forms = [
  { name: 'json', title: 'JSON', contender: 'sdk-json', payload: 218 },
  { name: 'protobuf', title: 'Protobuf', contender: 'sdk-protobuf', payload: 146 },
  { name: 'mixed', title: 'raw, JSON and Protobuf', contender: 'mixed' },
];

for (const form of forms) {
  for (const name of ['single', 'burst16', 'flatout']) {
    const one = cases.find((c) => c.name === name);
    cases.push({
      ...one,
      name: `${name}-${form.name}`,
      title: `${one.title}: ${form.title}`,
      own: { 'as-long': ['--payload', form.payload] },
      contenders: [form.contender, 'raw', ...(form.payload ? ['as-long'] : [])],
      bars: { cpu: { max: 1.1 } },
      judgeAll: true,
    });
  }
}
