/** What jobs are looked for: a form that reads the address and writes it. */

import { byId, h } from "../dom.js";
import { stateWord, taskTitle, TIMES } from "../words.js";
import { address, addressWith, go } from "./address.js";

const STATES = ["accepted", "running", "retrying", "succeeded", "failed", "cancelled", "skipped"];
const NAMES = ["state", "task", "room", "path", "error", "within", "since", "before"];
const MINUTE_MS = 60_000;

/** The form above the list. */
export class Filters {
  constructor() {
    this.form = byId("job-filters", HTMLFormElement);
    fill("filter-state", STATES.map((state) => [state, stateWord(state)]));
    fill("filter-within", TIMES.map(({ minutes, words }) => [String(minutes), words]));
    this.form.onsubmit = (event) => { event.preventDefault(); this.#apply(); };
    this.form.onchange = () => this.#apply();
    byId("filter-clear").onclick = () => go("?view=jobs");
  }

  /** Learns which tasks there are. @param {string[]} names */
  offer(names) { fill("filter-task", names.map((name) => [name, taskTitle(name)])); this.show(); }

  /** Fills the form in from the address. */
  show() {
    const asked = address();
    for (const name of NAMES) {
      const field = this.#field(name);
      const value = asked.get(name) ?? "";
      field.value = field.type === "datetime-local" && value ? local(value) : value;
    }
    const between = asked.has("since") || asked.has("before") || asked.get("within") === "0";
    for (const name of ["since", "before"]) byId(`filter-${name}-field`).hidden = !between;
    byId("filter-clear").hidden = !NAMES.some((name) => asked.has(name));
  }

  /** @returns {URLSearchParams} what GET /api/jobs is asked for */
  query() {
    const asked = address();
    const query = new URLSearchParams();
    for (const name of NAMES) if (asked.get(name) && name !== "within") query.set(name, asked.get(name));
    const minutes = Number(asked.get("within"));
    if (minutes > 0) query.set("since", new Date(Date.now() - minutes * MINUTE_MS).toISOString());
    return query;
  }

  #apply() {
    const changes = { view: "jobs" };
    for (const name of NAMES) {
      const { value, type } = this.#field(name);
      changes[name] = type === "datetime-local" && value ? new Date(value).toISOString() : value.trim();
    }
    if (changes.within !== "0") Object.assign(changes, { since: null, before: null });
    go(addressWith(changes));
  }

  #field(name) { return /** @type {HTMLInputElement|HTMLSelectElement} */ (this.form.elements.namedItem(name)); }
}

function fill(id, choices) {
  const select = byId(id, HTMLSelectElement);
  const any = select.options[0];
  select.replaceChildren(any, ...choices.map(([value, words]) => h("option", { value }, words)));
}

/** @param {string} at RFC 3339 @returns {string} as a field for local time wants it */
function local(at) {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return "";
  return new Date(time.getTime() - time.getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, 16);
}
