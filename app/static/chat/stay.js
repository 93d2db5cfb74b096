/** One person's stay: a connection, the rooms they are in, and the conversation they look at. */

import { api } from "../api.js";
import { byId } from "../dom.js";
import { complain } from "../toasts.js";
import * as token from "../token.js";
import { notThereAnyMore } from "../words.js";
import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { become, leave } from "./identity.js";
import { Outbox } from "./outbox.js";
import { avatar } from "./person.js";
import { showWait } from "./presence.js";
import { Renewal } from "./renewal.js";
import { drawRooms, otherRoom } from "./roomlist.js";
import { Rooms } from "./rooms.js";
import { hideBanner, showConnection, showDraining } from "./status.js";

/** From signing in to signing out. */
export class Stay {
  /**
   * @param {import("./identity.js").Identity} me
   * @param {Object} on
   * @param {ReturnType<typeof import("../flags.js").flagsTable>} on.flags
   * @param {(error?: string) => void} on.out back to the form
   * @param {() => void} on.entered a room was chosen
   */
  constructor(me, on) {
    this.me = me;
    this.on = on;
    this.wasIn = false;
    this.unread = 0; // in the open room
    /** @type {Map<string, Outbox>} */
    this.outboxes = new Map();
    this.connection = new Connection(me, {
      up: () => this.#up(),
      down: () => this.#down(),
      state: showConnection,
      refused: (error) => on.out(error.message),
      unauthorized: (error) => (this.wasIn ? this.renewal.begin(error.message) : on.out(error.message)),
    });
    this.renewal = new Renewal(this.connection, me.id);
    this.rooms = new Rooms(this.connection, me, { changed: () => this.#drawRooms(), joined: (room) => this.outbox(room).resume() });
    this.rooms.learn(token.rooms());
    this.#hear();
  }

  /** Opens the room they came for, then connects. */
  begin() {
    byId("me").replaceChildren(avatar(this.me.name), Object.assign(document.createElement("span"), { className: "me-name", textContent: this.me.name, title: this.me.name }));
    otherRoom((room) => this.enter(room));
    byId("leave").onclick = () => this.leaveRoom();
    history.replaceState(null, "", addressOf(this.me.room));
    this.#open(this.me.room);
    this.connection.open();
  }

  /** Ends it; who comes next is somebody else. */
  close() {
    this.closed = true;
    this.conversation.close();
    this.connection.close();
    this.renewal.close();
    for (const outbox of this.outboxes.values()) outbox.pause();
  }

  /** Looks at another room. @param {string} room @param {{again?: boolean}} [how] `again`: the address says so already */
  enter(room, { again = false } = {}) {
    this.on.entered();
    if (room === this.rooms.open) return;
    // The address can be shared, so it names the room and not the person.
    if (!again) history.pushState(null, "", addressOf(room));
    this.conversation.close();
    this.me = become(this.me.name, room);
    this.#open(room);
    if (this.connection.connected) this.conversation.join();
  }

  /** Looks at the room above (-1) or below (1) the open one in the list. @param {number} step */
  beside(step) {
    const names = this.rooms.list().map(({ name }) => name);
    const next = names[names.indexOf(this.me.room) + step];
    if (next) this.enter(next);
  }

  /** Goes out of the open room for good, and into the next one; without another one, back to the form. */
  leaveRoom() {
    const { room } = this.me;
    this.connection.tell("room:leave", { room });
    this.#next(room);
  }

  /** What is written in a room and not stored yet. @param {string} room @returns {Outbox} */
  outbox(room) {
    if (!this.outboxes.has(room)) this.outboxes.set(room, new Outbox(this.connection, `spillway.unsent.${room}.${this.me.id}`, () => this.#joinAgain(room)));
    return /** @type {Outbox} */ (this.outboxes.get(room));
  }

  /** The tasks there are, asked for once: whoever is not let in need not ask. @returns {Promise<Object[]>} */
  tasks() {
    this.known ??= api("GET", "/api/tasks").then(({ tasks }) => tasks).catch((error) => {
      this.known = undefined;
      throw error;
    });
    return this.known;
  }

  #hear() {
    const { connection } = this;
    connection.hear("room:removed", ({ room }) => this.#removed(room));
    connection.hear("server:draining", ({ seconds }) => showDraining(seconds));
    if (!token.isOperator()) return;
    connection.hear("flag:changed", this.on.flags.changed);
    // A change that came while the connection was away is known after asking again.
    connection.hear("connect", () => this.on.flags.refresh().catch(complain));
  }

  #open(room) {
    this.unread = 0;
    this.rooms.enter(room);
    byId("room-title").textContent = room;
    this.conversation = new Conversation(this, room);
    if (token.isOperator()) this.on.flags.of(room);
    this.#drawRooms();
  }

  #up() {
    this.wasIn = true;
    hideBanner();
    this.conversation.join();
    this.rooms.joinAll();
  }

  #down() {
    for (const outbox of this.outboxes.values()) outbox.pause();
    this.conversation.down();
    showWait();
  }

  #joinAgain(room) {
    if (room === this.rooms.open) this.conversation.join();
    else this.rooms.join(room);
  }

  #removed(room) {
    const why = notThereAnyMore(room);
    if (room === this.rooms.open) this.#next(room, why);
    else this.rooms.forget(room);
  }

  #next(room, why = "") {
    const rooms = this.rooms.list().map(({ name }) => name);
    const place = rooms.indexOf(room);
    this.rooms.forget(room);
    const next = rooms[place + 1] ?? rooms[place - 1];
    if (next) {
      this.enter(next);
      if (why) complain({ code: "forbidden", message: why });
      return;
    }
    if (!why) leave();
    this.on.out(why);
  }

  /** The open room cannot be joined. @param {Object} error */
  notLetIn(error) {
    if (error.code === "forbidden") this.#next(this.me.room, error.message);
    else complain(error);
  }

  /** How much nobody has looked at in the open room. @param {number} count */
  countUnread(count) {
    this.unread = count;
    this.#title();
  }

  #drawRooms() {
    if (this.closed || !this.rooms) return;
    drawRooms(this.rooms, this.me.id, (room) => this.enter(room));
    this.#title();
  }

  #title() {
    const count = this.unread + this.rooms.unread();
    document.title = `${count ? `(${count}) ` : ""}${this.me.room} · Spillway`;
  }
}

const addressOf = (room) => `?room=${encodeURIComponent(room)}`;
