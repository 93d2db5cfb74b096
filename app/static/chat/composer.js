/** Where messages are written: Enter sends, Shift+Enter starts a new line. */

import { byId } from "../dom.js";
import { toast } from "../toasts.js";
import { fromDraft } from "../words.js";

const MOST = 8192;
const COUNT_FROM = 7500;
const TYPING_EACH_MS = 3_000;
const SILENT_MS = 4_000;

/**
 * Makes the composer work.
 * @param {Object} on
 * @param {(text: string, draft?: string) => void} on.send with the job whose draft it was made of
 * @param {(on: boolean) => void} on.typing
 * @returns {{focus: () => void, take: () => string, edit: (job: Object, text: string) => void}} `take` empties it and gives
 *   what was written, `edit` puts a draft into it
 */
export function composer(on) {
  const text = byId("composer", HTMLTextAreaElement);
  const typing = typingSignal(on.typing);
  const take = () => {
    const written = text.value;
    text.value = "";
    fit(text);
    typing.off();
    return written;
  };
  const draft = draftNote();
  const send = () => { if (sendable(text.value)) on.send(take(), draft.take()); };
  const edit = (/** @type {Object} */ job, /** @type {string} */ written) => {
    text.value = [text.value.trim(), written.trim()].filter(Boolean).join("\n");
    draft.set(job);
    fit(text);
    text.focus();
  };
  text.oninput = () => { fit(text); typing.on(text.value !== ""); };
  text.onblur = () => typing.off();
  text.onkeydown = (event) => {
    // While an input method composes a word, Enter belongs to it.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  byId("composer-form").onsubmit = (event) => { event.preventDefault(); send(); text.focus(); };
  // Each message can be opened, and so is a stop of the Tab key.
  byId("skip").onclick = (event) => { event.preventDefault(); text.focus(); };
  fit(text);
  return { focus: () => text.focus(), take, edit };
}

/** What the composer says of the draft in it; its button takes the note away, and the text stays. */
function draftNote() {
  const note = byId("composer-draft");
  /** @type {string|undefined} */
  let job;
  const set = (/** @type {Object|undefined} */ given) => {
    job = given?.id;
    note.hidden = !given;
    byId("composer-draft-words").textContent = given ? fromDraft(given.sender?.name) : "";
  };
  const take = () => {
    const taken = job;
    set(undefined);
    return taken;
  };
  byId("composer-draft-close").onclick = () => set(undefined);
  set(undefined);
  return { set, take };
}

function sendable(text) {
  if (text.trim() === "") return false;
  const length = [...text].length;
  if (length > MOST) toast(`A message has at most ${MOST} characters; this one has ${length}.`, "bad");
  return length <= MOST;
}

function fit(text) {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
  const length = text.value.length < COUNT_FROM ? 0 : [...text.value].length;
  const count = byId("composer-count");
  count.textContent = length >= COUNT_FROM ? String(MOST - length) : "";
  count.dataset.over = String(length > MOST);
}

function typingSignal(tell) {
  let last = 0;
  let silent;
  const off = () => {
    clearTimeout(silent);
    if (last) tell(false);
    last = 0;
  };
  const on = (writing) => {
    if (!writing) return off();
    clearTimeout(silent);
    silent = setTimeout(off, SILENT_MS);
    if (Date.now() - last < TYPING_EACH_MS) return undefined;
    last = Date.now();
    return tell(true);
  };
  return { on, off };
}
