/** A text as paragraphs, lists and code; every character stays text, and nothing becomes markup. */

import { h } from "../dom.js";
import { icon } from "../icons.js";
import { messageAction } from "../words.js";
import { canCopy, copy } from "./copying.js";
import { linked } from "./links.js";

const FENCE = /^```[\w+-]{0,20}\s*$/;
const BULLET = /^ {0,3}[-•*] +/;
const NUMBER = /^ {0,3}(\d{1,4})[.)] +/;
const CODE = /`([^`\n]{1,1000})`/g;

/** @typedef {{kind: "words"|"bullets"|"numbers"|"code", lines: string[]}} Part */

/**
 * @param {string} text
 * @param {{lists: number}} how `lists` is how many lines make a list
 * @returns {HTMLElement[]}
 */
export function prose(text, { lists }) {
  return joined(parts(text.split("\n")), lists).map(drawn);
}

/** Lines of a kind, together. @param {string[]} lines @returns {Part[]} */
function parts(lines) {
  const found = [];
  for (let place = 0; place < lines.length; place += 1) {
    const end = FENCE.test(lines[place]) ? lines.findIndex((line, later) => later > place && line.trimEnd() === "```") : -1;
    if (end > place) {
      found.push({ kind: "code", lines: lines.slice(place + 1, end) });
      place = end;
    } else add(found, kindOf(lines[place]), lines[place]);
  }
  return found;
}

function add(found, kind, line) {
  const last = found.at(-1);
  if (last?.kind === kind) last.lines.push(line);
  else found.push({ kind, lines: [line] });
}

function kindOf(line) {
  if (BULLET.test(line)) return "bullets";
  return NUMBER.test(line) ? "numbers" : "words";
}

/** Lists that are too short are words like those around them. @param {Part[]} found @param {number} least */
function joined(found, least) {
  const all = [];
  for (const { kind, lines } of found) {
    if (kind === "code" || (kind !== "words" && lines.length >= least)) all.push({ kind, lines });
    else for (const line of lines) add(all, "words", line);
  }
  return all;
}

function drawn({ kind, lines }) {
  if (kind === "code") return code(lines.join("\n"));
  if (kind === "words") return h("p", { class: "message-text", dir: "auto" }, ...inline(lines.join("\n")));
  const numbers = kind === "numbers";
  return h(numbers ? "ol" : "ul", { class: numbers ? "findings numbers" : "findings", dir: "auto" },
    ...lines.map((line) => h("li", { value: numbers ? NUMBER.exec(line)[1] : null }, ...inline(line.replace(numbers ? NUMBER : BULLET, "")))));
}

/** Links, and code between backquotes. */
function inline(text) {
  const all = [];
  let done = 0;
  for (const { 0: found, 1: inner, index } of text.matchAll(CODE)) {
    all.push(...linked(text.slice(done, index)), h("code", {}, inner));
    done = index + found.length;
  }
  return [...all, ...linked(text.slice(done))];
}

function code(text) {
  const words = messageAction("copy");
  const button = canCopy ? h("button", { class: "button button-icon code-copy", type: "button", title: words, "aria-label": words, on: { click: () => copy(text) } }, icon("copy")) : null;
  return h("div", { class: "code" }, h("pre", { tabindex: "0", role: "region", "aria-label": "Code" }, h("code", {}, text)), button);
}
