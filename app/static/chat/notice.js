/** The notice of an emergency: loud or soft, with a link to the message it is about, and dismissed by who knows better. */

import { exactTime, timeOf } from "../clock.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";

/** A notice that a message may be an emergency. @param {Object} message @param {string} [task] whose result it is @returns {boolean} */
export function isNotice(message, task) {
  return message.kind !== "user" && (task === "escalate" || message.data?.task === "escalate");
}

/** @param {Object} message @returns {"loud"|"soft"} soft where the model is not sure */
export const noticeLevel = (message) => (message.data?.level === "soft" ? "soft" : "loud");

/**
 * Draws a notice; its button puts one quiet line in its place, which can bring it back.
 * @param {Object} message as in `message:new`
 * @param {Object} about
 * @param {import("./dismissed.js").Dismissed} about.dismissed
 * @param {(seq: number) => void} about.goTo shows a message
 * @returns {HTMLElement}
 */
export function noticeElement(message, { dismissed, goTo }) {
  const bubble = h("div", { class: "bubble notice", role: "note", "data-testid": "notice", "data-level": noticeLevel(message) });
  draw(bubble, message, { dismissed, goTo });
  return bubble;
}

function draw(bubble, message, about) {
  const { dismissed } = about;
  const gone = dismissed.has(message.id);
  bubble.dataset.dismissed = String(gone);
  bubble.replaceChildren(...(gone ? quiet(message) : full(message, about)));
  const button = bubble.querySelector("button");
  button.addEventListener("click", () => {
    if (gone) dismissed.remove(message.id);
    else dismissed.add(message.id);
    draw(bubble, message, about);
    bubble.querySelector("button").focus();
  });
}

function full(message, { goTo }) {
  return [
    icon("alert"),
    h("div", { class: "notice-words" },
      aboutLine(message, goTo),
      h("p", { class: "message-text", dir: "auto" }, message.text),
      h("button", { class: "button button-small", type: "button", "data-testid": "notice-dismiss" }, "Not an emergency")),
    h("time", { class: "message-time", datetime: message.at, title: exactTime(message.at) }, timeOf(message.at)),
  ];
}

function quiet({ data }) {
  const whose = data?.person ? ` about ${data.person}` : "";
  return [
    h("p", { class: "notice-words" }, `You dismissed a notice${whose}: not an emergency. `,
      h("button", { class: "link-button", type: "button", "data-testid": "notice-restore" }, "Show it")),
  ];
}

function aboutLine({ data }, goTo) {
  if (!data?.message) return null;
  const go = (event) => {
    event.preventDefault();
    goTo(data.message);
  };
  const words = data.person ? `what ${data.person} wrote` : "a message";
  return h("p", { class: "notice-about" }, "About ", h("a", { href: `#message-${data.message}`, "data-testid": "notice-about", on: { click: go } }, words));
}
