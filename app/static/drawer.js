/** A side panel: a column where there is room, a sheet over the page where there is not. */

/**
 * Makes `panel` open and close with `toggle`.
 * @param {Object} parts
 * @param {HTMLElement} parts.panel with a `data-close` button inside
 * @param {HTMLElement} parts.toggle
 * @param {HTMLElement} parts.scrim the shade behind a sheet
 * @param {HTMLElement[]} parts.rest what cannot be reached while the sheet is open
 * @param {string} parts.wide media query that says there is room for a column
 * @param {boolean} parts.openWide whether the column is open at first
 * @returns {{shut: () => void}} `shut` closes the sheet, where it is one
 */
export function drawer({ panel, toggle, scrim, rest, wide, openWide }) {
  const room = matchMedia(wide);
  const state = { open: room.matches && openWide };

  function draw() {
    const sheet = state.open && !room.matches;
    panel.hidden = !state.open;
    panel.toggleAttribute("data-sheet", sheet);
    if (state.drewSheet !== sheet) cover(sheet);
    toggle.setAttribute("aria-expanded", String(state.open));
  }

  function cover(sheet) {
    state.drewSheet = sheet;
    scrim.hidden = !sheet;
    for (const part of rest) part.inert = sheet;
  }

  function set(open) {
    if (state.open === open) return;
    state.open = open;
    draw();
    if (room.matches) return;
    // Focus goes into the sheet and comes back to where it was opened from.
    (open ? /** @type {HTMLElement} */ (panel.querySelector("[data-close]")) : toggle).focus();
  }

  toggle.addEventListener("click", () => set(!state.open));
  panel.querySelector("[data-close]").addEventListener("click", () => set(false));
  scrim.addEventListener("click", () => { if (!room.matches) set(false); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !room.matches) set(false); });
  room.addEventListener("change", () => { state.open = room.matches && openWide; draw(); });
  draw();
  return { shut: () => { if (!room.matches) set(false); } };
}
