/** Files into the room: dragged, pasted or picked. */

import { sendForm } from "../api.js";
import { byId } from "../dom.js";
import { toast } from "../toasts.js";
import { neitherImageNorSound } from "../words.js";

/**
 * Stores an image or a sound with the server.
 * @param {string} room @param {File} file
 * @param {string} [token] that the join gave
 * @param {{progress?: (share: number) => void, signal?: AbortSignal}} [on]
 * @returns {Promise<string>} its upload ID
 * @throws {import("../api.js").ApiError}
 */
export async function upload(room, file, token, on) {
  const form = new FormData();
  form.append("room", room);
  if (token) form.append("token", token);
  form.append("file", file, file.name || "file");
  return (await sendForm("/api/uploads", form, on)).upload;
}

/** Opens the file picker. @param {(files: File[]) => void} take */
export function pick(take) {
  const input = byId("upload-input", HTMLInputElement);
  input.onchange = () => { takeFiles(input.files, take); input.value = ""; };
  input.click();
}

/**
 * Takes files that are dropped on the conversation, pasted into it, or put into the file field.
 * @param {(files: File[]) => void} take
 */
export function receiveFiles(take) {
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
    takeFiles(event.dataTransfer.files, take);
  };
  byId("composer").onpaste = (event) => {
    if (event.clipboardData?.files.length) { event.preventDefault(); takeFiles(event.clipboardData.files, take); }
  };
  const input = byId("upload-input", HTMLInputElement);
  input.onchange = () => { takeFiles(input.files, take); input.value = ""; };
}

/** Whether a file is a sound, as far as its name tells; the server looks at what is in it. @param {File} file @returns {boolean} */
export const seemsSound = (file) => file.type.startsWith("audio/") || file.type === "video/webm";

const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** A type that cannot be right is refused at once; what a browser does not know the server may. */
function takeFiles(files, take) {
  const [right, wrong] = [[], []];
  for (const file of files) (file.type === "" || file.type.startsWith("image/") || seemsSound(file) ? right : wrong).push(file);
  for (const { name } of wrong) toast(neitherImageNorSound(name), "bad");
  if (right.length) take(right);
}
