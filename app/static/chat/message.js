/** One message of the room as an element. */

import { dayKey, dayWords, exactTime, timeOf } from "../clock.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { REPLACED, taskTitle } from "../words.js";
import { messageActions } from "./actions.js";
import { findingsElement } from "./findings.js";
import { isNotice, noticeElement } from "./notice.js";
import { avatar } from "./person.js";
import { picture } from "./picture.js";
import { prose } from "./prose.js";
import { sound } from "./sound.js";

const TOGETHER_MS = 5 * 60_000;

/**
 * Draws a message; `decorate` then fits it to its neighbour.
 * @param {Object} message as in `message:new`
 * @param {Object} about
 * @param {boolean} about.own
 * @param {string} [about.task] the task whose result it is
 * @param {(seq: number) => Promise<Object|undefined>} about.again fetches it anew
 * @param {import("./dismissed.js").Dismissed} about.dismissed
 * @param {(seq: number) => void} about.goTo shows another message
 * @param {(() => void)|null} about.regenerate asks for another in its place, where that can be
 * @returns {HTMLElement}
 */
export function messageElement(message, { own, task, again, dismissed, goTo, regenerate }) {
  const ml = message.kind === "ml";
  const notice = isNotice(message, task);
  const element = h("li", {
    class: "message", id: `message-${message.seq}`, "data-testid": "message", "data-seq": message.seq, "data-kind": message.kind, "data-own": String(own),
    "data-notice": String(notice), "data-at": message.at,
  },
  ml ? h("span", { class: "avatar", "aria-hidden": "true" }, icon("spark")) : avatar(message.sender?.name ?? "?"),
  h("div", { class: "body" },
    head(message, ml ? task : null),
    notice ? noticeElement(message, { dismissed, goTo }) : h("div", { class: "bubble-row" }, bubble(message, again), messageActions(message, regenerate)),
    findingsElement()));
  return element;
}

/** What the task of an `ml` message is called. @param {string|undefined} task @returns {string} */
export const mlLabel = (task) => (task ? taskTitle(task) : "Model");

/**
 * Fits a message to the one before it: a new day gets a line, the same sender goes on without a head.
 * @param {HTMLElement} element
 * @param {Object} message
 * @param {Object} [previous] the message before it
 */
export function decorate(element, message, previous) {
  const newDay = !previous || dayKey(previous.at) !== dayKey(message.at);
  const soon = previous && Math.abs(Date.parse(message.at) - Date.parse(previous.at)) < TOGETHER_MS;
  element.querySelector(":scope > .day")?.remove();
  if (newDay) element.prepend(h("div", { class: "day" }, dayWords(message.at)));
  element.dataset.follows = String(Boolean(!newDay && soon && message.kind === "user" && previous.kind === "user" && previous.sender?.id === message.sender?.id));
}

/** Says that a newer message has taken the place of this one. @param {HTMLElement} element */
export function markReplaced(element) {
  if (element.dataset.replaced) return;
  element.dataset.replaced = "true";
  element.querySelector(".message-head")?.append(h("span", { class: "message-replaced" }, REPLACED));
}

function head(message, task) {
  const time = h("time", { class: "message-time", datetime: message.at, title: exactTime(message.at) }, timeOf(message.at));
  const name = task === null
    ? h("span", { class: "message-name" }, message.sender?.name ?? "Spillway")
    : h("span", { class: "message-label" }, mlLabel(task));
  const stored = message.kind === "user" ? h("span", { class: "message-sent", title: "Sent: the server has stored it" }, icon("check"), h("span", { class: "unseen" }, "Sent")) : null;
  return h("div", { class: "message-head" }, name, time, stored);
}

function bubble(message, again) {
  return h("div", { class: "bubble" },
    ...prose(withoutLabel(message), { lists: message.kind === "ml" ? 1 : 2 }),
    message.upload || message.data?.url ? attached(message, again) : null);
}

const attached = (message, again) => (message.data?.type?.startsWith("audio/") ? sound : picture)(message, again);

/** What a model wrote without a first line that is its label: that stands above the bubble already. */
function withoutLabel({ kind, text, data }) {
  const label = `${mlLabel(data?.task)}\n`;
  return kind === "ml" && text.startsWith(label) ? text.slice(label.length) : text;
}
