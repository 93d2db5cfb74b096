/** What is known of each job, however late or often the news comes. */

const RANK = { accepted: 0, running: 1, retrying: 1, succeeded: 2, failed: 2, cancelled: 2, skipped: 2 };

/** @param {{state: string}} job @returns {boolean} whether nothing more will happen by itself */
export const isFinal = (job) => RANK[job.state] === 2;

/** Jobs by id. The later attempt wins, within an attempt the later state; a final state never goes back. */
export class Jobs {
  constructor() { this.clear(); }

  /** @param {string} id @returns {Object|undefined} */
  get(id) { return this.known.get(id); }

  /** @returns {Object[]} */
  all() { return [...this.known.values()]; }

  /** @param {number} seq of a message @returns {Object[]} those that belong to it */
  of(seq) { return [...(this.bySeq.get(seq) ?? [])].map((id) => this.known.get(id)); }

  /** Forgets all. */
  clear() {
    this.known = new Map();
    this.bySeq = new Map();
  }

  /**
   * Takes a `job:update`.
   * @returns {Object|null} the job as it is known now, or null when this was old news
   */
  merge(update) {
    const before = this.known.get(update.id);
    if (before && !isNewer(update, before)) return null;
    const sameAttempt = before?.attempt === update.attempt;
    // An earlier attempt's error or time says nothing of this one.
    const kept = sameAttempt ? before : { message: before?.message, key: before?.key, sender: before?.sender };
    const job = { ...kept, ...update };
    this.known.set(job.id, job);
    this.#file(job);
    return job;
  }

  #file({ id, message }) {
    if (message === undefined) return;
    if (!this.bySeq.has(message)) this.bySeq.set(message, new Set());
    this.bySeq.get(message).add(id);
  }
}

function isNewer(update, before) {
  // Only a failed job starts again, when its dead letter is replayed: then with a later attempt.
  if (isFinal(before) && before.state !== "failed" && update.state !== before.state) return false;
  if (update.attempt !== before.attempt) return update.attempt > before.attempt;
  if (isFinal(before) && update.state !== before.state) return false;
  return RANK[update.state] >= RANK[before.state];
}
