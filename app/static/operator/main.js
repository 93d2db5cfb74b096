/** The operator page: asks every two seconds while somebody looks, and shows what came. */

import { api } from "../api.js";
import { byId } from "../dom.js";
import { flagsTable } from "../flags.js";
import { learnWords } from "../results.js";
import * as token from "../token.js";
import { errorWords } from "../words.js";
import { Chart } from "./chart.js";
import { DeadLetters } from "./deadletters.js";
import { Explorer } from "./explorer.js";
import { JobSheet } from "./job.js";
import { Live } from "./live.js";
import { Pauses } from "./pauses.js";
import { processCards } from "./processes.js";
import { recentJobs } from "./recent.js";
import { redraw } from "./redraw.js";
import { askForToken } from "./signin.js";
import { taskTable } from "./tasks.js";
import { Tiles } from "./tiles.js";
import { followViews, view } from "./views.js";

const EVERY_MS = 2_000;
const tiles = new Tiles(byId("tiles"));
const chart = new Chart(byId("chart"), byId("chart-table"));
const flags = flagsTable(byId("flags"));
const dead = new DeadLetters();
const explorer = new Explorer();
const sheet = new JobSheet();
const pauses = new Pauses();
const live = new Live();
let names = [];
let timer;

followViews(look);
document.addEventListener("visibilitychange", look);
if (token.isOperator()) look();
else askForToken(look);

function look() {
  clearTimeout(timer);
  if (!document.hidden && token.isOperator()) round();
}

async function round() {
  try {
    await refresh();
    freshness("fresh", `Live, ${new Date().toLocaleTimeString()}`);
  } catch (error) {
    // Anything but an answer with an error is a mistake of ours, and the console names the line.
    if (!error.code) console.error(error); // eslint-disable-line no-console
    if (error.code === "unauthorized" || error.code === "forbidden") return askForToken(look, errorWords(error));
    freshness("lost", error.code ? errorWords(error) : "The answer of the server was not understood.");
  }
  clearTimeout(timer);
  // The next question waits for this answer, so a slow server is not asked twice at once.
  if (!document.hidden) timer = setTimeout(round, EVERY_MS);
}

async function refresh() {
  if (names.length === 0) await learnTasks();
  const shown = {
    overview: () => [live.refresh(), flags.refresh(), pauses.refresh()],
    jobs: () => [explorer.refresh()],
    dead: () => [dead.refresh()],
    processes: () => [],
  }[view()]();
  const [report] = await Promise.all([api("GET", "/api/operator"), sheet.refresh(), ...shown]);
  draw(report);
}

function draw({ at, now, held, minutes, recent }) {
  byId("dead-count").textContent = now.dead_letters ? String(now.dead_letters) : "";
  if (view() === "processes") redraw(byId("view-processes"), [now.processes, now.workers, !now.queue], () => processCards(now));
  if (view() !== "overview") return;
  tiles.show(now, held);
  chart.show(minutes, at);
  redraw(byId("lanes"), pauses.lanes, () => pauses.ofLanes());
  redraw(byId("tasks"), [names, minutes, [...pauses.tasks.values()]], () => [taskTable(names, minutes, (task) => pauses.ofTask(task))]);
  redraw(byId("recent"), recent, () => [recentJobs(recent)]);
}

async function learnTasks() {
  const { tasks } = await api("GET", "/api/tasks");
  learnWords(tasks);
  names = tasks.map(({ task }) => task);
  live.offer(names);
  explorer.offer(names);
}

function freshness(state, words) {
  const spot = byId("freshness");
  spot.dataset.state = state;
  spot.textContent = words;
}
