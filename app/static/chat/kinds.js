/** Which tasks read along in the open room: switches for those who answer, kept true for everybody who looks at them. */

import { byId, h } from "../dom.js";
import { complain } from "../toasts.js";
import { mayAnswer } from "../token.js";
import { taskTitle } from "../words.js";

/** The switches of one room, until another takes its place. */
export class Kinds {
  /** @param {import("./connection.js").Connection} connection @param {string} room */
  constructor(connection, room) {
    this.connection = connection;
    this.room = room;
    this.home = byId("kinds");
    byId("kinds-part").hidden = true;
    this.deaf = connection.hear("room:tasks", (event) => { if (event.room === room) this.#draw(event.tasks); });
  }

  /** Asks which run; to be called when the room is joined. */
  async refresh() {
    if (!mayAnswer()) return;
    try {
      this.#draw((await this.connection.ask("room:tasks", { room: this.room })).tasks);
    } catch (error) {
      if (error.code !== "offline") complain(error);
    }
  }

  /** Takes them off the page. */
  close() { this.deaf(); }

  #draw(tasks) {
    byId("kinds-part").hidden = !mayAnswer();
    this.home.replaceChildren(...Object.entries(tasks).map(([task, on]) => this.#switch(task, on)));
  }

  #switch(task, on) {
    const box = h("input", { type: "checkbox", id: `kind-${task}`, "data-testid": "kind", "data-task": task, on: { change: () => this.#choose(task, box) } });
    box.checked = on;
    return h("li", {}, h("label", { class: "kind", for: box.id }, box, h("span", {}, taskTitle(task))));
  }

  async #choose(task, box) {
    try {
      await this.connection.ask("room:tasks", { room: this.room, tasks: { [task]: box.checked } });
    } catch (error) {
      box.checked = !box.checked;
      complain(error);
    }
  }
}
