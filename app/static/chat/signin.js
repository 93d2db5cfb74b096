/** The form on the way in. */

import { byId } from "../dom.js";
import { prefill } from "./identity.js";

const ROOM = /^[A-Za-z0-9_.-]{1,64}$/;

/**
 * Shows the form; calls `enter` with what was filled in, once it can be right.
 * @param {(name: string, room: string) => void} enter
 * @param {string} [error] why the last try was refused
 */
export function showSignIn(enter, error = "") {
  const form = byId("signin-form", HTMLFormElement);
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
  const name = form.elements.name.value.trim();
  const room = form.elements.room.value.trim();
  const wrong = mistake(name, room);
  form.elements.name.setAttribute("aria-invalid", String(wrong?.field === "name"));
  form.elements.room.setAttribute("aria-invalid", String(wrong?.field === "room"));
  byId("signin-error").textContent = wrong?.words ?? "";
  if (wrong) form.elements[wrong.field].focus();
  else enter(name, room);
}

function mistake(name, room) {
  if (!name) return { field: "name", words: "Please tell the others your name." };
  if ([...name].length > 64) return { field: "name", words: "A name has at most 64 characters." };
  if (!ROOM.test(room)) return { field: "room", words: "A room is 1 to 64 letters, digits, or _ . -" };
  return null;
}

const firstToFill = (form) => (form.elements.name.value ? (form.elements.room.value ? form.querySelector("[type=submit]") : form.elements.room) : form.elements.name);
