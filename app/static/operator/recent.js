/** The newest jobs, one row each. */

import { duration, exactTime } from "../clock.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { resultWords } from "../results.js";
import { errorWords, stateWord, taskTitle } from "../words.js";
import { table } from "./table.js";

const TONES = { succeeded: "good", failed: "bad", skipped: "bad", retrying: "warn" };

/** @param {Object[]} jobs as `job:update`, newest first @returns {HTMLElement} */
export function recentJobs(jobs) {
  if (jobs.length === 0) return h("p", { class: "empty" }, "No jobs yet. They appear here as soon as somebody writes.");
  return table(["Time", "Task", "Room", "Path", "State", ">Attempt", ">Took", "Outcome"], jobs.map(row));
}

function row(job) {
  return [
    { text: new Date(job.at).toLocaleTimeString(), class: "keep", title: exactTime(job.at) },
    { text: taskTitle(job.task), class: "strong keep", title: job.id },
    { text: job.room, class: "keep" },
    pathBadge(job.path),
    h("span", { class: "badge", "data-tone": TONES[job.state] }, stateWord(job.state)),
    { text: String(job.attempt), class: "number" },
    { text: typeof job.ms === "number" ? duration(job.ms) : "–", class: "number" },
    { text: outcome(job), class: "wide" },
  ];
}

/** The path as a badge. @param {string} path @returns {HTMLElement} */
export function pathBadge(path) {
  return h("span", { class: "badge", "data-path": path }, icon(path === "queued" ? "queued" : "simple"), path);
}

function outcome(job) {
  if (job.state === "succeeded") return resultWords(job.task, job.result)?.words ?? "nothing to report";
  return job.error ? errorWords(job.error) : "";
}
