/** What a room says in which nobody has written yet. */

import { h } from "../dom.js";
import { toast } from "../toasts.js";
import * as token from "../token.js";

/** @returns {HTMLElement} */
export function emptyRoom() {
  return h("div", { class: "empty-room", "data-testid": "empty-room" },
    h("p", { class: "empty-room-title" }, "Nobody has written here yet."),
    h("p", {}, "Write the first message. Models look at each one: how urgent it is, which language, which mood."),
    h("p", {}, token.needed ? "Others whose token has this room find it at this page's address." : "Whoever opens this page's address can join the same room."),
    // Only secure pages, and those of this computer, may write to the clipboard.
    navigator.clipboard ? h("button", { class: "button button-small", type: "button", "data-testid": "copy-address", on: { click: copy } }, "Copy the address") : null);
}

async function copy() {
  try {
    await navigator.clipboard.writeText(location.href);
    toast("The address is copied.");
  } catch {
    toast(`The address could not be copied: ${location.href}`, "bad");
  }
}
