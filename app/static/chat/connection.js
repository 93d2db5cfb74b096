/** The Socket.IO connection: asks with an answer, and says how it is. */

import * as token from "../token.js";

const ANSWER_MS = 10_000;
const AGAIN_MS = 2_000;
/** Refusals at connecting that time heals; the others need the person. */
const PASSING = new Set(["busy", "draining", "rate_limited", "internal"]);

/** The server said no to an event, or did not answer (codes `timeout` and `offline` are the page's own). */
export class Refused extends Error {
  /** @param {{code: string, message?: string, field?: string, retry_after?: number}} error */
  constructor(error) {
    super(error.message ?? "");
    this.code = error.code;
    this.field = error.field;
    this.retry_after = error.retry_after;
  }
}

/** One lasting connection for one person. */
export class Connection {
  /**
   * @param {{name: string, id: string}} who
   * @param {Object} on
   * @param {() => void} on.up each time a connection stands
   * @param {() => void} on.down
   * @param {(state: "connecting"|"online"|"offline") => void} on.state
   * @param {(error: {code: string, message: string}) => void} on.refused for good
   * @param {(error: {code: string, message: string}) => void} on.unauthorized another token is due; `open` tries it
   */
  constructor({ name, id }, on) {
    this.on = on;
    // Asked at each connect, for the token may be another one by then.
    const auth = (/** @type {(data: Object) => void} */ give) => give(token.needed ? { token: token.current() } : { name, id });
    this.socket = window.io({ transports: ["websocket", "polling"], auth, autoConnect: false });
    this.socket.on("connect", () => { this.#state("online"); on.up(); });
    this.socket.on("disconnect", (reason) => this.#lost(reason));
    this.socket.on("connect_error", (error) => this.#failed(error));
  }

  /** Starts connecting; it goes on by itself until `close`. */
  open() {
    this.#state("connecting");
    this.socket.connect();
  }

  /** Ends the connection for good. */
  close() {
    clearTimeout(this.timer);
    this.socket.removeAllListeners();
    this.socket.disconnect();
  }

  get connected() { return this.socket.connected; }

  /** @param {string} event @param {(data: any) => void} listener @returns {() => void} stops hearing */
  hear(event, listener) {
    this.socket.on(event, listener);
    return () => { this.socket.off(event, listener); };
  }

  /**
   * Sends an event and waits for its acknowledgement.
   * @returns {Promise<Object>} the acknowledgement, `ok: true`
   * @throws {Refused}
   */
  async ask(event, payload) {
    // Socket.IO would keep the event and send it before the room is joined again; the outbox keeps it instead.
    if (!this.connected) throw new Refused({ code: "offline" });
    const answer = await this.#answer(event, payload);
    if (answer?.ok) return answer;
    throw new Refused(answer?.error ?? { code: "internal", message: "the answer was not understood" });
  }

  /** Sends an event nobody waits for, or drops it while there is no connection. */
  tell(event, payload) {
    if (this.connected) this.ask(event, payload).catch(() => { /* typing and the like are not worth a word */ });
  }

  async #answer(event, payload) {
    try {
      return await this.socket.timeout(ANSWER_MS).emitWithAck(event, payload);
    } catch {
      throw new Refused({ code: this.connected ? "timeout" : "offline" });
    }
  }

  #state(state) { this.on.state(state); }

  #lost(reason) {
    this.on.down();
    this.#state("connecting");
    // The client does not come back by itself when the server sent it away, as one that restarts does.
    if (reason === "io server disconnect") this.#again();
  }

  #failed(error) {
    const refusal = error.data;
    if (refusal?.code === "unauthorized") {
      this.#state("offline");
      this.on.unauthorized(refusal);
      return;
    }
    if (refusal?.code && !PASSING.has(refusal.code)) {
      this.close();
      this.on.refused(refusal);
      return;
    }
    this.#state("offline");
    if (!this.socket.active) this.#again(refusal?.retry_after);
  }

  #again(seconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), seconds ? seconds * 1000 : AGAIN_MS * (0.5 + Math.random()));
  }
}
