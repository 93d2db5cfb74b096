/** Tables from plain rows. */

import { h } from "../dom.js";

/**
 * @param {string[]} heads a leading `>` puts the column to the right, as figures want it
 * @param {Array<Array<string|Node|{text?: string, node?: Node, class?: string, title?: string}>>} rows
 * @returns {HTMLElement}
 */
export function table(heads, rows) {
  const head = heads.map((words) => h("th", { scope: "col", class: words.startsWith(">") ? "number" : null }, words.replace(/^>/, "")));
  return h("table", { class: "table" },
    h("thead", {}, h("tr", {}, ...head)),
    h("tbody", {}, ...rows.map((cells) => h("tr", {}, ...cells.map(cell)))));
}

function cell(content) {
  if (typeof content === "string" || content instanceof Node) return h("td", {}, content);
  return h("td", { class: content.class, title: content.title }, content.node ?? content.text ?? "");
}
