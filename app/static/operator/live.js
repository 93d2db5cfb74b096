/** Both paths side by side: a live experiment when a flag stands at a percentage. */

import { api } from "../api.js";
import { duration, timeOf } from "../clock.js";
import { byId, h } from "../dom.js";
import { icon } from "../icons.js";
import { complain } from "../toasts.js";
import { taskTitle } from "../words.js";
import { address, addressWith, go, onAddress } from "./address.js";
import { liveTable } from "./livetable.js";
import { Plots } from "./plots.js";
import { ended, lost, PATHS } from "./rows.js";

const FEW = 20;
const ALL = "*";

/** The section: asks for what is new, keeps the window, and shows it. */
export class Live {
  constructor() {
    this.task = byId("live-task", HTMLSelectElement);
    this.minutes = byId("live-minutes", HTMLSelectElement);
    this.moment = byId("live-moment", HTMLInputElement);
    this.plots = new Plots(byId("live-plots"), (back, words) => this.#at(back, words));
    for (const choice of [this.task, this.minutes]) choice.addEventListener("change", () => this.#choose());
    onAddress(() => this.#read());
    this.moment.addEventListener("input", () => this.plots.look(Number(this.moment.max) - this.moment.valueAsNumber || null));
    byId("live-details").addEventListener("toggle", () => this.#table());
    this.#at(0, "now");
  }

  /** @param {string[]} names of all tasks */
  offer(names) {
    this.task.replaceChildren(...[ALL, ...names].map((name) => h("option", { value: name }, taskTitle(name))));
    this.#read();
  }

  /** Asks for what happened since the last answer; a window not seen yet is asked for whole. */
  async refresh() {
    const wanted = { task: this.task.value || ALL, minutes: this.minutes.value };
    const known = this.report && this.report.task === wanted.task && String(this.report.minutes) === wanted.minutes;
    const since = known ? { since: this.report.at } : {};
    const report = await api("GET", `/api/live?${new URLSearchParams({ ...wanted, ...since })}`);
    // Somebody may have chosen another window meanwhile; that choice has asked for itself.
    if (report.task !== (this.task.value || ALL) || String(report.minutes) !== this.minutes.value) return;
    if (known && report.began !== this.report.began) {
      // Another process answers: what this page remembers is of the one before.
      this.report = undefined;
      await this.refresh();
      return;
    }
    report.points = joined(known ? this.report.points : [], report);
    this.report = report;
    this.#show();
  }

  /** What is chosen is in the address; going there refreshes the page. */
  #choose() {
    go(addressWith({ live: this.task.value === ALL ? null : this.task.value, minutes: this.minutes.value === this.minutes.options[0].value ? null : this.minutes.value }));
    this.refresh().catch(complain);
  }

  #read() {
    const asked = address();
    choose(this.task, asked.get("live"));
    choose(this.minutes, asked.get("minutes"));
  }

  #show() {
    const { at, minutes, step, points, changes } = this.report;
    const to = new Date(at).getTime();
    byId("live-heads").replaceChildren(...PATHS.map((path) => head(path, this.report)));
    byId("live-note").replaceChildren(...notes(this.report).map((words) => h("span", {}, words)));
    this.plots.show(points, { from: to - minutes * 60_000, to, step: step * 1000 }, moments(changes));
    this.#table();
  }

  #at(back, words) {
    this.moment.valueAsNumber = Number(this.moment.max) - back;
    this.moment.style.setProperty("--filled", `${(100 * this.moment.valueAsNumber) / Number(this.moment.max)}%`);
    this.moment.setAttribute("aria-valuetext", words);
    byId("live-at").textContent = words;
  }

  #table() {
    if (this.report && byId("live-details", HTMLDetailsElement).open) byId("live-table").replaceChildren(liveTable(this.report.points));
  }
}

/** Chooses what is asked for, or else the first. @param {HTMLSelectElement} select @param {string|null} value */
function choose(select, value) {
  const known = [...select.options].find((option) => option.value === value) ?? select.options[0];
  if (known) known.selected = true;
}

/** What is known and what is new, oldest first, without what has left the window. */
function joined(before, { at, minutes, points }) {
  const first = points[0]?.at ?? at;
  const oldest = new Date(at).getTime() - minutes * 60_000;
  return [...before.filter((point) => point.at < first), ...points].filter((point) => new Date(point.at).getTime() >= oldest);
}

/** Changing `*` changes every task in the same moment: one line is enough. */
const moments = (changes) => [...new Set(changes.map(({ at }) => Math.round(new Date(at).getTime() / 1000)))].map((second) => second * 1000);

function head(path, { task, minutes, paths, flags }) {
  const figures = paths[path];
  const all = ended(paths.simple) + ended(paths.queued);
  const jobs = ended(figures);
  const data = { "data-path": path, "data-task": task, "data-minutes": minutes, "data-jobs": jobs };
  return h("section", { class: "live-head", "data-testid": "live-head", "aria-label": `The ${path} path`, ...data },
    h("h3", {}, icon(path), path, h("span", { class: "live-share" }, shareWords(path, flags))),
    h("dl", {},
      figure("Jobs", jobs.toLocaleString(), all ? `${Math.round((100 * jobs) / all)}\u00a0%` : null),
      figure("p50", figures.p50_ms === null ? "–" : duration(figures.p50_ms)),
      slowest(figures),
      figure("Failed", lost(figures).toLocaleString(), null, lost(figures) ? "bad" : null),
      figure("Retries", figures.retried.toLocaleString())));
}

function slowest({ answers, p95_ms: slow }) {
  if (slow !== null) return figure("p95", duration(slow));
  return figure("p95", "–", answers ? `needs ${FEW}, has ${answers}` : null, "soft");
}

function figure(name, value, beside = null, tone = null) {
  return h("div", { "data-figure": name.toLowerCase(), "data-tone": tone }, h("dt", {}, name), h("dd", {}, value, beside ? h("small", {}, beside) : null));
}

/** What the flag sends here, in words; flags of several tasks may say different things. */
function shareWords(path, flags) {
  const said = new Set(flags.map((flag) => shareOf(path, flag)));
  return said.size === 1 ? [...said][0] : "differs by task";
}

function shareOf(path, { path: chosen, percent }) {
  const share = chosen === "simple" ? 0 : percent;
  const here = path === "simple" ? 100 - share : share;
  if (chosen === "auto" && share > 0) return path === "simple" ? "auto: what has room" : `auto: up to ${share}\u00a0% of rooms`;
  return here === 100 ? "all rooms" : here === 0 ? "no rooms" : `${here}\u00a0% of rooms`;
}

function notes({ at, began, minutes, changes }) {
  const from = new Date(at).getTime() - minutes * 60_000;
  const said = [];
  if (new Date(began).getTime() > from) said.push(`Recorded since ${timeOf(began)}, when this process began.`);
  const last = changes.at(-1);
  if (last) said.push(`The flag changed at ${new Date(last.at).toLocaleTimeString()} (dotted line); the figures include what was before.`);
  return said;
}
