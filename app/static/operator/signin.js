/** Asks whoever opens the operator page without the right token for one. */

import { byId } from "../dom.js";
import * as token from "../token.js";

/** Shows the form in the place of the page. @param {() => void} then called with a token of an operator @param {string} [why] */
export function askForToken(then, why = "") {
  const input = byId("operator-token", HTMLInputElement);
  show(true);
  byId("operator-error").textContent = why;
  byId("operator-form", HTMLFormElement).onsubmit = (event) => {
    event.preventDefault();
    const given = input.value.trim();
    if (token.claims(given)?.role !== "operator") {
      byId("operator-error").textContent = "This is no token with the role operator.";
      input.focus();
      return;
    }
    token.keep(given);
    input.value = "";
    show(false);
    then();
  };
  input.focus();
}

function show(asking) {
  byId("operator-signin").hidden = !asking;
  byId("desk").hidden = asking;
  byId("freshness").hidden = asking;
}
