/** Web processes and workers, with what each does right now. */

import { elapsed } from "../clock.js";
import { h } from "../dom.js";
import { NO_QUEUE, NO_WORKERS, NOTHING_RUNS, taskTitle } from "../words.js";
import { jobLink } from "./recent.js";
import { table } from "./table.js";

const SHOWN = 20; // jobs of one process

/** @param {Object} now as in GET /api/operator @returns {HTMLElement[]} */
export function processCards({ processes, workers, queue }) {
  return [
    ...processes.map((web) => card("process", web.id, web.draining ? "Web process, stopping" : "Web process", web.address, [
      ["Running", web.running], ["Waiting", web.backlog], ["Clients", web.clients], ["Event loop delay", `${web.hub_lag_ms.toFixed(1)} ms`],
    ], web.jobs)),
    ...workers.map((worker) => card("worker", worker.id, "Worker", worker.lanes.join(", "), [
      ["Busy", `${worker.running.length} of ${worker.concurrency}`],
    ], worker.running)),
    ...(workers.length ? [] : [h("p", { class: "card empty" }, queue ? NO_WORKERS : NO_QUEUE)]),
  ];
}

function card(kind, id, title, about, figures, jobs) {
  return h("section", { class: "card", "data-testid": kind, "data-id": id, "aria-label": `${title} ${id}` },
    h("div", { class: "card-head" }, h("h2", {}, title), h("span", { class: "card-about", title: id }, about || id)),
    h("dl", { class: "figures" }, ...figures.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value))))),
    jobs.length ? table(["Job", "Room", ">For"], jobs.slice(0, SHOWN).map(({ job, task, room, seconds }) => [
      { node: jobLink(job, taskTitle(task)), class: "strong keep" },
      { text: room, class: "wide" },
      { text: elapsed(seconds), class: "number" },
    ])) : h("p", { class: "empty" }, NOTHING_RUNS),
    jobs.length > SHOWN ? h("p", { class: "empty" }, `and ${jobs.length - SHOWN} more`) : null);
}
