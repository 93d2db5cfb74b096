/** Pausing and resuming tasks and lanes. */

import { api } from "../api.js";
import { h } from "../dom.js";
import { complain, toast } from "../toasts.js";
import { laneWords, pausedWords, retriesWords, taskTitle } from "../words.js";

/** What is paused. */
export class Pauses {
  /** @param {() => void} changed something was paused, or goes on */
  constructor(changed) {
    this.changed = changed;
    /** @type {Map<string, Object>} */
    this.tasks = new Map();
    /** @type {Object[]} */
    this.lanes = [];
  }

  /** Asks the server. */
  async refresh() {
    const [{ lanes }, { tasks }] = await Promise.all([api("GET", "/api/lanes"), api("GET", "/api/tasks")]);
    this.lanes = lanes;
    this.tasks = new Map(tasks.map((task) => [task.task, task]));
  }

  /** A button for a task, and what keeps it from running. @param {string} task @returns {HTMLElement|string} */
  ofTask(task) {
    const known = this.tasks.get(task);
    if (!known) return "";
    const words = known.lane_paused ? h("span", { class: "badge", "data-tone": "warn" }, laneWords(known.lane)) : null;
    return h("div", { class: "row-actions" }, words, this.#button("tasks", task, taskTitle(task), known.paused === true));
  }

  /** How failures of a task are tried again, where somebody set that. @param {string} task @returns {string} */
  retriesOf(task) {
    const retries = this.tasks.get(task)?.retries;
    return retries ? retriesWords(retries) : "";
  }

  /** A row of buttons for the lanes. @returns {HTMLElement[]} */
  ofLanes() {
    return this.lanes.map(({ lane, paused, tasks }) => h("li", { class: "lane", "data-testid": "lane", "data-lane": lane, "data-paused": String(paused) },
      h("span", { class: "lane-name" }, lane), h("span", { class: "lane-tasks" }, tasks.map(taskTitle).join(", ")),
      this.#button("lanes", lane, `lane ${lane}`, paused)));
  }

  #button(kind, name, title, paused) {
    const words = paused ? "Resume" : "Pause";
    const click = async () => {
      try {
        await api("PUT", `/api/${kind}/${encodeURIComponent(name)}`, { paused: !paused });
        toast(pausedWords(title, !paused));
        this.changed();
      } catch (error) {
        complain(error);
      }
    };
    return h("button", { class: "button button-small", type: "button", "data-testid": `pause-${kind}-${name}`, "data-paused": String(paused), "aria-label": `${words}: ${title}`, on: { click } }, words);
  }
}
