// Makes DOM nodes. Text becomes text nodes, never markup.

const ICONS = new URL('icons.svg', import.meta.url).pathname;

/** A node: attributes, `onclick` and the like as listeners, and children (nodes or text; nothing for null and false). */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

/** An icon of `icons.svg`: decoration, what it stands for is said by the label beside it. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/** A button that shows only an icon. */
export function iconButton(name, label, onclick, attributes = {}) {
  return h('button', { type: 'button', class: 'tool', 'aria-label': label, title: label, onclick, ...attributes }, icon(name));
}

/** Gives a button another icon and another label. */
export function becomes(button, name, label) {
  if (button.dataset.icon === name && button.title === label) return;
  button.dataset.icon = name;
  button.title = label;
  button.setAttribute('aria-label', label);
  button.replaceChildren(icon(name));
}

/** The element of the page with this id. */
export const at = id => document.getElementById(id);

/** Tells those who hear the page. */
export function say(text) {
  at('said').textContent = text;
}
