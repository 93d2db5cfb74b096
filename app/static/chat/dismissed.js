/** Which notices of a room this viewer has dismissed; kept in this browser. */

const MOST = 200; // the newest; older notices are far up

/** The ids of dismissed notices. */
export class Dismissed {
  /** @param {string} room */
  constructor(room) {
    this.place = `spillway.dismissed.${room}`;
    this.ids = remembered(this.place);
  }

  /** @param {string} id of the notice's message @returns {boolean} */
  has(id) { return this.ids.includes(id); }

  /** @param {string} id */
  add(id) { this.#keep([...this.ids.filter((one) => one !== id), id].slice(-MOST)); }

  /** @param {string} id */
  remove(id) { this.#keep(this.ids.filter((one) => one !== id)); }

  #keep(ids) {
    this.ids = ids;
    try {
      localStorage.setItem(this.place, JSON.stringify(ids));
    } catch {
      /* without storage a reload shows them again */
    }
  }
}

function remembered(place) {
  try {
    const ids = JSON.parse(localStorage.getItem(place));
    return Array.isArray(ids) ? ids : [];
  } catch {
    return [];
  }
}
