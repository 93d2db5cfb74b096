/** Calls the HTTP side of Spillway; every failure is an `ApiError` with a code. */

import { noteServerDate } from "./clock.js";
import * as token from "./token.js";

/** A request that was answered with an error, or not answered at all (code `offline`). */
export class ApiError extends Error {
  /** @param {number} status @param {{code: string, message: string, retry_after?: number}} error */
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.retry_after = error.retry_after;
  }
}

/**
 * Sends a request and returns the decoded answer.
 * @param {"GET"|"PUT"|"POST"|"DELETE"} method
 * @param {string} path
 * @param {Object|FormData} [body] an object goes as JSON
 * @returns {Promise<any>} null when the answer has no body
 * @throws {ApiError}
 */
export async function api(method, path, body) {
  const response = await send(method, path, body);
  noteServerDate(response.headers.get("Date"));
  const answer = await decoded(response);
  if (response.ok) return answer;
  throw new ApiError(response.status, answer?.error ?? { code: "internal", message: `the server answered ${response.status}` });
}

async function send(method, path, body) {
  const form = body instanceof FormData;
  // The server takes changes as JSON only, even those without a body: a form on a foreign page cannot send that.
  /** @type {Object<string, string>} */
  const headers = method === "GET" || form ? {} : { "Content-Type": "application/json" };
  if (token.current()) headers.Authorization = `Bearer ${token.current()}`;
  const payload = form || body === undefined ? body : JSON.stringify(body);
  try {
    return await fetch(path, { method, headers, body: payload, cache: "no-store" });
  } catch {
    throw new ApiError(0, { code: "offline", message: "the server cannot be reached" });
  }
}

async function decoded(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

/**
 * Sends a form with files, and says how far it is: `fetch` cannot.
 * @param {string} path
 * @param {FormData} form
 * @param {{progress?: (share: number) => void, signal?: AbortSignal}} [on]
 * @returns {Promise<any>}
 * @throws {ApiError} with the code `aborted` once the signal said so
 */
export function sendForm(path, form, { progress, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const fail = (/** @type {string} */ code, /** @type {string} */ message) => reject(new ApiError(0, { code, message }));
    request.open("POST", path);
    request.responseType = "json";
    if (token.current()) request.setRequestHeader("Authorization", `Bearer ${token.current()}`);
    request.upload.onprogress = ({ loaded, total, lengthComputable }) => { if (lengthComputable) progress?.(loaded / total); };
    request.onload = () => {
      if (request.status < 300) resolve(request.response);
      else reject(new ApiError(request.status, request.response?.error ?? { code: "internal", message: `the server answered ${request.status}` }));
    };
    request.onerror = () => fail("offline", "the server cannot be reached");
    request.onabort = () => fail("aborted", "it was stopped");
    signal?.addEventListener("abort", () => request.abort());
    if (signal?.aborted) fail("aborted", "it was stopped");
    else request.send(form);
  });
}
