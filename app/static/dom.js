/** Builds elements without markup, so text from outside can never become HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Builds an HTML element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Object} [props] attributes; `on` maps event names to listeners; null, undefined and false are left out
 * @param {...(Node|string|null|undefined)} children strings become text
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/**
 * Builds an SVG element; same arguments as `h`.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function s(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/**
 * The element with this id; a missing one, or one of another kind, is a mistake in the template and says so.
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {string} id
 * @param {new () => Kind} [kind] its class
 * @returns {Kind}
 */
export function byId(id, kind = /** @type {new () => any} */ (HTMLElement)) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

/**
 * The HTML elements directly inside another one.
 * @param {HTMLElement} element
 * @returns {HTMLElement[]}
 */
export const inside = (element) => /** @type {HTMLElement[]} */ ([...element.children]);

/**
 * @template {Element} Kind
 * @param {Kind} element
 * @returns {Kind}
 */
function fill(element, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
