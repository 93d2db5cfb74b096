/** What the plots of both paths show: rows of two, the simple path on the left and the queued one on the right. */

import { duration } from "../clock.js";
import { linear, tenfold } from "./scale.js";
import { size } from "./tiles.js";

/** @typedef {{name: string, mark: "line"|"thin"|"area"|"bar"|"bar-bad", value: (point: Object) => number|null}} Series */
/** @typedef {{label?: string, words?: (value: number) => string, series: Series[]}} Cell one plot; `label` and `words` where the two of a row differ */
/** @typedef {{name: string, title?: string, about?: string, whole?: boolean, scale: Function, words?: (value: number) => string, apart?: boolean, cells: Cell[]}} Row
 * `whole`: of the whole process, whichever task is chosen; `apart`: the two do not share their axis */

export const PATHS = ["simple", "queued"];
const STEADY_SECONDS = 2;

/** Jobs that became final. @param {Object} figures @returns {number} */
export const ended = ({ succeeded, failed, cancelled, skipped }) => succeeded + failed + cancelled + skipped;

/** Jobs that people did not get. @param {Object} figures @returns {number} */
export const lost = ({ failed, skipped }) => failed + skipped;

const count = (value) => Math.round(value).toLocaleString();
const rate = (value) => (value < 10 ? value.toFixed(1).replace(".0", "") : count(value));

// A rate over the first moments of a point would jump with every poll.
const perSecond = (point, path) => (point.seconds < STEADY_SECONDS ? null : ended(point[path]) / point.seconds);
const onBoth = (series) => PATHS.map((path) => ({ series: series(path) }));

/** @type {Row[]} */
export const ROWS = [
  {
    name: "answer", title: "Time to answer", about: "log scale", scale: tenfold, words: duration,
    cells: onBoth((path) => [
      { name: "p50", mark: "line", value: (point) => point[path].p50_ms },
      { name: "p95", mark: "thin", value: (point) => point[path].p95_ms },
    ]),
  },
  {
    name: "rate", title: "Jobs per second", scale: linear, words: rate,
    cells: onBoth((path) => [{ name: "", mark: "area", value: (point) => perSecond(point, path) }]),
  },
  {
    name: "trouble", title: "Failures and retries", scale: linear, words: count,
    cells: onBoth((path) => [
      { name: "failed", mark: "bar-bad", value: (point) => lost(point[path]) },
      { name: "retries", mark: "bar", value: (point) => point[path].retried },
    ]),
  },
  {
    name: "under-way", title: "Under way", about: "accepted, not final", scale: linear, words: count,
    cells: onBoth((path) => [{ name: "", mark: "area", value: (point) => point[path].under_way }]),
  },
  {
    name: "waiting", title: "Waiting jobs", whole: true, scale: linear, words: count,
    cells: [
      { series: [{ name: "waiting", mark: "area", value: (point) => point.backlog }, { name: "running", mark: "thin", value: (point) => point.running }] },
      { series: [{ name: "queued", mark: "area", value: (point) => point.queue_messages }, { name: "in outbox", mark: "thin", value: (point) => point.outbox }] },
    ],
  },
  {
    name: "health", whole: true, apart: true, scale: linear,
    cells: [
      { label: "Event loop delay", words: duration, series: [{ name: "", mark: "area", value: (point) => point.hub_lag_ms }] },
      { label: "Queue size", words: size, series: [{ name: "", mark: "area", value: (point) => point.queue_bytes }] },
    ],
  },
];
