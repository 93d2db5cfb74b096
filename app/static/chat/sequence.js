/** Puts messages in order by `seq`: each once, none missing. */

/** Keeps the last contiguous `seq` of a room, and holds what came too early. */
export class Sequence {
  constructor() { this.clear(); }

  /** Starts over, as for a room never seen. */
  clear() {
    this.last = null;
    this.held = new Map();
  }

  /** Says that everything up to and with `seq` is seen, where nothing was known yet. */
  startAt(seq) { this.last ??= seq; }

  /** True while a message waits for one that has not come. */
  get gap() { return this.held.size > 0; }

  /**
   * Takes messages in any order, seen or new.
   * @param {Array<{seq: number}>} messages
   * @returns {Array<{seq: number}>} those that are next now, in order
   */
  take(messages) {
    for (const message of messages) {
      if (this.last === null || message.seq > this.last) this.held.set(message.seq, message);
    }
    return this.last === null ? [] : this.#next();
  }

  #next() {
    const ready = [];
    while (this.held.has(this.last + 1)) {
      this.last += 1;
      ready.push(this.held.get(this.last));
      this.held.delete(this.last);
    }
    return ready;
  }
}
