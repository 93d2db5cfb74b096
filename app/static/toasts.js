/** Short notes below the bar of the page that go away by themselves. */

import { byId, h, inside } from "./dom.js";
import { icon } from "./icons.js";
import { errorWords } from "./words.js";

const STAYS_MS = 7000;

/**
 * Shows a sentence for some seconds; the same sentence twice is shown once.
 * @param {string} words
 * @param {"plain"|"bad"} [tone]
 */
export function toast(words, tone = "plain") {
  inside(byId("toasts")).find((one) => one.dataset.words === words)?.remove();
  const close = h("button", { class: "button button-icon", type: "button", "aria-label": "Dismiss" }, icon("close"));
  const note = h("div", { class: "toast", "data-tone": tone, "data-words": words, "data-testid": "toast" }, h("p", {}, words), close);
  close.addEventListener("click", () => note.remove());
  byId("toasts").append(note);
  leaveLater(note);
}

/** Shows an error of the server, in plain words. @param {{code?: string, message?: string, field?: string}} error */
export function complain(error) {
  // Anything but an answer with an error is a mistake of ours, and the console names the line.
  if (!error.code) console.error(error); // eslint-disable-line no-console
  toast(errorWords(error), "bad");
}

function leaveLater(note) {
  let timer = setTimeout(() => note.remove(), STAYS_MS);
  note.addEventListener("pointerenter", () => clearTimeout(timer));
  note.addEventListener("pointerleave", () => { timer = setTimeout(() => note.remove(), STAYS_MS); });
}
