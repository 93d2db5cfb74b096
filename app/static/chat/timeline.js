/** The conversation: messages in order, chips under them, unsent ones below, and where the reader is. */

import { h, inside } from "../dom.js";
import { emptyRoom } from "./empty.js";
import { removeFinding, showFinding } from "./findings.js";
import { Following } from "./following.js";
import { decorate, markReplaced, messageElement } from "./message.js";
import { pendingElement } from "./pending.js";
import { Unread } from "./unread.js";

/** The list of messages of one room. */
export class Timeline {
  /**
   * @param {{log: HTMLElement, pending: HTMLElement, scroll: HTMLElement, top: HTMLElement, toEnd: HTMLElement}} parts
   * @param {Object} on
   * @param {string} on.me own id
   * @param {string} on.title of the page
   * @param {import("./jobs.js").Jobs} on.jobs
   * @param {(seq: number) => Promise<Object|undefined>} on.again
   * @param {import("./dismissed.js").Dismissed} on.dismissed notices
   * @param {() => Promise<boolean>} on.older fetches and shows the page before; false when it was the last
   * @param {import("./chips.js").Actions} on.actions on jobs
   * @param {(entry: Object) => void} on.retry
   * @param {(entry: Object) => void} on.discard
   */
  constructor(parts, on) {
    this.parts = parts;
    this.on = on;
    this.unread = new Unread(parts.toEnd, on.title);
    this.following = new Following(parts, () => this.#seen());
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
    this.following.close();
    this.clear();
    this.parts.pending.replaceChildren();
  }

  /** Forgets all messages; unsent ones stay. */
  clear() {
    this.shown = new Map();
    this.homes = new Map();
    this.replaced = new Set(); // messages whose place others have taken
    this.complete = false;
    this.unread.clear();
    this.parts.log.replaceChildren();
    this.parts.top.textContent = "";
  }

  /** The room is joined: says so where nobody has written yet. */
  joined() {
    if (this.shown.size === 0) this.parts.top.replaceChildren(emptyRoom());
  }

  /** Shows the next messages below the others. @param {Object[]} messages @param {boolean} news */
  append(messages, news) {
    const own = (message) => message.sender?.id === this.on.me && message.kind === "user";
    const others = [];
    if (this.shown.size === 0) this.parts.top.replaceChildren();
    for (const message of messages) {
      const element = this.#draw(message);
      decorate(element, /** @type {HTMLElement|null} */ (this.parts.log.lastElementChild));
      element.classList.toggle("fresh", news);
      this.parts.log.append(element);
      if (!own(message)) others.push(element);
    }
    if (news && (document.hidden || !this.following.atEnd)) this.unread.came(others);
    this.following.grown();
    if (!news) this.#older();
  }

  /** Shows older messages above the others, without moving what the reader looks at. @param {Object[]} messages */
  prepend(messages) {
    const { log } = this.parts;
    const oldest = /** @type {HTMLElement|null} */ (log.firstElementChild);
    this.following.hold(() => {
      const elements = messages.filter(({ seq }) => !this.shown.has(seq)).map((message) => this.#draw(message));
      elements.forEach((element, place) => decorate(element, elements[place - 1] ?? null));
      log.prepend(...elements);
      if (oldest && elements.length) decorate(oldest, elements.at(-1));
    });
  }

  /** Shows a job under its message. @param {Object} job @returns {boolean} whether its message is here */
  showJob(job) {
    const seq = job.message ?? this.homes.get(job.id);
    const held = this.shown.get(seq);
    if (!held) return false;
    if (held.message.job === job.id && held.task !== job.task) this.#redraw(seq);
    showFinding(this.#chips(seq), job, this.on.actions);
    return true;
  }

  /** Draws all jobs again, as how they are worded is known better now. */
  reword() { for (const job of this.on.jobs.all()) this.showJob(job); }

  /** Brings a message into view and marks it for a moment, with those before it where they are not here yet. @param {number} seq */
  async goTo(seq) {
    while (!this.shown.has(seq) && !this.complete) {
      if (!(await this.#fetchOlder())) return;
    }
    const { element } = this.shown.get(seq) ?? {};
    if (!element) return;
    element.scrollIntoView({ block: "center" });
    // Focus says where the reader is now; only while they are there, as a click on a message must not mark it.
    element.tabIndex = -1;
    element.addEventListener("blur", () => element.removeAttribute("tabindex"), { once: true });
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

  #draw(message) {
    const task = message.data?.task ?? this.on.jobs.get(message.job)?.task;
    const own = message.kind === "user" && message.sender?.id === this.on.me;
    const element = messageElement(message, { own, task, again: this.on.again, dismissed: this.on.dismissed, goTo: (seq) => this.goTo(seq) });
    this.shown.set(message.seq, { message, element, task });
    this.#replace(message.data?.replaces);
    if (this.replaced.has(message.seq)) markReplaced(element);
    if (message.job) this.#move(message.job, message.seq);
    if (message.key && own) this.removeEntry(message.key);
    for (const job of this.#jobsOf(message)) showFinding(element.querySelector(".chips"), job, this.on.actions);
    return element;
  }

  /** A newer message takes the place of this one. */
  #replace(seq) {
    if (typeof seq !== "number") return;
    this.replaced.add(seq);
    const before = this.shown.get(seq);
    if (before) markReplaced(before.element);
  }

  /** A job is shown at the newest message that it wrote: first that it failed, then what came of another try. */
  #move(job, seq) {
    const before = this.homes.get(job) ?? 0;
    if (before >= seq) return;
    this.homes.set(job, seq);
    if (this.shown.has(before)) removeFinding(this.#chips(before), job);
  }

  #jobsOf(message) {
    return this.on.jobs.all().filter((job) => (job.message ?? this.homes.get(job.id)) === message.seq);
  }

  #redraw(seq) {
    const { message, element } = this.shown.get(seq);
    const now = this.#draw(message);
    decorate(now, element.previousElementSibling);
    this.unread.redrawn(element, now);
    element.replaceWith(now);
  }

  #seen() {
    if (!document.hidden && this.following.atEnd) this.unread.read();
  }

  #chips(seq) { return this.shown.get(seq).element.querySelector(".chips"); }

  #pending(key) { return inside(this.parts.pending).find((one) => one.dataset.key === key); }

  async #older() {
    if (this.complete || this.shown.size === 0 || this.parts.scroll.scrollTop > 240) return;
    await this.#fetchOlder();
  }

  /** Shows the page before; a second call meanwhile waits for the same page. @returns {Promise<boolean>} whether it came */
  #fetchOlder() {
    this.loading ??= this.#loadOlder().finally(() => { this.loading = null; });
    return this.loading;
  }

  async #loadOlder() {
    this.parts.top.textContent = "Loading earlier messages…";
    try {
      this.complete = !(await this.on.older());
      this.parts.top.replaceChildren(this.complete ? "This is where the room begins." : "");
      return true;
    } catch {
      this.parts.top.replaceChildren(h("button", { class: "link-button", type: "button", on: { click: () => this.#older() } }, "Load earlier messages"));
      return false;
    }
  }
}
