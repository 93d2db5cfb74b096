/** Scales: from a figure to a height, and the figures worth a line. */

/** @typedef {{place: (value: number) => number, ticks: number[]}} Scale `place` is 0 at the foot and 1 at the top */

/** @param {number} least the step must not be smaller @returns {number} 1, 2 or 5 times a power of ten, at least 1 */
export function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least));
}

/** From 0 to a round figure. @param {number[]} values @returns {Scale} */
export function linear(values) {
  const step = niceStep(Math.max(...values, 2) / 2);
  const top = step * Math.ceil(Math.max(...values, 2) / step);
  return { place: (value) => value / top, ticks: range(0, top / step).map((count) => count * step) };
}

/** Each line is ten times the one below: what differs by a factor stays apart at any size. @param {number[]} values @returns {Scale} */
export function tenfold(values) {
  const known = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...known, 100)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...known, 100))), low + 1);
  const place = (value) => Math.max((Math.log10(value) - low) / (high - low), 0);
  return { place, ticks: range(low, high).map((power) => 10 ** power) };
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, place) => from + place);
