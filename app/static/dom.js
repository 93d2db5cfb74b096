/** Builds elements without markup, so text from outside can never become HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Builds an HTML element.
 * @param {string} tag
 * @param {Object} [props] attributes; `on` maps event names to listeners; null, undefined and false are left out
 * @param {...(Node|string|null|undefined)} children strings become text
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/**
 * Builds an SVG element; same arguments as `h`.
 * @returns {SVGElement}
 */
export function s(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/**
 * The element with this id; a missing one is a mistake in the template and says so.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found;
}

function fill(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
