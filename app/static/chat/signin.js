/** The form on the way in. */

import { byId } from "../dom.js";
import * as token from "../token.js";
import { ROOM_RULE } from "../words.js";
import { prefill } from "./identity.js";

const ROOM = /^[A-Za-z0-9_.-]{1,64}$/;

/** @param {string} name @returns {boolean} whether a room may be called so */
export const isRoomName = (name) => ROOM.test(name);

/**
 * Shows the form; calls `enter` with what was filled in, once it can be right.
 * @param {(name: string, room: string) => void} enter
 * @param {string} [error] why the last try was refused
 */
export function showSignIn(enter, error = "") {
  const form = byId("signin-form", HTMLFormElement);
  byId("signin-name-field").hidden = token.needed;
  byId("signin-token-field").hidden = !token.needed;
  byId("signin-foot").hidden = token.needed;
  const { name, room } = prefill();
  byId("signin-name", HTMLInputElement).value = name;
  byId("signin-room", HTMLInputElement).value = room;
  byId("signin-error").textContent = error;
  form.onsubmit = (event) => {
    event.preventDefault();
    submit(form, enter);
  };
  byId("signin").hidden = false;
  firstToFill(form).focus();
}

/** Takes the form away. */
export const hideSignIn = () => { byId("signin").hidden = true; };

function submit(form, enter) {
  const given = form.elements.token.value.trim();
  const name = token.needed ? token.claims(given)?.name ?? "" : form.elements.name.value.trim();
  const room = form.elements.room.value.trim();
  const wrong = mistake(name, room);
  for (const field of ["name", "token", "room"]) {
    form.elements[field].setAttribute("aria-invalid", String(wrong?.field === field));
  }
  byId("signin-error").textContent = wrong?.words ?? "";
  if (wrong) {
    form.elements[wrong.field].focus();
    return;
  }
  if (token.needed) token.keep(given);
  form.elements.token.value = "";
  enter(name, room);
}

function mistake(name, room) {
  if (!name && token.needed) return { field: "token", words: "This is no token: paste the whole of it." };
  if (!name) return { field: "name", words: "Please tell the others your name." };
  if ([...name].length > 64) return { field: "name", words: "A name has at most 64 characters." };
  if (!ROOM.test(room)) return { field: "room", words: ROOM_RULE };
  return null;
}

function firstToFill(form) {
  const { name, room, token: pasted } = form.elements;
  const who = token.needed ? pasted : name;
  if (!who.value) return who;
  return room.value ? form.querySelector("[type=submit]") : room;
}
