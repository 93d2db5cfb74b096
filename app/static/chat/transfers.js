/** Files on their way to the server: how far each is, and what can be done about one that was refused. */

import { byId, h, inside } from "../dom.js";
import { icon } from "../icons.js";
import { errorWords, sizeWords, transferWords } from "../words.js";

const AT_ONCE = 2;

/** @typedef {{file: File, task?: string, row: HTMLElement, abort: AbortController, state: "waiting"|"sending"|"failed"|"gone"}} Transfer */

/** The rows above the composer. */
export class Transfers {
  /**
   * @param {Object} on
   * @param {(file: File, more: {progress: (share: number) => void, signal: AbortSignal}) => Promise<string>} on.keep stores it, its upload ID
   * @param {(file: File, upload: string, task?: string) => void} on.kept `task`: which was asked for with it
   */
  constructor(on) {
    this.on = on;
    this.home = byId("transfers");
    this.home.replaceChildren();
    /** @type {Transfer[]} */
    this.all = [];
  }

  /** Takes the rows away; what is under way arrives all the same. */
  close() { for (const { row } of this.all) row.remove(); }

  /** Sends these files. @param {File[]} files @param {string} [task] that is to look at them */
  add(files, task) {
    for (const file of files) {
      const row = h("li", { class: "transfer", "data-testid": "transfer", "data-name": file.name });
      /** @type {Transfer} */
      const one = { file, task, row, abort: new AbortController(), state: "waiting" };
      this.all.push(one);
      this.home.append(row);
      this.#draw(one);
    }
    this.#next();
  }

  #next() {
    const waiting = this.all.filter(({ state }) => state === "waiting");
    const free = AT_ONCE - this.all.filter(({ state }) => state === "sending").length;
    for (const one of waiting.slice(0, free)) this.#send(one);
  }

  async #send(one) {
    one.state = "sending";
    this.#draw(one);
    const progress = (/** @type {number} */ share) => this.#progress(one, share);
    try {
      const upload = await this.on.keep(one.file, { progress, signal: one.abort.signal });
      this.#remove(one);
      this.on.kept(one.file, upload, one.task);
    } catch (error) {
      if (error.code === "aborted") this.#remove(one);
      else this.#failed(one, error);
    }
    this.#next();
  }

  #failed(one, error) {
    one.state = "failed";
    this.#draw(one, error);
  }

  #progress({ row }, share) {
    const bar = row.querySelector("progress");
    if (bar) bar.value = share;
    const words = row.querySelector(".transfer-words");
    if (words && share >= 1) words.textContent = transferWords("checked");
  }

  #remove(one) {
    const focused = one.row.contains(document.activeElement);
    one.state = "gone";
    one.row.remove();
    this.all = this.all.filter((other) => other !== one);
    if (focused) (/** @type {HTMLElement|null} */ (this.home.querySelector("button")) ?? byId("composer")).focus();
  }

  #again(one) {
    one.state = "waiting";
    one.abort = new AbortController();
    this.#draw(one);
    this.#next();
  }

  #draw(one, error) {
    const { file, row, state } = one;
    const focused = row.contains(document.activeElement);
    const drop = () => (state === "sending" ? one.abort.abort() : (this.#remove(one), this.#next()));
    row.dataset.state = state;
    row.replaceChildren(
      icon(file.type.startsWith("image/") ? "image" : "sound"),
      h("span", { class: "transfer-name", title: file.name }, file.name || transferWords("nameless")),
      error
        ? h("span", { class: "transfer-words", role: "alert" }, errorWords(error))
        : h("span", { class: "transfer-words" }, state === "waiting" ? transferWords("waiting") : sizeWords(file.size)),
      state === "failed" ? h("button", { class: "link-button", type: "button", "data-testid": "transfer-again", on: { click: () => this.#again(one) } }, transferWords("again")) : "",
      h("button", { class: "button button-icon", type: "button", "data-testid": "transfer-drop", "aria-label": `${transferWords("stop")}: ${file.name}`, on: { click: drop } }, icon("close")),
      state === "failed" ? "" : h("progress", { max: 1, value: 0, "aria-label": `${transferWords("sending")}: ${file.name}` }));
    if (focused) inside(row).find((each) => each instanceof HTMLButtonElement)?.focus();
  }
}
