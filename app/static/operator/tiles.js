/** The figures of this moment. */

import { h, s } from "../dom.js";
import { sizeWords } from "../words.js";

const KEPT = 90;
const LAG_BAD_MS = 100;

/** Six tiles; the one for hub lag remembers the last minutes. */
export class Tiles {
  /** @param {HTMLElement} home */
  constructor(home) {
    this.home = home;
    this.lags = [];
  }

  /**
   * @param {Object} now as in GET /api/operator
   * @param {{task: string|null, where: string, seconds: number}[]} held the newest first, as there
   */
  show(now, held) {
    this.lags = [...this.lags, now.hub_lag_ms ?? 0].slice(-KEPT);
    this.home.replaceChildren(
      tile("running", "Running", now.running, "jobs on the simple path"),
      tile("backlog", "Waiting", now.backlog, "jobs waiting for a slot"),
      queueTile(now.queue),
      this.#lagTile(now.hub_lag_ms ?? 0, held[0]),
      tile("clients", "Clients", now.clients, "connections of browsers and programs"),
      tile("dead", "Dead letters", now.dead_letters, now.dead_letters ? "jobs need a decision" : "nothing given up", now.dead_letters ? "bad" : "plain"));
  }

  #lagTile(lag, last) {
    const bad = lag > LAG_BAD_MS;
    const element = tile("lag", "Event loop delay", lag < 10 ? lag.toFixed(1) : Math.round(lag), last ? `last held ${last.seconds.toFixed(1)} s by ${last.task ?? last.where}` : null, bad ? "bad" : "plain", "ms");
    element.append(sparkline(this.lags));
    return element;
  }
}

function queueTile(queue) {
  if (!queue) return tile("queue", "Queue pending", "–", "no queue in use");
  if (!queue.connected) return tile("queue", "Queue pending", queue.pending ?? "–", "the queue cannot be reached", "bad");
  return tile("queue", "Queue pending", queue.pending, size(queue.bytes));
}

function tile(name, label, value, note, tone = "plain", unit = null) {
  const shown = typeof value === "number" ? value.toLocaleString() : String(value ?? "–");
  return h("div", { class: "tile", "data-testid": `tile-${name}`, "data-tone": tone },
    h("p", { class: "tile-label" }, label),
    h("p", { class: "tile-value" }, shown, unit ? h("small", {}, unit) : null),
    note ? h("p", { class: "tile-note" }, note) : null);
}

function sparkline(values) {
  // A single reading is a level line.
  if (values.length === 1) return sparkline([...values, ...values]);
  const most = Math.max(...values, 5);
  const points = values.map((value, place) => `${(100 * place) / (values.length - 1)},${(27 - (24 * value) / most).toFixed(1)}`);
  return s("svg", { class: "spark", viewBox: "0 0 100 28", preserveAspectRatio: "none", role: "img", "aria-label": `Event loop delay lately, at most ${Math.max(...values).toFixed(1)} ms` },
    s("polygon", { class: "spark-area", points: `0,28 ${points.join(" ")} 100,28` }),
    s("polyline", { class: "spark-line", points: points.join(" ") }));
}

/** @param {number|undefined} bytes @returns {string} `3.4 KB` */
export const size = (bytes) => (typeof bytes === "number" ? sizeWords(bytes) : "");
