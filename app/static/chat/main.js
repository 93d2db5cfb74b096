/** The chat page: puts the parts together. */

import { byId } from "../dom.js";
import { drawer } from "../drawer.js";
import { flagsTable } from "../flags.js";
import { drawIcons } from "../icons.js";
import { learnWords } from "../results.js";
import { complain } from "../toasts.js";
import * as token from "../token.js";
import { announce } from "./announcer.js";
import { composer } from "./composer.js";
import { Connection } from "./connection.js";
import { Dismissed } from "./dismissed.js";
import { Drafts } from "./drafts.js";
import { become, current, leave, randomKey } from "./identity.js";
import { Members } from "./members.js";
import { Outbox } from "./outbox.js";
import { showWait, TypingLine } from "./presence.js";
import { Renewal } from "./renewal.js";
import { Room } from "./room.js";
import { hideSignIn, showSignIn } from "./signin.js";
import { showConnection, showDraining, hideBanner } from "./status.js";
import { taskButtons, wantsImage } from "./tasks.js";
import { Timeline } from "./timeline.js";
import { Tray } from "./tray.js";
import { pick, receiveImages } from "./uploads.js";

drawIcons();
drawers();
// One table for every stay: it goes on asking for as long as the page is open.
const flags = flagsTable(byId("flags"), (away) => { byId("panel-mark").hidden = !away; });
start();

function start() {
  const before = current();
  const asked = new URLSearchParams(location.search);
  const elsewhere = (asked.get("name") ?? before?.name) !== before?.name || (asked.get("room") ?? before?.room) !== before?.room;
  if (token.needed) startWithToken(asked.get("room") ?? before?.room);
  else if (before && !elsewhere) enter(before.name, before.room);
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
  byId("room-title").textContent = room;
  for (const part of ["operator-link", "panel-toggle"]) byId(part).hidden = !token.isOperator();
  // The address can be shared, so it names the room and not the person.
  history.replaceState(null, "", `?room=${encodeURIComponent(room)}`);
  chat(me);
}

/** Builds the parts of one stay in one room. Order: what shows things first, the connection last. */
function chat(me) {
  let wasIn = false;
  const connection = new Connection(me, {
    up: () => { wasIn = true; hideBanner(); room.join(); },
    down: () => { outbox.pause(); typing.clear(); showWait(); },
    state: showConnection,
    refused: (error) => back(stop, error.message),
    unauthorized: (error) => (wasIn ? renewal.begin(error.message) : back(stop, error.message)),
  });
  const renewal = new Renewal(connection, me.id);
  const typing = new TypingLine(me.id);
  const parts = { log: byId("log"), pending: byId("pending"), scroll: byId("log-scroll"), top: byId("log-top"), toEnd: byId("to-end") };
  const entries = { retry: (entry) => outbox.retry(entry), discard: (entry) => outbox.discard(entry) };
  const room = new Room(connection, me.room);
  const actions = jobActions(connection, room, me);
  const timeline = new Timeline(parts, { actions, me: me.id, title: `${me.room} · Spillway`, jobs: room.jobs, again: (seq) => room.again(seq), older: () => room.older(), dismissed: new Dismissed(me.room), ...entries });
  const writes = { edit: (job, text) => desk.edit(job, text), again: (job) => desk.ask(job.task, {}, { replaces: job.id }) };
  const drafts = new Drafts(byId("drafts"), { text: (job) => room.texts.of(job), dismissed: new Dismissed(`${me.room}.drafts`), ...actions, ...writes });
  const tray = new Tray(byId("tray"), { me: me.id, ...actions, ...entries });
  const members = new Members(me, (after) => room.who(after));
  const outbox = new Outbox(connection, `spillway.unsent.${me.room}.${me.id}`, {
    changed: (entry) => (entry.event === "message:send" ? timeline : tray).showEntry(entry),
    gone: (entry, answer) => acknowledged({ room, timeline, tray }, entry, answer),
    notInRoom: () => room.join(),
  });
  const stop = () => { connection.close(); timeline.close(); outbox.pause(); typing.clear(); renewal.close(); };
  room.on = roomEvents({ me, room, timeline, tray, drafts, outbox, typing, members, stop });
  byId("leave").onclick = () => { leave(); back(stop); };
  connection.hear("typing", (event) => { if (event.room === me.room) typing.heard(event); });
  connection.hear("room:removed", (event) => { if (event.room === me.room) back(stop, `You may not be in room ${me.room} any more.`); });
  connection.hear("server:draining", ({ seconds }) => showDraining(seconds));
  const desk = writing({ me, connection, room, outbox, drafts, tasksKnown: (tasks) => learnTasks(tasks, { room, timeline, drafts }) });
  paths(connection, me.room);
  connection.open();
}

/** How tasks word their results, and which write drafts. */
function learnTasks(tasks, { room, timeline, drafts }) {
  learnWords(tasks);
  drafts.learn(tasks);
  timeline.reword();
  for (const job of room.jobs.all()) drafts.show(job);
}

function roomEvents({ me, room, timeline, tray, drafts, outbox, typing, members, stop }) {
  return {
    messages: (messages, news) => {
      timeline.append(messages, news);
      for (const message of messages) settle(message, { me, tray, outbox, typing });
      if (news) announce(messages, me.id, (job) => room.jobs.get(job)?.task);
    },
    history: (messages) => timeline.prepend(messages),
    job: (job) => {
      if (drafts.show(job) || timeline.showJob(job)) tray.settled(job.id);
      else if (!job.message) tray.showJob(job);
    },
    text: (job) => { drafts.grown(job); tray.settled(job.id); },
    members: (event) => members.take(event),
    wait: showWait,
    joined: () => { timeline.joined(); outbox.resume(); },
    reset: () => { timeline.clear(); drafts.clear(); },
    error: (error) => (error.code === "forbidden" ? back(stop, error.message) : complain(error)),
  };
}

function settle(message, { me, tray, outbox, typing }) {
  if (message.sender) typing.stopped(message.sender.id);
  if (message.job) tray.settled(message.job);
  if (message.key && message.sender?.id === me.id) outbox.confirm(message.key);
}

function acknowledged({ room, timeline, tray }, entry, answer) {
  if (entry.event === "message:send") {
    if (answer) room.receive(answer.message);
    timeline.removeEntry(entry.key);
  } else {
    if (answer) room.update(answer.job);
    tray.remove(entry.key);
  }
}

/** What can be done about a job. @returns {import("./chips.js").Actions} */
function jobActions(connection, room, me) {
  const act = (event) => async ({ id }) => {
    try {
      room.update((await connection.ask(event, { job: id })).job);
    } catch (error) {
      complain(error);
    }
  };
  return { cancel: act("job:cancel"), retry: act("job:retry"), mayRetry: (job) => job.sender?.id === me.id };
}

/** Everything the person sends: text, images, requests. */
function writing({ me, connection, room, outbox, drafts, tasksKnown }) {
  const say = (text, more = {}) => outbox.add("message:send", { room: me.room, key: randomKey(), text, ...more });
  const ask = (task, args, more = {}) => outbox.add("job:create", { room: me.room, key: randomKey(), task, args, ...more });
  const send = (text, draft) => {
    say(text, draft ? { draft } : {});
    if (draft) drafts.dismiss(draft);
  };
  const desk = composer({ send, typing: (on) => connection.tell("typing", { room: me.room, on }) });
  let imageTask = "monochrome";
  const image = async (file, task = imageTask) => {
    try {
      const id = await room.keep(file);
      say(desk.take().trim() || file.name || "An image", { upload: id });
      ask(task, { upload: id });
    } catch (error) {
      complain(error);
    }
  };
  receiveImages((file) => image(file));
  byId("pick").onclick = () => pick((file) => image(file));
  let known = false;
  const offer = async () => {
    const tasks = await taskButtons({ ask, image: (task) => pick((file) => image(file, task)) });
    known = true;
    tasksKnown(tasks);
    if (!tasks.some(({ task }) => task === imageTask)) imageTask = tasks.find(wantsImage)?.task ?? imageTask;
  };
  // Not before: whoever is not let in need not ask.
  connection.hear("connect", () => { if (!known) offer().catch(complain); });
  desk.focus();
  return { ask, edit: desk.edit };
}

/** The panel of paths, moving with every change anywhere. */
function paths(connection, room) {
  if (!token.isOperator()) return;
  flags.of(room);
  connection.hear("flag:changed", flags.changed);
  // A change that came while the connection was away is known after asking again.
  connection.hear("connect", () => flags.refresh().catch(complain));
}

function back(stop, error = "") {
  stop();
  byId("chat").hidden = true;
  document.title = "Spillway";
  showSignIn(enter, error);
}

function drawers() {
  const [bar, talk, members, panel, scrim] = ["bar", "talk", "members", "panel", "scrim"].map((id) => byId(id));
  drawer({ panel, toggle: byId("panel-toggle"), scrim, rest: [bar, talk, members], wide: "(min-width: 1101px)", openWide: false });
  drawer({ panel: members, toggle: byId("members-toggle"), scrim, rest: [bar, talk, panel], wide: "(min-width: 861px)", openWide: true });
}
