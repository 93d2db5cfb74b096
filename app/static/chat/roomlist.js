/** The rooms at the left: one line each, with who wrote last and how much is unread. */

import { dayKey, shortDay, timeOf } from "../clock.js";
import { byId, h } from "../dom.js";
import { lastLine, ROOM_RULE, unreadWords } from "../words.js";
import { mlLabel } from "./message.js";
import { avatar } from "./person.js";
import { isRoomName } from "./signin.js";

const COUNT_MOST = 99;

/**
 * Draws the list.
 * @param {import("./rooms.js").Rooms} rooms
 * @param {string} me own id
 * @param {(name: string) => void} enter
 */
export function drawRooms(rooms, me, enter) {
  const list = byId("rooms");
  const focused = /** @type {HTMLElement|null} */ (list.contains(document.activeElement) ? document.activeElement : null)?.dataset.room;
  list.replaceChildren(...rooms.list().map((room) => row(room, { me, open: room.name === rooms.open, enter })));
  if (focused) /** @type {HTMLElement|null} */ (list.querySelector(`[data-room="${focused}"]`))?.focus();
  const unread = rooms.unread();
  byId("rooms-unread").textContent = unread ? counted(unread) : "";
  byId("rooms-toggle-words").textContent = unread ? `Rooms and people, ${unreadWords(unread)}` : "Rooms and people";
}

function row({ name, last, unread, more }, { me, open, enter }) {
  const words = last ? lineOf(last, me) : "";
  return h("li", {},
    h("button", { class: "room", type: "button", "data-testid": "room-item", "data-room": name, "data-unread": unread, "aria-current": open ? "page" : null, on: { click: () => enter(name) } },
      avatar(name.replaceAll(/[_.-]+/g, " ")),
      h("span", { class: "room-name" }, name),
      last ? h("time", { class: "room-time", datetime: last.at }, when(last.at)) : null,
      h("span", { class: "room-last", dir: "auto" }, words),
      unread && !open ? h("span", { class: "room-unread", "data-testid": "room-unread" }, counted(unread, more), h("span", { class: "unseen" }, ` ${unreadWords(unread)}`)) : null));
}

const counted = (unread, more = false) => (more || unread > COUNT_MOST ? `${Math.min(unread, COUNT_MOST)}+` : String(unread));

const when = (at) => (dayKey(at) === new Date().toDateString() ? timeOf(at) : shortDay(at));

function lineOf({ kind, text, sender, data }, me) {
  if (kind === "ml") return lastLine(mlLabel(data?.task), text);
  if (kind !== "user") return lastLine("", text);
  return lastLine(sender?.id === me ? "You" : sender?.name ?? "", text);
}

/** The form that joins another room. @param {(name: string) => void} enter */
export function otherRoom(enter) {
  const form = byId("other-room", HTMLFormElement);
  const toggle = byId("other-room-toggle");
  const input = byId("other-room-name", HTMLInputElement);
  const say = (/** @type {string} */ words) => {
    byId("other-room-error").textContent = words;
    input.setAttribute("aria-invalid", String(words !== ""));
  };
  const show = (/** @type {boolean} */ open) => {
    form.hidden = !open;
    toggle.setAttribute("aria-expanded", String(open));
    say("");
    if (open) input.focus();
  };
  toggle.onclick = () => show(form.hidden === true);
  form.onkeydown = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    show(false);
    toggle.focus();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    const name = input.value.trim();
    if (!isRoomName(name)) {
      say(ROOM_RULE);
      return;
    }
    input.value = "";
    show(false);
    enter(name);
  };
}
