/** Everything said here and not yet acknowledged: sent in order, again after a break, under the same key. */

/** Time heals these by itself; the others need the person. */
const PASSING = new Set(["rate_limited", "busy", "draining", "timeout", "not_in_room"]);
const PAUSE_S = 1.5;
const TRIES = 8;

/**
 * @typedef {Object} Entry
 * @property {string} key
 * @property {string} event
 * @property {Object} payload
 * @property {"sending"|"waiting"|"failed"} state waiting: for the connection or for a better time
 * @property {Object} [error] why it waits or failed
 * @property {string} at RFC 3339
 * @property {number} [tries] so far
 */

/** A queue of events that survives breaks and reloads. */
export class Outbox {
  /**
   * @param {import("./connection.js").Connection} connection
   * @param {string} place where unsent entries are kept in sessionStorage
   * @param {() => void} notInRoom the room must be joined again
   */
  constructor(connection, place, notInRoom) {
    this.connection = connection;
    this.place = place;
    this.notInRoom = notInRoom;
    this.open = false;
    this.busy = false;
    this.entries = remembered(place);
    this.unwatch();
  }

  /**
   * Shows its entries to somebody, from now on.
   * @param {Object} on
   * @param {(entry: Entry) => void} on.changed also for each that is here, and for a new one
   * @param {(entry: Entry, answer: Object|null) => void} on.gone acknowledged, or discarded without an answer
   */
  watch(on) {
    this.on = on;
    for (const entry of this.entries) on.changed(entry);
  }

  /** Nobody looks; it goes on sending. */
  unwatch() { this.on = { changed: () => {}, gone: () => {} }; }

  /** Adds an event and sends it as soon as it can go. `payload` holds its key. @returns {Entry} */
  add(event, payload) {
    /** @type {Entry} */
    const entry = { key: payload.key, event, payload, state: this.open ? "sending" : "waiting", at: new Date().toISOString() };
    this.entries.push(entry);
    this.#changed(entry);
    this.#pump();
    return entry;
  }

  /** The room is joined: whatever is not acknowledged goes again. */
  resume() {
    this.open = true;
    this.#pump();
  }

  /** The connection is gone. */
  pause() {
    this.open = false;
    for (const entry of this.entries) if (entry.state === "sending") this.#mark(entry, "waiting");
  }

  /** Sends a failed one again, under its key. @param {Entry} entry */
  retry(entry) {
    entry.tries = 0;
    this.#mark(entry, this.open ? "sending" : "waiting");
    this.#pump();
  }

  /** Gives a failed one up. @param {Entry} entry */
  discard(entry) { this.#remove(entry, null); }

  /** Somebody saw the message of this key in the room: it is stored. @param {string} key */
  confirm(key) {
    const entry = this.entries.find((one) => one.key === key);
    if (entry) this.#remove(entry, null);
  }

  async #pump() {
    if (this.busy) return;
    this.busy = true;
    // One at a time, so that they stay in the order they were written.
    for (let entry = this.#next(); entry && this.open; entry = this.#next()) await this.#deliver(entry);
    this.busy = false;
  }

  #next() { return this.entries.find((entry) => entry.state !== "failed"); }

  async #deliver(entry) {
    this.#mark(entry, "sending");
    try {
      this.#remove(entry, await this.connection.ask(entry.event, entry.payload));
    } catch (error) {
      await this.#notDelivered(entry, error);
    }
  }

  async #notDelivered(entry, { code, message, field, retry_after }) {
    const error = { code, message, field };
    if (code === "offline") return this.pause();
    entry.tries = (entry.tries ?? 0) + 1;
    if (!PASSING.has(code) || entry.tries >= TRIES) return this.#mark(entry, "failed", error);
    this.#mark(entry, "waiting", error);
    if (code === "not_in_room") this.notInRoom();
    return new Promise((resume) => { setTimeout(resume, (retry_after ?? PAUSE_S) * 1000); });
  }

  #mark(entry, state, error) {
    // It may have been confirmed by its own message while the answer was under way.
    if (!this.entries.includes(entry)) return;
    Object.assign(entry, { state, error });
    this.#changed(entry);
  }

  #changed(entry) {
    this.#remember();
    this.on.changed(entry);
  }

  #remove(entry, answer) {
    const was = this.entries.length;
    this.entries = this.entries.filter((one) => one !== entry);
    this.#remember();
    if (answer || this.entries.length < was) this.on.gone(entry, answer);
  }

  #remember() {
    try {
      sessionStorage.setItem(this.place, JSON.stringify(this.entries));
    } catch {
      /* without storage a reload forgets what was not sent; the bubbles have said so */
    }
  }
}

function remembered(place) {
  try {
    const entries = JSON.parse(sessionStorage.getItem(place)) ?? [];
    return entries.map((entry) => ({ ...entry, state: entry.state === "failed" ? "failed" : "waiting" }));
  } catch {
    return [];
  }
}
