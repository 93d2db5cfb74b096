/** A sound in a message, played where it is. */

import { h } from "../dom.js";
import { NOT_THERE, soundOf } from "../words.js";
import { isOurs } from "./picture.js";

/**
 * Draws a player; its signed link is fetched anew once it has run out.
 * @param {Object} message with `data.url`
 * @param {(seq: number) => Promise<Object|undefined>} again
 * @returns {HTMLElement}
 */
export function sound(message, again) {
  const player = h("audio", { class: "sound", "data-testid": "sound", controls: true, preload: "metadata", "aria-label": soundOf(message.sender?.name) });
  let renewed = false;
  player.addEventListener("error", async () => {
    if (renewed) {
      player.replaceWith(h("span", { class: "picture-lost" }, NOT_THERE.sound));
      return;
    }
    renewed = true;
    player.src = (await again(message.seq).catch(() => undefined))?.data?.url ?? "";
  });
  if (isOurs(message.data?.url)) player.src = message.data.url;
  return player;
}
