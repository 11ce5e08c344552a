// Ctrl K: goes to a room, to somebody, or to what can be done, by a few letters.

import { avatar } from './faces.js';
import { fold, h, icon, toast } from './dom.js';
import { dialog } from './popup.js';

/** Rows of the list at most. */
const ROWS = 12;

/** `actions.commands()` are `{ icon, label, act }`. */
export function switcher(chat, actions, order) {
  const input = h('input', { type: 'text', role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'switch-list', 'aria-autocomplete': 'list', 'aria-label': 'Go to', placeholder: 'A room, a person, or something to do', autocomplete: 'off', spellcheck: 'false' });
  const list = h('ul', { id: 'switch-list', class: 'browse', role: 'listbox', 'aria-label': 'Places', tabindex: '-1' });
  const none = h('p', { class: 'soft', role: 'status' });
  let at = 0;
  const choose = to => {
    at = to;
    [...list.children].forEach((node, number) => node.setAttribute('aria-selected', String(number === at)));
    list.children[at]?.scrollIntoView({ block: 'nearest' });
    if (list.children[at]) input.setAttribute('aria-activedescendant', list.children[at].id);
    else input.removeAttribute('aria-activedescendant');
  };
  const draw = () => {
    const places = found(fold(input.value.trim()), chat, actions, order);
    list.replaceChildren(...places.map(({ mark, name, note, act }, number) => h('li', { role: 'option', id: `place-${number}`, 'aria-selected': 'false', onclick: () => { node.close(); act(); } },
      mark, h('span', { class: 'row-name' }, name), note && h('span', { class: 'soft' }, note))));
    list.hidden = !places.length;
    none.textContent = places.length ? '' : 'Nothing is called so.';
    choose(0);
  };
  input.addEventListener('input', draw);
  input.addEventListener('keydown', event => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && list.children.length) choose((at + by + list.children.length) % list.children.length);
    else if (event.key === 'Enter') list.children[at]?.click();
    else return;
    event.preventDefault();
  });
  const node = dialog('Go to', h('div', { class: 'dialog-body' }, h('div', { class: 'search-field' }, icon('search'), input), list, none,
    h('p', { class: 'hint' }, h('kbd', {}, '↑'), h('kbd', {}, '↓'), ' choose ', h('kbd', {}, 'Enter'), ' go ', h('kbd', {}, 'Esc'), ' leave')));
  node.classList.add('switcher');
  draw();
  input.focus();
}

function found(word, chat, actions, order) {
  const bare = word.replace(/^[#@]/, '');
  const rank = room => (fold(room.title) === bare ? 0 : fold(room.title).startsWith(bare) ? 1 : 2);
  const places = order().filter(room => room !== chat.current && room.key.includes(word.replace(/^@/, '')))
    .map((room, place) => ({ room, place }))
    .sort((a, b) => (bare ? rank(a.room) - rank(b.room) : 0) || (b.room.mentions > 0) - (a.room.mentions > 0) || (b.room.unread > 0) - (a.room.unread > 0) || a.place - b.place)
    .slice(0, ROWS)
    .map(({ room }) => ({ mark: room.direct ? avatar(room.name) : icon(room.kind === 'private' ? 'lock' : 'hash'), name: room.title, note: room.unread ? `${room.unread} unread` : '', act: () => actions.open(room) }));
  const deeds = actions.commands().filter(({ label }) => bare.length > 1 && fold(label).includes(bare)).slice(0, 5);
  places.push(...deeds.map(({ icon: name, label, act }) => ({ mark: icon(name), name: label, note: 'Do', act })));
  if (!/^[#@]?[^\s,:*?]+$/.test(word) || bare.length < 2) return places;
  const people = [...(chat.current?.people?.values() ?? [])].filter(({ name }) => !chat.isMe(name) && !chat.room(name) && fold(name).includes(bare)).slice(0, 4);
  places.push(...people.map(({ name }) => ({ mark: avatar(name), name, note: 'Write to', act: () => actions.open(chat.direct(name)) })));
  if (!chat.room(`#${bare}`) && !word.startsWith('@')) places.push({ mark: icon('enter'), name: `Join #${bare}`, note: 'Room', act: () => actions.join(`#${bare}`).catch(error => toast(error.message, { bad: true })) });
  const person = /^[a-z[\]\\`^{}|_][-a-z0-9[\]\\`^{}|_]*$/.test(bare) && !word.startsWith('#') && !chat.room(bare) && !people.some(({ name }) => fold(name) === bare);
  if (person) places.push({ mark: icon('person'), name: `Write to ${bare}`, note: 'Person', act: () => actions.open(chat.direct(bare)) });
  return places;
}
