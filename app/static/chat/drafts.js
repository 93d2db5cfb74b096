/** Texts that grow above the composer: drafts for who answers, and what a model is about to tell the room. */

import { h, inside } from "../dom.js";
import { icon } from "../icons.js";
import { draftAction, draftWords, failureWords, stateWord, taskTitle } from "../words.js";
import { countOn } from "./elapsed.js";
import { elapsed } from "../clock.js";
import { isFinal } from "./jobs.js";

const NEAR_PX = 24;

/** The cards. A draft stays until it is sent or dismissed, also over a reload; any other text until it is told. */
export class Drafts {
  /**
   * @param {HTMLElement} home
   * @param {Object} on
   * @param {(job: string) => string|undefined} on.text what is seen of a job's text
   * @param {(job: Object) => void} on.cancel
   * @param {(job: Object) => void} on.retry
   * @param {(job: Object) => boolean} on.mayRetry
   * @param {(job: Object) => void} on.again asks for another in its place
   * @param {(job: Object, text: string) => void} on.edit
   * @param {import("./dismissed.js").Dismissed} on.dismissed
   */
  constructor(home, on) {
    this.home = home;
    this.on = on;
    this.tasks = new Map();
    home.replaceChildren();
  }

  /** Learns which tasks write drafts. @param {Array<{task: string, draft?: boolean}>} tasks */
  learn(tasks) { this.tasks = new Map(tasks.map((task) => [task.task, task])); }

  /** Shows a job, where it has a text to show here. @param {Object} job @returns {boolean} whether it has */
  show(job) {
    const isDraft = this.tasks.get(job.task)?.draft === true;
    const text = this.on.text(job.id) ?? (isDraft ? job.result?.text ?? "" : undefined);
    if (text === undefined) return false;
    if (job.replaces) this.#card(job.replaces)?.remove();
    const told = !isDraft && job.state === "succeeded";
    if (told || this.on.dismissed.has(job.id) || (isFinal(job) && !text && job.state === "cancelled")) this.#card(job.id)?.remove();
    else this.#put(job, isDraft, text);
    return true;
  }

  /** The text of a job has grown. @param {Object} job */
  grown(job) {
    const card = this.#card(job.id);
    if (!card || card.dataset.state !== job.state) this.show(job);
    else fill(card, this.on.text(job.id) ?? "");
  }

  /** Takes a card away for good. @param {string} job */
  dismiss(job) {
    this.on.dismissed.add(job);
    this.#card(job)?.remove();
  }

  /** Forgets all cards. */
  clear() { this.home.replaceChildren(); }

  #put(job, isDraft, text) {
    const before = this.#card(job.id);
    const focused = before?.contains(document.activeElement);
    const follows = !before || endIsInView(textOf(before));
    const card = h("li", { class: "draft", "data-testid": "draft", "data-id": job.id, "data-task": job.task, "data-state": job.state },
      h("div", { class: "draft-head" },
        h("span", { class: "draft-title" }, taskTitle(job.task)),
        h("span", { class: "draft-about" }, draftWords(job, isDraft)),
        isFinal(job) ? null : counter(job)),
      h("p", { class: "draft-text", "data-testid": "draft-text", dir: "auto", tabindex: "0", role: "region", "aria-label": taskTitle(job.task), "aria-busy": String(!isFinal(job)) }, text),
      job.state === "failed" ? h("p", { class: "draft-failed" }, `${stateWord(job.state)}: ${failureWords(job.error)}`) : null,
      h("div", { class: "draft-actions" }, ...this.#buttons(job, isDraft, text)));
    // With its text in it: one that was empty for a moment would move the messages above.
    if (before) before.replaceWith(card);
    else this.home.append(card);
    if (follows) showEnd(textOf(card));
    if (focused) card.querySelector("button")?.focus();
  }

  #buttons(job, isDraft, text) {
    if (!isFinal(job)) return [button("stop", () => this.on.cancel(job), "draft-stop")];
    const bare = Object.keys(this.tasks.get(job.task)?.args ?? { any: "" }).length === 0;
    return [
      isDraft && text ? button("edit", () => this.#edit(job, text), "draft-edit", "button-primary") : null,
      job.state === "failed" && this.on.mayRetry(job) ? button("retry", () => this.on.retry(job), "draft-retry") : null,
      bare ? button("again", () => this.on.again(job), "draft-again") : null,
      h("button", { class: "button button-icon", type: "button", "aria-label": draftAction("dismiss"), "data-testid": "draft-dismiss", on: { click: () => this.dismiss(job.id) } }, icon("close")),
    ];
  }

  /** The text is in the composer now: the card makes room for it. */
  #edit(job, text) {
    const card = this.#card(job.id);
    if (card) card.dataset.edited = "true";
    this.on.edit(job, text);
  }

  #card(id) { return inside(this.home).find((card) => card.dataset.id === id); }
}

function button(name, act, test, kind = "") {
  return h("button", { class: `button button-small ${kind}`, type: "button", "data-testid": test, on: { click: act } }, draftAction(name));
}

function counter({ at }) {
  const time = h("span", { class: "chip-time" });
  countOn(time, at, (seconds) => { time.textContent = elapsed(seconds); });
  return time;
}

const textOf = (card) => card.querySelector(".draft-text");
const endIsInView = (place) => place.scrollHeight - place.scrollTop - place.clientHeight < NEAR_PX;
const showEnd = (place) => { place.scrollTop = place.scrollHeight; };

/** Shows the text in its place, whose height has a bound; its end stays in view unless the reader scrolled up. */
function fill(card, text) {
  const place = textOf(card);
  const follows = endIsInView(place);
  // Only what is new is added, so that a selection in what was there stays.
  const shown = place.textContent;
  if (text.startsWith(shown)) place.append(text.slice(shown.length));
  else place.textContent = text;
  if (follows) showEnd(place);
}
