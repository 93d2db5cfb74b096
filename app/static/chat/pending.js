/** A message that is not stored yet, and what can be done about it. */

import { h } from "../dom.js";
import { icon } from "../icons.js";
import { errorWords } from "../words.js";

/**
 * Draws an entry of the outbox as a message.
 * @param {import("./outbox.js").Entry} entry
 * @param {{retry: (entry: Object) => void, discard: (entry: Object) => void}} on
 * @returns {HTMLElement}
 */
export function pendingElement(entry, on) {
  return h("li", { class: "message", "data-testid": "pending", "data-key": entry.key, "data-kind": "user", "data-own": "true", "data-state": entry.state },
    h("div", { class: "body" },
      h("div", { class: "bubble" }, h("p", { class: "message-text", dir: "auto" }, entry.payload.text)),
      stateLine(entry, on)));
}

/** The state of an entry in words, with buttons once it failed. @returns {HTMLElement} */
export function stateLine(entry, on) {
  if (entry.state !== "failed") return h("p", { class: "message-state" }, icon("clock"), stateWords(entry));
  return h("p", { class: "message-state", role: "alert" },
    icon("alert"), `Not sent. ${errorWords(entry.error ?? {})}`,
    h("button", { class: "link-button", type: "button", on: { click: () => on.retry(entry) } }, "Try again"),
    h("button", { class: "link-button", type: "button", on: { click: () => on.discard(entry) } }, "Discard"));
}

function stateWords({ state, error }) {
  if (state === "sending") return "Sending…";
  return error ? `${errorWords({ code: error.code })} Trying again…` : "Waiting for the connection…";
}
