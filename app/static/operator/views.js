/** The views of the page, one at a time. */

import { byId, inside } from "../dom.js";
import { address, addressWith, onAddress } from "./address.js";

export const VIEWS = ["overview", "jobs", "dead", "processes"];

/** @returns {string} the view that the address names */
export function view() {
  const named = address().get("view") ?? "";
  return VIEWS.includes(named) ? named : "overview";
}

/** Shows what the address names, from now on. @param {() => void} changed */
export function followViews(changed) {
  const draw = () => {
    const shown = view();
    for (const name of VIEWS) byId(`view-${name}`).hidden = name !== shown;
    for (const link of inside(byId("views"))) {
      const its = /** @type {HTMLAnchorElement} */ (link);
      if (its.dataset.view === shown) its.setAttribute("aria-current", "page");
      else its.removeAttribute("aria-current");
      its.href = addressWith({ view: its.dataset.view === "overview" ? null : its.dataset.view ?? null }, new URLSearchParams());
    }
  };
  draw();
  onAddress(() => { draw(); changed(); });
}
