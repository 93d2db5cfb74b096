/** The list of jobs that match, page by page, and what is done to those that are chosen. */

import { api } from "../api.js";
import { byId, h } from "../dom.js";
import { complain } from "../toasts.js";
import { foundWords, NO_JOBS_MATCH } from "../words.js";
import { isFinal } from "../chat/jobs.js";
import { onAddress } from "./address.js";
import { eachOf } from "./bulk.js";
import { Filters } from "./filters.js";
import { jobRow, JOB_HEADS } from "./recent.js";
import { table } from "./table.js";
import { view } from "./views.js";

const PAGE = 50;

/** The view of jobs. */
export class Explorer {
  constructor() {
    this.filters = new Filters();
    this.home = byId("jobs-table");
    this.more = byId("jobs-more");
    /** @type {Object[]} */
    this.jobs = [];
    /** @type {Set<string>} */
    this.chosen = new Set();
    this.query = "";
    this.more.onclick = () => this.#older().catch(complain);
    byId("jobs-cancel").onclick = () => this.#each("jobs-cancel", (job) => !isFinal(job), (job) => api("DELETE", `/api/jobs/${job.id}`));
    byId("jobs-replay").onclick = () => this.#each("jobs-replay", (job) => job.state === "failed", (job) => api("POST", `/api/dead-letters/${job.id}/replay`));
    onAddress(() => { if (view() === "jobs") this.filters.show(); });
    this.filters.show();
  }

  /** Learns which tasks there are. @param {string[]} names */
  offer(names) { this.filters.offer(names); }

  /** Asks for the newest; those that were fetched below them stay, as they were. */
  async refresh() {
    const asked = location.search;
    const { jobs, more = false } = await this.#ask({});
    if (asked !== location.search) return;
    if (this.query !== asked) {
      this.query = asked;
      this.chosen.clear();
      this.jobs = jobs;
      this.isMore = more;
    } else {
      const last = jobs.at(-1);
      const place = last ? this.jobs.findIndex(({ id }) => id === last.id) : -1;
      const older = place >= 0 ? this.jobs.slice(place + 1) : [];
      this.isMore = older.length ? this.isMore : more;
      this.jobs = [...jobs, ...older];
    }
    this.#draw();
  }

  async #older() {
    const { jobs, more = false } = await this.#ask({ before: this.jobs.at(-1)?.id ?? "" });
    this.jobs = [...this.jobs, ...jobs];
    this.isMore = more;
    this.#draw();
  }

  #ask(more) {
    const query = this.filters.query();
    query.set("limit", String(PAGE));
    for (const [name, value] of Object.entries(more)) if (value) query.set(name, value);
    return api("GET", `/api/jobs?${query}`);
  }

  #draw() {
    const now = JSON.stringify([this.jobs, this.isMore]);
    if (now !== this.shown) {
      this.shown = now;
      const focused = /** @type {HTMLElement|null} */ (document.activeElement)?.dataset.choose;
      this.home.replaceChildren(this.jobs.length ? this.#table() : h("p", { class: "empty" }, NO_JOBS_MATCH));
      if (focused) /** @type {HTMLElement|null} */ (this.home.querySelector(`[data-choose="${focused}"]`))?.focus();
    }
    byId("jobs-found").textContent = foundWords(this.jobs.length, this.isMore);
    this.more.hidden = !this.isMore;
    this.#count();
  }

  #table() {
    const rows = this.jobs.map((job) => [{ node: this.#box(job), class: "keep" }, ...jobRow(job)]);
    const made = table(["", ...JOB_HEADS], rows);
    const all = h("input", { type: "checkbox", "data-choose": "all", "data-testid": "jobs-all", "aria-label": "Choose all that are shown" });
    all.checked = this.jobs.every(({ id }) => this.chosen.has(id));
    all.onchange = () => {
      for (const { id } of this.jobs) if (all.checked) this.chosen.add(id); else this.chosen.delete(id);
      for (const box of this.home.querySelectorAll("tbody [data-choose]")) /** @type {HTMLInputElement} */ (box).checked = all.checked;
      this.#count();
    };
    made.querySelector("th").append(all);
    return made;
  }

  #box(job) {
    const box = h("input", { type: "checkbox", "data-choose": job.id, "aria-label": `Choose job ${job.id}` });
    box.checked = this.chosen.has(job.id);
    box.onchange = () => {
      if (box.checked) this.chosen.add(job.id);
      else this.chosen.delete(job.id);
      this.#count();
    };
    return box;
  }

  #count() {
    const chosen = this.jobs.filter(({ id }) => this.chosen.has(id));
    byId("jobs-chosen").textContent = chosen.length ? `${chosen.length} chosen` : "";
    byId("jobs-bulk").hidden = chosen.length === 0;
    const counts = { "jobs-cancel": chosen.filter((job) => !isFinal(job)).length, "jobs-replay": chosen.filter(({ state }) => state === "failed").length };
    for (const [id, count] of Object.entries(counts)) {
      const button = byId(id, HTMLButtonElement);
      button.disabled = count === 0;
      button.textContent = `${button.dataset.words} ${count}`;
    }
  }

  async #each(id, which, act) {
    const button = byId(id, HTMLButtonElement);
    button.disabled = true;
    await eachOf(this.jobs.filter((job) => this.chosen.has(job.id) && which(job)), act);
    this.chosen.clear();
    this.shown = "";
    await this.refresh().catch(complain);
  }
}
