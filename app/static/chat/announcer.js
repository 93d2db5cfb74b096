/** Says new messages to screen readers, and loud notices at once. */

import { byId } from "../dom.js";
import { shorten } from "../words.js";
import { mlLabel } from "./message.js";
import { isNotice, noticeLevel } from "./notice.js";

const MOST = 400;

/**
 * Announces what others said.
 * @param {Object[]} messages
 * @param {string} me own id
 * @param {(job: string) => string|undefined} taskOf
 */
export function announce(messages, me, taskOf) {
  for (const message of messages) {
    if (message.kind === "user" && message.sender?.id === me) continue;
    const task = message.data?.task ?? taskOf(message.job);
    const from = fromWhom(message, task);
    const loud = isNotice(message, task) && noticeLevel(message) === "loud";
    byId(loud ? "alarm" : "announcer").textContent = shorten(`${from}: ${message.text}`, MOST);
  }
}

function fromWhom({ kind, sender }, task) {
  if (kind === "user") return sender.name;
  return kind === "ml" ? mlLabel(task) : "Notice";
}
