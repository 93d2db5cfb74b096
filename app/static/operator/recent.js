/** Jobs, one row each. */

import { duration, exactTime } from "../clock.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { resultWords } from "../results.js";
import { errorWords, stateWord, taskTitle } from "../words.js";
import { addressWith } from "./address.js";
import { table } from "./table.js";

const TONES = { failed: "bad", skipped: "bad", retrying: "warn" };

export const JOB_HEADS = ["Time", "Task", "Room", "Path", "State", ">Attempt", ">Took", "Outcome"];

/** @param {Object[]} jobs as `job:update`, newest first @returns {HTMLElement} */
export function recentJobs(jobs) {
  if (jobs.length === 0) return h("p", { class: "empty" }, "No jobs yet. They appear here as soon as somebody writes.");
  return table(JOB_HEADS, jobs.map(jobRow));
}

/** @param {Object} job @returns {Array<Node|{text?: string, node?: Node, class?: string, title?: string}>} cells under `JOB_HEADS` */
export function jobRow(job) {
  return [
    { text: new Date(job.at).toLocaleTimeString(), class: "keep", title: exactTime(job.at) },
    { node: jobLink(job.id, taskTitle(job.task)), class: "strong keep" },
    { text: job.room, class: "keep" },
    pathBadge(job.path),
    stateBadge(job.state),
    { text: String(job.attempt), class: "number" },
    { text: typeof job.ms === "number" ? duration(job.ms) : "–", class: "number" },
    { text: outcome(job), class: "wide" },
  ];
}

/** A link that opens a job in this view. @param {string} id @param {string} words @returns {HTMLElement} */
export const jobLink = (id, words) => h("a", { href: addressWith({ job: id }), "data-here": true, "data-testid": "job-link", title: id }, words);

/** The state as a badge; colour only where somebody may have to act. @param {string} state @returns {HTMLElement} */
export const stateBadge = (state) => h("span", { class: "badge", "data-tone": TONES[state] }, stateWord(state));

/** The path as a badge. @param {string} path @returns {HTMLElement} */
export function pathBadge(path) {
  return h("span", { class: "badge", "data-path": path }, icon(path === "queued" ? "queued" : "simple"), path);
}

function outcome(job) {
  if (job.state === "succeeded") return resultWords(job.task, job.result)?.words ?? "nothing to report";
  return job.error ? errorWords(job.error) : "";
}
