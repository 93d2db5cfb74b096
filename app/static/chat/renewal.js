/** The next token when one ends: from AUTH_RENEW_URL, or from the person, who goes on typing meanwhile. */

import { byId, h } from "../dom.js";
import * as token from "../token.js";

/** Renews tokens over a connection. */
export class Renewal {
  /**
   * @param {import("./connection.js").Connection} connection
   * @param {string} sub whose tab this is: a token of somebody else is refused
   */
  constructor(connection, sub) {
    this.connection = connection;
    this.sub = sub;
    this.home = byId("renewal");
    connection.hear("auth:expiring", () => this.begin());
  }

  /** Gets the next token and carries on with it. @param {string} [why] the connection was refused */
  async begin(why = "") {
    try {
      const next = token.renewUrl ? await fetched(token.renewUrl) : "";
      if (next) return await this.#carryOn(next);
    } catch (error) {
      why = error.message;
    }
    this.#ask(why);
  }

  /** Takes the question away. */
  close() { this.home.hidden = true; }

  async #carryOn(next) {
    if (token.claims(next)?.sub !== this.sub) throw new Error("This token is of somebody else.");
    if (this.connection.connected) await this.connection.ask("auth:renew", { token: next });
    token.keep(next);
    if (!this.connection.connected) this.connection.open();
    this.close();
  }

  #ask(why) {
    if (!this.home.hidden) return;
    const input = h("input", { class: "input", id: "renewal-token", type: "password", autocomplete: "off", "data-testid": "renewal-token" });
    const error = h("p", { class: "field-error", role: "alert" }, why);
    const form = h("form", { class: "renewal-form" },
      h("label", { class: "field-label", for: "renewal-token" }, "Your sign-in is ending. Paste a new token to carry on."),
      input,
      h("button", { class: "button button-primary", type: "submit", "data-testid": "renewal-send" }, "Carry on"),
      error);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        await this.#carryOn(input.value.trim());
      } catch (refused) {
        error.textContent = refused.message;
        input.focus();
      }
    });
    this.home.replaceChildren(form);
    // No dialog: whoever types goes on typing.
    this.home.hidden = false;
  }
}

async function fetched(url) {
  const response = await fetch(url, { method: "POST", credentials: "include", cache: "no-store" });
  const answer = response.ok ? await response.json() : {};
  if (typeof answer.token !== "string") throw new Error("You could not be signed in again by itself.");
  return answer.token;
}
