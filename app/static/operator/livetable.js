/** The plots of both paths as a table, newest first. */

import { duration } from "../clock.js";
import { ended, lost, PATHS } from "./rows.js";
import { table } from "./table.js";
import { size } from "./tiles.js";

const OF_A_PATH = ["jobs", "p50", "p95", "failed", "retries", "under way"];
const OF_ALL = [">Running", ">Waiting", ">On the queue", ">Size", ">Unconfirmed", ">Event loop delay"];

/** @param {Object[]} points oldest first @returns {HTMLElement} */
export function liveTable(points) {
  const heads = PATHS.flatMap((path) => OF_A_PATH.map((name) => `>${path} ${name}`));
  return table(["From", ...heads, ...OF_ALL], [...points].reverse().map(row));
}

function row(point) {
  const readings = [point.running, point.backlog, point.queue_messages].map(number);
  return [
    { text: new Date(point.at).toLocaleTimeString(), class: "keep" },
    ...PATHS.flatMap((path) => ofPath(point[path])),
    ...readings, said(point.queue_bytes, size), number(point.outbox), said(point.hub_lag_ms, duration),
  ];
}

function ofPath(figures) {
  return [number(ended(figures)), said(figures.p50_ms, duration), said(figures.p95_ms, duration),
    number(lost(figures)), number(figures.retried), number(figures.under_way)];
}

const number = (value) => said(value, (count) => count.toLocaleString());
const said = (value, words) => ({ text: value === null ? "–" : words(value), class: value ? "number" : "number zero" });
