/** One message of the room as an element. */

import { dayKey, dayWords, exactTime, timeOf } from "../clock.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { REPLACED, taskTitle } from "../words.js";
import { findingsElement } from "./findings.js";
import { linked } from "./links.js";
import { isNotice, noticeElement } from "./notice.js";
import { avatar } from "./person.js";
import { picture } from "./picture.js";

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
 * @returns {HTMLElement}
 */
export function messageElement(message, { own, task, again, dismissed, goTo }) {
  const ml = message.kind === "ml";
  const notice = isNotice(message, task);
  const element = h("li", {
    class: "message", id: `message-${message.seq}`, "data-testid": "message", "data-seq": message.seq, "data-kind": message.kind, "data-own": String(own),
    "data-notice": String(notice), "data-at": message.at, "data-from": ml ? `task ${task ?? ""}` : `${message.kind} ${message.sender?.id ?? ""}`,
  },
  ml ? h("span", { class: "avatar", "aria-hidden": "true" }, icon("spark")) : avatar(message.sender?.name ?? "?"),
  h("div", { class: "body" },
    head(message, ml ? task : null),
    notice ? noticeElement(message, { dismissed, goTo }) : bubble(message, again),
    findingsElement()));
  return element;
}

/** What the task of an `ml` message is called. @param {string|undefined} task @returns {string} */
export const mlLabel = (task) => (task ? taskTitle(task) : "Model");

/**
 * Fits a message to the one before it: a new day gets a line, the same sender goes on without a head.
 * @param {HTMLElement} element
 * @param {HTMLElement|null} previous
 */
export function decorate(element, previous) {
  const newDay = !previous || dayKey(previous.dataset.at) !== dayKey(element.dataset.at);
  const soon = previous && Math.abs(Date.parse(element.dataset.at) - Date.parse(previous.dataset.at)) < TOGETHER_MS;
  element.querySelector(":scope > .day")?.remove();
  if (newDay) element.prepend(h("div", { class: "day" }, dayWords(element.dataset.at)));
  element.dataset.follows = String(Boolean(!newDay && soon && element.dataset.kind === "user" && previous.dataset.from === element.dataset.from));
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
    ...(message.kind === "ml" ? findings(message) : [h("p", { class: "message-text", dir: "auto" }, ...linked(message.text))]),
    message.upload || message.data?.url ? picture(message, again) : null);
}

/** What a model wrote: lines that begin with a dash become a list, the rest stays as it is. */
function findings({ text, data }) {
  const blocks = [];
  const given = text.split("\n");
  // The label above the bubble says the same already.
  if (given.length > 1 && given[0] === mlLabel(data?.task)) given.shift();
  for (const line of given) {
    const item = /^[-•*] +/.test(line);
    const last = blocks.at(-1);
    if (last && last.item === item) last.lines.push(line);
    else blocks.push({ item, lines: [line] });
  }
  return blocks.map(({ item, lines }) => (item
    ? h("ul", { class: "findings", dir: "auto" }, ...lines.map((line) => h("li", {}, ...linked(line.replace(/^[-•*] +/, "")))))
    : h("p", { class: "message-text", dir: "auto" }, ...linked(lines.join("\n")))));
}
