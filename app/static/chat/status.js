/** How the connection is, in a word and, when it matters, in a sentence. */

import { byId } from "../dom.js";
import { CONNECTION, drainingWords, NO_CONNECTION } from "../words.js";

/** @param {"connecting"|"online"|"offline"} state */
export function showConnection(state) {
  byId("connection").dataset.state = state;
  byId("connection-words").textContent = CONNECTION[state];
  if (state === "offline" && byId("banner").hidden) show(NO_CONNECTION);
}

/** The server is about to stop. @param {number} seconds until then */
export const showDraining = (seconds) => show(drainingWords(seconds));

/** All is well again. */
export const hideBanner = () => { byId("banner").hidden = true; };

function show(words) {
  byId("banner").textContent = words;
  byId("banner").hidden = false;
}
