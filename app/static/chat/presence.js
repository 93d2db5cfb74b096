/** Who is typing, and how long an answer takes. */

import { byId } from "../dom.js";
import { typingWords, waitWords } from "../words.js";

const TYPING_MS = 6_000;

/** Shows the waiting time. @param {number} [seconds] none when nothing is known, as without a connection */
export const showWait = (seconds) => { byId("wait").textContent = waitWords(seconds); };

/** Follows who is typing; somebody who falls silent is forgotten after a while. */
export class TypingLine {
  /** @param {string} me own id */
  constructor(me) {
    this.me = me;
    this.clear();
  }

  /** Nobody is typing. */
  clear() {
    for (const { timer } of this.typers?.values() ?? []) clearTimeout(timer);
    this.typers = new Map();
    this.#draw();
  }

  /** Takes a `typing` event. @param {{sender: {id: string, name: string}, on: boolean}} event */
  heard({ sender, on }) {
    if (sender.id === this.me) return;
    this.stopped(sender.id);
    if (on) this.typers.set(sender.id, { name: sender.name, timer: setTimeout(() => this.stopped(sender.id), TYPING_MS) });
    this.#draw();
  }

  /** Somebody's message came, or they went silent. @param {string} id */
  stopped(id) {
    clearTimeout(this.typers.get(id)?.timer);
    this.typers.delete(id);
    this.#draw();
  }

  #draw() { byId("typing").textContent = typingWords([...this.typers.values()].map(({ name }) => name)); }
}
