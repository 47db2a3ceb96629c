// The table as bars: one SVG of four panels, made by gnuplot.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ran, reached } from './table.mjs';

const colours = ['#0b6e4f', '#c84c09', '#5b7db1', '#8d6a9f', '#a0a0a0'];
const NARROW = 0.8 / 5; // of a bar, so that five stand beside each other

const panels = [
  { title: 'Server CPU per delivery', figure: 'cpu', axis: 'µs', unit: 1e3 },
  { title: 'Latency, 99th percentile', figure: 'p99', axis: 'ms', unit: 1e6 },
  {
    title: 'Deliveries per second',
    figure: 'rate',
    axis: 'thousand',
    unit: 1e3,
    only: ['flatout', 'groups10000', 'burst30'],
  },
  { title: 'Memory per idle connection', figure: 'memory', axis: 'KiB', unit: 1, linear: true },
];

function itemsOf(results, panel) {
  return ran(results).filter(
    (item) => item.figures.includes(panel.figure) && (panel.only?.includes(item.name) ?? true),
  );
}

// One line per case: place, median, least, most.
function dataOf(results, panel, name) {
  return itemsOf(results, panel).flatMap((item, place) => {
    const s = reached(results, item, name, panel.figure);
    return s && s.median > 0
      ? [[place, s.median / panel.unit, s.min / panel.unit, s.max / panel.unit].join(' ')]
      : [];
  });
}

function quoted(text) {
  return `'${text.replaceAll("'", "''")}'`;
}

function panelScript(results, panel, directory, number) {
  const names = Object.keys(results.titles);
  const labels = itemsOf(results, panel).map((item, place) => `${quoted(item.label)} ${place}`);
  if (!labels.length) return [];
  const plots = names.flatMap((name, i) => {
    const lines = dataOf(results, panel, name);
    if (!lines.length) return [];
    const file = path.join(directory, `${number}-${name}`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    const shift = ((i - (names.length - 1) / 2) * NARROW).toFixed(4);
    return [
      `${quoted(file)} using ($1+${shift}):2:(${NARROW}) with boxes lc rgb '${colours[i]}' title ${quoted(results.titles[name])}`,
      `${quoted(file)} using ($1+${shift}):3:(0):($4-$3) with vectors nohead lc rgb '#202020' lw 1.5 notitle`,
    ];
  });
  return [
    `set title ${quoted(`${panel.title} (${panel.axis}${panel.linear ? '' : ', logarithmic'})`)}`,
    panel.linear ? 'unset logscale y; set yrange [0:*]' : 'set logscale y; set yrange [*:*]',
    `set xtics (${labels.join(', ')})`,
    `set xrange [-0.6:${labels.length - 0.4}]`,
    plots.length ? `plot ${plots.join(', \\\n  ')}` : '',
  ];
}

export function plot(gnuplot, results, file) {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'shardcast-plot-'));
  const script = [
    "set terminal svg size 1200,900 dynamic font 'sans-serif,12' background '#ffffff'",
    `set output ${quoted(file)}`,
    'set multiplot layout 2,2',
    "set format y '%g'",
    "set grid ytics lt 1 lw 0.5 lc rgb '#c0c0c0'",
    'set style fill solid 0.9 noborder',
    'set xtics rotate by -20 nomirror scale 0',
    'set key outside bottom center horizontal',
    ...panels.flatMap((panel, number) => panelScript(results, panel, directory, number)),
    'unset multiplot',
  ];
  const { status, stderr } = spawnSync(gnuplot, [], {
    input: `${script.join('\n')}\n`,
    encoding: 'utf8',
  });
  rmSync(directory, { recursive: true, force: true });
  if (status !== 0) throw new Error(`gnuplot: ${stderr.trim()}`);
}
