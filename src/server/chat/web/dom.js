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
  node.append(...children.flat(2).filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

/** An icon of `icons.svg`. It is decoration: what it stands for is said by the label beside it. */
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
  return h('button', { type: 'button', class: 'icon-button', 'aria-label': label, title: label, onclick, ...attributes }, icon(name));
}

/** Names that differ in ASCII case only are one name. */
export function fold(name) {
  return name.replace(/[A-Z]/g, letter => letter.toLowerCase());
}

/** `3 messages`, `1 message`. */
export function count(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

export const clock = time => CLOCK.format(time);
export const full = time => FULL.format(time);

/** `Today`, `Yesterday`, or the date. */
export function day(time, now = Date.now()) {
  const start = at => new Date(at).setHours(0, 0, 0, 0);
  const apart = Math.round((start(now) - start(time)) / 86_400_000);
  if (apart === 0) return 'Today';
  if (apart === 1) return 'Yesterday';
  const year = new Date(time).getFullYear();
  return DAY.format(time) + (year === new Date(now).getFullYear() ? '' : ` ${year}`);
}

/** Bytes for people. */
export function bytes(number) {
  if (number < 1024) return `${number} B`;
  if (number < 1024 * 1024) return `${Math.round(number / 1024)} KiB`;
  return `${(number / 1024 / 1024).toFixed(1)} MiB`;
}

/** Says something to screen readers. */
export function announce(text) {
  document.getElementById('announcer').textContent = text;
}

/** A short note at the lower edge, with an action at choice. */
export function toast(text, { bad = false, action, act } = {}) {
  const note = h('div', { class: bad ? 'toast bad' : 'toast' }, h('span', {}, text));
  const close = () => note.remove();
  if (action) note.append(h('button', { type: 'button', onclick: () => { close(); act(); } }, action));
  note.append(iconButton('close', 'Dismiss', close));
  const all = document.getElementById('toasts');
  all.append(note);
  while (all.childElementCount > 3) all.firstElementChild.remove();
  setTimeout(close, action ? 20_000 : 6_000);
}

/** What a server says, as a sentence of its own. */
export function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
