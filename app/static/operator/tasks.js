/** One row per task with its counts, and a button that pauses it; one button per lane. */

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

/**
 * @param {Array<{lane: string, paused: boolean, tasks: string[]}>} lanes
 * @param {() => Promise<void>} refresh called after a button was used
 * @returns {HTMLElement}
 */
export function laneButtons(lanes, refresh) {
  return h("p", { class: "lanes" }, ...lanes.map(({ lane, paused }) => pauseButton("lanes", lane, `lane ${lane}`, paused, refresh)));
}

function pauseButton(kind, name, title, paused, refresh) {
  const words = `${paused ? "Resume" : "Pause"}${kind === "lanes" ? ` ${title}` : ""}`;
  const button = h("button", { class: "button button-small", type: "button", "aria-label": `${paused ? "Resume" : "Pause"} ${title}`, "data-testid": `pause-${kind}-${name}` }, words);
  button.addEventListener("click", async () => {
    await api("PUT", `/api/${kind}/${encodeURIComponent(name)}`, { paused: !paused }).catch(complain);
    await refresh().catch(complain);
  });
  return button;
}

function again(retries) {
  if (!retries) return "";
  const codes = retries.codes ? ` on ${retries.codes.join(", ")}` : "";
  return `${retries.attempts ? `${retries.attempts} attempts` : "as declared"}${codes}, ${retries.min_wait_s} to ${retries.max_wait_s} s`;
}

function row(task, counts, rule, refresh) {
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
    again(rule?.retries),
    rule ? pauseButton("tasks", task, taskTitle(task), rule.paused === true, refresh) : "",
  ];
}

const figure = (count, tone = "") => ({ text: count.toLocaleString(), class: `number ${count ? tone : "zero"}` });
