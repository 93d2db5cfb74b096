/** What tasks found, in words: the page's own, a task's own, or what came as it is. */

import { percent, plain, shorten } from "./words.js";

const URGENCY_TONE = { emergency: "bad", urgent: "warn" };
const UPSET = -0.4; // a score; above it "negative" is a shade and no mood
const SURE = 0.8;

/** How tasks word their results, by name: see `chip` in docs/tasks.md. */
const worded = new Map();

/**
 * A result in words. `brief` is the same in a word or two; `loud` where it matters although its tone is plain.
 * @typedef {{words: string, tone: "plain"|"good"|"warn"|"bad", brief?: string, loud?: boolean}} Said
 */

/** Learns how tasks word their own results. @param {Array<{task: string, chip?: string}>} tasks as in GET /api/tasks */
export function learnWords(tasks) {
  worded.clear();
  for (const { task, chip } of tasks) if (chip) worded.set(task, chip);
}

/**
 * Says what a task found.
 * @param {string} task
 * @param {any} result as in the contract; any JSON for a task unknown here
 * @returns {Said|null} null when there is nothing to tell
 */
export function resultWords(task, result) {
  try {
    return worded.has(task) ? said(filled(worded.get(task), result)) : (RESULTS[task] ?? anyResult)(result);
  } catch {
    // A task may have been replaced by one with another result: show what came instead of nothing.
    return anyResult(result);
  }
}

const RESULTS = {
  triage: (r) => ({ ...said(`${urgencyWord(r)} · ${plain(r.intent)} ${percent(r.confidence)}`, URGENCY_TONE[r.urgency]), brief: urgencyWord(r) }),
  language: (r) => ({ ...said(`${languageName(r.language)} ${percent(r.confidence)}`), brief: languageName(r.language), loud: isForeign(r) }),
  sentiment: (r) => ({ ...said(`${r.label} ${signed(r.score)}`, moodTone(r)), brief: r.label }),
  summarize: (r) => said(r.lines.length === 1 ? "1 line" : `${r.lines.length} lines`),
  monochrome: (r) => (r.upload ? said("ready") : anyResult(r)),
  thumbnail: (r) => (r.upload ? said("ready") : anyResult(r)),
  ocr: (r) => said(r.lines.length === 1 ? "1 line" : `${r.lines.length} lines`),
  transcribe: (r) => said(`${Math.round(r.seconds)} s of speech`),
  barcode: (r) => said(listed(r.codes, ({ text }) => text, "no code")),
  doses: (r) => said(listed(r.doses, doseInWords, "none")),
  appointment: (r) => said(listed(r.times, ({ at }) => moment(at), "none")),
  suggest: (r) => (r.suggestions.length ? { ...said(r.suggestions[0].answer), brief: "an answer is known" } : null),
  similar: (r) => said(listed(r.similar, ({ sender, text }) => `${sender}: ${text}`, "nothing like it")),
  escalate: (r) => (meansNothing(r) ? null : { ...said("notice in the room"), brief: "" }),
};

function anyResult(result) {
  const words = inWords(result);
  return said(words === "" ? "done" : shorten(words, 90));
}

/** Fills in the fields that a task's own words name in braces. */
function filled(words, result) {
  return shorten(words.replace(/\{\{|\}\}|\{(\w+)\}/g, (found, field) => (field ? inWords(result[field]) : found[0])), 90);
}

function inWords(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.length ? value.map(inWords).join(", ") : "none";
  if (typeof value === "object") return fieldsInWords(Object.entries(value));
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : String(value);
}

/** The name of a single field would only repeat what the task is called. */
function fieldsInWords(fields) {
  if (fields.length === 1) return inWords(fields[0][1]);
  return fields.map(([name, held]) => `${plain(name)} ${inWords(held)}`).join(" · ");
}

/** What was found, each thing in words. */
const listed = (found, inItsWords, nothing) => (found.length ? found.map(inItsWords).join(", ") : nothing);

const doseInWords = (dose) => (dose.unit ? `${dose.amount} ${dose.unit}` : inWords(dose));

/** A moment on its writer's clock, as people write it: the offset is in the text, so it is read as it stands. */
const moment = (at) => new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" }).format(new Date(`${at.slice(0, 19)}Z`));

const meansNothing = (r) => !r || (typeof r === "object" && Object.values(r).every((held) => !held));
/** @param {string} words @param {Said["tone"]} [tone] @returns {Said} */
const said = (words, tone = "plain") => ({ words, tone });
const sign = (score) => (score < 0 ? "−" : score > 0 ? "+" : "");
const signed = (score) => sign(score) + Math.abs(score).toFixed(2);

const urgencyWord = ({ urgency }) => (urgency === "none" ? "not urgent" : urgency);

function moodTone({ label, score }) {
  if (label === "positive") return "good";
  return score <= UPSET ? "warn" : "plain";
}

/** Whether a message is surely in a language that the reader's browser does not ask for. */
function isForeign({ language, confidence }) {
  const known = new Set(navigator.languages.map((tag) => tag.split("-")[0]));
  return language !== "und" && confidence >= SURE && !known.has(language);
}

function languageName(code) {
  const name = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" }).of(code);
  return name === "und" ? "unknown" : name;
}
