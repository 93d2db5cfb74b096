/** Which models look at the messages of a room: shown to all, chosen by those who answer. */

import { byId, h } from "../dom.js";
import { complain } from "../toasts.js";
import { mayAnswer } from "../token.js";
import { ROOM_TASKS, taskTitle } from "../words.js";

/** The sheet of one room. */
export class RoomTasks {
  /**
   * @param {string} room
   * @param {(event: string, data: Object) => Promise<Object>} ask
   */
  constructor(room, ask) {
    this.room = room;
    this.ask = ask;
    this.sheet = byId("room-tasks", HTMLDialogElement);
    /** @type {Map<string, string>} */
    this.about = new Map();
    this.sheet.onclick = (event) => { if (event.target === this.sheet) this.sheet.close(); };
  }

  /** Learns what each task is for. @param {Array<{task: string, about: string}>} tasks */
  learn(tasks) { this.about = new Map(tasks.map(({ task, about }) => [task, about])); }

  /** Asks which run, and shows it. */
  async open() {
    try {
      this.#draw((await this.ask("room:tasks", { room: this.room })).tasks);
      this.sheet.showModal();
    } catch (error) {
      complain(error);
    }
  }

  /** Somebody changed it. @param {Object<string, boolean>} tasks */
  changed(tasks) { if (this.sheet.open) this.#draw(tasks); }

  /** Closes it. */
  close() { this.sheet.close(); }

  #draw(tasks) {
    const focused = /** @type {HTMLElement|null} */ (document.activeElement)?.dataset.task;
    const rows = Object.entries(tasks).map(([task, on]) => this.#row(task, on));
    this.sheet.replaceChildren(h("div", { class: "room-tasks" },
      h("h2", { id: "room-tasks-title" }, ROOM_TASKS.title),
      h("p", { class: "about" }, mayAnswer() ? ROOM_TASKS.about : ROOM_TASKS.others),
      h("ul", {}, ...rows),
      h("div", { class: "actions" }, h("button", { class: "button button-primary", type: "button", "data-testid": "room-tasks-close", on: { click: () => this.close() } }, ROOM_TASKS.close))));
    if (focused) /** @type {HTMLElement|null} */ (this.sheet.querySelector(`input[data-task="${focused}"]`))?.focus();
  }

  #row(task, on) {
    const id = `room-task-${task}`;
    const box = h("input", { type: "checkbox", role: "switch", class: "switch", id, "data-testid": "room-task", "data-task": task, disabled: !mayAnswer() });
    box.checked = on;
    box.onchange = () => this.#set(task, box);
    return h("li", {}, h("label", { for: id }, h("span", { class: "room-task-name" }, taskTitle(task)), h("span", { class: "room-task-about" }, this.about.get(task) ?? "")), box);
  }

  async #set(task, box) {
    try {
      this.#draw((await this.ask("room:tasks", { room: this.room, tasks: { [task]: box.checked } })).tasks);
    } catch (error) {
      box.checked = !box.checked;
      complain(error);
    }
  }
}
