// From rounds to a table: medians with their range, the ratio of Shardcast to each peer, and what is
// to be read with care.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { doubts } from '../runner/report.mjs';
import { show, showBriefly, showRatio, summary } from '../runner/statistics.mjs';
import { cases, figures } from './cases.mjs';

const SAME = 0.01; // closer than this, nobody is better

// What a contender reached of a figure in a case, over the rounds that came out right; null: nothing.
export function reached(results, item, name, figure) {
  const one = results.cases.find((c) => c.name === item.name);
  const rounds = (one?.rounds[name] ?? []).filter((r) => !r.failure);
  return rounds.length ? summary(rounds.map(figures[figure].read)) : null;
}

// How Shardcast's median stands to a peer's, and who is better. Where the ranges meet, another run
// may find it the other way round.
function compared(mine, theirs, figure) {
  if (!mine || !theirs || !(theirs.median > 0)) return null;
  const ratio = mine.median / theirs.median;
  const gain = figures[figure].better === 'less' ? 1 / ratio : ratio; // above 1: Shardcast is better
  return {
    ratio,
    beaten: gain < 1 - SAME,
    certain: mine.min > theirs.max || mine.max < theirs.min,
  };
}

export function ran(results) {
  return cases.filter((item) => results.cases.some((one) => one.name === item.name));
}

function cell(results, item, name, figure) {
  const theirs = reached(results, item, name, figure);
  if (!theirs) return 'not measured';
  const text = showBriefly(theirs, figures[figure].unit);
  if (name === 'shardcast') return text;
  const versus = compared(reached(results, item, 'shardcast', figure), theirs, figure);
  if (!versus) return text;
  const ratio = showRatio(versus.ratio);
  return `${text} · ${versus.beaten ? `**${ratio}**` : ratio}`;
}

function tableOf(results, names) {
  const lines = [
    `| case | figure | ${names.map((name) => results.titles[name]).join(' | ')} |`,
    `|---|---|${names.map(() => '---|').join('')}`,
  ];
  for (const item of ran(results)) {
    let title = item.title;
    for (const figure of item.figures) {
      const cells = names.map((name) => cell(results, item, name, figure));
      lines.push(`| ${title} | ${figures[figure].title} | ${cells.join(' | ')} |`);
      title = '';
    }
  }
  return lines;
}

// Every figure in which a peer does better than Shardcast.
function beatenIn(results, names) {
  const lines = [];
  for (const item of ran(results)) {
    for (const figure of item.figures) {
      const mine = reached(results, item, 'shardcast', figure);
      for (const name of names.slice(1)) {
        const theirs = reached(results, item, name, figure);
        const versus = compared(mine, theirs, figure);
        if (!versus?.beaten) continue;
        const { unit, title } = figures[figure];
        lines.push(
          `- ${item.title}, ${title}: ${results.titles[name]} ${show(theirs.median, unit)}, Shardcast` +
            ` ${show(mine.median, unit)}${versus.certain ? '' : ' (the ranges meet)'}.`,
        );
      }
    }
  }
  return lines;
}

function failuresOf(rounds) {
  const failed = rounds.filter((r) => r.failure);
  return failed.length
    ? [`failed in ${failed.length} of ${rounds.length}: ${failed[0].failure.split('\n')[0]}`]
    : [];
}

// What is to be read with care of a case, everybody in one line.
function notesOf(results, item) {
  const { rounds } = results.cases.find((one) => one.name === item.name);
  const notes = Object.keys(results.titles).flatMap((name) => {
    const fine = rounds[name].filter((r) => !r.failure);
    const texts = failuresOf(rounds[name]);
    if (fine.length) texts.push(...doubts(item, { rounds: { [name]: fine } }, name));
    return texts.length ? [`${results.titles[name]} ${texts.join(', ')}`] : [];
  });
  return notes.length ? [`${item.title}: ${notes.join('; ')}.`] : [];
}

// For the terminal, as soon as a case is through.
export function caseLines(results, item) {
  const names = Object.keys(results.titles);
  const lines = [`${item.title}:`];
  for (const figure of item.figures) {
    const cells = names.map(
      (name) => `${results.titles[name]} ${cell(results, item, name, figure)}`,
    );
    lines.push(`    ${figures[figure].title}: ${cells.join(' | ').replaceAll('**', '')}`);
  }
  return [...lines, ...notesOf(results, item).map((note) => `    ${note}`)];
}

// The whole run as Markdown.
export function report(results) {
  const { machine, setup, versions, titles } = results;
  const names = Object.keys(titles);
  const on = (list) => (list ? `core ${list}` : 'any core');
  const everybody = names.map((name) => `${titles[name]} ${versions[name]}`);
  const lines = [
    `${machine.date}; ${machine.processor}, ${machine.memory}; ${machine.system}; ${everybody.join('; ')}` +
      ` (${machine.engine.split(', ')[1]}); ${setup.rounds} round${setup.rounds > 1 ? 's' : ''} of` +
      ` ${setup.seconds} s, ${Math.ceil(results.minutes)} min in all; server on ${on(setup.serverCores)},` +
      ` generator on ${on(setup.loadCores)}.`,
    '',
    'Each cell: the median of the rounds (least–most) · the ratio of Shardcast to that peer; **bold** where the' +
      ' peer does better.',
    '',
    ...tableOf(results, names),
    '',
    '![The same as bars](compare/results.svg)',
  ];
  const beaten = beatenIn(results, names);
  lines.push(
    '',
    ...(beaten.length
      ? ['Where a peer beats Shardcast:', '', ...beaten]
      : ['No peer beats Shardcast in any of these.']),
  );
  const notes = ran(results).flatMap((item) => notesOf(results, item));
  if (notes.length)
    lines.push('', 'To be read with care:', '', ...notes.map((note) => `- ${note}`));
  return lines;
}

const BEGIN = '<!-- written by bench/compare/run.mjs --write -->';
const END = '<!-- end of what it writes -->';

// Puts the table into bench/README.md, between its marks, and the plot beside this program.
export function publish(root, lines, svg) {
  const readme = path.join(root, 'bench/README.md');
  const text = readFileSync(readme, 'utf8');
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${readme}: the marks of this table are not there`);
  writeFileSync(
    readme,
    `${text.slice(0, begin + BEGIN.length)}\n\n${lines.join('\n')}\n\n${text.slice(end)}`,
  );
  copyFileSync(svg, path.join(root, 'bench/compare/results.svg'));
}
