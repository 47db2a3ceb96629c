// The work that everybody does, and the figures that are taken of it.
import { figures as common } from '../runner/cases.mjs';

export const figures = {
  ...common,
  cpu: { ...common.cpu, better: 'less' },
  rate: { ...common.rate, better: 'more' },
  p50: { ...common.p50, better: 'less' },
  p99: { ...common.p99, better: 'less' },
  p999: { ...common.p999, better: 'less' },
  rss: {
    title: 'server memory (RSS)',
    unit: 'mib',
    better: 'less',
    read: (r) => r.measurement.server.rss / 2 ** 20,
  },
  upgrades: {
    title: 'connections per second',
    unit: 'count',
    better: 'more',
    read: common.upgrades.read,
  },
  upgradeCpu: { ...common.upgradeCpu, title: 'server CPU per connection', better: 'less' },
  memory: { ...common.memory, better: 'less' },
};

const paced = ['cpu', 'rate', 'p50', 'p99', 'p999', 'rss'];
// Flat out, latency is how much is on its way, which is chosen: it says nothing of a server.
const flatOut = ['cpu', 'rate', 'rss'];

// `own` is added for one contender; `window` is how many messages may be on their way, so that who
// cannot hold a rate is measured and not drowned.
export const cases = [
  {
    name: 'members50',
    title: '50 members, single messages, 200/s',
    label: '50 members',
    load: ['fanout', '--members', 50, '--rate', 200],
    figures: paced,
  },
  {
    name: 'members1000',
    title: '1000 members, single messages, 100/s',
    label: '1000 members',
    load: ['fanout', '--members', 1000, '--rate', 100],
    figures: paced,
  },
  {
    name: 'members10000',
    title: '10,000 members, single messages, 5/s',
    label: '10,000 members',
    load: ['fanout', '--members', 10000, '--rate', 5],
    figures: paced,
  },
  {
    name: 'burst16',
    title: '1000 members, bursts of 16, 1600/s',
    label: 'bursts of 16',
    load: ['fanout', '--members', 1000, '--rate', 1600, '--burst', 16, '--window', 480],
    figures: paced,
  },
  {
    name: 'burst30',
    title: '1000 members, bursts of 30, 6000/s',
    label: 'bursts of 30',
    load: ['fanout', '--members', 1000, '--rate', 6000, '--burst', 30, '--window', 480],
    figures: paced,
  },
  {
    name: 'flatout',
    title: '1000 members, flat out',
    label: 'flat out',
    load: ['fanout', '--members', 1000, '--rate', 0],
    // Each with the window that it is fastest with.
    own: {
      shardcast: ['--window', 4096],
      uws: ['--window', 4096],
      nchan: ['--window', 256],
      nats: ['--window', 4096],
      mosquitto: ['--window', 64],
    },
    figures: flatOut,
  },
  {
    name: 'groups10000',
    title: '10,000 groups of one member, flat out',
    label: '10,000 groups',
    load: ['groups', '--groups', 10000, '--members', 1, '--rate', 0, '--window', 20000],
    own: { mosquitto: ['--window', 1000] }, // at a millisecond for each, more takes minutes
    figures: flatOut,
  },
  {
    name: 'connections',
    title: '15,000 connections, 200 handshakes at once, then idle',
    label: '15,000 connections',
    load: ['idle', '--members', 15000],
    figures: ['upgrades', 'upgradeCpu', 'memory'],
  },
];
