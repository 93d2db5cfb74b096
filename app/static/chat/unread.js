/** What the reader has not seen yet: a number on the button and in the title, and a line where it begins. */

import { h } from "../dom.js";

/** Counts messages of others that came while the reader was further up, or looked at another tab. */
export class Unread {
  /**
   * @param {HTMLElement} toEnd the button that leads to the newest message
   * @param {string} title of the page while nothing is unread
   */
  constructor(toEnd, title) {
    this.toEnd = toEnd;
    this.title = title;
    this.line = h("div", { class: "unread-line", role: "separator", "data-testid": "unread-line" }, "New");
    this.clear();
  }

  /** Nothing is unread, and nothing was. */
  clear() {
    this.line.remove();
    this.read();
  }

  /** Messages came that nobody has looked at. @param {HTMLElement[]} elements of others, in order */
  came(elements) {
    if (elements.length === 0) return;
    if (this.count === 0) elements[0].prepend(this.line);
    this.#show(this.count + elements.length);
  }

  /** The reader has seen the newest message. The line stays where the new ones began until others come. */
  read() { this.#show(0); }

  /** An element was drawn anew. @param {HTMLElement} before @param {HTMLElement} now */
  redrawn(before, now) {
    if (before.contains(this.line)) now.prepend(this.line);
  }

  #show(count) {
    this.count = count;
    document.title = count ? `(${count}) ${this.title}` : this.title;
    this.toEnd.querySelector("[data-words]").textContent = words(count);
  }
}

function words(count) {
  if (count === 0) return "To the newest message";
  return count === 1 ? "1 new message" : `${count} new messages`;
}
