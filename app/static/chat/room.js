/** The room as this tab knows it: joining, catching up, and what arrives meanwhile. */

import { Jobs } from "./jobs.js";
import { Sequence } from "./sequence.js";
import { Texts } from "./texts.js";
import { upload } from "./uploads.js";

const AGAIN_MS = 1_500;
const PAGE = 50;

/** Follows one room over one connection without losing or repeating anything. */
export class Room {
  /**
   * @param {import("./connection.js").Connection} connection
   * @param {string} name
   * @param {Object} [on] may be set later, before `join`
   * @param {(messages: Object[], news: boolean) => void} on.messages next in order; `news` when they were not there at first
   * @param {(older: Object[]) => void} on.history
   * @param {(job: Object) => void} on.job
   * @param {(job: Object) => void} on.text the text of a job has grown
   * @param {(event: Object) => void} on.members who is here, or who came and went
   * @param {(seconds: number) => void} on.wait
   * @param {() => void} on.joined events may be sent from here on
   * @param {() => void} on.reset everything shown is void
   * @param {(error: Object) => void} on.error the room cannot be joined
   */
  constructor(connection, name, on) {
    this.connection = connection;
    this.name = name;
    this.on = on;
    this.sequence = new Sequence();
    this.jobs = new Jobs();
    this.texts = new Texts();
    this.oldest = null;
    /** @type {string|undefined} */
    this.uploadToken = undefined;
    this.#listen();
  }

  /** Joins, or joins again after a break or a gap; calls on top of each other become one more round. */
  async join() {
    this.wanted = true;
    if (this.joining) return;
    this.joining = true;
    try {
      while (this.wanted) {
        this.wanted = false;
        await this.#catchUp();
      }
      this.on.joined();
    } catch (error) {
      this.#joinLater(error);
    } finally {
      this.joining = false;
    }
    if (this.sequence.gap) this.#afterAWhile();
  }

  /**
   * Stores a file for this room. The token of a join ends after a day, and another join brings a new one.
   * @param {File} file
   * @param {{progress?: (share: number) => void, signal?: AbortSignal}} [on]
   * @returns {Promise<string>} its upload ID
   */
  async keep(file, on) {
    try {
      return await upload(this.name, file, this.uploadToken, on);
    } catch (error) {
      if (error.code !== "not_in_room") throw error;
      await this.join();
      return upload(this.name, file, this.uploadToken, on);
    }
  }

  /** Takes one message, from an event or an acknowledgement. */
  receive(message) {
    const fresh = this.sequence.last !== null;
    this.#show(this.sequence.take([message]), fresh);
    if (this.sequence.gap && fresh && !this.joining) this.join();
  }

  /** Takes news of a job, from an event or an acknowledgement. */
  update(job) {
    const merged = this.jobs.merge(job);
    if (merged) this.texts.learn(merged);
    if (merged) this.on.job(merged);
  }

  /** Takes a piece of the text of a job. */
  grow(piece) {
    this.texts.take(piece);
    const job = this.jobs.get(piece.job);
    if (job) this.on.text(job);
  }

  /** Stops following; the room stays joined. */
  close() {
    clearTimeout(this.timer);
    for (const deaf of this.deaf) deaf();
  }

  /** Fetches the page before the oldest message shown. @param {number} [limit] @returns {Promise<boolean>} whether there may be more */
  async older(limit = PAGE) {
    if (this.oldest === null || this.oldest <= 1) return false;
    const { messages, jobs } = await this.connection.ask("room:history", { room: this.name, before: this.oldest, limit });
    for (const job of jobs ?? []) this.jobs.merge(job);
    this.oldest = messages[0]?.seq ?? 1;
    this.on.history(messages);
    return this.oldest > 1;
  }

  /** Fetches one message again, for signed links that have run out. @returns {Promise<Object|undefined>} */
  async again(seq) {
    const { messages } = await this.connection.ask("room:history", { room: this.name, before: seq + 1, limit: 1 });
    return messages.find((message) => message.seq === seq);
  }

  /** Asks who is here. @param {string} [after] the id of the last person known @returns {Promise<Object>} the next page */
  who(after) { return this.connection.ask("room:who", { room: this.name, after }); }

  #listen() {
    const mine = (listener) => (data) => { if (data.room === this.name) listener(data); };
    this.deaf = [
      this.connection.hear("message:new", mine((message) => this.receive(message))),
      this.connection.hear("job:update", mine((job) => this.update(job))),
      this.connection.hear("job:delta", mine((piece) => this.grow(piece))),
      this.connection.hear("room:members", mine((event) => this.on.members(event))),
    ];
  }

  async #catchUp() {
    let answer;
    do {
      answer = await this.connection.ask("room:join", this.#request());
      if (answer.reset) this.#reset();
      else {
        this.#take(answer);
        await this.#furtherJobs(answer);
      }
    } while (answer.more || answer.reset);
    this.uploadToken = answer.upload_token;
    this.on.members({ members: answer.members, count: answer.member_count });
    this.on.wait(answer.wait);
  }

  /** Fetches the jobs that did not fit into an answer. */
  async #furtherJobs({ jobs, more_jobs: more }) {
    while (more && jobs.length > 0) {
      ({ jobs, more_jobs: more } = await this.connection.ask("room:jobs", { room: this.name, after: jobs.at(-1).id }));
      for (const job of jobs) this.update(job);
    }
  }

  #request() {
    const after = this.sequence.last;
    return after === null ? { room: this.name } : { room: this.name, after };
  }

  #take({ seq, messages, jobs }) {
    const news = this.sequence.last !== null;
    const first = messages[0]?.seq;
    if (!news) this.sequence.startAt(first === undefined ? seq : first - 1);
    this.oldest ??= first ?? null;
    for (const job of jobs ?? []) {
      this.jobs.merge(job);
      this.texts.learn(this.jobs.get(job.id));
    }
    this.#show(this.sequence.take(messages), news);
    // The chips of messages shown before may have moved on while this tab was away.
    for (const job of jobs ?? []) this.on.job(this.jobs.get(job.id));
  }

  #show(messages, news) {
    if (messages.length === 0) return;
    this.oldest ??= messages[0].seq;
    this.on.messages(messages, news);
  }

  #reset() {
    this.sequence.clear();
    this.jobs.clear();
    this.texts.clear();
    this.oldest = null;
    this.on.reset();
  }

  #joinLater(error) {
    // Without a connection the next one joins by itself.
    if (error.code === "offline") return;
    this.on.error(error);
    if (error.code !== "bad_request" && error.code !== "forbidden") this.#afterAWhile(error.retry_after);
  }

  #afterAWhile(seconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { if (this.connection.connected) this.join(); }, seconds ? seconds * 1000 : AGAIN_MS);
  }
}
