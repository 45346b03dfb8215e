// Building elements without ever parsing text as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: h("p", {class: "quiet"}, "text", child). */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Whether the daemon knows a value; it says null where it does not. */
export const known = (value) => value !== null && value !== undefined;

export const byId = (id) => document.getElementById(id);

/** Change text only where it differs, so that a selection survives and nothing is announced twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Run `make` only when what it shows has changed. */
export function whenChanged(element, shown, make) {
  const key = JSON.stringify(shown);
  if (element.shown === key) return;
  element.shown = key;
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  element.replaceChildren(...make());
  if (focused?.isConnected) focused.focus({ preventScroll: true });
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
