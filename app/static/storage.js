/** What the browser keeps for this page. Storage can be switched off or full; the page works without it. */

/** @param {() => Storage} where @param {string} name @returns {any} null where there is nothing that can be read */
export function read(where, name) {
  try {
    return JSON.parse(where().getItem(name));
  } catch {
    return null;
  }
}

/** @param {() => Storage} where @param {string} name @param {any} value null takes it away */
export function write(where, name, value) {
  try {
    if (value === null) where().removeItem(name);
    else where().setItem(name, JSON.stringify(value));
  } catch {
    /* a reload then forgets it */
  }
}

/** This browser's, for all tabs and times. */
export const browser = () => localStorage;

/** This tab's, until it is closed. */
export const tab = () => sessionStorage;
