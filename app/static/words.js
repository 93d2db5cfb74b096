/** What tasks, states and errors are called on the page. The one place for wording, but for results: results.js. */

const TITLES = { triage: "Triage", language: "Language", sentiment: "Sentiment", escalate: "Escalation", summarize: "Summary", monochrome: "Black and white", reply: "Draft of an answer", "*": "All tasks" };
const ACTIONS = { summarize: "Summarize", reply: "Draft an answer" };
const DRAFT_ACTIONS = { stop: "Stop", edit: "Edit and send", retry: "Try again", again: "Write another", dismiss: "Dismiss" };
const STATES = { accepted: "waiting", running: "running", retrying: "trying again", succeeded: "done", failed: "failed", cancelled: "cancelled", skipped: "skipped, too busy" };
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

/** @param {number} share 0 to 1 @returns {string} such as `93 %` @throws {TypeError} for anything but a number */
export function percent(share) {
  if (!Number.isFinite(share)) throw new TypeError("a share is a number");
  return `${Math.round(share * 100)}\u00a0%`;
}

/** @param {string} task @returns {string} what the task is called, also one this page never heard of */
export const taskTitle = (task) => TITLES[task] ?? capital(plain(task));

/** @param {string} task @returns {string} what the button that asks for the task says */
export const taskAction = (task) => ACTIONS[task] ?? taskTitle(task);

/** @param {string} name @returns {string} what can be done with a text that grows */
export const draftAction = (name) => DRAFT_ACTIONS[name];

/**
 * Whom a text is for, and how far it is.
 * @param {Object} job @param {boolean} isDraft @returns {string}
 */
export function draftWords(job, isDraft) {
  const words = job.progress?.words;
  if (job.state === "succeeded" || job.state === "cancelled") return isDraft ? "only those who answer see it" : stateWord(job.state);
  return words ? `${stateWord(job.state)}, ${words}` : stateWord(job.state);
}

/** What a message says whose place another has taken. */
export const REPLACED = "Replaced by a newer answer below";

/** @param {string} [name] who asked for it @returns {string} what the composer says of the draft in it */
export const fromDraft = (name) => (name ? `From a draft that ${name} asked for: check it before you send it` : "From a draft: check it before you send it");

/** What is on the button that opens the menu of further tasks. */
export const MORE_TASKS = "More";

const MESSAGE_ACTIONS = { copy: "Copy", regenerate: "Write another in its place" };

/** @param {string} name @returns {string} what can be done with a message */
export const messageAction = (name) => MESSAGE_ACTIONS[name];

export const COPIED = "Copied.";
export const NOT_COPIED = "The browser does not let this page copy.";
export const ADDRESS_COPIED = "The address is copied.";
export const COPY_ADDRESS = "Copy the address";

/** What a room says in which nobody has written yet. */
export const EMPTY_ROOM = {
  title: "Nobody has written here yet.",
  what: "Write the first message. Models look at each one: how urgent it is, which language, which mood.",
  invited: "Whoever opens this page's address can join the same room.",
  invitedByToken: "Others whose token has this room find it at this page's address.",
};

export const BEGINNING = "This is where the room begins.";
export const LOADING_EARLIER = "Loading earlier messages…";
export const LOAD_EARLIER = "Load earlier messages";

/** @param {number} count of unread messages @returns {string} for the button that leads to the newest */
export function newMessages(count) {
  if (count === 0) return "To the newest message";
  return count === 1 ? "1 new message" : `${count} new messages`;
}

/** @param {number} count @returns {string} */
export const unreadWords = (count) => `${count} unread`;

/** @param {string} who @param {string} text @returns {string} the last line of a room */
export const lastLine = (who, text) => shorten([who, text.replaceAll(/\s+/g, " ")].filter(Boolean).join(": "), 80);

/** What a room may be called. */
export const ROOM_RULE = "A room is 1 to 64 letters, digits, or _ . -";

/** @param {string} room @returns {string} */
export const notThereAnyMore = (room) => `You may not be in room ${room} any more.`;

/** @param {number} length @param {number} most @returns {string} */
export const tooLong = (length, most) => `A message has at most ${most} characters; this one has ${length}.`;

/** What a file says that has no name. */
export const NAMELESS = "A file";

/** @param {string} kind of the message @param {string} [name] whose it is @returns {string} what an image shows, for who cannot see it */
export const imageOf = (kind, name) => (kind === "ml" ? "Image, black and white" : `Image from ${name ?? "somebody"}`);

/** @param {string} [name] whose it is @returns {string} */
export const soundOf = (name) => `Sound from ${name ?? "a model"}`;

export const LOOK_CLOSER = "Look closer";
export const NOT_THERE = { image: "This image is not there any more.", sound: "This sound is not there any more." };
export const VIEWER = { close: "Close", back: "The image before", forward: "The image after" };

/** @param {string} name @returns {string} */
export const neitherImageNorSound = (name) => `${name || "That"} is neither an image nor a sound.`;

const TRANSFER = { waiting: "waiting", sending: "Sending", checked: "being looked at…", again: "Try again", stop: "Do not send", nameless: NAMELESS };

/** @param {string} name @returns {string} about a file on its way */
export const transferWords = (name) => TRANSFER[name];

/**
 * How a search stands.
 * @param {number} found
 * @param {{over: boolean, most?: number, broken?: boolean}} how
 * @returns {string}
 */
export function searchWords(found, { over, most, broken = false }) {
  if (found === most) return `The newest ${found} that match`;
  const count = found === 1 ? "1 message" : `${found || "No"} messages`;
  if (broken) return `${count}; earlier ones could not be looked at`;
  return over ? count : `${count} so far, looking further back…`;
}

/** How the connection is. */
export const CONNECTION = { connecting: "Connecting…", online: "Live", offline: "Offline, trying again…" };

/** What people should know while there is none. */
export const NO_CONNECTION = "There is no connection. Go on writing: what you send is kept here and goes out as soon as it is back.";

/** @param {number} seconds until the server stops @returns {string} */
export function drainingWords(seconds) {
  const when = seconds > 0 ? ` within ${Math.ceil(seconds)} s` : "";
  return `The server restarts${when}. Go on writing: what you send is kept here and goes out as soon as it is back.`;
}

/** What keys do. */
export const SHORTCUTS = [
  { keys: ["Enter"], words: "send" },
  { keys: ["Shift", "Enter"], words: "a new line" },
  { keys: ["/"], words: "search this room" },
  { keys: ["Alt", "↑"], words: "the room above" },
  { keys: ["Alt", "↓"], words: "the room below" },
  { keys: ["↑"], words: "from an empty field to the newest message, and from message to message" },
  { keys: ["C"], words: "copy the message with the focus" },
  { keys: ["R"], words: "have another written in its place" },
  { keys: ["Esc"], words: "back to writing, or close what is open" },
  { keys: ["W"], words: "write a message" },
  { keys: ["?"], words: "this sheet" },
];

/** @param {string} state of a job @returns {string} */
export const stateWord = (state) => STATES[state] ?? plain(state);

/** @param {string} name as in code @returns {string} in words */
export const plain = (name) => String(name).replaceAll("_", " ");
const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/** @param {string} words @param {number} most characters @returns {string} */
export const shorten = (words, most) => (words.length > most ? `${words.slice(0, most - 1)}…` : words);

/**
 * Says an error in plain words, with the server's own sentence where it has one.
 * @param {{code?: string, message?: string, field?: string}} error
 * @returns {string}
 */
export function errorWords({ code = "internal", message = "", field }) {
  const opening = ERRORS[code] ?? capital(plain(code));
  // Only where something filled in is wrong does its name help.
  const where = code === "bad_request" && field && !message.includes(field) ? plain(field) : "";
  const detail = [where, forPeople(message)].filter(Boolean).join(": ");
  return detail ? `${opening}: ${detail.replace(/\.$/, "")}.` : `${opening}.`;
}

/** The server's sentence with sizes that people can read, and without the names of settings. */
function forPeople(message) {
  return message.replace(/ ?\([A-Z]+(?:_[A-Z]+)+\)/g, "").replace(/(\d+) bytes/g, (_, bytes) => sizeWords(Number(bytes)));
}

/** @param {number} bytes @returns {string} such as `10 MB` */
export function sizeWords(bytes) {
  const [unit, name] = bytes < 1024 ? [1, "bytes"] : bytes < 1024 ** 2 ? [1024, "KB"] : [1024 ** 2, "MB"];
  return `${Number((bytes / unit).toFixed(1))} ${name}`;
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

/* The operator page. */

/** The times that jobs are looked for in; 0: between two times. */
export const TIMES = [
  { minutes: 15, words: "last 15 minutes" },
  { minutes: 60, words: "last hour" },
  { minutes: 1440, words: "last day" },
  { minutes: 10080, words: "last week" },
  { minutes: 0, words: "between…" },
];

export const NO_JOBS_MATCH = "No job is like this.";
export const NOTHING_GIVEN_UP = "Nothing was given up.";
export const NOTHING_RUNS = "Nothing runs here right now.";
export const NO_WORKERS = "No worker was heard of lately: queued jobs wait.";

export const NO_QUEUE = "No queue is in use, so no worker is asked.";

/** @param {number} count @param {boolean} more @returns {string} */
export const foundWords = (count, more) => `${count}${more ? "+" : ""} ${count === 1 && !more ? "job" : "jobs"}`;

/** What became of something done to many. @param {number} done @param {number} refused @param {string} why the last of them @returns {string} */
export const bulkWords = (done, refused, why) => (refused ? `Done for ${done}, refused for ${refused}. ${why}` : `Done for ${done}.`);

/** The steps of a job's life. */
export const JOB_STEPS = {
  accepted: "accepted",
  /** @param {number} attempt */
  failed: (attempt) => `attempt ${attempt} failed`,
  /** @param {number} attempt */
  started: (attempt) => `attempt ${attempt} began`,
  progress: "so far",
  next: "may start",
  dead: "given up: a dead letter",
};

/** Why dead letters of a group were given up. @param {Object} letter one of them @returns {string} */
export function lettersWords({ kind, error }) {
  if (kind === "message") return "Messages on the queue that nobody could read";
  if (kind === "callback") return "Callbacks that nobody took";
  return capital(JOB_ERRORS[error?.code] ?? plain(error?.code ?? "unknown"));
}

/** @param {number} count @returns {string} */
export const DROP_ALL = (count) => `Drop ${count} dead letters? These jobs will never be done.`;

/** @param {string} title @returns {string} */
export const DROP_ONE = (title) => `Drop this dead letter (${title})? The job will never be done.`;

/** @param {string} lane @returns {string} */
export const laneWords = (lane) => `lane ${lane} is paused`;

/** How failures of a task are tried again, where operators have set it. @param {{attempts?: number, min_wait_s?: number, max_wait_s?: number}} retries @returns {string} */
export const retryWords = ({ attempts, min_wait_s: least, max_wait_s: most }) => `tried ${attempts ? `${attempts} times` : "as declared"}, ${least ?? 0} to ${most ?? 60} s apart`;

/** @param {string} title @param {boolean} paused @returns {string} */
export const pausedWords = (title, paused) => (paused ? `${title} is paused: jobs are accepted and wait.` : `${title} goes on.`);
