/** Images into the room: dragged, pasted or picked. */

import { api } from "../api.js";
import { byId } from "../dom.js";
import { toast } from "../toasts.js";

/**
 * Stores an image with the server.
 * @param {string} room @param {File} file
 * @param {string} [token] that the join gave
 * @returns {Promise<string>} its upload ID
 * @throws {import("../api.js").ApiError}
 */
export async function upload(room, file, token) {
  const form = new FormData();
  form.append("room", room);
  if (token) form.append("token", token);
  form.append("file", file, file.name || "image.png");
  return (await api("POST", "/api/uploads", form)).upload;
}

/** Opens the file picker. @param {(file: File) => void} take */
export function pick(take) {
  const input = byId("upload-input", HTMLInputElement);
  input.onchange = () => { takeImages(input.files, take); input.value = ""; };
  input.click();
}

/**
 * Takes images that are dropped on the conversation, pasted into it, or put into the file field.
 * @param {(file: File) => void} take called for each
 */
export function receiveImages(take) {
  const talk = byId("talk");
  const drop = byId("drop");
  const over = (event) => { if (hasFiles(event)) { event.preventDefault(); drop.hidden = false; } };
  talk.ondragenter = over;
  talk.ondragover = over;
  talk.ondragleave = (event) => { if (!talk.contains(/** @type {Node|null} */ (event.relatedTarget))) drop.hidden = true; };
  talk.ondrop = (event) => {
    drop.hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    takeImages(event.dataTransfer.files, take);
  };
  byId("composer").onpaste = (event) => {
    if (event.clipboardData?.files.length) { event.preventDefault(); takeImages(event.clipboardData.files, take); }
  };
  const input = byId("upload-input", HTMLInputElement);
  input.onchange = () => { takeImages(input.files, take); input.value = ""; };
}

const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

function takeImages(files, take) {
  for (const file of files) {
    if (file.type.startsWith("image/")) take(file);
    else toast(`${file.name || "That"} is not an image.`, "bad");
  }
}
