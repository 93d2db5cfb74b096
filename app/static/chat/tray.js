/** Requested work that has no message of its own yet: what was asked, how far it is, and cancelling it. */

import { h, inside } from "../dom.js";
import { icon } from "../icons.js";
import { shorten, taskTitle } from "../words.js";
import { chip } from "./chips.js";
import { isFinal } from "./jobs.js";
import { stateLine } from "./pending.js";

/** The rows above the composer. */
export class Tray {
  /**
   * @param {HTMLElement} home
   * @param {Object} on
   * @param {string} on.me own id
   * @param {(job: Object) => void} on.cancel
   * @param {(entry: Object) => void} on.retry
   * @param {(entry: Object) => void} on.discard
   */
  constructor(home, on) {
    this.home = home;
    this.on = on;
    this.asked = new Map();
    this.dismissed = new Set();
    home.replaceChildren();
  }

  /** Shows a request that is not acknowledged yet. @param {Object} entry of the outbox */
  showEntry(entry) {
    this.asked.set(entry.key, entry.payload.args);
    this.#put(entry.key, [h("span", { class: "tray-words" }, taskTitle(entry.payload.task)), stateLine(entry, this.on)]);
  }

  /** Shows a job, unless it is over and was never of interest here. @param {Object} job */
  showJob(job) {
    if (this.dismissed.has(job.id)) return;
    const wanted = !isFinal(job) || this.#row(job.id) || this.asked.has(job.key);
    if (job.key) this.remove(job.key);
    // Whoever cancelled it knows.
    if (job.state === "cancelled") this.settled(job.id);
    else if (wanted) this.#put(job.id, [chip(job), h("span", { class: "tray-words" }, this.#about(job)), this.#button(job)]);
  }

  /** Takes a row away. @param {string} id of a job, or key of an entry */
  remove(id) { this.#row(id)?.remove(); }

  /** The job has its own place in the conversation now. @param {string} id */
  settled(id) {
    this.dismissed.add(id);
    this.remove(id);
  }

  #about(job) {
    const text = this.asked.get(job.key)?.text;
    if (text) return `“${shorten(text, 60)}”`;
    return job.sender && job.sender.id !== this.on.me ? `asked by ${job.sender.name}` : "";
  }

  #button(job) {
    if (!isFinal(job)) {
      return h("button", { class: "button button-small", type: "button", "data-testid": "job-cancel", on: { click: () => this.on.cancel(job) } }, "Cancel");
    }
    return h("button", { class: "button button-icon", type: "button", "aria-label": "Dismiss", on: { click: () => this.settled(job.id) } }, icon("close"));
  }

  #put(id, children) {
    const row = h("li", { class: "tray-row", "data-testid": "tray-row", "data-id": id }, ...children);
    const before = this.#row(id);
    // Focus on a button of the old row moves to the one that takes its place.
    const focused = before?.contains(document.activeElement);
    if (before) before.replaceWith(row);
    else this.home.append(row);
    if (focused) row.querySelector("button")?.focus();
  }

  #row(id) { return inside(this.home).find((row) => row.dataset.id === id); }
}
