/** What the models found in one message: what matters as chips, the rest as one quiet line that opens. */

import { h, inside } from "../dom.js";
import { stateWord, taskTitle } from "../words.js";
import { chip, sayJob } from "./chips.js";
import { countOn } from "./elapsed.js";
import { isFinal } from "./jobs.js";

const SLOW_SECONDS = 2; // what takes longer is shown for itself, with its time and a way to stop it
const LOUD_TONES = new Set(["warn", "bad"]);

/** @returns {HTMLElement} the place under a message, empty at first */
export function findingsElement() {
  return h("div", { class: "chips", role: "group", "aria-label": "What the models found" });
}

/**
 * Draws a job into `home`, in place of its earlier chip.
 * @param {HTMLElement} home from `findingsElement`
 * @param {Object} job as in `job:update`
 * @param {import("./chips.js").Actions} actions
 */
export function showFinding(home, job, actions) {
  const before = chipOf(home, job.id);
  const now = chip(job, actions);
  const focused = before?.contains(document.activeElement);
  const loud = isLoud(job) || (!isFinal(job) && before?.dataset.loud === "true");
  const place = loud ? home : rest(home);
  if (before?.parentElement === place) before.replaceWith(now);
  else {
    before?.remove();
    put(home, now, loud);
  }
  now.dataset.loud = String(loud);
  now.dataset.brief = brief(job);
  if (!isFinal(job)) countOn(now, job.at, (seconds) => { if (seconds >= SLOW_SECONDS) raise(home, now); });
  sumUp(home);
  // Focus on a button of the old chip moves to what takes its place.
  if (focused) (now.querySelector("button") ?? home.querySelector("summary"))?.focus();
}

/** Takes the chip of a job away. @param {HTMLElement} home @param {string} id */
export function removeFinding(home, id) {
  chipOf(home, id)?.remove();
  sumUp(home);
}

const chipOf = (home, id) => /** @type {HTMLElement|undefined} */ ([...home.querySelectorAll(".chip")].find((one) => /** @type {HTMLElement} */ (one).dataset.job === id));

function isLoud(job) {
  if (job.state === "failed") return true;
  const said = job.state === "succeeded" ? sayJob(job) : null;
  return Boolean(said && (LOUD_TONES.has(said.tone) || said.loud));
}

/** Moves the chip of a slow job out of the quiet line. */
function raise(home, element) {
  if (element.dataset.loud === "true" || !element.isConnected) return;
  const focused = /** @type {HTMLElement|null} */ (element.contains(document.activeElement) ? document.activeElement : null);
  element.dataset.loud = "true";
  put(home, element, true);
  sumUp(home);
  focused?.focus();
}

function put(home, element, loud) {
  const place = rest(home);
  if (loud) home.insertBefore(element, place.parentElement);
  else place.append(element);
}

/** Where the quiet chips are, in the line that opens. @returns {HTMLElement} */
function rest(home) {
  const there = home.querySelector(".quiet-chips");
  if (there) return there;
  const place = h("div", { class: "quiet-chips" });
  home.append(h("details", { class: "quiet", "data-testid": "quiet" }, h("summary", { "data-testid": "quiet-words" }), place));
  return place;
}

function sumUp(home) {
  const line = home.querySelector(".quiet");
  if (!line) return;
  const chips = inside(rest(home)).filter((one) => !one.hidden);
  const words = chips.map((one) => one.dataset.brief).filter(Boolean);
  line.hidden = chips.length === 0;
  line.querySelector("summary").textContent = words.length ? words.join(" · ") : "Working on it…";
}

/** A finding in a word or two, for the quiet line. */
function brief(job) {
  if (!isFinal(job)) return "";
  if (job.state !== "succeeded") return `${taskTitle(job.task)} ${stateWord(job.state)}`;
  const said = sayJob(job);
  return said?.brief ?? said?.words ?? "";
}
