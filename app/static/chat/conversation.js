/** The open room: what is shown of it, and what is written into it. Order: what shows things first, joining last. */

import { byId } from "../dom.js";
import { zone } from "../clock.js";
import { learnWords } from "../results.js";
import { complain } from "../toasts.js";
import { NAMELESS } from "../words.js";
import { announce } from "./announcer.js";
import { composer } from "./composer.js";
import { Dismissed } from "./dismissed.js";
import { Drafts } from "./drafts.js";
import { randomKey } from "./identity.js";
import { Members } from "./members.js";
import { TypingLine, showWait } from "./presence.js";
import { Room } from "./room.js";
import { RoomTasks } from "./roomtasks.js";
import { search } from "./search.js";
import { isForSounds, takesNothing, taskButtons, wantsImage } from "./tasks.js";
import { Timeline } from "./timeline.js";
import { Transfers } from "./transfers.js";
import { Tray } from "./tray.js";
import { pick, receiveFiles, seemsSound } from "./uploads.js";
import { Written } from "./written.js";

/** One room on the page, until another takes its place. */
export class Conversation {
  /** @param {import("./stay.js").Stay} stay @param {string} name of the room */
  constructor(stay, name) {
    const { connection, me } = stay;
    this.stay = stay;
    this.me = me;
    this.outbox = stay.outbox(name);
    this.typing = new TypingLine(me.id);
    this.room = new Room(connection, name);
    this.imageTask = "monochrome";
    /** @type {string|undefined} */
    this.soundTask = undefined;
    this.tasks = new Map();
    this.actions = this.#jobActions();
    const entries = { retry: (entry) => this.outbox.retry(entry), discard: (entry) => this.outbox.discard(entry) };
    this.timeline = this.#timeline(entries);
    this.search = search(this.timeline);
    this.drafts = this.#drafts();
    this.tray = new Tray(byId("tray"), { me: me.id, ...this.actions, ...entries });
    this.members = new Members(me, (after) => this.room.who(after));
    this.outbox.watch({
      changed: (entry) => (entry.event === "message:send" ? this.timeline : this.tray).showEntry(entry),
      gone: (entry, answer) => this.#acknowledged(entry, answer),
    });
    this.room.on = this.#events();
    this.roomTasks = new RoomTasks(name, (event, data) => connection.ask(event, data));
    this.deaf = [
      connection.hear("room:tasks", (event) => { if (event.room === name) this.roomTasks.changed(event.tasks); }),
      connection.hear("typing", (event) => { if (event.room === name) this.typing.heard(event); }),
      connection.hear("connect", () => this.#offer()),
    ];
    this.#writing(name);
    if (connection.connected) this.#offer();
  }

  /** Joins the room, or joins it again. */
  join() { this.room.join(); }

  /** The connection is gone. */
  down() { this.typing.clear(); }

  /** Takes it off the page. What was sent goes on its way. */
  close() {
    this.closed = true;
    for (const deaf of this.deaf) deaf();
    this.desk.close();
    this.transfers.close();
    this.roomTasks.close();
    this.search.close();
    this.outbox.unwatch();
    this.room.close();
    this.timeline.close();
    this.typing.clear();
    showWait();
  }

  /** Puts the focus on the newest message. */
  toNewest() { if (this.timeline.last !== null) this.timeline.goTo(this.timeline.last); }

  #timeline(entries) {
    const { stay, room, me, actions } = this;
    const parts = { log: byId("log"), pending: byId("pending"), scroll: byId("log-scroll"), top: byId("log-top"), toEnd: byId("to-end") };
    return new Timeline(parts, {
      actions, me: me.id, jobs: room.jobs, dismissed: new Dismissed(room.name), ...entries,
      readBefore: stay.rooms.all.get(room.name)?.read ?? null,
      unread: (count) => stay.countUnread(count),
      read: (seq) => stay.rooms.seen(room.name, seq),
      again: (seq) => room.again(seq),
      older: (limit) => room.older(limit),
      regenerate: (job) => (takesNothing(this.tasks.get(job.task)) ? () => this.#ask(job.task, {}, { replaces: job.id }) : null),
    });
  }

  #drafts() {
    const { room, actions } = this;
    return new Drafts(byId("drafts"), {
      ...actions,
      text: (job) => room.texts.of(job),
      dismissed: new Dismissed(`${room.name}.drafts`),
      edit: (job, text) => this.desk.edit(job, text),
      again: (job) => this.#ask(job.task, {}, { replaces: job.id }),
    });
  }

  /** What can be done about a job. @returns {import("./chips.js").Actions} */
  #jobActions() {
    const act = (event) => async ({ id }) => {
      try {
        this.room.update((await this.stay.connection.ask(event, { job: id })).job);
      } catch (error) {
        complain(error);
      }
    };
    return { cancel: act("job:cancel"), retry: act("job:retry"), mayRetry: (job) => job.sender?.id === this.me.id };
  }

  #events() {
    const { timeline, tray, drafts, room, stay } = this;
    return {
      messages: (messages, news) => {
        timeline.append(messages, news);
        stay.rooms.shown(room.name, messages);
        for (const message of messages) this.#settle(message);
        if (news) announce(messages, this.me.id, (job) => room.jobs.get(job)?.task);
      },
      history: (messages) => timeline.prepend(messages),
      job: (job) => {
        if (drafts.show(job) || timeline.showJob(job)) tray.settled(job.id);
        else if (!job.message) tray.showJob(job);
      },
      text: (job) => { drafts.grown(job); tray.settled(job.id); },
      members: (event) => this.members.take(event),
      wait: showWait,
      joined: () => { timeline.joined(); this.outbox.resume(); },
      reset: () => { timeline.clear(); drafts.clear(); },
      error: (error) => stay.notLetIn(error),
    };
  }

  #settle(message) {
    if (message.sender) this.typing.stopped(message.sender.id);
    if (message.job) this.tray.settled(message.job);
    if (message.key && message.sender?.id === this.me.id) this.outbox.confirm(message.key);
  }

  #acknowledged(entry, answer) {
    if (entry.event === "message:send") {
      if (answer) this.room.receive(answer.message);
      this.timeline.removeEntry(entry.key);
    } else {
      if (answer) this.room.update(answer.job);
      this.tray.remove(entry.key);
    }
  }

  #say(text, more = {}) { this.outbox.add("message:send", { room: this.room.name, key: randomKey(), text, zone: zone(), ...more }); }

  #ask(task, args, more = {}) { this.outbox.add("job:create", { room: this.room.name, key: randomKey(), task, args, zone: zone(), ...more }); }

  #writing(name) {
    const send = (text, draft) => {
      this.#say(text, draft ? { draft } : {});
      if (draft) this.drafts.dismiss(draft);
    };
    this.desk = composer({ send, typing: (on) => this.stay.connection.tell("typing", { room: name, on }) }, new Written(name, this.me.id));
    const files = (/** @type {File[]} */ given) => this.transfers.add(given);
    this.transfers = this.#transfers();
    receiveFiles(files);
    byId("pick").onclick = () => pick(files);
    this.desk.focus();
  }

  /** Each file becomes a message, the first with what was written; a model looks at it. */
  #transfers() {
    return new Transfers({
      keep: (file, on) => this.room.keep(file, on),
      kept: (file, upload, task) => {
        this.#say(this.desk.take().trim() || file.name || NAMELESS, { upload });
        const next = task ?? (seemsSound(file) ? this.soundTask : this.imageTask);
        if (next) this.#ask(next, { upload });
      },
    });
  }

  async #offer() {
    try {
      const tasks = await this.stay.tasks();
      if (this.closed) return;
      this.tasks = new Map(tasks.map((task) => [task.task, task]));
      taskButtons(tasks, { ask: (task, args) => this.#ask(task, args), file: (task) => pick((files) => this.transfers.add(files, task)), choose: () => this.roomTasks.open() });
      this.roomTasks.learn(tasks);
      if (!this.tasks.has(this.imageTask)) this.imageTask = tasks.find(wantsImage)?.task ?? this.imageTask;
      this.soundTask = tasks.find(isForSounds)?.task;
      learnWords(tasks);
      this.drafts.learn(tasks);
      this.timeline.reword();
      for (const job of this.room.jobs.all()) this.drafts.show(job);
    } catch (error) {
      complain(error);
    }
  }
}
