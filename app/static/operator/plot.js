/** One small plot, drawn anew whenever its figures or its width change. */

import { timeOf } from "../clock.js";
import { s } from "../dom.js";

const EDGE = { top: 14, bottom: 3 };
const AXIS = 18;

/**
 * @param {Object} given
 * @param {number} given.width in pixels
 * @param {number} given.height in pixels
 * @param {Object[]} given.points oldest first
 * @param {Object[]} given.series as in rows.js
 * @param {Object} given.scale as in scale.js
 * @param {(value: number) => string} given.words
 * @param {{from: number, to: number, step: number}} given.span milliseconds
 * @param {number[]} given.marks moments with a dotted line, milliseconds
 * @param {number|null} given.cursor the moment looked at
 * @param {boolean} given.axis whether the times are written below
 * @param {string} given.label what a screen reader says
 * @returns {SVGElement}
 */
export function plot(given) {
  const { width, height, span, scale, axis, label } = given;
  const foot = height - (axis ? AXIS : EDGE.bottom);
  const x = (moment) => (width * (moment - span.from)) / (span.to - span.from);
  const y = (value) => EDGE.top + (foot - EDGE.top) * (1 - scale.place(value));
  const room = { ...given, x, y, foot };
  return s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    ...grid(room), ...marks(room), ...drawn(room), ...ticks(room), cursorLine(room), ...(axis ? times(room) : []));
}

const grid = ({ scale, y, width }) => scale.ticks.map((tick) => s("line", { class: tick === scale.ticks[0] ? "ground" : "grid", x1: 0, x2: width, y1: y(tick), y2: y(tick) }));

function ticks({ scale, words, y }) {
  // The foot needs no figure: it is 0, or a tenth of the next.
  return scale.ticks.slice(1).map((tick) => s("text", { x: 0, y: y(tick) - 3 }, words(tick).replace(".0 ", " ")));
}

function times({ span, x, width, height }) {
  const middle = (span.from + span.to) / 2;
  const label = (moment, anchor) => s("text", { x: x(moment), y: height - 4, "text-anchor": anchor }, timeOf(new Date(moment).toISOString()));
  return [label(span.from, "start"), width > 220 ? label(middle, "middle") : null, s("text", { x: width, y: height - 4, "text-anchor": "end" }, "now")];
}

const marks = ({ marks: moments, x, foot }) => moments.map((moment) => s("line", { class: "change", x1: x(moment), x2: x(moment), y1: 0, y2: foot }));

function cursorLine({ cursor, x, foot }) {
  return cursor === null ? null : s("line", { class: "cursor", x1: x(cursor), x2: x(cursor), y1: 0, y2: foot });
}

function drawn(room) {
  const bars = room.series.filter(({ mark }) => mark.startsWith("bar"));
  if (bars.length) return columns(room, bars);
  return room.series.flatMap((one) => runs(room, one.value).flatMap((run) => stroke(room, one.mark, run)));
}

/** Points that follow each other without a gap, as places in the picture. */
function runs({ points, span, x, y }, value) {
  const found = [];
  let before = -Infinity;
  for (const point of points) {
    const reading = value(point);
    if (reading === null) continue;
    const at = middle(point);
    if (at - before > 1.6 * span.step) found.push([]);
    found.at(-1).push([x(at), y(reading)]);
    before = at;
  }
  return found;
}

/** Where a point is drawn. @param {Object} point @returns {number} milliseconds */
export const middle = (point) => new Date(point.at).getTime() + point.seconds * 500;

/** @returns {SVGElement[]} */
function stroke({ foot }, mark, run) {
  const line = run.map((spot) => spot.map((each) => each.toFixed(1)).join(",")).join(" ");
  // A reading with nothing beside it has no line to be part of.
  if (run.length === 1) return [s("circle", { class: `dot dot-${mark}`, cx: run[0][0], cy: run[0][1], r: mark === "thin" ? 1.6 : 2.2 })];
  /** @type {SVGElement[]} */
  const parts = [s("polyline", { class: mark, points: line })];
  if (mark === "area") parts.unshift(s("polygon", { class: "fill", points: `${run[0][0]},${foot} ${line} ${run.at(-1)[0]},${foot}` }));
  return parts;
}

function columns({ points, span, x, y, foot }, bars) {
  const wide = Math.max((x(span.step) - x(0)) * 0.72, 1.5);
  return points.flatMap((point) => {
    let below = 0;
    return bars.filter(({ value }) => value(point) > 0).map(({ mark, value }) => {
      const from = y(below);
      below += value(point);
      // A sliver must stay visible: one failed job among a thousand is what the operator looks for.
      const tall = Math.max(from - y(below), 2);
      const left = x(new Date(point.at).getTime() + span.step / 2) - wide / 2;
      return s("rect", { class: mark, x: left, width: wide, y: Math.min(from, foot) - tall, height: tall });
    });
  });
}
