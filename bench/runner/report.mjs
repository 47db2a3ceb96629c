// From rounds to a table: medians with their range, ratios, bars, and what to doubt.
import { figures, shown } from './cases.mjs';
import { median, show, showRatio, showSummary } from './statistics.mjs';

const names = {
  engine: 'Shardcast',
  'engine-1': 'Shardcast, 1 shard',
  'engine-2': 'Shardcast, 2 shards',
  raw: 'raw members',
  'as-long': 'raw members, as many bytes',
  'sdk-json': 'JSON members',
  'sdk-protobuf': 'Protobuf members',
  mixed: 'members of all three kinds',
  uws: 'uWebSockets',
  'uws-handler': 'uWebSockets, publishing in its handler',
};

const nameOf = (name) => (name.startsWith('against ') ? 'the other build' : names[name]);

export const DISTURBED = 0.05; // of the time, the server waited for its core

// The share of the time for which a server was ready to run and had no core.
export function waited({ measurement }) {
  return measurement.seconds > 0 ? measurement.server.wait_ns / (measurement.seconds * 1e9) : 0;
}

// Why a contender's figures should be read with care: said per row, not hidden.
export function doubts(item, result, name) {
  const rounds = result.rounds[name] ?? [];
  const texts = [];
  const measured = rounds.map((r) => r.measurement);
  const limited = item.figures.includes('upgrades')
    ? rounds.filter((r) => r.connect.generator_busy > 0.9).length
    : measured.filter((m) => m.generator.limited).length;
  const behind = measured.filter((m) => m.behind).length;
  // What is measured after many have connected is one message.
  const share = item.figures.includes('upgrades') ? 0 : median(rounds.map(waited));
  if (limited) texts.push(`generator-limited in ${limited} of ${rounds.length}`);
  if (behind) texts.push(`did not hold the rate in ${behind} of ${rounds.length}`);
  if (share > DISTURBED)
    texts.push(`waited for its core ${(100 * share).toFixed(0)} % of the time`);
  return texts;
}

function within(value, bar) {
  return !(value > bar.max) && !(value < bar.min);
}

function barText(bar, unit) {
  const [sign, value] = bar.max !== undefined ? ['≤', bar.max] : ['≥', bar.min];
  return `${sign} ${unit ? show(value, unit) : value}`;
}

// The bar of a figure: { text, verdict }, or null where there is none (or no peer to compare with).
function judge(item, figure, mine, ratio) {
  const bar = item.bars[figure];
  if (!bar) return null;
  const parts = [];
  let met = true;
  if (bar.absolute) {
    parts.push(barText(bar.absolute, figures[figure].unit));
    met &&= within(mine, bar.absolute);
  }
  if (bar.max !== undefined || bar.min !== undefined) {
    if (ratio === null) return null;
    parts.push(`${barText(bar)} ×`);
    met &&= within(ratio, bar);
  }
  return { text: parts.join(', '), verdict: met ? 'met' : 'MISSED' };
}

// One row per figure and peer: the engine's median and the peer's, their ratio, and the bar.
function rowsOf(item, result) {
  const [first, ...peers] = result.contenders;
  const mine = result.summary[first];
  const rows = [];
  if (!mine) return rows;
  for (const figure of item.figures) {
    const { title, unit } = figures[figure];
    for (const [i, peer] of (peers.length ? peers : [null]).entries()) {
      if (shown[peer] && !shown[peer].includes(figure)) continue;
      const theirs = peer && result.summary[peer]?.[figure];
      const ratio = theirs && theirs.median > 0 ? mine[figure].median / theirs.median : null;
      const judged = i === 0 || item.judgeAll;
      const bar = judged ? judge(item, figure, mine[figure].median, ratio) : null;
      rows.push({
        title,
        mine: showSummary(mine[figure], unit),
        peer: peer ? nameOf(peer) : '',
        theirs: theirs ? showSummary(theirs, unit) : '',
        ratio: ratio === null ? '' : showRatio(ratio),
        bar: bar?.text ?? '',
        verdict: bar?.verdict ?? '',
      });
    }
  }
  return rows;
}

// For the terminal, as soon as a case is through.
export function caseLines(item, result) {
  const lines = [`${item.title}:`];
  for (const row of rowsOf(item, result)) {
    const other = row.peer ? ` | ${row.peer} ${row.theirs} | ratio ${row.ratio}` : '';
    const bar = row.bar ? ` | bar ${row.bar}: ${row.verdict}` : '';
    lines.push(`    ${row.title}: ${row.mine}${other}${bar}`);
  }
  for (const name of result.contenders)
    for (const doubt of doubts(item, result, name)) lines.push(`    ${nameOf(name)}: ${doubt}`);
  for (const failure of result.failures) lines.push(`    FAILED: ${failure}`);
  return lines;
}

function notesOf(items, results) {
  const notes = [];
  for (const [i, result] of results.entries()) {
    const item = items[i];
    for (const name of result.contenders)
      for (const doubt of doubts(item, result, name))
        notes.push(`- ${result.title}, ${nameOf(name)}: ${doubt}.`);
    for (const failure of result.failures) notes.push(`- ${result.title}: FAILED: ${failure}`);
  }
  return notes;
}

// The whole run as Markdown, for bench/README.md.
export function tableOf(facts, setup, items, results) {
  const on = (list) => list || 'any core';
  const lines = [
    `${facts.date}; ${facts.processor}, ${facts.memory}; ${facts.system}; ${facts.engine};` +
      `${facts.uws ? ` uWebSockets ${facts.uws} on Node ${facts.node};` : ''}` +
      `${facts.against ? ` against ${facts.against};` : ''} ${setup.rounds} rounds of` +
      ` ${setup.seconds} s; server on core ${on(setup.serverCores)}, generator on core` +
      ` ${on(setup.loadCores)}; with 2 shards the server on ${on(setup.twoShardCores)}.`,
    '',
    '| case | figure | Shardcast: median (range) | peer | its median (range) | ratio | bar | |',
    '|---|---|---|---|---|---|---|---|',
  ];
  for (const [i, result] of results.entries()) {
    const item = items[i];
    let title = item.title;
    for (const r of rowsOf(item, result)) {
      lines.push(
        `| ${title} | ${r.title} | ${r.mine} | ${r.peer} | ${r.theirs} | ${r.ratio} | ${r.bar} |` +
          ` ${r.verdict} |`,
      );
      title = '';
    }
  }
  const notes = notesOf(items, results);
  return notes.length ? [...lines, '', 'To be read with care:', '', ...notes] : lines;
}
