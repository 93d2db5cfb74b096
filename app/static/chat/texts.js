/** Texts that grow while their jobs run: pieces put together, and what is seen until a new attempt has overtaken it. */

/**
 * @typedef {Object} Text
 * @property {number} attempt whose pieces these are
 * @property {string[]} points its code points, for offsets count those
 * @property {string} seen
 */

/** The text of each job, however its pieces come. */
export class Texts {
  constructor() {
    /** @type {Map<string, Text>} */
    this.known = new Map();
  }

  /** Forgets all. */
  clear() { this.known.clear(); }

  /** @param {string} job @returns {string|undefined} what is to be seen of it */
  of(job) { return this.known.get(job)?.seen; }

  /** Takes a `job:delta`. @param {{job: string, attempt: number, offset: number, text: string}} piece */
  take({ job, attempt, offset, text }) {
    const known = this.known.get(job) ?? { attempt, points: [], seen: "" };
    if (attempt < known.attempt) return;
    if (attempt > known.attempt) Object.assign(known, { attempt, points: [] });
    // What is missing before it comes with the answer to the join that is under way.
    if (offset > known.points.length) return;
    known.points = [...known.points.slice(0, offset), ...text];
    this.#see(job, known, known.points.join(""));
  }

  /** Takes what a job says of its own text: what people have seen so far, or all of it. @param {Object} update */
  learn({ id, attempt, state, text, result }) {
    if (state === "succeeded" && typeof result?.text === "string" && this.known.has(id)) {
      this.known.set(id, { attempt, points: [...result.text], seen: result.text });
    } else if (typeof text === "string") {
      const known = this.known.get(id) ?? { attempt, points: [], seen: "" };
      // An earlier attempt's text does not go on where this attempt's pieces are.
      if (text.startsWith(known.points.join(""))) Object.assign(known, { attempt, points: [...text] });
      this.#see(id, known, text);
    }
  }

  #see(job, known, text) {
    if (text.length >= known.seen.length) known.seen = text;
    this.known.set(job, known);
  }
}
