/** What keys do on the page, and the sheet that says so. */

import { byId, h } from "../dom.js";
import { SHORTCUTS } from "../words.js";

/**
 * Listens to keys, as long as the page is there. What is written into a field is no shortcut.
 * @param {Object} on
 * @param {() => void} on.search
 * @param {(step: number) => void} on.room the room above (-1) or below (1) the open one
 * @param {() => void} on.write into the composer
 * @param {() => void} on.up to the newest message
 * @param {() => boolean} on.ready whether somebody is in a room
 */
export function shortcuts(on) {
  drawSheet();
  byId("keys-open").onclick = showSheet;
  document.addEventListener("keydown", (event) => {
    if (!on.ready() || event.isComposing || document.querySelector("dialog[open]")) return;
    const act = action(event, on);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function action(event, on) {
  const { key, altKey, ctrlKey, metaKey, target } = event;
  if (ctrlKey || metaKey) return null;
  if (altKey) return { ArrowUp: () => on.room(-1), ArrowDown: () => on.room(1) }[key];
  if (target.id === "composer") return key === "ArrowUp" && target.value === "" ? on.up : null;
  if (target.matches("input, textarea, select")) return null;
  if (key === "Escape" && target.closest("#log-scroll")) return on.write;
  return { "?": showSheet, "/": on.search, w: on.write }[key];
}

function showSheet() { byId("keys", HTMLDialogElement).showModal(); }

function drawSheet() {
  const sheet = byId("keys", HTMLDialogElement);
  const rows = SHORTCUTS.map(({ keys, words }) => h("div", { class: "keys-row" },
    h("dt", {}, ...keys.map((key) => h("kbd", {}, key))), h("dd", {}, words)));
  const close = h("button", { class: "button button-primary", type: "button", "data-testid": "keys-close", on: { click: () => sheet.close() } }, "Close");
  sheet.replaceChildren(h("div", { class: "keys" }, h("h2", { id: "keys-title" }, "Keys"), h("dl", {}, ...rows), h("div", { class: "actions" }, close)));
  sheet.onclick = (event) => { if (event.target === sheet) sheet.close(); };
}
