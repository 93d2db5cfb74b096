/** Where messages are written: Enter sends, Shift+Enter starts a new line. */

import { byId } from "../dom.js";
import { toast } from "../toasts.js";
import { fromDraft, tooLong } from "../words.js";

const MOST = 8192;
const COUNT_FROM = 7500;
const TYPING_EACH_MS = 3_000;
const SILENT_MS = 4_000;

/**
 * Makes the composer work.
 * @param {Object} on
 * @param {(text: string, draft?: string) => void} on.send with the job whose draft it was made of
 * @param {(on: boolean) => void} on.typing
 * @param {import("./written.js").Written} written what was being written here
 * @returns {{focus: () => void, take: () => string, edit: (job: Object, text: string) => void, close: () => void}} `take` empties it
 *   and gives what was written, `edit` puts a draft into it
 */
export function composer(on, written) {
  const text = byId("composer", HTMLTextAreaElement);
  const typing = typingSignal(on.typing);
  const keep = () => written.save({ text: text.value, draft: draft.job() });
  const show = (/** @type {string} */ words) => {
    text.value = words;
    fit(text);
  };
  const draft = draftNote(() => keep());
  const take = () => {
    const words = text.value;
    show("");
    typing.off();
    keep();
    return words;
  };
  const send = () => {
    if (!sendable(text.value)) return;
    const made = draft.job()?.id;
    draft.set(undefined);
    on.send(take(), made);
  };
  const edit = (/** @type {Object} */ job, /** @type {string} */ words) => {
    draft.set(job);
    show([text.value.trim(), words.trim()].filter(Boolean).join("\n"));
    keep();
    text.focus();
  };
  text.oninput = () => { fit(text); typing.on(text.value !== ""); keep(); };
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
  const before = written.load();
  draft.set(before.draft);
  show(before.text);
  return { focus: () => text.focus(), take, edit, close: () => typing.off() };
}

/** What the composer says of the draft in it; its button takes the note away, and the text stays. */
function draftNote(changed) {
  const note = byId("composer-draft");
  /** @type {Object|undefined} */
  let made;
  const set = (/** @type {Object|undefined} */ job) => {
    made = job && { id: job.id, sender: job.sender };
    note.hidden = !job;
    byId("composer-draft-words").textContent = job ? fromDraft(job.sender?.name) : "";
  };
  byId("composer-draft-close").onclick = () => { set(undefined); changed(); };
  return { set, job: () => made };
}

function sendable(text) {
  if (text.trim() === "") return false;
  const length = [...text].length;
  if (length > MOST) toast(tooLong(length, MOST), "bad");
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
