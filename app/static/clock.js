/** Times and days as people write them, in the reader's own locale. */

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const DAY_YEAR = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });

/** @param {string} at RFC 3339 @returns {string} such as `14:05` */
export const timeOf = (at) => TIME.format(new Date(at));

/** @param {string} at RFC 3339 @returns {string} date and time to the second */
export const exactTime = (at) => EXACT.format(new Date(at));

/** Tells two days apart in the reader's time zone. @param {string} at RFC 3339 @returns {string} */
export const dayKey = (at) => new Date(at).toDateString();

/** @param {string} at RFC 3339 @returns {string} `Today`, `Yesterday`, or the date */
export function dayWords(at) {
  const day = new Date(at);
  const now = new Date();
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (day.toDateString() === now.toDateString()) return "Today";
  if (day.toDateString() === yesterday.toDateString()) return "Yesterday";
  return (day.getFullYear() === now.getFullYear() ? DAY : DAY_YEAR).format(day);
}

/** @param {number} ms @returns {string} `12 ms`, `1.4 s` */
export function duration(ms) {
  if (ms < 10) return `${Math.max(ms, 0).toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
