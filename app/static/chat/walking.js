/** Going from message to message with the arrow keys, and doing something about the one with the focus. */

const KEYS = { c: "message-copy", r: "message-regenerate" };

/**
 * @param {HTMLElement} scroll which holds the messages
 * @param {Object} on
 * @param {(seq: number, step: number) => Object|undefined} on.beside the message above (-1) or below (1)
 * @param {(seq: number) => void} on.goTo
 * @returns {() => void} stops it
 */
export function walkMessages(scroll, on) {
  const press = (/** @type {KeyboardEvent} */ event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const message = focused();
    if (event.key === "ArrowUp" || event.key === "ArrowDown") step(event, message, event.key === "ArrowUp" ? -1 : 1, on);
    else if (message && KEYS[event.key]) act(message, KEYS[event.key], event);
  };
  scroll.addEventListener("keydown", press);
  return () => scroll.removeEventListener("keydown", press);
}

/** The message that has the focus itself: inside it the keys belong to what is there. @returns {HTMLElement|null} */
function focused() {
  const element = document.activeElement;
  return element instanceof HTMLElement && element.matches("[data-testid=message]") ? element : null;
}

function step(event, message, by, on) {
  if (!message) return;
  const next = on.beside(Number(message.dataset.seq), by);
  if (!next) return;
  event.preventDefault();
  on.goTo(next.seq);
}

function act(message, test, event) {
  event.preventDefault();
  /** @type {HTMLElement|null} */ (message.querySelector(`[data-testid=${test}]`))?.click();
}
