/** What the page shows is in its address, so that a link leads to the same view. */

const listeners = new Set();

/** @returns {URLSearchParams} what the address says now */
export const address = () => new URLSearchParams(location.search);

/**
 * The address with these changed; null takes one away.
 * @param {Object<string, string|null>} changes
 * @param {URLSearchParams} [from]
 * @returns {string} for a link
 */
export function addressWith(changes, from = address()) {
  const next = new URLSearchParams(from);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  return text ? `?${text}` : location.pathname;
}

/** Goes there, and tells everybody who listens. @param {string} to from `addressWith` @param {{quietly?: boolean}} [how] `quietly`: without a step back */
export function go(to, { quietly = false } = {}) {
  if (new URL(to, location.href).href === location.href) return;
  if (quietly) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  tell();
}

/** @param {() => void} listener called whenever the address is another one */
export const onAddress = (listener) => { listeners.add(listener); };

addEventListener("popstate", tell);
// Links within the page change its address without loading it anew; with a key held they open elsewhere, as links do.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-here]") : null;
  if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(link.search || link.pathname);
});

function tell() { for (const listener of listeners) listener(); }
