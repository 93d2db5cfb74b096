/** Where the reader is: at the end, which then stays in view, or further up, which then stays still. */

const NEAR_PX = 90;

/** Keeps the scroll position honest while things grow above and below it. */
export class Following {
  /**
   * @param {{log: HTMLElement, pending: HTMLElement, scroll: HTMLElement, toEnd: HTMLElement}} parts
   * @param {() => void} reached the end came into view
   */
  constructor({ log, pending, scroll, toEnd }, reached) {
    this.reached = reached;
    this.scroll = scroll;
    this.toEnd = toEnd;
    this.atEnd = true;
    this.top = scroll.scrollTop;
    this.onScroll = () => this.#look();
    this.onClick = () => this.toTheEnd();
    scroll.addEventListener("scroll", this.onScroll, { passive: true });
    toEnd.addEventListener("click", this.onClick);
    // Chips, images and the keyboard change heights long after a message was added.
    this.sizes = new ResizeObserver(() => { if (this.atEnd) this.toTheEnd(); });
    for (const part of [log, pending, scroll]) this.sizes.observe(part);
  }

  /** Stops looking. */
  close() {
    this.sizes.disconnect();
    this.scroll.removeEventListener("scroll", this.onScroll);
    this.toEnd.removeEventListener("click", this.onClick);
  }

  /** Something was added at the end. @param {boolean} [own] the reader wrote it just now */
  grown(own = false) {
    if (this.atEnd || own) this.toTheEnd();
    else this.toEnd.hidden = false;
  }

  /** Runs `change`, which adds things above, and leaves what is in view where it is. @param {() => void} change */
  hold(change) {
    const below = this.scroll.scrollHeight - this.scroll.scrollTop;
    change();
    this.scroll.scrollTop = this.scroll.scrollHeight - below;
    this.top = this.scroll.scrollTop;
  }

  /** Something above the view grew by so much: what is in view stays where it is. @param {number} px */
  moved(px) {
    if (this.atEnd) return;
    this.scroll.scrollTop += px;
    this.top = this.scroll.scrollTop;
  }

  /** Goes up by so much, and stays there. @param {number} px below zero */
  goUp(px) {
    this.atEnd = false;
    this.scroll.scrollTop += px;
    this.top = this.scroll.scrollTop;
    this.toEnd.hidden = false;
  }

  /** Goes to the newest message. */
  toTheEnd() {
    this.atEnd = true;
    this.toEnd.hidden = true;
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.top = this.scroll.scrollTop;
    this.reached();
  }

  #look() {
    const { scrollTop, clientHeight, scrollHeight } = this.scroll;
    const near = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    // Far from the end is not yet "scrolled up": an image that loads between our own scrolling and its event moves the end.
    if (near) this.atEnd = true;
    else if (scrollTop < this.top) this.atEnd = false;
    this.top = scrollTop;
    this.toEnd.hidden = this.atEnd;
    if (near) this.reached();
  }
}
