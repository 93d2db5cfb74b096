/** The same done to many, one after the other: the server bounds how many requests an address may make. */

import { toast } from "../toasts.js";
import { bulkWords, errorWords } from "../words.js";

const PAUSE_MS = 1_000;
const TRIES = 5;

/**
 * @template Item
 * @param {Item[]} items
 * @param {(item: Item) => Promise<any>} act
 * @param {(done: number) => void} [progress]
 * @returns {Promise<number>} how many it was done to
 */
export async function eachOf(items, act, progress = () => {}) {
  let done = 0;
  let refused;
  for (const item of items) {
    try {
      await patiently(() => act(item));
      done += 1;
    } catch (error) {
      refused = error;
    }
    progress(done);
  }
  toast(bulkWords(done, items.length - done, refused ? errorWords(refused) : ""), refused ? "bad" : "plain");
  return done;
}

/** Tries again what time heals. */
async function patiently(act) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await act();
    } catch (error) {
      if (tries === TRIES || !["rate_limited", "busy"].includes(error.code)) throw error;
      await new Promise((resume) => { setTimeout(resume, error.retry_after ? error.retry_after * 1000 : PAUSE_MS); });
    }
  }
}
