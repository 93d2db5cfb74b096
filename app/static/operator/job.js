/** One job, opened: what it was given, its attempts in time, and what can be done about it. */

import { api } from "../api.js";
import { duration, exactTime } from "../clock.js";
import { isFinal } from "../chat/jobs.js";
import { canCopy, copy } from "../chat/copying.js";
import { byId, h } from "../dom.js";
import { icon } from "../icons.js";
import { complain, toast } from "../toasts.js";
import { errorWords, JOB_STEPS, stateWord, taskTitle } from "../words.js";
import { address, addressWith, go, onAddress } from "./address.js";
import { pathBadge, stateBadge } from "./recent.js";

/** The sheet of the job that the address names. */
export class JobSheet {
  constructor() {
    this.sheet = byId("job", HTMLDialogElement);
    this.sheet.addEventListener("close", () => { if (address().has("job")) go(addressWith({ job: null })); });
    this.sheet.addEventListener("click", (event) => { if (event.target === this.sheet) this.sheet.close(); });
    onAddress(() => this.refresh().catch(complain));
  }

  /** Opens, draws anew or closes it, as the address says. */
  async refresh() {
    const id = address().get("job");
    if (!id) {
      this.shown = "";
      this.sheet.close();
      return;
    }
    try {
      this.#show(id, await api("GET", `/api/operator/jobs/${encodeURIComponent(id)}`));
    } catch (error) {
      if (error.code !== "not_found") throw error;
      complain(error);
      go(addressWith({ job: null }), { quietly: true });
    }
  }

  #show(id, known) {
    if (address().get("job") !== id) return;
    const now = JSON.stringify(known);
    // What is opened or selected in it stays while nothing has changed.
    if (now !== this.shown) this.sheet.replaceChildren(...this.#parts(known));
    this.shown = now;
    if (!this.sheet.open) this.sheet.showModal();
  }

  #parts(known) {
    const { job } = known;
    const close = h("button", { class: "button button-icon", type: "button", "aria-label": "Close", "data-testid": "job-close", on: { click: () => this.sheet.close() } }, icon("close"));
    return [
      h("div", { class: "job-head" }, h("h2", { id: "job-title" }, taskTitle(job.task)), stateBadge(job.state), pathBadge(job.path), close),
      h("dl", { class: "facts" }, ...facts(known).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      this.#actions(known),
      h("h3", {}, "Timeline"),
      h("ol", { class: "steps", "data-testid": "job-steps" }, ...steps(known).map(step)),
      known.traceback ? block("Where it raised", known.traceback) : null,
      block("Payload", known.args, "job-payload"),
      job.result === undefined ? null : block("Result", job.result),
      job.text ? block("Text so far", job.text) : null,
    ].filter((part) => part !== null);
  }

  #actions({ job, dead }) {
    const id = encodeURIComponent(job.id);
    const buttons = [
      isFinal(job) ? null : this.#button("Cancel", () => api("DELETE", `/api/jobs/${id}`), "The job is cancelled."),
      dead ? this.#button("Replay", () => api("POST", `/api/dead-letters/${id}/replay`), "The job is tried again.") : null,
      dead ? this.#button("Drop", () => api("DELETE", `/api/dead-letters/${id}`), "The dead letter is dropped; the job stays failed.") : null,
      h("a", { class: "button button-small", href: addressWith({ view: "jobs", room: job.room }, new URLSearchParams()), "data-here": true }, "Jobs of this room"),
    ];
    return h("div", { class: "row-actions" }, ...buttons);
  }

  #button(words, act, done) {
    const click = async () => {
      try {
        await act();
        toast(done);
      } catch (error) {
        complain(error);
      }
      await this.refresh().catch(complain);
    };
    return h("button", { class: "button button-small", type: "button", "data-testid": `job-${words.toLowerCase()}`, on: { click } }, words);
  }
}

function facts({ job, attempts, deadline, trace }) {
  return [
    ["ID", copied(job.id)],
    ["Room", job.room],
    ["Asked by", job.sender?.name ?? (job.message ? `message ${job.message}` : "another job")],
    ["Attempt", `${job.attempt} of ${attempts}`],
    ["Last run", typeof job.ms === "number" ? duration(job.ms) : "–"],
    ["Deadline", exactTime(deadline)],
    ["Trace", copied(trace)],
  ];
}

function copied(text) {
  if (!canCopy) return h("code", {}, text);
  return h("button", { class: "copied", type: "button", title: "Copy", on: { click: () => copy(text) } }, h("code", {}, text));
}

/** What happened when, as far as it is known. */
function steps({ job, errors, error, started, finished, next, dead }) {
  const before = errors.map((each, place) => ({ name: JOB_STEPS.failed(each.attempt ?? place + 1), at: each.at, words: errorWords(each), tone: "warn" }));
  return [
    { name: JOB_STEPS.accepted, at: job.at },
    ...before,
    started ? { name: JOB_STEPS.started(job.attempt), at: started } : null,
    job.progress ? { name: JOB_STEPS.progress, words: [Math.round(100 * (job.progress.fraction ?? 0)), "% ", job.progress.words ?? ""].join("") } : null,
    next ? { name: JOB_STEPS.next, at: next } : null,
    finished ? { name: stateWord(job.state), at: finished, words: error ? errorWords(error) : "", tone: job.state === "failed" ? "bad" : "" } : null,
    dead ? { name: JOB_STEPS.dead, tone: "bad" } : null,
  ].filter((each) => each !== null);
}

function step({ name, at, words, tone }) {
  return h("li", { "data-tone": tone },
    h("span", { class: "step-name" }, name),
    at ? h("time", { datetime: at }, exactTime(at)) : null,
    words ? h("p", {}, words) : null);
}

function block(title, held, test) {
  const words = typeof held === "string" ? held : JSON.stringify(held, null, 2);
  return h("section", { "aria-label": title }, h("h3", {}, title), h("pre", { tabindex: "0", role: "region", "aria-label": title, "data-testid": test }, words));
}
