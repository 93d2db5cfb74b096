/** The rooms of a person in this browser: followed all at once, with what is unread in each and its last line. */

import { browser, read, write } from "../storage.js";

const MOST = 40;
const AGAIN_MS = 1_500;

/**
 * @typedef {Object} Known
 * @property {string} name
 * @property {number|null} read the newest seq that the person has seen
 * @property {number|null} seq the newest there is
 * @property {number} unread messages of others since
 * @property {boolean} more unread ones than could be counted
 * @property {Object|null} last the newest message
 */

/** Which rooms there are, whether somebody looks at them or not. */
export class Rooms {
  /**
   * @param {import("./connection.js").Connection} connection
   * @param {{id: string}} me
   * @param {Object} on
   * @param {() => void} on.changed
   * @param {(name: string) => void} on.joined a room that is not open may be sent to
   */
  constructor(connection, me, on) {
    this.connection = connection;
    this.me = me.id;
    this.on = on;
    this.place = `spillway.rooms.${me.id}`;
    /** @type {string|null} */
    this.open = null;
    /** @type {Map<string, Known>} */
    this.all = new Map();
    const kept = read(browser, this.place);
    for (const [name, seen] of Object.entries(kept && typeof kept === "object" ? kept : {})) this.#add(name, Number.isInteger(seen) ? seen : null);
    connection.hear("message:new", (message) => this.heard(message));
  }

  /** In the order in which they came. @returns {Known[]} */
  list() { return [...this.all.values()]; }

  /** @returns {number} how much is unread in rooms that are not open */
  unread() { return this.list().reduce((sum, { name, unread }) => sum + (name === this.open ? 0 : unread), 0); }

  /** Learns of rooms that the person may enter. @param {string[]} names */
  learn(names) { for (const name of names) if (!this.all.has(name)) this.#add(name, null); }

  /** Somebody looks at this room now, which its own conversation joins. @param {string} name */
  enter(name) {
    if (!this.all.has(name)) this.#add(name, null);
    this.open = name;
    this.#keep();
  }

  /** The room is not theirs any more. @param {string} name */
  forget(name) {
    this.all.delete(name);
    if (this.open === name) this.open = null;
    this.#keep();
  }

  /** The connection stands: joins every room that is not open. */
  async joinAll() {
    for (const { name } of this.list()) if (name !== this.open) await this.join(name);
  }

  /** Joins a room that is not open, and counts what is unread in it. @param {string} name */
  async join(name) {
    try {
      const answer = await this.connection.ask("room:join", { room: name });
      const known = this.all.get(name);
      if (known) this.#count(known, answer);
      this.on.joined(name);
    } catch (error) {
      this.#notJoined(name, error);
    }
  }

  /** Takes a message of any room. @param {Object} message */
  heard(message) {
    const known = this.all.get(message.room);
    if (!known || message.seq <= (known.seq ?? 0)) return;
    known.seq = message.seq;
    known.last = message;
    if (message.room !== this.open && !this.#isOwn(message)) known.unread += 1;
    this.on.changed();
  }

  /** The person has seen a room up to this message. @param {string} name @param {number} seq */
  seen(name, seq) {
    const known = this.all.get(name);
    if (!known || (known.read === seq && known.unread === 0)) return;
    Object.assign(known, { read: seq, unread: 0, more: false });
    this.#keep();
  }

  /** What the open room's own join told. @param {string} name @param {Object[]} messages */
  shown(name, messages) {
    const known = this.all.get(name);
    const last = messages.at(-1);
    if (!known || !last) return;
    known.seq = last.seq;
    known.last = last;
    this.on.changed();
  }

  #count(known, { seq, messages }) {
    // A database that begins anew has smaller numbers.
    if (known.read === null || known.read > seq) known.read = seq;
    const since = messages.filter((message) => message.seq > known.read);
    known.seq = seq;
    known.last = messages.at(-1) ?? null;
    known.unread = since.filter((message) => !this.#isOwn(message)).length;
    known.more = since.length > 0 && since[0].seq > known.read + 1;
    this.#keep();
  }

  #notJoined(name, { code, retry_after: after }) {
    if (code === "offline") return;
    if (code === "forbidden" || code === "bad_request") this.forget(name);
    else setTimeout(() => { if (this.connection.connected && name !== this.open) this.join(name); }, after ? after * 1000 : AGAIN_MS);
  }

  #isOwn(message) { return message.kind === "user" && message.sender?.id === this.me; }

  #add(name, seen) {
    if (this.all.size >= MOST) this.all.delete(this.list().find((one) => one.name !== this.open).name);
    this.all.set(name, { name, read: seen, seq: null, unread: 0, more: false, last: null });
  }

  #keep() {
    write(browser, this.place, Object.fromEntries(this.list().map(({ name, read: seen }) => [name, seen])));
    this.on.changed();
  }
}
