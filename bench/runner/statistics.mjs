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

// By what a value is divided for people, what that is called, and how many decimals it wants where
// that does not depend on its size.
const scales = {
  time: (ns) => steps.find(([from]) => ns >= from) ?? steps.at(-1),
  count: (n) => (n >= 1e6 ? [1e6, 'M'] : n >= 1e4 ? [1e3, 'k'] : [1, '', 0]),
  kib: () => [1, 'KiB', 2],
  mib: () => [1, 'MiB', 1],
  percent: () => [1, '%', 2],
};

function scaled(value, [by, , decimals]) {
  return decimals === undefined ? digits(value / by) : (value / by).toFixed(decimals);
}

// One value with its unit.
export function show(value, unit) {
  const scale = scales[unit](value);
  return `${scaled(value, scale)} ${scale[1]}`.trim();
}

// A median with the range of all rounds.
export function showSummary(s, unit) {
  return `${show(s.median, unit)} (${show(s.min, unit)}–${show(s.max, unit)})`;
}

// The same in fewer characters: the range has the median's unit.
export function showBriefly(s, unit) {
  const scale = scales[unit](s.median);
  if (s.min === s.max) return show(s.median, unit);
  return `${show(s.median, unit)} (${scaled(s.min, scale)}–${scaled(s.max, scale)})`;
}

export function showRatio(ratio) {
  if (ratio < 0.095) return ratio.toPrecision(1);
  return ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2);
}
