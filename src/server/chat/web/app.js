// Ties the views together: which room is open, what keys do, and what is drawn again when something changes.

import { Chat } from './chat.js';
import { Composer } from './composer.js';
import { browse, invite, meMenu, personMenu, roomMenu, shortcuts, switcher, topic } from './dialogs.js';
import { fold, h, icon, iconButton, toast, count } from './dom.js';
import { Media } from './media.js';
import { Notify } from './notify.js';
import { Pane } from './panes.js';
import { ask, closePopup, menu, pickReaction } from './popup.js';
import { Sidebar } from './sidebar.js';
import { SignIn } from './signin.js';
import { Timeline } from './timeline.js';

const THEME = 'wireworks.theme';
const chat = new Chat();
const refused = error => toast(error.message, { bad: true });

const actions = {
  open, jump, theme,
  switcher: () => switcher(chat, actions, () => sidebar.order()),
  browse: () => browse(chat, actions),
  newDirect: () => ask('Write to somebody', [{ name: 'name', label: 'Name', required: true, maxlength: '32' }], 'Write', ({ name }) => open(chat.direct(name.trim()))),
  async join(name) {
    const known = chat.room(name);
    if (known) return open(known);
    const { room } = await chat.link.ask('join', { room: name });
    const joined = chat.add(room ?? { room: name });
    joined.last = joined.seq;
    chat.changed('rooms');
    return open(joined);
  },
  async leave(room) {
    await chat.link.ask('leave', { room: room.name });
    chat.remove(room);
  },
  invite: () => invite(chat, chat.current),
  pins: () => pane.pins(),
  thread: item => pane.thread(item),
  reply: item => writer(item).reply(item),
  edit: item => writer(item).edit(item),
  lastOwn: () => timeline.lastOwn(),
  react: (item, reaction, on) => chat.act(on ? 'react' : 'unreact', { room: chat.current.name, message: item.id, reaction }).catch(refused),
  pick: (item, anchor) => pickReaction(anchor, reaction => actions.react(item, reaction, true)),
  person: (name, anchor) => personMenu(chat, chat.current, name, anchor, actions),
  meMenu: anchor => meMenu(chat, anchor, actions),
  mention(name) {
    const { input } = composer;
    input.setRangeText(`@${name} `, input.selectionStart, input.selectionEnd, 'end');
    input.dispatchEvent(new Event('input'));
    composer.focus();
  },
  /** Who may be called by name in a room: its members, and those who have spoken. */
  names(room) {
    const known = new Map([...(room.people?.values() ?? [])].map(found => [fold(found.name), found.name]));
    for (const item of room.items) known.set(fold(item.from), item.from);
    known.delete(fold(chat.me.name));
    return [...known.values()].sort();
  },
  more(item, anchor) {
    const room = chat.current;
    const pinned = room.pins.has(item.id);
    menu(anchor, [
      (room.moderates || room.direct) && { icon: 'pin', label: pinned ? 'Unpin' : 'Pin', act: () => chat.act(pinned ? 'unpin' : 'pin', { room: room.name, message: item.id }).catch(refused) },
      item.text && { icon: 'copy', label: 'Copy the text', act: () => navigator.clipboard?.writeText(item.text).then(() => toast('Copied.')) },
      (chat.isMe(item.from) || room.moderates) && { icon: 'trash', label: 'Delete', bad: true, act: () => remove(room, item) },
    ], 'Message');
  },
};

/** Messages of the open thread are answered and edited there. */
function writer(item) {
  return (item.thread && pane.composer) || composer;
}

function remove(room, item) {
  ask('Delete this message?', [], 'Delete', () => chat.act('delete', { room: room.name, message: item.id }), { bad: true, text: item.text.slice(0, 200) || 'Its files go with it.' });
}

const media = new Media(chat.link);
const notify = new Notify(chat, open);
actions.notify = notify;
const look = {
  get me() { return chat.me?.name ?? ''; },
  room: name => /^#[^\s,:*?]+$/.test(name),
  person: name => chat.isMe(name) || chat.presences.has(fold(name)) || Boolean(chat.current?.people?.has(fold(name))) || Boolean(chat.current?.cursors.has(fold(name))),
};
const view = { chat, actions, media, look, room: null, shown };
const signin = new SignIn(chat);
const sidebar = new Sidebar(chat, actions);
const timeline = new Timeline(view);
const composer = new Composer(chat, actions);
const pane = new Pane(view);

const title = h('h2', { class: 'room-title' });
const about = h('button', { type: 'button', class: 'topic', onclick: () => chat.current && !chat.current.direct && topic(chat, chat.current) });
const members = h('button', { type: 'button', class: 'icon-button members', 'aria-label': 'Members', title: 'Members', onclick: () => toggle('members') }, icon('people'), h('span', {}));
const more = iconButton('more', 'More about this room', () => roomMenu(chat, chat.current, more, actions), { 'aria-haspopup': 'menu' });
const header = h('header', { class: 'room-header' }, iconButton('back', 'Back to the rooms', () => screen('rooms'), { class: 'icon-button only-narrow' }),
  h('div', { class: 'room-name' }, title, about), iconButton('search', 'Search', () => toggle('search')), iconButton('pin', 'Pinned messages', () => toggle('pins'), { class: 'icon-button pin-button' }), members, more);
view.header = members;
const typing = h('p', { class: 'typing', 'aria-live': 'polite' });
const empty = h('div', { class: 'empty' }, icon('logo'), h('h2', {}, 'Choose a room'), h('p', {}, 'Or press Ctrl K and write the name of a room or a person.'),
  h('button', { type: 'button', class: 'button', onclick: actions.browse }, 'Browse rooms'));
const room = h('main', { class: 'room', 'aria-label': 'Room' }, header, timeline.node, typing, composer.form, h('div', { class: 'drop', 'aria-hidden': 'true' }, icon('clip'), 'Drop files to send them'));
const app = h('div', { class: 'app', hidden: true }, sidebar.node, empty, room, pane.node);
document.getElementById('root').replaceChildren(signin.node, app);

/** On a narrow screen one of the three is displayed: `rooms`, `room` or `pane`. */
function screen(name) {
  app.dataset.screen = name;
  if (name === 'rooms') sidebar.node.querySelector('[aria-current], .row')?.focus();
}

/** The pane was opened or closed. */
function shown() {
  app.classList.toggle('with-pane', pane.kind !== null);
  if (app.dataset.screen !== 'rooms' || pane.kind) screen(pane.kind ? 'pane' : 'room');
  members.setAttribute('aria-pressed', String(pane.kind === 'members'));
  drawHeader();
}

function toggle(kind) {
  if (pane.kind === kind) pane.close();
  else pane[kind]();
}

async function open(next) {
  if (!next) return;
  closePopup();
  const same = chat.current === next;
  const before = chat.current;
  chat.current = next;
  if (before && !same) before.divider = null;
  history.replaceState(null, '', `#${encodeURIComponent(next.direct ? `@${next.name}` : next.title)}`);
  localStorage.setItem('wireworks.room', next.name);
  app.dataset.screen = 'room';
  composer.show(next);
  drawAll();
  if (matchMedia('(hover: hover)').matches) composer.focus();
  if (!same || timeline.room !== next) {
    pane.changeRoom();
    await timeline.show(next);
    loadPeople(next);
  }
  drawAll();
}

/** Names for mentions, and presence; the pane asks for all of them. */
async function loadPeople(target) {
  if (target.direct || target.people || pane.kind === 'members') return;
  try {
    const reply = await chat.link.ask('members', { room: target.name, limit: 200 });
    target.people = new Map(reply.members.map(found => [fold(found.name), found]));
    if (!reply.more) target.members = target.people.size;
    for (const found of reply.members) if (found.presence) chat.presences.set(fold(found.name), { presence: found.presence, status: found.status ?? '' });
    chat.changed('people');
    if (chat.current === target) timeline.update();
  } catch {
    // Not every room shows its members.
  }
}

async function jump(name, id) {
  const target = chat.room(name);
  if (!target) return;
  if (chat.current !== target) await open(target);
  if (matchMedia('(max-width: 700px)').matches) screen('room');
  await timeline.jump(id).catch(refused);
}

function drawHeader() {
  const current = chat.current;
  app.classList.toggle('nowhere', !current);
  if (!current) return;
  title.replaceChildren(icon(current.direct ? 'at' : current.kind === 'private' ? 'lock' : 'hash'), current.title);
  const { presence, status } = current.direct ? chat.presence(current.name) : {};
  about.textContent = current.direct ? status || presence : current.topic || 'Add a topic';
  about.disabled = current.direct;
  about.classList.toggle('none', !current.direct && !current.topic);
  members.hidden = current.direct;
  members.lastChild.textContent = current.members || '';
  members.setAttribute('aria-label', `Members, ${current.members}`);
}

function drawTyping() {
  const names = [...(chat.current?.typing.values() ?? [])].map(found => found.name);
  const words = names.length > 3 ? `${count(names.length, 'person', 'people')} are typing` : names.length ? `${names.join(', ').replace(/, ([^,]*)$/, ' and $1')} ${names.length > 1 ? 'are' : 'is'} typing` : '';
  if (typing.textContent !== words) typing.replaceChildren(...(words ? [h('span', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i')), words] : []));
}

function drawAll() {
  sidebar.draw();
  drawHeader();
  drawTyping();
  pane.drawMembers();
  notify.title();
}

/** What was open before: by the address, or by memory. */
function choose() {
  let wanted = '';
  try {
    wanted = decodeURIComponent(location.hash.slice(1));
  } catch {
    // No name is written so.
  }
  const name = wanted.startsWith('@') ? wanted.slice(1) : wanted ? `#${wanted}` : localStorage.getItem('wireworks.room');
  const known = name && chat.room(name);
  if (known) return open(known);
  if (name?.startsWith('#') && wanted) return actions.join(name).catch(() => open(sidebar.order()[0]));
  const narrow = matchMedia('(max-width: 700px)').matches;
  if (narrow) return screen('rooms');
  return open(sidebar.order()[0]);
}

let frame = 0;
chat.addEventListener('change', ({ detail: { what, room: changed, event } }) => {
  if (what === 'link') drawLink();
  if (what === 'me') drawMe();
  if (what === 'room' && changed && changed === chat.current) timeline.update(event);
  if (what === 'room' && changed) pane.told(changed, event);
  if (what === 'bye' && event.code !== 'slow') toast(event.message, { bad: true });
  if (what === 'cursor' && changed === chat.current) timeline.update();
  if (what === 'typing') drawTyping();
  if (what === 'invited') toast(`${event.from} invites you to ${event.room}`, { action: 'Join', act: () => actions.join(event.room).catch(refused) });
  if (what === 'rooms' && chat.me && timeline.room && !chat.rooms.has(timeline.room.key)) {
    timeline.show(null);
    pane.close();
    if (!chat.current && app.hidden === false) choose();
  }
  if (frame) return;
  frame = setTimeout(() => { frame = 0; if (chat.me) drawAll(); }, 16);
});

function drawMe() {
  const here = chat.me !== null;
  signin.node.hidden = here || (chat.session.known && chat.link.state !== 'open');
  const was = !app.hidden;
  app.hidden = !here;
  if (!here) {
    timeline.show(null);
    pane.close();
    signin.draw();
    notify.title();
  } else if (!was) {
    // The rooms of this session come right behind.
    queueMicrotask(() => { drawAll(); if (!chat.current) choose(); });
  }
}

function drawLink() {
  sidebar.drawLink();
  document.body.classList.toggle('offline', chat.link.state !== 'open');
  if (chat.link.state === 'open' && !chat.session.known) drawMe();
}
setInterval(() => chat.link.state === 'waiting' && sidebar.drawLink(), 1_000);

function theme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem(THEME, document.documentElement.dataset.theme);
}

// Keys.
document.addEventListener('keydown', event => {
  if (!chat.me || document.querySelector('dialog[open]')) return;
  const key = event.key.toLowerCase();
  const held = event.ctrlKey || event.metaKey;
  if (held && key === 'k') actions.switcher();
  else if (held && event.shiftKey && key === 'f') pane.search();
  else if (held && key === '/') shortcuts();
  else if (event.altKey && (key === 'arrowup' || key === 'arrowdown')) neighbour(key === 'arrowup' ? -1 : 1, event.shiftKey);
  else if (key === 'escape') escape();
  else if (!messageKey(event, key)) return;
  event.preventDefault();
});

function escape() {
  if (closePopup() || composer.cancel()) return;
  if (pane.close()) return composer.focus();
  if (chat.current) timeline.toEnd();
  composer.focus();
}

function neighbour(by, unread) {
  const all = sidebar.order();
  const at = all.indexOf(chat.current);
  for (let step = 1; step <= all.length; step += 1) {
    const next = all[(at + by * step + all.length * step) % all.length];
    if (!unread || next.unread > 0) return open(next);
  }
  return undefined;
}

/** Keys on a message. */
function messageKey(event, key) {
  const node = document.activeElement?.closest?.('.message');
  const within = timeline.scroller.contains(document.activeElement);
  if (within && (key === 'arrowup' || key === 'arrowdown') && !document.activeElement.closest('.popup')) return timeline.step(key === 'arrowup' ? -1 : 1);
  if (!node || event.ctrlKey || event.metaKey || event.altKey || document.activeElement !== node) return false;
  const item = chat.current?.byId.get(node.dataset.id);
  if (!item || item.deleted) return false;
  const mine = chat.isMe(item.from);
  const deeds = { r: () => actions.reply(item), t: () => actions.thread(item), '+': () => actions.pick(item, node), e: () => mine && actions.edit(item), delete: () => (mine || chat.current.moderates) && remove(chat.current, item) };
  if (!deeds[key]) return false;
  deeds[key]();
  return true;
}

// Files that are dragged in.
let dragged = 0;
const files = event => event.dataTransfer?.types.includes('Files') && chat.current;
room.addEventListener('dragenter', event => { if (files(event)) { dragged += 1; room.classList.add('dropping'); } });
room.addEventListener('dragleave', event => { if (files(event) && (dragged -= 1) <= 0) { dragged = 0; room.classList.remove('dropping'); } });
addEventListener('dragover', event => event.preventDefault());
addEventListener('drop', event => {
  event.preventDefault();
  dragged = 0;
  room.classList.remove('dropping');
  if (files(event) && room.contains(event.target)) composer.tray.add(event.dataTransfer.files);
});

addEventListener('focus', () => timeline.atBottom && chat.current && chat.seen(chat.current));
document.addEventListener('visibilitychange', () => { if (!document.hidden && chat.current) timeline.update(); });
addEventListener('hashchange', () => chat.me && choose());
addEventListener('beforeunload', event => { if (composer.tray.busy) event.preventDefault(); });

signin.draw();
signin.node.hidden = chat.session.known;
chat.link.open();
