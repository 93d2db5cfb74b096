/** What the reader has not seen yet: a number on the button, and a line where it begins. */

import { h } from "../dom.js";
import { newMessages } from "../words.js";

/** Counts messages of others that came while the reader was further up, or looked at another tab. */
export class Unread {
  /**
   * @param {HTMLElement} toEnd the button that leads to the newest message
   * @param {(count: number) => void} tell how many are unread
   */
  constructor(toEnd, tell) {
    this.toEnd = toEnd;
    this.tell = tell;
    this.line = h("div", { class: "unread-line", role: "separator", "data-testid": "unread-line" }, "New");
    this.clear();
  }

  /** Nothing is unread, and nothing was. */
  clear() {
    this.line.remove();
    /** @type {number|null} */
    this.from = null; // the message above which the line stands
    this.read();
  }

  /** Messages came that nobody has looked at. @param {number[]} seqs of others, in order @returns {boolean} whether there are any */
  came(seqs) {
    if (seqs.length === 0) return false;
    if (this.count === 0) this.from = seqs[0];
    this.#show(this.count + seqs.length);
    return true;
  }

  /** The reader has seen the newest message. The line stays where the new ones began until others come. */
  read() { this.#show(0); }

  /** Puts the line above this element, where it belongs there. @param {number} seq @param {HTMLElement|undefined} element */
  mark(seq, element) {
    if (seq === this.from) element?.prepend(this.line);
  }

  #show(count) {
    this.count = count;
    this.tell(count);
    this.toEnd.querySelector("[data-words]").textContent = newMessages(count);
  }
}
