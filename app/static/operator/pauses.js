/** Pausing and resuming tasks and lanes, and how failures are tried again. */

import { api } from "../api.js";
import { h } from "../dom.js";
import { complain, toast } from "../toasts.js";
import { laneWords, pausedWords, retryWords, taskTitle } from "../words.js";

/** What is paused. */
export class Pauses {
  constructor() {
    /** @type {Map<string, Object>} */
    this.tasks = new Map();
    /** @type {Object[]|null} */
    this.lanes = null;
  }

  /** Asks the server. */
  async refresh() {
    const [{ lanes }, { tasks }] = await Promise.all([api("GET", "/api/lanes"), api("GET", "/api/tasks")]);
    this.lanes = lanes;
    this.tasks = new Map(tasks.map((task) => [task.task, task]));
  }

  /** A button for a task, and what keeps it from running. @param {string} task @returns {HTMLElement|string} */
  ofTask(task) {
    const known = this.lanes && this.tasks.get(task);
    if (!known) return "";
    const words = known.lane_paused ? h("span", { class: "badge", "data-tone": "warn" }, laneWords(known.lane)) : null;
    const again = known.retries ? h("span", { class: "badge" }, retryWords(known.retries)) : null;
    return h("div", { class: "row-actions" }, words, again, this.#button("tasks", task, taskTitle(task), known.paused === true));
  }

  /** A row of buttons for the lanes. @returns {HTMLElement[]} */
  ofLanes() {
    return (this.lanes ?? []).map(({ lane, paused, tasks }) => h("li", { class: "lane", "data-testid": "lane", "data-lane": lane, "data-paused": String(paused) },
      h("span", { class: "lane-name" }, lane), h("span", { class: "lane-tasks" }, tasks.map(taskTitle).join(", ")),
      this.#button("lanes", lane, `lane ${lane}`, paused)));
  }

  #button(kind, name, title, paused) {
    const words = paused ? "Resume" : "Pause";
    const click = async () => {
      try {
        await api("PUT", `/api/${kind}/${encodeURIComponent(name)}`, { paused: !paused });
        toast(pausedWords(title, !paused));
      } catch (error) {
        complain(error);
      }
    };
    return h("button", { class: "button button-small", type: "button", "data-testid": `pause-${kind}-${name}`, "data-paused": String(paused), "aria-label": `${words}: ${title}`, on: { click } }, words);
  }
}
