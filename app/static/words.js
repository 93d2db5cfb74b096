/** What tasks, states, results and errors are called on the page. The one place for wording. */

const TITLES = { triage: "Triage", language: "Language", sentiment: "Sentiment", escalate: "Escalation", summarize: "Summary", monochrome: "Black and white", "*": "All tasks" };
const ACTIONS = { summarize: "Summarize" };
const STATES = { accepted: "waiting", running: "running", retrying: "trying again", succeeded: "done", failed: "failed", cancelled: "cancelled", skipped: "skipped, too busy" };
const URGENCY_TONE = { emergency: "bad", urgent: "warn" };
const MOOD_TONE = { positive: "good", negative: "warn" };
const SURE = 0.8;
const ERRORS = {
  bad_request: "That was not accepted",
  unauthorized: "You are not signed in",
  forbidden: "That is not allowed",
  not_found: "That is not there any more",
  not_in_room: "You are not in the room right now",
  unknown_task: "The server does not know this task",
  conflict: "That is in conflict with something else",
  too_large: "That is too large",
  rate_limited: "That was too quick",
  busy: "The server is busy",
  draining: "The server is restarting",
  internal: "Something went wrong on the server",
  offline: "There is no connection",
  timeout: "The server has not answered",
};

const JOB_ERRORS = {
  model_timeout: "the model did not answer in time",
  model_unavailable: "the model cannot be reached",
  model_refused: "the model refused it",
  model_answer_invalid: "the model's answer could not be read",
  model_error: "the model failed",
  timeout: "it took too long",
  cut_off: "the server stopped while it ran",
  worker_stopped: "its worker was stopped",
  deadline: "no answer came in time",
  result_invalid: "the result was not what the task promises",
  says_failed: "the result could not be put into words",
  task_error: "the task made a mistake",
  unknown_task: "the server does not know this task any more",
  poison: "it ended every worker that ran it",
  max_deliveries: "the queue gave it up",
  result_too_large: "the result is too large",
  broker_refused: "the queue does not take it",
  terminated: "a worker gave it up",
  store_unavailable: "it could not be stored",
};

/**
 * A result in words. `brief` is the same in a word or two; `loud` where it matters although its tone is plain.
 * @typedef {{words: string, tone: "plain"|"good"|"warn"|"bad", brief?: string, loud?: boolean}} Said
 */

/** @param {number} share 0 to 1 @returns {string} such as `93 %` @throws {TypeError} for anything but a number */
export function percent(share) {
  if (!Number.isFinite(share)) throw new TypeError("a share is a number");
  return `${Math.round(share * 100)}\u00a0%`;
}

/** @param {string} task @returns {string} what the task is called, also one this page never heard of */
export const taskTitle = (task) => TITLES[task] ?? capital(plain(task));

/** @param {string} task @returns {string} what the button that asks for the task says */
export const taskAction = (task) => ACTIONS[task] ?? taskTitle(task);

/** @param {string} state of a job @returns {string} */
export const stateWord = (state) => STATES[state] ?? plain(state);

/**
 * Says what a task found.
 * @param {string} task
 * @param {any} result as in the contract; any JSON for a task unknown here
 * @returns {Said|null} null when there is nothing to tell
 */
export function resultWords(task, result) {
  try {
    return (RESULTS[task] ?? anyResult)(result);
  } catch {
    // A task may have been replaced by one with another result: show what came instead of nothing.
    return anyResult(result);
  }
}

const RESULTS = {
  triage: (r) => ({ ...said(`${urgencyWord(r)} · ${plain(r.intent)} ${percent(r.confidence)}`, URGENCY_TONE[r.urgency]), brief: urgencyWord(r) }),
  language: (r) => ({ ...said(`${languageName(r.language)} ${percent(r.confidence)}`), brief: languageName(r.language), loud: isForeign(r) }),
  sentiment: (r) => ({ ...said(`${r.label} ${signed(r.score)}`, MOOD_TONE[r.label]), brief: r.label }),
  summarize: (r) => said(r.lines.length === 1 ? "1 line" : `${r.lines.length} lines`),
  monochrome: (r) => (r.upload ? said("ready") : anyResult(r)),
  escalate: (r) => (meansNothing(r) ? null : { ...said("notice in the room"), brief: "" }),
};

function anyResult(result) {
  const words = inWords(result);
  return said(words === "" ? "done" : shorten(words, 90));
}

function inWords(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(inWords).join(", ");
  if (typeof value === "object") return Object.entries(value).map(([name, held]) => `${plain(name)} ${inWords(held)}`).join(" · ");
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : String(value);
}

const meansNothing = (r) => !r || (typeof r === "object" && Object.values(r).every((held) => !held));
/** @param {string} words @param {Said["tone"]} [tone] @returns {Said} */
const said = (words, tone = "plain") => ({ words, tone });
const plain = (name) => String(name).replaceAll("_", " ");
const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);
const sign = (score) => (score < 0 ? "−" : score > 0 ? "+" : "");
const signed = (score) => sign(score) + Math.abs(score).toFixed(2);

/** @param {string} words @param {number} most characters @returns {string} */
export const shorten = (words, most) => (words.length > most ? `${words.slice(0, most - 1)}…` : words);

const urgencyWord = ({ urgency }) => (urgency === "none" ? "not urgent" : urgency);

/** Whether a message is surely in a language that the reader's browser does not ask for. */
function isForeign({ language, confidence }) {
  const known = new Set(navigator.languages.map((tag) => tag.split("-")[0]));
  return language !== "und" && confidence >= SURE && !known.has(language);
}

function languageName(code) {
  const name = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" }).of(code);
  return name === "und" ? "unknown" : name;
}

/**
 * Says an error in plain words, with the server's own sentence where it has one.
 * @param {{code?: string, message?: string, field?: string}} error
 * @returns {string}
 */
export function errorWords({ code = "internal", message = "", field }) {
  const opening = ERRORS[code] ?? capital(plain(code));
  const detail = [field && !message.includes(field) ? plain(field) : "", message].filter(Boolean).join(": ");
  return detail ? `${opening}: ${detail.replace(/\.$/, "")}.` : `${opening}.`;
}

/**
 * Says why a job failed, for people; operators see the server's own sentence.
 * @param {{code?: string, message?: string}} [error]
 * @returns {string}
 */
export function failureWords({ code = "", message = "" } = {}) {
  // A task may have codes of its own, and then its sentence is for people.
  return JOB_ERRORS[code] ?? (shorten([plain(code), message].filter(Boolean).join(": "), 160) || "nobody knows why");
}

/** @param {number} [seconds] 0 or none: nothing is known @returns {string} how long people lately waited for an answer of a person */
export function waitWords(seconds) {
  if (!seconds) return "";
  if (seconds < 5) return "People answer at once: no waiting time right now";
  if (seconds < 45) return "People answer in less than a minute";
  if (seconds < 90) return "People answer in about a minute";
  if (seconds < 5400) return `People answer in about ${Math.round(seconds / 60)} minutes`;
  return `People answer in about ${Math.round(seconds / 3600)} hours`;
}

/** @param {string[]} names @returns {string} */
export function typingWords(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing…`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing…`;
  return "Several people are typing…";
}

/** @param {string} name as in code @returns {string} as a label */
export const capitalized = (name) => capital(plain(name));
