/** An image in a message, and the view over the whole page. */

import { byId, h } from "../dom.js";
import { icon } from "../icons.js";

const MOST_PX = 300; // high, as in messages.css

/**
 * Draws the image of a message; its signed link is fetched anew once it has run out.
 * @param {Object} message with `data.url`
 * @param {(seq: number) => Promise<Object|undefined>} again
 * @returns {HTMLElement}
 */
export function picture(message, again) {
  const words = message.kind === "ml" ? "Image, black and white" : `Image from ${message.sender?.name ?? "somebody"}`;
  const image = h("img", { alt: words, ...size(message.data ?? {}) });
  const button = h("button", { class: "picture", type: "button", title: "Look closer" }, image);
  const renew = once(() => refresh(message, again, image, button));
  image.addEventListener("error", renew);
  button.addEventListener("click", () => { if (image.isConnected) view(image.src, words); });
  if (isOurs(message.data?.url)) image.src = message.data.url;
  else renew();
  return button;
}

/** The size at which it is shown, where the server knows it, so that nothing moves when the image comes. */
function size({ width, height }) {
  if (!(width > 0 && height > 0)) return {};
  const share = Math.min(1, MOST_PX / height);
  return { width: Math.max(Math.round(width * share), 1), height: Math.max(Math.round(height * share), 1) };
}

async function refresh(message, again, image, button) {
  const fresh = await again(message.seq).catch(() => undefined);
  image.addEventListener("error", () => lost(button));
  if (isOurs(fresh?.data?.url)) image.src = fresh.data.url;
  else lost(button);
}

function lost(button) {
  button.disabled = true;
  button.replaceChildren(h("span", { class: "picture-lost" }, "This image is not there any more."));
}

function view(src, words) {
  const viewer = byId("viewer", HTMLDialogElement);
  const close = h("button", { class: "button button-icon", type: "button", "aria-label": "Close" }, icon("close"));
  close.addEventListener("click", () => viewer.close());
  viewer.replaceChildren(h("img", { src, alt: words }), close);
  viewer.onclick = (event) => { if (event.target === viewer) viewer.close(); };
  viewer.showModal();
}

function once(action) {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}

// Images come from this server only, whatever a message says.
const isOurs = (url) => typeof url === "string" && url.startsWith("/") && !url.startsWith("//");
