/** Buttons for tasks on request, drawn from what the server says it has. */

import { byId, h } from "../dom.js";
import { icon } from "../icons.js";
import { mayAnswer } from "../token.js";
import { fieldLabel, MORE_TASKS, ROOM_TASKS, taskAction } from "../words.js";

const AT_HAND = ["reply", "summarize", "monochrome", "ocr"]; // the others are in the menu
const ICONS = { summarize: "paths", monochrome: "image" };

/**
 * Draws a button for each task that can be asked for: those that need nothing more at hand, the others in a menu.
 * @param {Object[]} tasks as in GET /api/tasks
 * @param {Object} on
 * @param {(task: string, args: Object) => void} on.ask
 * @param {(task: string) => void} on.file the task wants an image or a sound first
 * @param {() => void} on.choose which tasks run on the messages of the room
 */
export function taskButtons(tasks, on) {
  const askable = tasks.filter(({ runs, draft, not_configured: missing }) => runs.includes("request") && !missing && (!draft || mayAnswer()));
  const atHand = askable.filter(({ task }) => AT_HAND.includes(task)).sort((a, b) => AT_HAND.indexOf(a.task) - AT_HAND.indexOf(b.task));
  const others = askable.filter((task) => !atHand.includes(task)).sort((a, b) => taskAction(a.task).localeCompare(taskAction(b.task)));
  byId("task-buttons").replaceChildren(...atHand.map((task) => button(task, on)), menu(others, on));
}

function menu(tasks, on) {
  const more = h("details", { class: "more-tasks" },
    h("summary", { class: "button button-small", "data-testid": "more-tasks" }, icon("more"), MORE_TASKS),
    h("div", { class: "more-tasks-list" }, ...tasks.map((task) => button(task, on)),
      h("button", { class: "button button-small", type: "button", "data-testid": "room-tasks-open", on: { click: () => on.choose() } }, icon("check"), ROOM_TASKS.open)));
  const shut = () => { more.open = false; };
  more.addEventListener("click", (event) => { if (event.target instanceof Element && event.target.closest("button")) shut(); });
  more.addEventListener("focusout", (event) => { if (event.relatedTarget instanceof Node && !more.contains(event.relatedTarget)) shut(); });
  more.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    shut();
    more.querySelector("summary").focus();
  });
  return more;
}

/** Whether a task can be asked for without saying more. @param {{args: Object}|undefined} task @returns {boolean} */
export const takesNothing = (task) => task !== undefined && Object.keys(task.args).length === 0;

const SOUNDS = new Set(["transcribe"]); // tasks that listen; a declaration says no more than that a task wants an upload

/** Whether a task wants an image or a sound, and nothing else. @param {{args: Object}} task @returns {boolean} */
const wantsFile = ({ args }) => Object.keys(args).join() === "upload";

/** Whether a task wants an image and nothing else. @param {{task: string, args: Object}} task @returns {boolean} */
export const wantsImage = (task) => wantsFile(task) && !SOUNDS.has(task.task);

/** Whether a task wants a sound, and can be asked for. @param {{task: string, not_configured?: string}} task @returns {boolean} */
export const isForSounds = ({ task, not_configured: missing }) => SOUNDS.has(task) && !missing;

function button(task, on) {
  return h("button", { class: "button button-small", type: "button", title: task.about, "data-testid": "task-button", "data-task": task.task, on: { click: () => start(task, on) } },
    icon(ICONS[task.task] ?? "spark"), taskAction(task.task));
}

function start(task, on) {
  if (wantsFile(task)) on.file(task.task);
  else if (takesNothing(task)) on.ask(task.task, {});
  else openForm(task, on);
}

function openForm(task, on) {
  const dialog = byId("ask", HTMLDialogElement);
  const fields = Object.entries(task.args).map(([name, type]) => field(name, String(type)));
  const form = h("form", { method: "dialog", "aria-label": taskAction(task.task) },
    h("h2", {}, taskAction(task.task)),
    task.about ? h("p", { class: "about" }, task.about) : null,
    ...fields.map(({ element }) => element),
    h("div", { class: "actions" },
      h("button", { class: "button", type: "button", on: { click: () => dialog.close() } }, "Cancel"),
      h("button", { class: "button button-primary", type: "submit", "data-testid": "ask-send" }, "Ask")));
  form.addEventListener("submit", () => on.ask(task.task, filledIn(fields)));
  dialog.replaceChildren(form);
  dialog.showModal();
}

/** What was filled in; what may be left out, and was, is not there. */
function filledIn(fields) {
  return Object.fromEntries(fields.map(({ name, value }) => [name, value()]).filter(([, value]) => value !== undefined));
}

/** A field for an argument, by the words for its type; what the server refuses it says with the name of the field. */
function field(name, type) {
  const id = `ask-${name}`;
  const optional = type.endsWith(", optional");
  const label = h("span", { class: "field-label" }, fieldLabel(name, optional));
  const common = { class: "input", id, name, required: !optional, "data-testid": id };
  const wrapped = (/** @type {HTMLInputElement|HTMLTextAreaElement} */ input, /** @type {(text: string) => any} */ read) => ({
    name, element: h("label", { class: "field", for: id }, label, input), value: () => (optional && input.value === "" ? undefined : read(input.value)),
  });
  if (/bool|yes or no/i.test(type)) {
    const box = h("input", { type: "checkbox", id, name });
    return { name, element: h("label", { class: "field field-check", for: id }, box, label), value: () => box.checked };
  }
  // A time is written as the reader's clock shows it, and asked for with the zone's offset.
  if (name === "at") return wrapped(h("input", { ...common, type: "datetime-local" }), (text) => new Date(text).toISOString());
  if (/^(int|float|number)|whole number|^a number/i.test(type)) return wrapped(h("input", { ...common, type: "number", step: "any" }), Number);
  return wrapped(h("textarea", { ...common, maxlength: 16384 }), String);
}
