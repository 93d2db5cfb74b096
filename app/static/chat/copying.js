/** Copying to the clipboard, where the browser lets a page do so. */

import { toast } from "../toasts.js";
import { COPIED, NOT_COPIED } from "../words.js";

/** Only secure pages, and those of this computer, may write to the clipboard. */
export const canCopy = Boolean(navigator.clipboard);

/** @param {string} text @param {string} [said] once it is copied */
export async function copy(text, said = COPIED) {
  try {
    await navigator.clipboard.writeText(text);
    toast(said);
  } catch {
    toast(NOT_COPIED, "bad");
  }
}
