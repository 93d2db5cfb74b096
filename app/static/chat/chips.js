/** Chips: what the models found, one per job, filling in as news comes. */

import { duration } from "../clock.js";
import { h, inside } from "../dom.js";
import { icon } from "../icons.js";
import { errorWords, percent, resultWords, stateWord, taskTitle } from "../words.js";

/**
 * Draws a job into `home`, in place of its earlier chip.
 * @param {HTMLElement} home holds the chips of one message
 * @param {Object} job as in `job:update`
 */
export function showChip(home, job) {
  const before = inside(home).find((one) => one.dataset.job === job.id);
  const now = chip(job);
  if (before) before.replaceWith(now);
  else home.append(now);
}

/** @param {Object} job @returns {HTMLElement} */
export function chip(job) {
  const said = sayJob(job);
  return h("span", {
    class: "chip", "data-testid": "chip", "data-job": job.id, "data-task": job.task, "data-state": job.state,
    "data-path": job.path, "data-tone": said?.tone ?? "plain", title: longWords(job, said),
    // A job that succeeded and has nothing to tell stays in the page for the record, not for the eye.
    hidden: said === null,
  },
  icon(job.path === "queued" ? "queued" : "simple"),
  h("span", { class: "chip-task" }, taskTitle(job.task)),
  h("span", { class: "chip-words" }, said?.words ?? "done"),
  h("span", { class: "chip-path" }, pathWords(job)));
}

function sayJob(job) {
  if (job.state === "succeeded") return resultWords(job.task, job.result);
  if (job.state === "failed") return { words: "failed", tone: "bad" };
  if (job.state === "retrying") return { words: `${stateWord(job.state)}, ${job.attempt}. attempt`, tone: "plain" };
  return { words: progressWords(job), tone: "plain" };
}

function progressWords({ state, progress }) {
  const share = typeof progress === "number" ? progress : progress?.share;
  return state === "running" && typeof share === "number" ? `${stateWord(state)} ${percent(share)}` : stateWord(state);
}

const pathWords = ({ path, ms }) => [path, typeof ms === "number" ? duration(ms) : ""].filter(Boolean).join(" · ");

function longWords(job, said) {
  const lines = [
    `${taskTitle(job.task)}: ${said?.words ?? "nothing to report"}`,
    `${stateWord(job.state)} on the ${job.path} path${typeof job.ms === "number" ? ` in ${job.ms} ms` : ""}`,
    job.attempt > 1 ? `attempt ${job.attempt}` : "",
    job.error ? errorWords(job.error) : "",
  ];
  return lines.filter(Boolean).join("\n");
}
