/** Line icons drawn in the DOM: 24 by 24, in the colour of the text around them. */

import { s } from "./dom.js";

const PATHS = {
  alert: ["M12 3.5 21.5 20h-19z", "M12 10v4.5", "M12 17.2v.3"],
  auto: ["M4 6h5c5 0 4 12 9 12h2", "M4 18h5c1.6 0 2.6-1.2 3.4-2.8", "M15 8.2C15.8 6.8 16.6 6 18 6h2"],
  back: ["M19 12H5", "M11 6l-6 6 6 6"],
  check: ["M5 12.5 10 17.5 19.5 7"],
  clock: ["M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z", "M12 7.5V12l3 2"],
  close: ["M6 6l12 12", "M18 6 6 18"],
  copy: ["M8.5 8.5h11v11h-11z", "M15.5 8.5v-4h-11v11h4"],
  cross: ["M7 7l10 10", "M17 7 7 17"],
  down: ["M12 5v14", "M6 13l6 6 6-6"],
  drop: ["M12 3.5c3.8 4.6 6 7.6 6 10.7a6 6 0 0 1-12 0c0-3.1 2.2-6.1 6-10.7z"],
  forward: ["M5 12h14", "M13 6l6 6-6 6"],
  gauge: ["M4 17a8.5 8.5 0 1 1 16 0", "M12 15.5l4-5.5", "M11 16.5h2"],
  image: ["M4 5h16v14H4z", "M4 16l4.5-4.5 4 4L15 13l5 4.5", "M15.5 9v.2"],
  keys: ["M3 6.5h18v11H3z", "M6.5 10h.2", "M10 10h.2", "M14 10h.2", "M17.5 10h.2", "M8 14h8"],
  leave: ["M14 4H5v16h9", "M10 12h10", "M16.5 8.5 20 12l-3.5 3.5"],
  menu: ["M4 6.5h16", "M4 12h16", "M4 17.5h16"],
  more: ["M5.5 12h.2", "M12 12h.2", "M18.5 12h.2"],
  paths: ["M4 7h5c5 0 4 10 9 10h2", "M4 17h5c5 0 4-10 9-10h2"],
  people: ["M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z", "M2.5 20c.4-3.8 3-5.5 6.5-5.5s6.1 1.7 6.5 5.5", "M16 4.8a3.5 3.5 0 0 1 0 6.4", "M18.5 15c1.8.8 2.8 2.5 3 5"],
  plus: ["M12 5v14", "M5 12h14"],
  queued: ["M4 6h16", "M4 12h16", "M4 18h10", "M17 15.5 19.5 18 17 20.5"],
  retry: ["M19.5 12a7.5 7.5 0 1 1-2.3-5.4", "M19.5 3.5V8H15"],
  search: ["M10.8 4a6.8 6.8 0 1 0 0 13.6 6.8 6.8 0 0 0 0-13.6z", "M16 16l4.5 4.5"],
  send: ["M4 12 20.5 4.5 15 20.5l-3.5-6.8z", "M11.5 13.7 20.5 4.5"],
  simple: ["M4 12h15", "M13.5 6.5 19 12l-5.5 5.5"],
  sound: ["M5 9.5v5", "M9 6.5v11", "M13 4v16", "M17 7.5v9", "M20.5 10v4"],
  spark: ["M12 3.5l1.9 5.6 5.6 1.9-5.6 1.9L12 18.5l-1.9-5.6L4.5 11l5.6-1.9z", "M19 17v4", "M17 19h4"],
};

/**
 * One icon, hidden from screen readers: the words beside it say what it means.
 * @param {keyof typeof PATHS} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const lines = PATHS[name].map((d) => s("path", { d }));
  return s("svg", {
    class: "icon", viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": "1.9",
    "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true",
  }, ...lines);
}

/** Draws the icon that each `data-icon` element of the template names. */
export function drawIcons() {
  const spots = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-icon]"));
  for (const spot of spots) spot.replaceChildren(icon(/** @type {Parameters<typeof icon>[0]} */ (spot.dataset.icon)));
}
