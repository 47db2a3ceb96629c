// Medians, their spread, and numbers as people read them.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function summary(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

function digits(value) {
  const size = Math.abs(value);
  return value.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0);
}

const steps = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
  [1, 'ns'],
];

function time(ns) {
  const [unit, name] = steps.find(([from]) => ns >= from) ?? steps.at(-1);
  return [digits(ns / unit), name];
}

function count(n) {
  if (n >= 1e6) return [digits(n / 1e6), 'M'];
  if (n >= 1e4) return [digits(n / 1e3), 'k'];
  return [n.toFixed(0), ''];
}

const formats = {
  time,
  count,
  kib: (n) => [n.toFixed(2), 'KiB'],
  percent: (n) => [n.toFixed(2), '%'],
};

// One value with its unit.
export function show(value, unit) {
  return formats[unit](value).join(' ').trim();
}

// A median with the range of all rounds.
export function showSummary(s, unit) {
  return `${show(s.median, unit)} (${show(s.min, unit)}–${show(s.max, unit)})`;
}

export function showRatio(ratio) {
  return ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2);
}
