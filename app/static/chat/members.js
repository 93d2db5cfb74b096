/** Who is in the room: a list that follows who comes and goes, and says how many are not in it. */

import { byId, h } from "../dom.js";
import { complain } from "../toasts.js";
import { avatar } from "./person.js";

/** @typedef {{id: string, name: string}} Person */

const ORDER = new Intl.Collator();

/** The list of members. */
export class Members {
  /**
   * @param {Person} me
   * @param {(after?: string) => Promise<{members: Person[], count: number, more?: boolean}>} ask for the next page
   */
  constructor(me, ask) {
    this.me = me;
    this.ask = ask;
    this.list = byId("members-list");
    this.more = byId("members-more");
    this.more.onclick = () => this.showAll().catch(complain);
    this.reset([], 0);
  }

  /** Takes what a join or `room:members` says: people at first, then who came and went. */
  take({ members, joined = [], left = [], count }) {
    if (members) this.reset(members, count); // the first page comes with the join
    else this.#change(joined, left, count);
  }

  /** Shows these and no others. @param {Person[]} members @param {number} count of all, also of those not named */
  reset(members, count) {
    this.rows = new Map();
    this.list.replaceChildren();
    for (const person of members) this.#add(person);
    // The first page of a large room may leave oneself out.
    if (count > members.length) this.#add(this.me);
    this.#count(count);
  }

  /** Asks for everybody, page by page. @returns {Promise<void>} */
  async showAll() {
    this.seen = new Set([this.me.id]);
    try {
      let page = await this.#page();
      while (page.more) page = await this.#page(page.members.at(-1).id);
      for (const id of [...this.rows.keys()].filter((one) => !this.seen.has(one))) this.#remove(id);
      this.#count(page.count);
    } finally {
      this.seen = null;
    }
  }

  async #page(after) {
    const page = await this.ask(after);
    for (const person of page.members) this.#add(person);
    return page;
  }

  /** Each of them may be told twice, or be known from the join already. */
  #change(joined, left, count) {
    for (const id of left) this.#remove(id);
    for (const person of joined) this.#add(person);
    this.#count(count);
  }

  #add(person) {
    if (this.rows.get(person.id)?.dataset.name !== person.name) this.#place(person);
    this.seen?.add(person.id);
  }

  /** Puts somebody new, or with a new name, where the name belongs. */
  #place(person) {
    this.#remove(person.id);
    const row = this.#draw(person);
    this.list.insertBefore(row, this.#firstBehind(person.name));
    this.rows.set(person.id, row);
  }

  #firstBehind(name) {
    const rows = this.list.children;
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const there = /** @type {HTMLElement} */ (rows[middle]).dataset.name;
      if (ORDER.compare(there, name) > 0) high = middle;
      else low = middle + 1;
    }
    return rows[low] ?? null;
  }

  #remove(id) {
    this.seen?.delete(id);
    this.rows.get(id)?.remove();
    this.rows.delete(id);
  }

  #count(count) {
    byId("members-count").textContent = String(count);
    byId("members-title").textContent = count > 1 ? `In this room: ${count}` : "In this room";
    this.more.hidden = this.rows.size === count;
    this.more.textContent = this.rows.size < count ? `and ${count - this.rows.size} more: show all` : "Show who is here now";
  }

  #draw({ id, name }) {
    return h("li", { class: "member", "data-id": id, "data-name": name }, avatar(name), h("span", { class: "member-name", title: name }, name),
      id === this.me.id ? h("span", { class: "member-you" }, "you") : null);
  }
}
