// What stands above the page for a moment: menus, the choice of a reaction, and questions.

import { h, icon } from './dom.js';
import { COMMON } from './message.js';

const EMOJI = [...COMMON, '😀', '😄', '😅', '😊', '😉', '😍', '🤔', '😐', '😴', '😢', '😭', '😡', '😱', '👋', '👏', '👎', '💪', '🤝', '✅', '❌', '⭐', '🔥', '🚀', '💡', '🐛', '🌱', '☕', '🎂'];

let open = null;

/** Closes what is open. Says whether anything was. */
export function closePopup() {
  if (!open) return false;
  const { node, anchor, outside } = open;
  open = null;
  document.removeEventListener('pointerdown', outside, true);
  const within = node.contains(document.activeElement);
  node.remove();
  anchor.removeAttribute?.('aria-expanded');
  if (within) anchor.focus?.();
  return true;
}

function popup(anchor, node) {
  closePopup();
  const outside = event => node.contains(event.target) || anchor.contains(event.target) || closePopup();
  open = { node, anchor, outside };
  document.addEventListener('pointerdown', outside, true);
  node.addEventListener('keydown', event => {
    if (event.key === 'Escape' || event.key === 'Tab') {
      event.stopPropagation();
      event.preventDefault();
      closePopup();
    }
  });
  document.body.append(node);
  const at = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = node;
  const below = at.bottom + 6 + height < innerHeight || at.top < height + 12;
  node.style.left = `${Math.max(8, Math.min(at.right - width > 8 ? at.right - width : at.left, innerWidth - width - 8))}px`;
  node.style.top = `${Math.max(8, Math.min(below ? at.bottom + 6 : at.top - height - 6, innerHeight - height - 8))}px`;
}

/** Rows are `{ icon, label, act, bad, checked }`, or null for a line between two groups. */
export function menu(anchor, rows, label = 'Actions') {
  const list = h('div', { class: 'popup menu', role: 'menu', 'aria-label': label });
  for (const row of rows.filter(found => found !== false)) {
    if (row === null) {
      list.append(h('div', { role: 'separator' }));
      continue;
    }
    const checked = row.checked === undefined ? {} : { 'aria-checked': String(row.checked) };
    list.append(h('button', {
      type: 'button', role: row.checked === undefined ? 'menuitem' : 'menuitemradio', class: row.bad ? 'bad' : '', tabindex: '-1', ...checked,
      onclick: () => { closePopup(); row.act(); },
    }, icon(row.icon), h('span', {}, row.label), row.checked && icon('check')));
  }
  arrows(list, 'button', 1);
  popup(anchor, list);
  anchor.setAttribute?.('aria-expanded', 'true');
  list.querySelector('button')?.focus();
}

/** Arrow keys go from one to the next. */
function arrows(node, selector, columns) {
  node.addEventListener('keydown', event => {
    const all = [...node.querySelectorAll(selector)];
    const at = all.indexOf(document.activeElement);
    const steps = { ArrowDown: columns, ArrowUp: -columns, ...(columns > 1 ? { ArrowRight: 1, ArrowLeft: -1 } : {}) };
    const to = { Home: 0, End: all.length - 1 }[event.key] ?? (event.key in steps && at >= 0 ? at + steps[event.key] : null);
    if (to === null) return;
    event.preventDefault();
    all[(to + all.length) % all.length]?.focus();
  });
}

/** Lets a reaction be chosen: a common one, or any that is typed. */
export function pickReaction(anchor, chosen) {
  const choose = text => { closePopup(); chosen(text); };
  const input = h('input', { type: 'text', maxlength: '32', placeholder: 'Any emoji or a short word', 'aria-label': 'Reaction', autocomplete: 'off' });
  const form = h('form', { onsubmit: event => { event.preventDefault(); if (input.value.trim()) choose(input.value.trim()); } }, input,
    h('button', { type: 'submit', class: 'button' }, 'Add'));
  const grid = h('div', { class: 'emoji-grid' }, EMOJI.map(emoji => h('button', { type: 'button', class: 'emoji', 'aria-label': emoji, onclick: () => choose(emoji) }, emoji)));
  arrows(grid, 'button', 8);
  popup(anchor, h('div', { class: 'popup picker', role: 'dialog', 'aria-label': 'Choose a reaction' }, grid, form));
  grid.querySelector('button').focus();
}

/** A dialog in the middle, which Escape closes. */
export function dialog(title, content, { wide = false, closed } = {}) {
  const id = `dialog-${document.querySelectorAll('dialog').length}`;
  const close = h('button', { type: 'button', class: 'icon-button', 'aria-label': 'Close', onclick: () => node.close() }, icon('close'));
  const node = h('dialog', { class: wide ? 'wide' : '', 'aria-labelledby': id }, h('header', {}, h('h2', { id }, title), close), content);
  node.addEventListener('close', () => { node.remove(); closed?.(); });
  node.addEventListener('click', event => event.target === node && node.close());
  document.body.append(node);
  node.showModal();
  return node;
}

/** A form in a dialog. Fields are `{ name, label, value, hint, type, choices, required }`; `act` gets the values, and its error is displayed. */
export function ask(title, fields, submit, act, { bad = false, text } = {}) {
  const error = h('p', { class: 'form-error', role: 'alert' });
  const form = h('form', { class: 'form', method: 'dialog' }, text && h('p', { class: 'soft' }, text), fields.map(field), error,
    h('div', { class: 'form-actions' },
      h('button', { type: 'button', class: 'button quiet', onclick: () => node.close() }, 'Cancel'),
      h('button', { type: 'submit', class: bad ? 'button bad' : 'button' }, submit)));
  form.addEventListener('submit', async event => {
    event.preventDefault();
    error.textContent = '';
    try {
      await act(Object.fromEntries(new FormData(form)));
      node.close();
    } catch (failure) {
      error.textContent = failure.message;
    }
  });
  const node = dialog(title, form);
  const first = form.querySelector('input, select, textarea') ?? form.querySelector('[type=submit]');
  first.focus();
  first.select?.();
  return node;
}

/** A dialog with pages, one at a time. Pages are `{ name, label, draw(panel) }`; those that are false are left out. */
export function sheet(title, pages, first) {
  const all = pages.filter(Boolean);
  const panel = h('div', { class: 'sheet-page', role: 'tabpanel', tabindex: '0' });
  const tabs = h('div', { class: 'sheet-tabs', role: 'tablist', 'aria-label': title }, all.map(({ name, label, icon: mark }) => h('button', {
    type: 'button', role: 'tab', id: `sheet-${name}`, 'aria-selected': 'false', tabindex: '-1', onclick: () => turn(name),
  }, mark && icon(mark), h('span', {}, label))));
  const turn = name => {
    const page = all.find(found => found.name === name) ?? all[0];
    for (const tab of tabs.children) {
      const here = tab.id === `sheet-${page.name}`;
      tab.setAttribute('aria-selected', String(here));
      tab.tabIndex = here ? 0 : -1;
      if (here) tab.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
    panel.setAttribute('aria-labelledby', `sheet-${page.name}`);
    // Each visit has a panel of its own: what an earlier page asked for comes too late to be seen.
    const content = h('div', { class: `page-${page.name}` });
    panel.replaceChildren(content);
    panel.scrollTop = 0;
    page.draw(content);
  };
  tabs.addEventListener('keydown', event => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const list = [...tabs.children];
    const next = list[(list.indexOf(document.activeElement) + by + list.length) % list.length];
    next.click();
    next.focus();
  });
  const node = dialog(title, h('div', { class: 'sheet-body' }, tabs, panel));
  node.classList.add('sheet');
  turn(first);
  tabs.querySelector('[aria-selected=true]').focus();
  return node;
}

/** Something that is on or off. `act(on)` does it; if that fails, it is as before. */
export function toggle(label, on, act, { hint, disabled = false } = {}) {
  const input = h('input', { type: 'checkbox', role: 'switch', checked: on, disabled });
  const error = h('small', { class: 'form-error', role: 'alert' });
  input.addEventListener('change', async () => {
    error.textContent = '';
    try {
      await act(input.checked);
    } catch (failure) {
      input.checked = !input.checked;
      error.textContent = failure.message;
    }
  });
  return h('label', { class: 'switch' }, h('span', {}, h('b', {}, label), hint && h('small', {}, hint), error), input);
}

/** A form that stays where it is, and says what became of it. */
export function form(fields, submit, act) {
  const error = h('p', { class: 'form-error', role: 'alert' });
  const done = h('p', { class: 'form-done', role: 'status' });
  const button = h('button', { type: 'submit', class: 'button' }, submit);
  const node = h('form', { class: 'form' }, fields.map(found => (found instanceof Node ? found : field(found))), error, h('div', { class: 'form-actions' }, done, button));
  node.addEventListener('input', () => { done.textContent = ''; });
  node.addEventListener('submit', async event => {
    event.preventDefault();
    error.textContent = done.textContent = '';
    button.disabled = true;
    try {
      done.textContent = await act(Object.fromEntries(new FormData(node)), node) ?? 'Saved.';
    } catch (failure) {
      error.textContent = failure.message;
    }
    button.disabled = false;
  });
  return node;
}

export function field({ name, label, value = '', hint, type = 'text', choices, required = false, ...more }) {
  const input = choices
    ? h('select', { name }, choices.map(([word, shown]) => h('option', { value: word, selected: word === value }, shown)))
    : h('input', { name, type, value, required, autocomplete: 'off', spellcheck: type === 'text' ? undefined : 'false', ...more });
  return h('label', { class: 'field' }, h('span', {}, label), input, hint && h('small', {}, hint));
}
