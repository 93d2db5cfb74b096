/** The conversation: messages in order, chips under them, unsent ones below, and where the reader is. */

import { h, inside } from "../dom.js";
import { BEGINNING, LOAD_EARLIER, LOADING_EARLIER } from "../words.js";
import { Blocks } from "./blocks.js";
import { emptyRoom } from "./empty.js";
import { removeFinding, showFinding } from "./findings.js";
import { Following } from "./following.js";
import { decorate, markReplaced, messageElement } from "./message.js";
import { pendingElement } from "./pending.js";
import { Unread } from "./unread.js";
import { walkMessages } from "./walking.js";

/** The list of messages of one room. */
export class Timeline {
  /**
   * @param {{log: HTMLElement, pending: HTMLElement, scroll: HTMLElement, top: HTMLElement, toEnd: HTMLElement}} parts
   * @param {Object} on
   * @param {string} on.me own id
   * @param {(count: number) => void} on.unread how many messages nobody has looked at
   * @param {(seq: number) => void} on.read up to which the reader has seen
   * @param {number|null} on.readBefore up to which they had, when they were here last
   * @param {import("./jobs.js").Jobs} on.jobs
   * @param {(seq: number) => Promise<Object|undefined>} on.again
   * @param {import("./dismissed.js").Dismissed} on.dismissed notices
   * @param {(limit?: number) => Promise<boolean>} on.older fetches and shows the page before; false when it was the last
   * @param {(job: Object) => (() => void)|null} on.regenerate
   * @param {import("./chips.js").Actions} on.actions on jobs
   * @param {(entry: Object) => void} on.retry
   * @param {(entry: Object) => void} on.discard
   */
  constructor(parts, on) {
    this.parts = parts;
    this.on = on;
    this.unread = new Unread(parts.toEnd, on.unread);
    this.following = new Following(parts, () => this.#seen());
    this.blocks = new Blocks(parts, {
      draw: (message, previous) => this.#draw(message, previous),
      hold: (change) => this.following.hold(change),
      moved: (px) => this.following.moved(px),
    });
    this.stopWalking = walkMessages(parts.scroll, { beside: (seq, step) => (step < 0 ? this.blocks.before(seq) : this.blocks.after(seq)), goTo: (seq) => this.goTo(seq) });
    this.onVisible = () => this.#seen();
    document.addEventListener("visibilitychange", this.onVisible);
    this.clear();
    this.watcher = new IntersectionObserver(([seen]) => { if (seen.isIntersecting) this.#older(); }, { root: parts.scroll, rootMargin: "200px" });
    this.watcher.observe(parts.top);
  }

  /** Stops watching; the timeline is not used after this. */
  close() {
    this.watcher.disconnect();
    document.removeEventListener("visibilitychange", this.onVisible);
    this.stopWalking();
    this.following.close();
    this.clear();
    this.parts.pending.replaceChildren();
  }

  /** Forgets all messages; unsent ones stay. */
  clear() {
    /** @type {Map<number, Object>} */
    this.messages = new Map();
    this.homes = new Map();
    this.replaced = new Set(); // messages whose place others have taken
    this.complete = false;
    /** @type {number|null} */
    this.last = null; // the newest seq
    this.unread.clear();
    this.blocks.clear();
    this.parts.top.textContent = "";
  }

  /** The room is joined: says so where nobody has written yet. */
  joined() {
    if (this.messages.size === 0) this.parts.top.replaceChildren(emptyRoom());
  }

  /** Shows the next messages below the others. @param {Object[]} messages @param {boolean} news */
  append(messages, news) {
    const first = this.messages.size === 0;
    if (first) this.parts.top.replaceChildren();
    this.#markUnread(messages, news);
    for (const message of messages) {
      this.messages.set(message.seq, message);
      this.last = message.seq;
      this.blocks.append(message).classList.toggle("fresh", news);
    }
    this.following.grown();
    if (first) this.#startAtUnread();
    if (!news) this.#older();
  }

  /** Shows older messages above the others, without moving what the reader looks at. @param {Object[]} messages */
  prepend(messages) {
    const older = messages.filter(({ seq }) => !this.messages.has(seq));
    for (const message of older) this.messages.set(message.seq, message);
    this.following.hold(() => this.blocks.prepend(older));
  }

  /** Shows a job under its message. @param {Object} job @returns {boolean} whether its message is here */
  showJob(job) {
    const seq = job.message ?? this.homes.get(job.id);
    if (!this.messages.has(seq)) return false;
    const element = this.blocks.element(seq);
    if (!element) return true; // it is drawn when somebody looks at it
    if (element.dataset.task === "" && this.messages.get(seq).job === job.id) this.blocks.redraw(seq);
    showFinding(this.#chips(seq), job, this.on.actions);
    return true;
  }

  /** Draws all jobs again, as how they are worded is known better now. */
  reword() { for (const job of this.on.jobs.all()) this.showJob(job); }

  /** Brings a message into view and marks it for a moment, with those before it where they are not here yet. @param {number} seq */
  async goTo(seq) {
    while (!this.messages.has(seq) && !this.complete) {
      if (!(await this.fetchOlder())) return;
    }
    const element = this.blocks.bring(seq);
    if (!element) return;
    element.scrollIntoView({ block: "center" });
    // Focus says where the reader is now; only while they are there, as a click on a message must not mark it.
    element.tabIndex = -1;
    element.addEventListener("blur", () => leave(element));
    element.focus({ preventScroll: true });
  }

  /** Shows an unsent message, or its new state. @param {Object} entry of the outbox */
  showEntry(entry) {
    const now = pendingElement(entry, this.on);
    const before = this.#pending(entry.key);
    if (before) before.replaceWith(now);
    else {
      this.parts.pending.append(now);
      this.unread.clear();
    }
    this.following.grown(!before);
  }

  /** Takes an unsent message away. @param {string} key */
  removeEntry(key) { this.#pending(key)?.remove(); }

  /** Shows the page before; a second call meanwhile waits for the same page. @param {number} [limit] @returns {Promise<boolean>} whether it came */
  fetchOlder(limit) {
    this.loading ??= this.#loadOlder(limit).finally(() => { this.loading = null; });
    return this.loading;
  }

  #isOwn(message) { return message.kind === "user" && message.sender?.id === this.on.me; }

  /** Which of these messages the reader has not seen: all that come while they look elsewhere, or that came since they were here. */
  #markUnread(messages, news) {
    const others = messages.filter((message) => !this.#isOwn(message)).map(({ seq }) => seq);
    const before = this.on.readBefore;
    if (!news && before !== null) this.unread.came(others.filter((seq) => seq > before));
    else if (news && (document.hidden || !this.following.atEnd)) this.unread.came(others);
  }

  /** Whoever comes back begins where they stopped reading, if that is not in view anyway. */
  #startAtUnread() {
    const { line } = this.unread;
    if (!line.isConnected) return;
    const top = line.getBoundingClientRect().top - this.parts.scroll.getBoundingClientRect().top;
    if (top < 0) this.following.goUp(top);
    else this.#seen();
  }

  #draw(message, previous) {
    const own = this.#isOwn(message);
    const job = this.on.jobs.get(message.job);
    const task = message.data?.task ?? job?.task;
    const regenerate = message.kind === "ml" && job ? this.on.regenerate(job) : null;
    const element = messageElement(message, { own, task, again: this.on.again, dismissed: this.on.dismissed, goTo: (seq) => this.goTo(seq), regenerate });
    element.dataset.task = task ?? "";
    decorate(element, message, previous);
    this.unread.mark(message.seq, element);
    this.#replace(message.data?.replaces);
    if (this.replaced.has(message.seq)) markReplaced(element);
    if (message.job) this.#move(message.job, message.seq);
    if (message.key && own) this.removeEntry(message.key);
    for (const each of this.#jobsOf(message)) showFinding(element.querySelector(".chips"), each, this.on.actions);
    return element;
  }

  /** A newer message takes the place of this one. */
  #replace(seq) {
    if (typeof seq !== "number") return;
    this.replaced.add(seq);
    const before = this.blocks.element(seq);
    if (before) markReplaced(before);
  }

  /** A job is shown at the newest message that it wrote: first that it failed, then what came of another try. */
  #move(job, seq) {
    const before = this.homes.get(job) ?? 0;
    if (before >= seq) return;
    this.homes.set(job, seq);
    if (this.blocks.element(before)) removeFinding(this.#chips(before), job);
  }

  #jobsOf({ seq, job: id }) {
    const wrote = this.on.jobs.get(id);
    const isHome = wrote && wrote.message === undefined && this.homes.get(id) === seq;
    return isHome ? [...this.on.jobs.of(seq), wrote] : this.on.jobs.of(seq);
  }

  #seen() {
    if (document.hidden || !this.following.atEnd) return;
    this.unread.read();
    if (this.last !== null) this.on.read(this.last);
  }

  #chips(seq) { return /** @type {HTMLElement} */ (this.blocks.element(seq).querySelector(".chips")); }

  #pending(key) { return inside(this.parts.pending).find((one) => one.dataset.key === key); }

  async #older() {
    if (this.complete || this.messages.size === 0 || this.parts.scroll.scrollTop > 240) return;
    await this.fetchOlder();
  }

  async #loadOlder(limit) {
    this.parts.top.textContent = LOADING_EARLIER;
    try {
      this.complete = !(await this.on.older(limit));
      this.parts.top.replaceChildren(this.complete ? BEGINNING : "");
      return true;
    } catch {
      this.parts.top.replaceChildren(h("button", { class: "link-button", type: "button", on: { click: () => this.#older() } }, LOAD_EARLIER));
      return false;
    }
  }
}

/** The focus goes elsewhere: to a dialog it goes for a while only. @param {HTMLElement} element */
function leave(element) { if (!document.querySelector("dialog[open]")) element.removeAttribute("tabindex"); }
