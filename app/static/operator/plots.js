/** The plots of both paths: rows of two that share their axes, one moment looked at in all of them. */

import { h } from "../dom.js";
import { capitalized } from "../words.js";
import { middle, plot } from "./plot.js";
import { PATHS, ROWS } from "./rows.js";

const HEIGHT = 78;
const AXIS = 18;
const WITH_AXIS = ["under-way", "health"];

/** All rows; `moment` is told which moment they show, in steps back from now and in words. */
export class Plots {
  /** @param {HTMLElement} home @param {(back: number, words: string) => void} moment */
  constructor(home, moment) {
    this.home = home;
    this.moment = moment;
    this.points = [];
    this.span = null;
    this.marks = [];
    this.back = null;
    this.figures = ROWS.map((row) => row.cells.map((cell, side) => frame(row, cell, side)));
    home.replaceChildren(...ROWS.flatMap((row, number) => [partHead(row, ROWS[number - 1]), rowOf(row, this.figures[number])].filter(Boolean)));
    home.addEventListener("pointermove", (event) => this.#follow(event));
    home.addEventListener("pointerleave", () => this.look(null));
    new ResizeObserver(() => this.#draw()).observe(home);
  }

  /** @param {Object[]} points oldest first @param {{from: number, to: number, step: number}} span @param {number[]} marks */
  show(points, span, marks) {
    this.points = points;
    this.span = span;
    this.marks = marks;
    this.#draw();
  }

  /** Looks at the point so many steps back from the newest, in every plot. @param {number|null} back null: at now */
  look(back) {
    if (back === this.back) return;
    this.back = back;
    this.#draw();
  }

  /** The point looked at; undefined where nothing was recorded. @returns {Object|undefined} */
  get #looked() {
    if (this.back === null) return this.points.at(-1);
    const slot = Math.floor((this.span.to - this.back * this.span.step) / this.span.step);
    return this.points.find((point) => new Date(point.at).getTime() === slot * this.span.step);
  }

  /** Where the line of the moment looked at stands, in milliseconds; null at now. */
  #cursor(looked) {
    if (this.back === null) return null;
    return looked ? middle(looked) : this.span.to - this.back * this.span.step;
  }

  #follow({ target, clientX }) {
    const area = target.closest?.(".live-plot");
    if (!area || !this.span) return;
    const { left, width } = area.getBoundingClientRect();
    const share = Math.min(Math.max((clientX - left) / width, 0), 1);
    this.look(Math.round(((1 - share) * (this.span.to - this.span.from)) / this.span.step));
  }

  #draw() {
    if (!this.span || this.home.clientWidth === 0) return;
    const looked = this.#looked;
    this.moment(this.back ?? 0, this.back === null ? "now" : looked ? new Date(looked.at).toLocaleTimeString() : "not recorded");
    ROWS.forEach((row, number) => {
      const shared = row.apart ? null : row.scale(values(this.points, row.cells));
      row.cells.forEach((cell, side) => this.#cell(row, cell, this.figures[number][side], shared, looked));
    });
  }

  #cell(row, cell, { area, readout, element }, shared, looked) {
    const words = cell.words ?? row.words;
    readout.textContent = looked ? reading(cell, looked, words) : "–";
    const all = values(this.points, [cell]);
    const axis = WITH_AXIS.includes(row.name);
    area.replaceChildren(plot({
      width: area.clientWidth, height: HEIGHT + (axis ? AXIS : 0), points: this.points, series: cell.series, words, axis,
      scale: shared ?? row.scale(all), span: this.span, marks: this.marks,
      cursor: this.#cursor(looked), label: spoken(element.dataset.label, all, words),
    }));
  }
}

function frame(row, cell, side) {
  const readout = h("span", { class: "live-readout" });
  const area = h("div", { class: "live-plot" });
  const label = `${cell.label ?? row.title}${row.apart ? "" : `, ${PATHS[side]}`}`;
  const caption = h("figcaption", {}, cell.label ? h("span", { class: "live-label" }, cell.label) : h("span", { class: "unseen" }, label), readout);
  return { area, readout, element: h("figure", { "data-testid": `plot-${row.name}`, "data-path": PATHS[side], "data-label": label }, caption, area) };
}

function partHead(row, before) {
  return row.whole && !before.whole ? h("h3", { class: "live-part" }, "The whole process, all tasks") : null;
}

function rowOf(row, figures) {
  const title = row.title ? h("div", { class: "live-title" }, h(row.whole ? "h4" : "h3", {}, row.title), row.about ? h("span", {}, row.about) : null) : null;
  return h("div", { class: "live-row", "data-row": row.name }, title, ...figures.map(({ element }) => element));
}

const values = (points, cells) => points.flatMap((point) => cells.flatMap(({ series }) => stacked(series.map(({ mark, value }) => ({ mark, value: value(point) })))));

/** Bars stand on each other, so that their sum must fit. */
function stacked(readings) {
  const known = readings.filter(({ value }) => value !== null);
  if (!known.some(({ mark }) => mark.startsWith("bar"))) return known.map(({ value }) => value);
  return [known.reduce((sum, { value }) => sum + value, 0)];
}

function reading({ series }, point, words) {
  const said = series.map(({ name, value }) => [name, value(point)]).filter(([, value]) => value !== null);
  return said.map(([name, value]) => [words(value), name].filter(Boolean).join("\u00a0")).join(" · ") || "–";
}

function spoken(label, all, words) {
  if (all.length === 0) return `${capitalized(label)}: nothing yet`;
  return `${capitalized(label)}: from ${words(Math.min(...all))} to ${words(Math.max(...all))}; the table below has the figures`;
}
