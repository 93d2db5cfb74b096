/** Searching the room: what is here first, then page by page what was said before. */

import { dayWords, timeOf } from "../clock.js";
import { byId, h } from "../dom.js";
import { searchWords } from "../words.js";
import { mlLabel } from "./message.js";

const LEAST = 2; // characters
const MOST = 100; // results
const PAGE = 200; // messages a request
const BEFORE = 30; // characters shown before what was found
const AFTER = 120;
const WAIT_MS = 150; // while somebody types

/**
 * Makes the search of one room work.
 * @param {import("./timeline.js").Timeline} timeline
 * @returns {{open: () => void, close: () => void}}
 */
export function search(timeline) {
  const [form, input, list, status, toggle] = [byId("search"), byId("search-words", HTMLInputElement), byId("search-results"), byId("search-status"), byId("search-toggle")];
  let run = 0; // a newer search ends the older one
  let timer;

  const open = () => {
    form.hidden = false;
    toggle.setAttribute("aria-expanded", "true");
    input.focus();
    input.select();
  };
  const close = () => {
    run += 1;
    clearTimeout(timer);
    form.hidden = true;
    toggle.setAttribute("aria-expanded", "false");
    list.replaceChildren();
    status.textContent = "";
  };
  const begin = () => {
    run += 1;
    clearTimeout(timer);
    list.replaceChildren();
    status.textContent = "";
    if ([...input.value.trim()].length >= LEAST) timer = setTimeout(look, WAIT_MS, input.value.trim().toLocaleLowerCase(), run);
  };

  async function look(words, mine) {
    const found = new Set();
    for (;;) {
      const matches = [...timeline.messages.values()].filter(({ seq, text }) => !found.has(seq) && text.toLocaleLowerCase().includes(words));
      for (const message of matches.sort((a, b) => b.seq - a.seq)) {
        if (found.size >= MOST) break;
        found.add(message.seq);
        list.append(result(message, words, (seq) => { timeline.goTo(seq); }));
      }
      const over = timeline.complete || found.size >= MOST;
      status.textContent = searchWords(found.size, { over, most: MOST });
      if (over) return;
      const came = await timeline.fetchOlder(PAGE);
      if (mine !== run) return;
      if (!came) {
        status.textContent = searchWords(found.size, { over: false, broken: true });
        return;
      }
    }
  }

  input.value = "";
  close();
  toggle.onclick = () => (form.hidden ? open() : close());
  byId("search-close").onclick = () => { close(); toggle.focus(); };
  input.oninput = begin;
  form.onsubmit = (event) => event.preventDefault();
  form.onkeydown = (event) => {
    if (event.key === "Escape") { close(); toggle.focus(); }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") walk(event, list, input);
  };
  return { open, close };
}

/** The arrow keys go from the field to the results and back. */
function walk(event, list, input) {
  const buttons = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("button")]);
  const place = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement)) + (event.key === "ArrowDown" ? 1 : -1);
  event.preventDefault();
  (place < 0 ? input : buttons[place])?.focus();
}

function result({ seq, kind, sender, text, at, data }, words, goTo) {
  const who = kind === "ml" ? mlLabel(data?.task) : sender?.name ?? "Spillway";
  return h("li", {},
    h("button", { class: "search-result", type: "button", "data-testid": "search-result", "data-seq": seq, on: { click: () => goTo(seq) } },
      h("span", { class: "search-who" }, who),
      h("time", { class: "search-when", datetime: at }, `${dayWords(at)}, ${timeOf(at)}`),
      h("span", { class: "search-text", dir: "auto" }, ...marked(text, words))));
}

function marked(text, words) {
  const place = text.toLocaleLowerCase().indexOf(words);
  const from = place <= BEFORE ? 0 : text.indexOf(" ", place - BEFORE) + 1 || place;
  const end = place + words.length;
  return [from > 0 ? "…" : "", text.slice(Math.min(from, place), place), h("mark", {}, text.slice(place, end)), text.slice(end, end + AFTER)];
}
