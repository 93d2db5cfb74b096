/** The chat page: who comes in, and the stay that follows. */

import { byId } from "../dom.js";
import { drawer } from "../drawer.js";
import { flagsTable } from "../flags.js";
import { drawIcons } from "../icons.js";
import * as token from "../token.js";
import { become, current, leave } from "./identity.js";
import { shortcuts } from "./shortcuts.js";
import { hideSignIn, showSignIn } from "./signin.js";
import { Stay } from "./stay.js";

/** @type {Stay|null} */
let stay = null;

drawIcons();
const sides = drawers();
// One table for every stay: it goes on asking for as long as the page is open.
const flags = flagsTable(byId("flags"), (away) => { byId("panel-mark").hidden = !away; });
shortcuts({
  ready: () => stay !== null,
  search: () => stay?.conversation.search.open(),
  room: (step) => stay?.beside(step),
  write: () => byId("composer").focus(),
  up: () => stay?.conversation.toNewest(),
});
addEventListener("popstate", () => {
  const room = new URLSearchParams(location.search).get("room");
  if (stay && room) stay.enter(room, { again: true });
});
start();

function start() {
  const before = current();
  const asked = new URLSearchParams(location.search);
  const elsewhere = (asked.get("name") ?? before?.name) !== before?.name;
  if (token.needed) startWithToken(asked.get("room") ?? before?.room);
  else if (before && !elsewhere) enter(before.name, asked.get("room") ?? before.room);
  else showSignIn(enter);
}

function startWithToken(room) {
  const name = token.claims()?.name;
  if (name && room) enter(name, room);
  else showSignIn(enter);
}

function enter(name, room) {
  const me = become(name, room);
  hideSignIn();
  byId("chat").hidden = false;
  for (const part of ["operator-link", "panel-toggle"]) byId(part).hidden = !token.isOperator();
  stay = new Stay(me, { flags, out: back, entered: sides.shut });
  byId("sign-out").onclick = () => { leave(); back(); };
  stay.begin();
}

function back(error = "") {
  stay?.close();
  stay = null;
  byId("chat").hidden = true;
  document.title = "Spillway";
  showSignIn(enter, error);
}

function drawers() {
  const [bar, talk, members, panel, scrim] = ["bar", "talk", "members", "panel", "scrim"].map((id) => byId(id));
  drawer({ panel, toggle: byId("panel-toggle"), scrim, rest: [bar, talk, members], wide: "(min-width: 1101px)", openWide: false });
  return drawer({ panel: members, toggle: byId("members-toggle"), scrim, rest: [bar, talk, panel], wide: "(min-width: 861px)", openWide: true });
}
