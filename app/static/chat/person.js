/** How a person is drawn. */

import { h } from "../dom.js";

const HUES = 6;

/** A disc with initials in a colour that stays with the name. @param {string} name @returns {HTMLElement} */
export function avatar(name) {
  return h("span", { class: "avatar", "data-hue": hue(name), "aria-hidden": "true" }, initials(name));
}

function initials(name) {
  const words = (name.match(/[\p{L}\p{N}]+/gu) ?? [name]).slice(0, 9);
  const first = [...words[0]][0] ?? "?";
  const last = words.length > 1 ? [...words.at(-1)][0] : "";
  return (first + last).toUpperCase();
}

function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 9973;
  return sum % HUES;
}
