'use strict';
// What the other files build with: nodes, notes, menus and dialogs. Text becomes text nodes, never markup.

const byId = id => document.getElementById(id);

/** A node: attributes, `onclick` and the like as listeners, and children (nothing for null and false). */
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter(child => child !== undefined && child !== null && child !== false));
  return node;
}

/** An icon is decoration: what it stands for is said by the label beside it. */
function icon(name) {
  const svg = byId('icon').content.firstElementChild.cloneNode(true);
  svg.firstElementChild.setAttribute('href', `#i-${name}`);
  return svg;
}

function iconButton(name, label, onclick, attributes = {}) {
  return h('button', { type: 'button', class: 'tool', 'aria-label': label, title: label, onclick, ...attributes }, icon(name));
}

/** Writes a text only where it is another one: a second that changes nothing draws nothing. */
function say(node, text) {
  if (node.said !== text) node.textContent = node.said = text;
}

const mark = (node, name, value) => node.getAttribute(name) === String(value) || node.setAttribute(name, value);

/** Makes the children of a node those of `items`, and keeps each that was there. `make` and `fill` know how one looks. */
function sync(parent, items, key, make, fill) {
  const before = parent.kept ?? new Map();
  parent.kept = new Map();
  items.forEach((item, at) => {
    const name = key(item, at);
    const node = before.get(name) ?? make(item, at);
    before.delete(name);
    parent.kept.set(name, node);
    fill(node, item, at);
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
  });
  for (const node of before.values()) node.remove();
}

const meter = () => h('span', { class: 'meter', 'aria-hidden': 'true' }, h('i'));

function fillMeter(node, part) {
  const scale = `scaleX(${Math.min(1, Math.max(0, part)).toFixed(4)})`;
  if (node.firstChild.style.transform !== scale) node.firstChild.style.transform = scale;
}

/** A short note at the lower edge. Errors stay longer. */
function toast(text, bad = false) {
  const note = h('div', { class: bad ? 'toast bad' : 'toast' }, text, iconButton('close', 'Dismiss', () => note.remove()));
  byId('toasts').append(note);
  while (byId('toasts').childElementCount > 3) byId('toasts').firstElementChild.remove();
  setTimeout(() => note.remove(), bad ? 10_000 : 4_000);
}

const failed = error => toast(sentence(error.message), true);

/** Opens a dialog, and says how to close it. What had the focus before gets it back from the browser. */
function dialog(title, content, { kind = '', closed } = {}) {
  const heading = h('h2', { id: `title-${(dialog.count = (dialog.count ?? 0) + 1)}` }, title);
  const close = () => node.close();
  const node = h('dialog', {
    class: kind, 'aria-labelledby': heading.id, onclose: () => { closed?.(); node.remove(); },
    onclick: event => { if (event.target === node && !node.querySelector('form')) close(); },
  }, h('div', { class: 'dialog-head' }, heading, iconButton('close', 'Close', close)), h('div', { class: 'dialog-body', tabindex: '-1' }, content));
  document.body.append(node);
  node.showModal();
  (node.querySelector('[autofocus]') ?? node.querySelector('.dialog-body')).focus();
  return close;
}

/** A form with its error in a line, and a button that waits for the answer. */
function form(fields, label, send, { danger = false, cancel, note } = {}) {
  const error = h('p', { class: 'form-error', role: 'alert' });
  const button = h('button', { class: danger ? 'button danger' : 'button', autofocus: danger }, label);
  const onsubmit = async event => {
    event.preventDefault();
    button.disabled = true;
    error.textContent = '';
    try { await send(); } catch (problem) { error.textContent = sentence(problem.message); }
    button.disabled = false;
  };
  return h('form', { onsubmit }, fields, error, h('div', { class: 'form-actions' }, note && h('span', { class: 'soft' }, note),
    cancel && h('button', { type: 'button', class: 'button quiet', onclick: () => cancel() }, 'Cancel'), button));
}

const field = (label, control, hint) => h('label', { class: 'field' }, h('span', {}, label), control, hint && h('small', {}, hint));

function tick(label, checked = false) {
  const input = h('input', { type: 'checkbox', checked });
  return { node: h('label', { class: 'tick' }, input, label), input };
}

/** A menu at a point. Rows are `{ icon, label, act, off }`. It is not left to the browser to close it: that does so at the end of the click that opened it. */
function menu(x, y, label, rows) {
  const list = h('div', { class: 'menu', role: 'menu', popover: 'manual', 'aria-label': label }, rows.map(row => h('button', {
    type: 'button', role: 'menuitem', tabindex: '-1', disabled: row.off, onclick: () => { close(); row.act(); },
  }, icon(row.icon), row.label)));
  const close = () => { list.remove(); removeEventListener('pointerdown', outside, true); grid.focus(); };
  const outside = event => list.contains(event.target) || close();
  addEventListener('pointerdown', outside, true);
  list.addEventListener('keydown', event => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const leave = ['Tab', 'Escape'].includes(event.key);
    if (leave) close();
    if (step) nextOf([...list.querySelectorAll('button:enabled')], step)?.focus();
    if (step || leave) event.preventDefault();
  });
  document.querySelector('main').append(list);
  list.showPopover();
  list.style.left = `${Math.max(8, Math.min(x, innerWidth - list.offsetWidth - 8))}px`;
  list.style.top = `${Math.max(8, Math.min(y, innerHeight - list.offsetHeight - 8))}px`;
  list.querySelector('button:enabled')?.focus();
}

/** The one after (or before) that which has the focus, round and round. */
const nextOf = (nodes, step) => nodes[(nodes.indexOf(document.activeElement) + step + nodes.length) % nodes.length];

async function copy(text, what) {
  try {
    // Only pages that came over TLS or from this machine have the clipboard; a selection works everywhere.
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copyBySelection(text);
    toast(`${what} copied`);
  } catch {
    failed(new Error(`The browser did not let it be copied: ${text}`));
  }
}

function copyBySelection(text) {
  const area = h('textarea', { class: 'sr', 'aria-hidden': 'true' });
  const before = document.activeElement;
  area.value = text;
  (document.querySelector('dialog[open]') ?? document.body).append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  before?.focus();
  if (!done) throw new Error('refused');
}
