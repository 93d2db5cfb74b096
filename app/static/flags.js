/** The flags table: path and percentage of each task, changed here and moving live. */

import { api } from "./api.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { watchQueue } from "./readiness.js";
import { complain } from "./toasts.js";
import { taskTitle } from "./words.js";

const PATHS = ["simple", "queued", "auto"];
const SOURCES = { "*": "as all", default: "default" };

/**
 * Shows the flags in `home` and keeps them true.
 * @param {HTMLElement} home
 * @param {(away: boolean) => void} [onAway] told whether a flag needs the queue while it cannot take jobs
 * @returns {{refresh: () => Promise<void>, changed: (flag: {task: string, path: string, percent: number}) => void, of: (room: string) => void}}
 *   `refresh` asks the server; `changed` takes a `flag:changed` event; `of` says from now on what this room takes
 */
export function flagsTable(home, onAway) {
  const rows = new Map();
  let room = "";
  const note = h("p", { class: "flags-note", hidden: true });
  const away = h("p", { class: "flags-note", role: "status", "data-testid": "queue-away", hidden: true }, icon("alert"),
    h("span", {}, "The queue cannot take jobs right now. Queued jobs are kept and wait for it; on auto they soon take the simple path."));
  const list = h("div", { class: "flags" });
  const needsQueue = watchQueue((isAway) => {
    away.hidden = !isAway;
    onAway?.(isAway);
  });
  home.replaceChildren(note, away, list);

  async function refresh() {
    const { queue, flags } = await api("GET", room ? `/api/flags?room=${encodeURIComponent(room)}` : "/api/flags");
    needsQueue(queue && flags.some((flag) => flag.path !== "simple"));
    note.hidden = queue;
    note.textContent = "This server runs without a queue, so every task takes the simple path.";
    for (const flag of flags) rowOf(flag.task).show(flag, queue);
    for (const task of [...rows.keys()].filter((name) => !flags.some((flag) => flag.task === name))) forget(task);
  }

  function rowOf(task) {
    if (!rows.has(task)) {
      rows.set(task, flagRow(task, refresh));
      list.append(rows.get(task).element);
    }
    return rows.get(task);
  }

  function forget(task) {
    rows.get(task).element.remove();
    rows.delete(task);
  }

  function changed(flag) {
    if (rows.has(flag.task)) rows.get(flag.task).moved(flag);
    // What is in force for the others may hang on this one, and only the server can say where each value comes from.
    refresh().catch(complain);
  }

  return { refresh, changed, of: (name) => { room = name; } };
}

function flagRow(task, refresh) {
  const title = taskTitle(task);
  const path = h("select", { class: "select", "data-testid": "flag-path", "aria-label": `Path of ${title}` },
    ...PATHS.map((name) => h("option", { value: name }, name)));
  const percent = h("input", { class: "range", type: "range", min: 0, max: 100, step: 1, "data-testid": "flag-percent", "aria-label": `Percentage of rooms, ${title}` });
  const output = h("output", {});
  const share = h("div", { class: "flag-share" }, percent, output);
  const takes = h("span", { class: "flag-takes", "data-testid": "flag-takes" });
  const source = h("span", { class: "flag-source" });
  const unset = h("button", { class: "link-button", type: "button", title: "Forget the value set here", "aria-label": `Forget the value set for ${title}` }, "reset");
  const second = h("div", { class: "flag-second" }, share, takes, source, unset);
  const element = h("div", { class: "flag", role: "group", "aria-label": title, "data-testid": "flag-row", "data-task": task },
    h("h3", { class: "flag-name" }, title), path, second);
  const row = { task, element, path, percent, output, share, takes, source, unset, touched: false };
  listen(row, refresh);
  return { element, show: (flag, queue) => show(row, flag, queue), moved: (flag) => moved(row, flag) };
}

function listen(row, refresh) {
  const { task, path, percent } = row;
  const put = () => change(row, refresh, () => api("PUT", `/api/flags/${encodeURIComponent(task)}`, { path: path.value, percent: Number(percent.value) }));
  path.addEventListener("change", put);
  percent.addEventListener("change", put);
  percent.addEventListener("input", () => { row.touched = true; paint(row); });
  row.unset.addEventListener("click", () => change(row, refresh, () => api("DELETE", `/api/flags/${encodeURIComponent(task)}`)));
}

async function change(row, refresh, request) {
  try {
    await request();
  } catch (error) {
    complain(error);
  }
  row.touched = false;
  await refresh().catch(complain);
}

function show(row, flag, queue) {
  // A hand on the slider is stronger than news from elsewhere; letting go asks the server again.
  if (!row.touched) {
    row.path.value = flag.path;
    row.percent.value = flag.percent;
  }
  row.path.disabled = !queue;
  row.percent.disabled = !queue;
  row.unset.hidden = flag.source !== flag.task && flag.source !== "task";
  row.source.textContent = sourceWords(flag);
  row.takes.textContent = flag.takes ? `this room: ${flag.takes}` : "";
  paint(row);
}

function sourceWords({ task, source }) {
  return source === "task" || source === task ? "" : SOURCES[source] ?? "";
}

function moved(row, flag) {
  const same = row.path.value === flag.path && Number(row.percent.value) === flag.percent;
  if (same || row.touched) return;
  row.path.value = flag.path;
  row.percent.value = flag.percent;
  paint(row);
  row.element.classList.remove("moved");
  requestAnimationFrame(() => row.element.classList.add("moved"));
}

function paint({ element, path, percent, output, share }) {
  share.hidden = path.value === "simple";
  output.textContent = `${percent.value} %`;
  percent.style.setProperty("--filled", `${percent.value}%`);
  element.dataset.path = path.value;
}
