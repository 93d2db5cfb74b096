/** An image over the whole page, and from it to those before and after it. */

import { byId, h } from "../dom.js";
import { icon } from "../icons.js";
import { VIEWER } from "../words.js";

/** @param {HTMLImageElement} image of the conversation, with the address of the whole in `data-whole` */
export function view(image) {
  const viewer = byId("viewer", HTMLDialogElement);
  viewer.onclick = (event) => { if (event.target === viewer) viewer.close(); };
  viewer.onkeydown = (event) => { if (event.key === "ArrowLeft" || event.key === "ArrowRight") turn(viewer, event.key === "ArrowLeft" ? -1 : 1); };
  show(viewer, image);
  viewer.showModal();
}

function show(viewer, image) {
  const all = images();
  const place = all.indexOf(image);
  viewer.dataset.place = String(place);
  viewer.replaceChildren(
    h("img", { src: image.dataset.whole, alt: image.alt }),
    h("p", { class: "viewer-words" }, all.length > 1 ? `${image.alt} · ${place + 1} of ${all.length}` : image.alt),
    button("back", () => turn(viewer, -1), place > 0),
    button("forward", () => turn(viewer, 1), place < all.length - 1),
    button("close", () => viewer.close()));
}

/** @param {"back"|"forward"|"close"} name @param {() => void} act @param {boolean} [there] */
function button(name, act, there = true) {
  return h("button", {
    class: `button button-icon viewer-${name}`, type: "button", title: VIEWER[name], "aria-label": VIEWER[name], "data-testid": `viewer-${name}`,
    disabled: !there, on: { click: act },
  }, icon(name));
}

function turn(viewer, step) {
  const next = images()[Number(viewer.dataset.place) + step];
  if (!next) return;
  show(viewer, next);
  /** @type {HTMLElement|null} */ (viewer.querySelector(step < 0 ? ".viewer-back:enabled" : ".viewer-forward:enabled") ?? viewer.querySelector(".viewer-close"))?.focus();
}

const images = () => /** @type {HTMLImageElement[]} */ ([...byId("log").querySelectorAll(".picture img")]);
