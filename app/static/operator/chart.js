/** Jobs per minute as stacked bars, and the same as a table. */

import { timeOf } from "../clock.js";
import { h, s } from "../dom.js";
import { niceStep } from "./scale.js";
import { table } from "./table.js";

const MINUTES = 15;
const PARTS = ["simple", "queued", "failed"];
const EDGE = { left: 38, right: 4, top: 8, bottom: 24 };

/** A chart that is drawn again whenever its figures or its width change. */
export class Chart {
  /** @param {HTMLElement} home @param {HTMLElement} tableHome */
  constructor(home, tableHome) {
    this.home = home;
    this.tableHome = tableHome;
    this.bars = [];
    new ResizeObserver(() => this.#draw()).observe(home);
  }

  /** @param {Array<{minute: string, path: string, state: string, count: number}>} counts @param {string} at now, RFC 3339 */
  show(counts, at) {
    this.bars = byMinute(counts, at);
    this.#draw();
    this.tableHome.replaceChildren(asTable(this.bars));
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.home;
    if (width === 0 || this.bars.length === 0) return;
    this.home.replaceChildren(drawing(this.bars, width, height));
  }
}

/** Sums the counts into the last minutes, oldest first; a job that failed counts as failed on either path. */
function byMinute(counts, at) {
  const last = Math.floor(new Date(at).getTime() / 60_000);
  const bars = Array.from({ length: MINUTES }, (_, place) => ({ minute: last - MINUTES + 1 + place, simple: 0, queued: 0, failed: 0 }));
  for (const { minute, path, state, count } of counts) {
    const bar = bars[Math.floor(new Date(minute).getTime() / 60_000) - bars[0].minute];
    if (bar) bar[state === "failed" ? "failed" : path === "queued" ? "queued" : "simple"] += count;
  }
  return bars.map((bar) => ({ ...bar, at: new Date(bar.minute * 60_000).toISOString() }));
}

const total = (bar) => PARTS.reduce((sum, part) => sum + bar[part], 0);

function drawing(bars, width, height) {
  const step = niceStep(Math.max(...bars.map(total), 4) / 4);
  const top = step * Math.max(Math.ceil(Math.max(...bars.map(total)) / step), 1);
  const area = { width: width - EDGE.left - EDGE.right, height: height - EDGE.top - EDGE.bottom };
  const y = (count) => EDGE.top + area.height * (1 - count / top);
  const sum = bars.reduce((all, bar) => all + total(bar), 0);
  return s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${sum} jobs in the last ${MINUTES} minutes; the table below has the figures` },
    ...grid(step, top, y, width),
    ...bars.map((bar, place) => column(bar, place, area.width / MINUTES, y, width)));
}

function grid(step, top, y, width) {
  const lines = [];
  for (let count = 0; count <= top; count += step) {
    lines.push(s("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(count), y2: y(count) }));
    lines.push(s("text", { x: EDGE.left - 8, y: y(count) + 4, "text-anchor": "end" }, count.toLocaleString()));
  }
  return lines;
}

function column(bar, place, slot, y, width) {
  const thick = Math.min(slot * 0.64, 34);
  const middle = EDGE.left + slot * (place + 0.5);
  let below = 0;
  const parts = PARTS.filter((part) => bar[part] > 0).map((part) => {
    const from = y(below);
    below += bar[part];
    // A sliver must stay visible: one failed job among a thousand is what the operator looks for.
    const tall = Math.max(from - y(below) - 1, 2);
    return s("rect", { class: part, x: middle - thick / 2, width: thick, y: from - tall, height: tall, rx: 2 });
  });
  const labelled = (MINUTES - 1 - place) % (width < 520 ? 4 : 2) === 0;
  const label = labelled ? s("text", { x: middle, y: y(0) + 18, "text-anchor": "middle" }, timeOf(bar.at)) : null;
  const hit = s("rect", { class: "hit", x: middle - slot / 2, width: slot, y: EDGE.top, height: y(0) - EDGE.top });
  return s("g", { class: "bar" }, s("title", {}, barWords(bar)), hit, ...parts, label);
}

const barWords = (bar) => `${timeOf(bar.at)}: ${PARTS.map((part) => `${bar[part]} ${part}`).join(", ")}`;

function asTable(bars) {
  const number = (count) => ({ text: count.toLocaleString(), class: count ? "number" : "number zero" });
  const rows = [...bars].reverse().map((bar) => [timeOf(bar.at), ...PARTS.map((part) => number(bar[part])), number(total(bar))]);
  return rows.length ? table(["Minute", ">Simple", ">Queued", ">Failed", ">All"], rows) : h("p", { class: "empty" }, "Nothing yet.");
}
