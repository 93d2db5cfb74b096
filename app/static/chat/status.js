/** How the connection is, in a word and, when it matters, in a sentence. */

import { byId } from "../dom.js";

const WORDS = { connecting: "Connecting…", online: "Live", offline: "Offline, trying again…" };

/** @param {"connecting"|"online"|"offline"} state */
export function showConnection(state) {
  byId("connection").dataset.state = state;
  byId("connection-words").textContent = WORDS[state];
}

/** The server is about to stop. @param {number} seconds until then */
export function showDraining(seconds) {
  const when = seconds > 0 ? ` within ${Math.ceil(seconds)} s` : "";
  byId("banner").textContent = `The server restarts${when}. Go on writing: what you send is kept here and goes out as soon as it is back.`;
  byId("banner").hidden = false;
}

/** All is well again. */
export const hideBanner = () => { byId("banner").hidden = true; };
