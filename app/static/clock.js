/** Times and days as people write them, in the reader's own locale. */

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const DAY_YEAR = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const SHORT_DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** @param {string} at RFC 3339 @returns {string} such as `14:05` */
export const timeOf = (at) => TIME.format(new Date(at));

/** @param {string} at RFC 3339 @returns {string} date and time to the second */
export const exactTime = (at) => EXACT.format(new Date(at));

/** @param {string} at RFC 3339 @returns {string} such as `3 Mar` */
export const shortDay = (at) => SHORT_DAY.format(new Date(at));

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

let ahead = 0; // ms by which this computer's clock is ahead of the server's

/** Learns the server's time. @param {string|null} date of an answer just received, as HTTP has it: to the second */
export function noteServerDate(date) {
  const at = Date.parse(date ?? "");
  if (Number.isFinite(at)) ahead = Date.now() - at;
}

/** @param {string} at RFC 3339, by the server's clock @returns {number} seconds since then, at least 0 */
export const age = (at) => Math.max((Date.now() - ahead - Date.parse(at)) / 1000, 0);

/** @param {number} seconds @returns {string} `5 s`, `2 min`, `3 h` */
export function elapsed(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

/** @param {number} ms @returns {string} `12 ms`, `1.4 s` */
export function duration(ms) {
  if (ms < 10) return `${Math.max(ms, 0).toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** The IANA name of the reader's time zone, as far as the browser knows it. @returns {string|undefined} */
export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || undefined;
