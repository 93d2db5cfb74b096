/** The token of this tab, where people must show one (AUTH=token): where it comes from, and what it says. */

const KEPT = "spillway.token";

/** Whether people must show a token here. */
export const needed = told("auth") === "token";

/** Where the next token comes from; empty: from the person. */
export const renewUrl = told("renew");

let token = needed ? fromAddress() ?? kept() : "";

/** The token, or an empty string. */
export const current = () => token;

/** Keeps a token for this tab. @param {string} next */
export function keep(next) {
  token = next;
  store((storage) => storage.setItem(KEPT, next));
}

/** Forgets it: the next one who uses this tab is somebody else. */
export function forget() {
  token = "";
  store((storage) => storage.removeItem(KEPT));
}

/**
 * What a token says; the server alone can tell whether it is true.
 * @param {string} [text]
 * @returns {{sub: string, name: string, role: string, rooms: any}|null} null when it is none
 */
export function claims(text = token) {
  try {
    const middle = text.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(middle), (letter) => letter.charCodeAt(0));
    const { sub, name = sub, role = "member", rooms: named = [] } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === "string" ? { sub, name, role, rooms: named } : null;
  } catch {
    return null;
  }
}

/** The rooms that the token names one by one. @returns {string[]} */
export function rooms() {
  const named = claims()?.rooms;
  return Array.isArray(named) ? named.filter((room) => typeof room === "string" && !room.includes("*")) : [];
}

/** Whether whoever uses this tab answers people, and so sees drafts. */
export const mayAnswer = () => !needed || ["staff", "operator"].includes(claims()?.role ?? "");

/** Whether whoever uses this tab may change flags and see the operator page. */
export const isOperator = () => !needed || claims()?.role === "operator";

/** `#token=...`, taken out of the address at once: addresses are copied, and kept in histories. */
function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return null;
  history.replaceState(null, "", location.pathname + location.search);
  store((storage) => storage.setItem(KEPT, given));
  return given;
}

function kept() {
  let found = "";
  store((storage) => { found = storage.getItem(KEPT) ?? ""; });
  return found;
}

// Storage can be switched off or full; the tab works without it until it is closed.
function store(change) {
  try {
    change(sessionStorage);
  } catch {
    /* see above */
  }
}

function told(name) {
  return document.querySelector(`meta[name="spillway-${name}"]`)?.getAttribute("content") ?? "";
}
