/** Chips: one per job, with what it found, or how far it is and what can be done about it. */

import { duration, elapsed, exactTime } from "../clock.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { resultWords } from "../results.js";
import { failureWords, percent, stateWord, taskTitle } from "../words.js";
import { countOn } from "./elapsed.js";
import { isFinal } from "./jobs.js";

/**
 * @typedef {Object} Actions
 * @property {(job: Object) => void} cancel
 * @property {(job: Object) => void} retry
 * @property {(job: Object) => boolean} mayRetry
 */

/**
 * @param {Object} job as in `job:update`
 * @param {Actions} [actions] what its buttons do; without it there are none
 * @returns {HTMLElement}
 */
export function chip(job, actions) {
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
  isFinal(job) || job.due ? null : counter(job),
  h("span", { class: "chip-path" }, pathWords(job)),
  actions ? action(job, actions) : null);
}

/** What a chip says. @param {Object} job @returns {import("../results.js").Said|null} null when there is nothing to tell */
export function sayJob(job) {
  if (job.state === "succeeded") return resultWords(job.task, job.result);
  if (job.state === "failed") return { words: `failed: ${failureWords(job.error)}`, tone: "bad" };
  if (job.state === "retrying") return { words: `${stateWord(job.state)}, attempt ${job.attempt}`, tone: "plain" };
  if (job.due) return { words: `starts ${exactTime(job.due)}`, tone: "plain" };
  return { words: progressWords(job), tone: "plain" };
}

function progressWords({ state, progress }) {
  const share = typeof progress === "number" ? progress : progress?.fraction;
  const words = typeof progress?.words === "string" ? progress.words : "";
  if (state !== "running" || typeof share !== "number") return stateWord(state);
  return [`${stateWord(state)} ${percent(share)}`, words].filter(Boolean).join(", ");
}

function counter({ at }) {
  const time = h("span", { class: "chip-time", "data-testid": "chip-time" });
  countOn(time, at, (seconds) => { time.textContent = elapsed(seconds); });
  return time;
}

function action(job, { cancel, retry, mayRetry }) {
  if (!isFinal(job)) return button("Cancel", "chip-cancel", job, cancel);
  return job.state === "failed" && mayRetry(job) ? button("Try again", "chip-retry", job, retry) : null;
}

function button(words, test, job, act) {
  return h("button", { class: "link-button chip-act", type: "button", "data-testid": test, "aria-label": `${words}: ${taskTitle(job.task)}`, on: { click: () => act(job) } }, words);
}

const pathWords = ({ path, ms }) => [path, typeof ms === "number" ? duration(ms) : ""].filter(Boolean).join(" · ");

function longWords(job, said) {
  const lines = [
    `${taskTitle(job.task)}: ${said?.words ?? "nothing to report"}`,
    `${stateWord(job.state)} on the ${job.path} path${typeof job.ms === "number" ? ` in ${job.ms} ms` : ""}`,
    job.attempt > 1 ? `attempt ${job.attempt}` : "",
  ];
  return lines.filter(Boolean).join("\n");
}
