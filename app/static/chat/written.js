/** What somebody was writing in a room: kept until it is sent, over other rooms and reloads. */

import { read, tab, write } from "../storage.js";

/** @typedef {{text: string, draft?: Object}} Writing with the job whose draft it was made of */

/** The unsent text of one room. */
export class Written {
  /** @param {string} room @param {string} me own id */
  constructor(room, me) { this.place = `spillway.written.${room}.${me}`; }

  /** @returns {Writing} */
  load() {
    const kept = read(tab, this.place);
    return typeof kept?.text === "string" ? kept : { text: "" };
  }

  /** @param {Writing} writing an empty one takes it away */
  save({ text, draft }) {
    write(tab, this.place, text === "" && !draft ? null : { text, draft });
  }
}
