/** How long things have been under way, counted on while they are shown. */

import { age } from "../clock.js";

const EVERY_MS = 1_000;
const watched = new Set();
let timer;

/**
 * Calls `tick` now, and every second for as long as `element` is in the page.
 * @param {HTMLElement} element put into the page before the next second
 * @param {string} since RFC 3339, by the server's clock
 * @param {(seconds: number) => void} tick
 */
export function countOn(element, since, tick) {
  watched.add({ element, since, tick });
  tick(age(since));
  timer ??= setInterval(round, EVERY_MS);
}

function round() {
  for (const one of watched) {
    if (one.element.isConnected) one.tick(age(one.since));
    else watched.delete(one);
  }
  if (watched.size > 0) return;
  clearInterval(timer);
  timer = undefined;
}
