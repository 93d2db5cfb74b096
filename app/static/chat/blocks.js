/** Messages in blocks: those far from what is looked at are taken out of the page, and their height stays. */

import { h } from "../dom.js";

const SIZE = 50;
const NEAR_PX = 1_500;
const GUESS_PX = 90; // high, until it was drawn once

/** The elements of a long list of messages, of which only those near the view are in the page. */
export class Blocks {
  /**
   * @param {{log: HTMLElement, scroll: HTMLElement}} parts
   * @param {Object} on
   * @param {(message: Object, previous?: Object) => HTMLElement} on.draw
   * @param {(change: () => void) => void} on.hold runs a change above the view without moving what is in view
   * @param {(px: number) => void} on.moved something above the view grew by so much
   */
  constructor({ log, scroll }, on) {
    this.log = log;
    this.scroll = scroll;
    this.on = on;
    this.near = new IntersectionObserver((seen) => this.#look(seen), { root: scroll, rootMargin: `${NEAR_PX}px 0px` });
    this.sizes = new ResizeObserver((changes) => this.#grown(changes));
    this.clear();
  }

  /** Forgets all. */
  clear() {
    this.near.disconnect();
    this.sizes.disconnect();
    /** @type {{home: HTMLElement, messages: Object[], drawn: boolean}[]} */
    this.all = [];
    this.bySeq = new Map();
    this.elements = new Map(); // those in the page, by seq
    this.heights = new WeakMap();
    this.log.replaceChildren();
  }

  /** Puts a message below the others. @param {Object} message @returns {HTMLElement} */
  append(message) {
    let block = this.all.at(-1);
    const previous = block?.messages.at(-1);
    if (!block || block.messages.length >= SIZE) block = this.#block(this.all.length);
    if (!block.drawn) this.#show(block);
    block.messages.push(message);
    return this.#put(block, message, previous);
  }

  /** Puts older messages above the others; those far from the view are drawn when somebody comes near. @param {Object[]} messages oldest first */
  prepend(messages) {
    const first = this.all[0]?.messages[0];
    const fresh = [];
    for (let end = messages.length; end > 0; end -= SIZE) {
      const block = this.#block(0);
      block.drawn = false;
      block.messages = messages.slice(Math.max(end - SIZE, 0), end);
      block.home.style.height = `${block.messages.length * GUESS_PX}px`;
      for (const message of block.messages) this.bySeq.set(message.seq, block);
      fresh.push(block);
    }
    for (const block of fresh) if (this.#isNear(block.home)) this.#show(block);
    // It begins a day, or not, depending on what is above it.
    if (first) this.redraw(first.seq);
  }

  /** @param {number} seq @returns {HTMLElement|undefined} its element, where it is in the page */
  element(seq) { return this.elements.get(seq); }

  /** Takes the message back into the page. @param {number} seq @returns {HTMLElement|undefined} */
  bring(seq) {
    const block = this.bySeq.get(seq);
    if (block && !block.drawn) this.#show(block);
    return this.element(seq);
  }

  /** Draws a message anew, where it is in the page. @param {number} seq */
  redraw(seq) {
    const old = this.elements.get(seq);
    if (!old) return;
    const now = this.on.draw(this.#message(seq), this.before(seq));
    this.heights.set(now, this.heights.get(old));
    this.sizes.unobserve(old);
    this.sizes.observe(now);
    old.replaceWith(now);
    this.elements.set(seq, now);
  }

  /** @param {number} seq @returns {Object|undefined} the message above it */
  before(seq) { return this.#beside(seq, -1); }

  /** @param {number} seq @returns {Object|undefined} the message below it */
  after(seq) { return this.#beside(seq, 1); }

  #beside(seq, step) {
    const block = this.bySeq.get(seq);
    if (!block) return undefined;
    const place = block.messages.findIndex((one) => one.seq === seq) + step;
    if (block.messages[place]) return block.messages[place];
    return this.all[this.all.indexOf(block) + step]?.messages.at(step < 0 ? -1 : 0);
  }

  #message(seq) { return this.bySeq.get(seq).messages.find((one) => one.seq === seq); }

  #block(place) {
    const block = { home: h("ol", { class: "block" }), messages: [], drawn: true };
    this.log.insertBefore(block.home, this.all[place]?.home ?? null);
    this.all.splice(place, 0, block);
    this.near.observe(block.home);
    return block;
  }

  #put(block, message, previous) {
    this.bySeq.set(message.seq, block);
    const element = this.on.draw(message, previous);
    this.elements.set(message.seq, element);
    block.home.append(element);
    this.sizes.observe(element);
    return element;
  }

  #show(block) {
    block.drawn = true;
    block.home.style.height = "";
    block.home.replaceChildren();
    for (const message of block.messages) this.#put(block, message, this.before(message.seq));
  }

  #hide(block) {
    // Whoever has the focus or a selection in it is still there.
    if (block.home.contains(document.activeElement) || block.home.contains(document.getSelection()?.anchorNode ?? null)) return;
    block.drawn = false;
    block.home.style.height = `${block.home.offsetHeight}px`;
    for (const { seq } of block.messages) {
      this.sizes.unobserve(this.elements.get(seq));
      this.elements.delete(seq);
    }
    block.home.replaceChildren();
  }

  #look(seen) {
    for (const { target, isIntersecting } of seen) {
      const block = this.all.find(({ home }) => home === target);
      if (!block || block.drawn === isIntersecting || !target.isConnected) continue;
      if (!isIntersecting) {
        if (block !== this.all.at(-1)) this.#hide(block);
      } else if (this.#isAbove(target)) this.on.hold(() => this.#show(block));
      else this.#show(block);
    }
  }

  #isNear(element) { return element.getBoundingClientRect().bottom > this.scroll.getBoundingClientRect().top - NEAR_PX; }

  #isAbove(element) { return element.getBoundingClientRect().top < this.scroll.getBoundingClientRect().top; }

  /** Chips and images change the heights of messages: what is read below them stays where it is. */
  #grown(changes) {
    const top = this.scroll.getBoundingClientRect().top;
    let moved = 0;
    for (const { target } of changes) {
      if (!target.isConnected) continue;
      const now = target.getBoundingClientRect();
      const before = this.heights.get(target);
      this.heights.set(target, now.height);
      if (before !== undefined && now.bottom <= top) moved += now.height - before;
    }
    if (moved) this.on.moved(moved);
  }
}
