/** Whether the queue takes jobs: asked again and again while a flag needs it. */

const FIRST_MS = 1_000;
const EVERY_MS = 5_000;

/**
 * Watches `GET /readyz`.
 * @param {(away: boolean) => void} show called with each answer, and with false once nothing needs the queue
 * @returns {(needed: boolean) => void} say whether a flag needs the queue now; saying it again changes nothing
 */
export function watchQueue(show) {
  let needed = false;
  let timer;

  async function look() {
    const away = await queueAway();
    // Without an answer nothing new is known; the page says elsewhere that there is no connection.
    if (needed && away !== null) show(away);
    if (needed) timer = setTimeout(look, EVERY_MS);
  }

  return (now) => {
    if (now === needed) return;
    needed = now;
    clearTimeout(timer);
    // Not at once: the server connects to the queue only when the first flag asks for it.
    if (needed) timer = setTimeout(look, FIRST_MS);
    else show(false);
  };
}

async function queueAway() {
  try {
    const response = await fetch("/readyz", { cache: "no-store" });
    return (await response.json()).missing.includes("queue");
  } catch {
    return null;
  }
}
