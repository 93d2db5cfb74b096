/** Turns addresses in a text into links, and leaves every other character as it is. */

import { h } from "../dom.js";

// Bounded repetitions: a long text without an address must not cost more than one walk over it.
const WEB = "(?:https?:\\/\\/|www\\.)[^\\s<>\"“”‘’«»\\p{Cc}\\p{Cf}]{1,2000}";
const MAIL = "(?<![\\w.+-])[\\w.+-]{1,64}@[a-z0-9-]{1,63}(?:\\.[a-z0-9-]{1,63}){1,8}";
const ADDRESS = new RegExp(`(?<![\\p{L}\\p{N}_])${WEB}|${MAIL}`, "giu");
const AFTER = /[.,:;!?'*_~)\]}…]$/u; // what a sentence puts behind an address
const OPENING = { ")": "(", "]": "[", "}": "{" };

/**
 * Splits a text into strings and links. A link shows exactly what was written, and its address is http, https or mail.
 * @param {string} text
 * @returns {Array<string|HTMLAnchorElement>} for an element's children
 */
export function linked(text) {
  const parts = [];
  let done = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const words = withoutEnd(found);
    const href = address(words);
    if (!href) continue;
    parts.push(text.slice(done, index), link(words, href));
    done = index + words.length;
  }
  return [...parts, text.slice(done)].filter((part) => part !== "");
}

function link(words, href) {
  // A page that is opened learns neither where it was opened from nor gets a hold on this one.
  return h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, words);
}

function withoutEnd(found) {
  let words = found;
  while (AFTER.test(words) && !closesItsOwn(words)) words = words.slice(0, -1);
  return words;
}

/** Whether the last character closes a bracket that was opened in the address, as in `/wiki/Rain_(film)`. */
function closesItsOwn(words) {
  const last = words.at(-1);
  const opening = OPENING[last];
  return opening !== undefined && words.split(opening).length >= words.split(last).length;
}

function address(words) {
  if (!/^(https?:\/\/|www\.)/i.test(words)) return `mailto:${words}`;
  const url = parsed(/^www\./i.test(words) ? `https://${words}` : words);
  // A name before the host makes an address look like another one: https://bank.example@evil.example
  if (!url || url.username || url.password) return null;
  return url.hostname.includes(".") || url.hostname === "localhost" ? url.href : null;
}

function parsed(words) {
  try {
    return new URL(words);
  } catch {
    return null;
  }
}
