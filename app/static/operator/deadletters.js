/** Dead letters: jobs no attempt will complete, with what can be done about them. */

import { api } from "../api.js";
import { exactTime } from "../clock.js";
import { h } from "../dom.js";
import { complain, toast } from "../toasts.js";
import { errorWords, taskTitle } from "../words.js";
import { pathBadge } from "./recent.js";
import { table } from "./table.js";

const BASE = "/api/dead-letters";

/** The section of dead letters; hidden where the server has none to offer. */
export class DeadLetters {
  /** @param {HTMLElement} section @param {HTMLElement} home of the table */
  constructor(section, home) {
    this.section = section;
    this.home = home;
    this.served = true;
    this.shown = "";
  }

  /** Asks the server, unless it said before that it does not serve them. */
  async refresh() {
    if (!this.served) return;
    try {
      this.#show((await api("GET", BASE)).dead_letters);
    } catch (error) {
      if (error.status !== 404) throw error;
      this.served = false;
      this.section.hidden = true;
    }
  }

  #show(letters) {
    this.section.hidden = false;
    const now = JSON.stringify(letters);
    // An opened payload and the focus on a button stay while nothing has changed.
    if (now === this.shown) return;
    this.shown = now;
    this.home.replaceChildren(letters.length
      ? table(["Since", "Task", "Room", "Path", ">Attempts", "Why", ""], letters.map((letter) => this.#row(letter)))
      : h("p", { class: "empty" }, "Nothing was given up."));
  }

  #row(letter) {
    const title = taskTitle(letter.task ?? "unknown");
    return [
      { text: exactTime(letter.at), class: "keep" },
      { text: title, class: "strong keep", title: letter.id },
      { text: letter.room ?? "–", class: "keep" },
      letter.path ? pathBadge(letter.path) : "–",
      { text: String(letter.attempts ?? "–"), class: "number" },
      { node: h("div", {}, errorWords(letter.error ?? {}), payload(letter.args)), class: "wide" },
      h("div", { class: "row-actions" },
        this.#button("Replay", title, () => this.#act("POST", `${BASE}/${encodeURIComponent(letter.id)}/replay`, `${title} is tried again.`)),
        this.#button("Drop", title, () => this.#drop(letter, title))),
    ];
  }

  #button(words, title, click) {
    return h("button", { class: "button button-small", type: "button", "aria-label": `${words}: ${title}`, on: { click } }, words);
  }

  #drop(letter, title) {
    if (confirm(`Drop this dead letter (${title})? The job will never be done.`)) this.#act("DELETE", `${BASE}/${encodeURIComponent(letter.id)}`, "The dead letter is dropped.");
  }

  async #act(method, path, done) {
    try {
      await api(method, path);
      toast(done);
    } catch (error) {
      complain(error);
    }
    await this.refresh().catch(complain);
  }
}

function payload(args) {
  if (args === undefined || args === null) return null;
  return h("details", {}, h("summary", {}, "Payload"), h("pre", {}, typeof args === "string" ? args : JSON.stringify(args, null, 2)));
}
