/** What a room says in which nobody has written yet. */

import { h } from "../dom.js";
import * as token from "../token.js";
import { ADDRESS_COPIED, COPY_ADDRESS, EMPTY_ROOM } from "../words.js";
import { canCopy, copy } from "./copying.js";

/** @returns {HTMLElement} */
export function emptyRoom() {
  return h("div", { class: "empty-room", "data-testid": "empty-room" },
    h("p", { class: "empty-room-title" }, EMPTY_ROOM.title),
    h("p", {}, EMPTY_ROOM.what),
    h("p", {}, token.needed ? EMPTY_ROOM.invitedByToken : EMPTY_ROOM.invited),
    canCopy ? h("button", { class: "button button-small", type: "button", "data-testid": "copy-address", on: { click: () => copy(location.href, ADDRESS_COPIED) } }, COPY_ADDRESS) : null);
}
