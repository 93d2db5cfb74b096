/** Dead letters: what no attempt will complete, grouped by why, with what can be done about one or all of them. */

import { api } from "../api.js";
import { exactTime } from "../clock.js";
import { byId, h } from "../dom.js";
import { complain, toast } from "../toasts.js";
import { DROP_ALL, DROP_ONE, errorWords, lettersWords, NOTHING_GIVEN_UP, taskTitle } from "../words.js";
import { address } from "./address.js";
import { eachOf } from "./bulk.js";
import { jobLink, pathBadge } from "./recent.js";
import { table } from "./table.js";

const BASE = "/api/dead-letters";
const OPEN_AT_MOST = 20; // letters of a group that is opened by itself

/** The view of dead letters. */
export class DeadLetters {
  constructor() {
    this.home = byId("dead-table");
    this.shown = "";
    /** @type {Map<string, boolean>} */
    this.opened = new Map();
  }

  /** Asks the server. */
  async refresh() { this.#show((await api("GET", BASE)).dead_letters); }

  #show(letters) {
    const now = JSON.stringify(letters);
    // An opened payload and the focus on a button stay while nothing has changed.
    if (now === this.shown) return;
    this.shown = now;
    const groups = grouped(letters);
    this.home.replaceChildren(...(letters.length ? groups.map((group) => this.#group(group, groups.length === 1)) : [h("p", { class: "empty" }, NOTHING_GIVEN_UP)]));
  }

  /** @param {{name: string, title: string, letters: Object[]}} group @param {boolean} alone */
  #group({ name, title, letters }, alone) {
    const open = this.opened.get(name) ?? (alone || address().get("error") === name || letters.length <= OPEN_AT_MOST);
    const tasks = [...new Set(letters.map(({ task }) => taskTitle(task ?? "unknown")))].join(", ");
    const group = h("details", { class: "letters", "data-testid": "letters", "data-error": name, open },
      h("summary", {}, h("span", { class: "letters-count" }, String(letters.length)), h("span", { class: "letters-why" }, title), h("span", { class: "letters-tasks" }, tasks)),
      h("div", { class: "row-actions letters-actions" },
        button("Replay all", title, () => this.#all(letters, (letter) => api("POST", `${at(letter)}/replay`))),
        button("Drop all", title, () => { if (confirm(DROP_ALL(letters.length))) this.#all(letters, (letter) => api("DELETE", at(letter))); })),
      h("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": title },
        table(["Since", "Task", "Room", "Path", ">Attempts", "Why", ""], letters.map((letter) => this.#row(letter)))));
    group.addEventListener("toggle", () => this.opened.set(name, group.open));
    return group;
  }

  #row(letter) {
    const title = taskTitle(letter.task ?? "unknown");
    return [
      { text: exactTime(letter.at), class: "keep" },
      { node: letter.kind === "job" ? jobLink(letter.id, title) : h("span", { title: letter.id }, title), class: "strong keep" },
      { text: letter.room ?? "–", class: "keep" },
      letter.path ? pathBadge(letter.path) : "–",
      { text: String(letter.attempts ?? "–"), class: "number" },
      { node: h("div", {}, errorWords(letter.error ?? {}), payload(letter.args)), class: "wide" },
      h("div", { class: "row-actions" },
        letter.kind === "message" ? null : button("Replay", title, () => this.#one("POST", `${at(letter)}/replay`, `${title} is tried again.`)),
        button("Drop", title, () => { if (confirm(DROP_ONE(title))) this.#one("DELETE", at(letter), "The dead letter is dropped."); })),
    ];
  }

  async #one(method, path, done) {
    try {
      await api(method, path);
      toast(done);
    } catch (error) {
      complain(error);
    }
    await this.refresh().catch(complain);
  }

  async #all(letters, act) {
    await eachOf(letters, act);
    await this.refresh().catch(complain);
  }
}

const at = ({ id }) => `${BASE}/${encodeURIComponent(id)}`;

/** Those with the same error together, the largest group first. */
function grouped(letters) {
  const groups = new Map();
  for (const letter of letters) {
    const name = letter.error?.code ?? letter.kind;
    if (!groups.has(name)) groups.set(name, { name, title: lettersWords(letter), letters: [] });
    groups.get(name).letters.push(letter);
  }
  return [...groups.values()].sort((a, b) => b.letters.length - a.letters.length);
}

function button(words, title, click) {
  return h("button", { class: "button button-small", type: "button", "aria-label": `${words}: ${title}`, on: { click } }, words);
}

function payload(args) {
  if (args === undefined || args === null) return null;
  return h("details", {}, h("summary", {}, "Payload"), h("pre", {}, typeof args === "string" ? args : JSON.stringify(args, null, 2)));
}
