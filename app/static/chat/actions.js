/** What can be done with a message that is there: copying it, or asking for another in its place. */

import { h } from "../dom.js";
import { icon } from "../icons.js";
import { messageAction } from "../words.js";
import { canCopy, copy } from "./copying.js";

/**
 * @param {Object} message
 * @param {(() => void)|null} regenerate
 * @returns {HTMLElement|null} the buttons beside a bubble, shown where the reader is
 */
export function messageActions(message, regenerate) {
  const buttons = [
    canCopy && message.text ? button("copy", "copy", () => copy(message.text)) : null,
    regenerate ? button("regenerate", "retry", regenerate) : null,
  ].filter((one) => one !== null);
  return buttons.length ? h("div", { class: "message-actions" }, ...buttons) : null;
}

function button(name, drawing, act) {
  const words = messageAction(name);
  return h("button", { class: "button button-icon", type: "button", title: words, "aria-label": words, "data-testid": `message-${name}`, on: { click: act } }, icon(drawing));
}
