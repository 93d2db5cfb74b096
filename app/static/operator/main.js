/** The operator page: asks every two seconds while somebody looks, and shows what came. */

import { api } from "../api.js";
import { byId } from "../dom.js";
import { flagsTable } from "../flags.js";
import { learnWords } from "../results.js";
import * as token from "../token.js";
import { errorWords } from "../words.js";
import { Chart } from "./chart.js";
import { DeadLetters } from "./deadletters.js";
import { Live } from "./live.js";
import { recentJobs } from "./recent.js";
import { askForToken } from "./signin.js";
import { laneButtons, taskTable } from "./tasks.js";
import { Tiles } from "./tiles.js";

const EVERY_MS = 2_000;
const tiles = new Tiles(byId("tiles"));
const chart = new Chart(byId("chart"), byId("chart-table"));
const flags = flagsTable(byId("flags"));
const dead = new DeadLetters(byId("dead"), byId("dead-table"));
const live = new Live();
let names = [];
let timer;

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
  const asked = [api("GET", "/api/operator"), api("GET", "/api/tasks"), api("GET", "/api/lanes")];
  const [report, { tasks }, { lanes }] = await Promise.all([...asked, live.refresh(), flags.refresh(), dead.refresh()]);
  tiles.show(report.now, report.held);
  chart.show(report.minutes, report.at);
  byId("tasks").replaceChildren(taskTable(names, report.minutes, tasks, refresh), laneButtons(lanes, refresh));
  byId("recent").replaceChildren(recentJobs(report.recent));
}

async function learnTasks() {
  const { tasks } = await api("GET", "/api/tasks");
  learnWords(tasks);
  names = tasks.map(({ task }) => task);
  live.offer(names);
}

function freshness(state, words) {
  const spot = byId("freshness");
  spot.dataset.state = state;
  spot.textContent = words;
}
