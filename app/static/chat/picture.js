/** An image in a message: a small copy of it, and the whole when somebody looks closer. */

import { h } from "../dom.js";
import { imageOf, LOOK_CLOSER, NOT_THERE } from "../words.js";
import { view } from "./viewer.js";

const MOST_PX = 300; // high, as in messages.css

/**
 * Draws the image of a message; its signed link is fetched anew once it has run out.
 * @param {Object} message with `data.url`
 * @param {(seq: number) => Promise<Object|undefined>} again
 * @returns {HTMLElement}
 */
export function picture(message, again) {
  const image = h("img", { alt: imageOf(message.kind, message.sender?.name), decoding: "async", ...size(message.data ?? {}) });
  const button = h("button", { class: "picture", type: "button", title: LOOK_CLOSER }, image);
  const renew = once(() => refresh(message, again, image, button));
  image.addEventListener("error", renew);
  button.addEventListener("click", () => { if (image.isConnected) view(image); });
  if (isOurs(message.data?.url)) load(image, message.data.url);
  else renew();
  return button;
}

/** Images come from this server only, whatever a message says. @param {any} url @returns {boolean} */
export const isOurs = (url) => typeof url === "string" && url.startsWith("/") && !url.startsWith("//");

function load(image, url) {
  image.dataset.whole = url;
  image.src = `${url}&size=small`;
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
  if (isOurs(fresh?.data?.url)) load(image, fresh.data.url);
  else lost(button);
}

function lost(button) {
  button.disabled = true;
  button.replaceChildren(h("span", { class: "picture-lost" }, NOT_THERE.image));
}

function once(action) {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
