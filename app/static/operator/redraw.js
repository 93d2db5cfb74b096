/** Drawing a part of the page anew, only when it says something else, and without taking the focus away. */

const drawn = new WeakMap();

/**
 * @param {HTMLElement} home
 * @param {any} shown what the part shows, as JSON has it
 * @param {() => Node[]} make
 */
export function redraw(home, shown, make) {
  const now = JSON.stringify(shown);
  if (drawn.get(home) === now) return;
  drawn.set(home, now);
  const focused = home.contains(document.activeElement) ? document.activeElement : null;
  const [label, place] = [focused?.getAttribute("aria-label"), focused?.getAttribute("href")];
  home.replaceChildren(...make());
  if (!focused) return;
  const same = [...home.querySelectorAll("a, button")].find((one) => one.getAttribute("aria-label") === label && one.getAttribute("href") === place);
  /** @type {HTMLElement|undefined} */ (same)?.focus();
}
