/** Who this tab is: a name, a room, and a lasting random id for each name in this browser. */

import * as token from "../token.js";

const IDS = "spillway.ids";
const LAST = "spillway.last";
const TAB = "spillway.me";

/** @typedef {{name: string, room: string, id: string}} Identity */

/** The identity this tab had before a reload. @returns {Identity|null} */
export const current = () => read(sessionStorage, TAB);

/**
 * Becomes somebody: whom the token says, or two tabs with two names are two people, and the same name keeps its id.
 * @param {string} name @param {string} room @returns {Identity}
 */
export function become(name, room) {
  const identity = { name, room, id: token.claims()?.sub ?? lastingId(name) };
  write(localStorage, LAST, { name, room });
  write(sessionStorage, TAB, identity);
  return identity;
}

/** Forgets who this tab is; the browser still remembers name and room for the form. */
export function leave() {
  sessionStorage.removeItem(TAB);
  token.forget();
}

/** What the form shows at first: the address first, then what was used last. @returns {{name: string, room: string}} */
export function prefill() {
  const asked = new URLSearchParams(location.search);
  const last = read(localStorage, LAST) ?? {};
  return { name: asked.get("name") ?? last.name ?? "", room: asked.get("room") ?? last.room ?? "lobby" };
}

/** A key nobody else has, as the contract wants them. @returns {string} */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function lastingId(name) {
  const ids = read(localStorage, IDS) ?? {};
  ids[name] ??= randomKey();
  write(localStorage, IDS, ids);
  return ids[name];
}

// Storage can be switched off or full; the chat works without it.
function read(storage, name) {
  try {
    return JSON.parse(storage.getItem(name));
  } catch {
    return null;
  }
}

function write(storage, name, value) {
  try {
    storage.setItem(name, JSON.stringify(value));
  } catch {
    /* see read */
  }
}
