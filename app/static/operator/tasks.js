/** One row per task with its counts. */

import { taskTitle } from "../words.js";
import { addressWith } from "./address.js";
import { h } from "../dom.js";
import { table } from "./table.js";

const ENDS = { succeeded: "done", failed: "failed", cancelled: "cancelled", skipped: "skipped" };

/**
 * @param {string[]} names of all tasks, in the server's order
 * @param {Array<{task: string, path: string, state: string, count: number}>} counts
 * @param {(task: string) => HTMLElement|string} act what can be done about a task
 * @returns {HTMLElement}
 */
export function taskTable(names, counts, act) {
  const all = [...new Set([...names, ...counts.map(({ task }) => task)])];
  const rows = all.map((task) => [...row(task, counts.filter((one) => one.task === task)), act(task)]);
  return table(["Task", ">Simple", ">Queued", ">Under way", ">Done", ">Failed", ">Cancelled", ">Skipped", ""], rows);
}

function row(task, counts) {
  const sum = (wanted) => counts.filter(wanted).reduce((all, { count }) => all + count, 0);
  const ended = (state) => sum((one) => one.state === state);
  return [
    { node: h("a", { href: addressWith({ view: "jobs", task }, new URLSearchParams()), "data-here": true, title: task }, taskTitle(task)), class: "strong keep" },
    figure(sum(({ path }) => path === "simple")),
    figure(sum(({ path }) => path === "queued")),
    figure(sum(({ state }) => !(state in ENDS))),
    figure(ended("succeeded")),
    figure(ended("failed"), "bad"),
    figure(ended("cancelled")),
    figure(ended("skipped"), "bad"),
  ];
}

const figure = (count, tone = "") => ({ text: count.toLocaleString(), class: `number ${count ? tone : "zero"}` });
