// Ties the views together: which room is open, and what is drawn again when something changes.

import { Chat } from './chat.js';
import { Composer } from './composer.js';
import { account } from './account.js';
import { browse, invite, meMenu, roomMenu } from './dialogs.js';
import { fold, h, icon, iconButton, toast, count } from './dom.js';
import { addresses } from './faces.js';
import { listen, shortcuts } from './keys.js';
import { leave, manage } from './manage.js';
import { Media } from './media.js';
import { Notify } from './notify.js';
import { Pane } from './panes.js';
import { personMenu, profile } from './people.js';
import { ask, closePopup, menu, pickReaction } from './popup.js';
import { register } from './push.js';
import { Sidebar } from './sidebar.js';
import { SignIn } from './signin.js';
import { switcher } from './switcher.js';
import { Timeline } from './timeline.js';
import { noFiles } from './tray.js';

const THEME = 'wireworks.theme';
const COMPACT = 'wireworks.compact';
const chat = new Chat();
const refused = error => toast(error.message, { bad: true });

const actions = {
  open, jump, theme, compact, shortcuts,
  account: page => account(chat, actions, page),
  manage: page => manage(chat, chat.current, actions, page),
  commands,
  switcher: () => switcher(chat, actions, () => sidebar.order()),
  browse: () => browse(chat, actions),
  newDirect: () => ask('Write to somebody', [{ name: 'name', label: 'Name', required: true, maxlength: '32' }], 'Write', ({ name }) => open(chat.direct(name.trim()))),
  async join(name) {
    const known = chat.room(name);
    if (known) return open(known);
    const room = await enter(name);
    if (!room) return undefined;
    const joined = chat.add(room);
    joined.last = joined.seq;
    chat.changed('rooms');
    return open(joined);
  },
  async leave(room) {
    await chat.link.ask('leave', { room: room.name });
    chat.remove(room);
  },
  invite: (room = chat.current) => invite(chat, room),
  pins: () => pane.pins(),
  threads: () => pane.threads(),
  readAll() {
    const unread = [...chat.rooms.values()].filter(room => room.unread > 0);
    for (const room of unread) chat.seen(room);
    timeline.readAll();
    toast(unread.length ? `${count(unread.length, 'room')} marked as read.` : 'Everything is read.');
  },
  pin: item => chat.act(chat.current.pins.has(item.id) ? 'unpin' : 'pin', { room: chat.current.name, message: item.id }).catch(refused),
  copy: item => item.text && navigator.clipboard?.writeText(item.text).then(() => toast('Copied.')),
  remove: item => remove(chat.current, item),
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
      room.arranges && { icon: 'pin', label: pinned ? 'Unpin' : 'Pin', act: () => actions.pin(item) },
      item.text && { icon: 'copy', label: 'Copy the text', act: () => actions.copy(item) },
      (chat.isMe(item.from) || room.moderates) && { icon: 'trash', label: 'Delete', bad: true, act: () => remove(room, item) },
    ], 'Message');
  },
};

/** Enters a room, by its key if it has one. Where it leads on to another one, that one is offered. */
async function enter(name, key) {
  try {
    return (await chat.link.ask('join', { room: name, key })).room ?? { room: name };
  } catch (error) {
    const forward = error.reply?.forward;
    if (forward) {
      toast(`${name}: ${error.message}`, { action: `Enter ${forward}`, act: () => actions.join(forward).catch(refused) });
      return null;
    }
    if (error.code !== 'wrong_key' || key !== undefined) throw error;
    ask(`${name} needs a key`, [{ name: 'key', label: 'Key', required: true, autocomplete: 'off' }], 'Enter', async values => {
      const room = await enter(name, values.key.trim());
      if (!room) return;
      const joined = chat.add(room);
      joined.last = joined.seq;
      chat.changed('rooms');
      open(joined);
    });
    return null;
  }
}

/** Messages of the open thread are answered and edited there. */
function writer(item) {
  return (item.thread && pane.composer) || composer;
}

function remove(room, item) {
  ask('Delete this message?', [], 'Delete', () => chat.act('delete', { room: room.name, message: item.id }), { bad: true, text: item.text.slice(0, 200) || 'Its files go with it.' });
}

const media = new Media(chat.link);
addresses(digest => media.address(digest));
const notify = new Notify(chat, open);
register((name, id) => (id ? jump(name, id) : open(chat.room(name))));
actions.notify = notify;
const look = {
  get me() { return chat.me?.name ?? ''; },
  room: name => /^#[^\s,:*?]+$/.test(name),
  person: name => chat.isMe(name) || chat.presences.has(fold(name)) || Boolean(chat.current?.people?.has(fold(name))) || Boolean(chat.current?.cursors.has(fold(name))),
};
const view = { chat, actions, media, look, room: null, shown };
const signin = new SignIn(chat);
actions.switchTheme = switchTheme;
const sidebar = new Sidebar(chat, actions);
const timeline = new Timeline(view);
const composer = new Composer(chat, actions);
const pane = new Pane(view);

const title = h('h2', { class: 'room-title' });
const about = h('button', { type: 'button', class: 'topic', title: 'About this room', onclick: () => (chat.current?.direct ? profile(chat, chat.current.name, actions) : chat.current && actions.manage('about')) });
const members = h('button', { type: 'button', class: 'icon-button members', 'aria-label': 'Members', title: 'Members', onclick: () => toggle('members') }, icon('people'), h('span', {}));
const more = iconButton('more', 'More about this room', () => roomMenu(chat, chat.current, more, actions), { 'aria-haspopup': 'menu' });
const header = h('header', { class: 'room-header' }, iconButton('back', 'Back to the rooms', () => screen('rooms'), { class: 'icon-button only-narrow' }),
  h('div', { class: 'room-name' }, title, about), iconButton('search', 'Search', () => toggle('search')), iconButton('thread', 'Threads', () => toggle('threads'), { class: 'icon-button pin-button' }), iconButton('pin', 'Pinned messages', () => toggle('pins'), { class: 'icon-button pin-button' }), members, more);
view.header = members;
const dropWords = h('span', {}, 'Drop files to send them');
const offline = h('div', { class: 'offline-bar', role: 'status', hidden: true }, icon('alert'), h('span', {}), h('button', { type: 'button', class: 'link', onclick: () => chat.link.hurry() }, 'Try now'));
const typing = h('p', { class: 'typing', 'aria-live': 'polite' });
const empty = h('div', { class: 'empty' }, icon('logo'), h('h2', {}, 'Choose a room'), h('p', {}, 'Or press Ctrl K and write the name of a room or a person.'),
  h('button', { type: 'button', class: 'button', onclick: actions.browse }, 'Browse rooms'));
const room = h('section', { class: 'room', 'aria-label': 'Room' }, header, offline, timeline.node, typing, composer.form, h('div', { class: 'drop', 'aria-hidden': 'true' }, icon('clip'), dropWords));
const app = h('main', { class: 'app', hidden: true }, sidebar.heading, sidebar.node, empty, room, pane.node);
document.getElementById('root').replaceChildren(signin.node, app);

/** On a narrow screen one of the three is displayed: `rooms`, `room` or `pane`. */
function screen(name) {
  app.dataset.screen = name;
  if (name === 'rooms') sidebar.row?.focus();
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
  // What was not read stays marked.
  if (before && !same && !before.unread) before.divider = null;
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
    await chat.people(target);
    if (chat.current === target) timeline.update();
  } catch {
    // Not every room shows its members.
  }
}

async function jump(name, id) {
  const target = chat.room(name) ?? (name.startsWith('#') ? null : chat.direct(name));
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
  // Behind the room there may be a message of it.
  const [, place, id] = wanted.match(/^(.*?)(?:\/([0-9A-Z]{26}))?$/);
  const name = place.startsWith('@') ? place.slice(1) : place ? `#${place}` : localStorage.getItem('wireworks.room');
  const known = name && chat.room(name);
  if (known && id) return jump(name, id);
  if (known) return open(known);
  if (place.startsWith('@')) return open(chat.direct(name));
  if (name?.startsWith('#') && place) return actions.join(name).catch(() => open(sidebar.order()[0]));
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
  if (what === 'display') timeline.update();
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
  drawOffline();
  document.body.classList.toggle('offline', chat.link.state !== 'open');
  if (chat.link.state === 'open' && !chat.session.known) drawMe();
}
setInterval(() => chat.link.state !== 'open' && drawOffline(), 1_000);

/** Says in the room, too, that what one writes goes later. */
function drawOffline() {
  sidebar.drawLink();
  const { state } = chat.link;
  // A connection that is back at once is no news.
  offline.hidden = state === 'open' || !chat.me || (state === 'connecting' && offline.hidden) || chat.link.lostFor < 1_500;
  offline.children[1].textContent = `${sidebar.state.textContent}. What you write is kept, and sent then.`;
}

/** The colours that were chosen, if any; `system` chooses none. */
function theme(wanted) {
  if (wanted === 'system') {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem(THEME);
  } else if (wanted) {
    document.documentElement.dataset.theme = wanted;
    localStorage.setItem(THEME, wanted);
  }
  return document.documentElement.dataset.theme;
}

function switchTheme() {
  const dark = theme() ? theme() === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  theme(dark ? 'light' : 'dark');
}

/** Whether messages stand close together. */
function compact(on) {
  if (on !== undefined) localStorage.setItem(COMPACT, String(on));
  document.documentElement.classList.toggle('compact', localStorage.getItem(COMPACT) === 'true');
  return localStorage.getItem(COMPACT) === 'true';
}

/** What can be done from anywhere, for the switcher. */
function commands() {
  const here = chat.current;
  const managed = here && !here.direct;
  return [
    { icon: 'plus', label: 'Create a room', act: actions.browse },
    { icon: 'search', label: 'Search messages', act: () => pane.search() },
    here && { icon: 'thread', label: 'Threads', act: actions.threads },
    here && { icon: 'pin', label: 'Pinned messages', act: actions.pins },
    managed && { icon: 'people', label: 'Members of this room', act: () => pane.members() },
    managed && { icon: 'plus', label: 'Invite somebody', act: () => actions.invite() },
    managed && here.moderates && { icon: 'shield', label: 'Settings of this room', act: () => actions.manage('settings') },
    managed && { icon: 'leave', label: 'Leave this room', act: () => leave(here, actions) },
    { icon: 'checks', label: 'Mark all as read', act: actions.readAll },
    { icon: 'person', label: 'Account and preferences', act: () => actions.account(chat.me.account ? 'profile' : 'notify') },
    { icon: 'bell', label: 'Notifications', act: () => actions.account('notify') },
    { icon: 'theme', label: 'Light or dark', act: switchTheme },
    { icon: 'keyboard', label: 'Keyboard shortcuts', act: shortcuts },
    { icon: 'leave', label: 'Log out', act: () => chat.session.logout() },
  ].filter(Boolean);
}

// Files that are dragged in.
let dragged = 0;
const files = event => event.dataTransfer?.types.includes('Files') && chat.current;
room.addEventListener('dragenter', event => {
  if (!files(event)) return;
  dragged += 1;
  dropWords.textContent = noFiles(chat) || `Drop files to send them to ${chat.current.name}`;
  room.classList.add('dropping');
});
room.addEventListener('dragleave', event => { if (files(event) && (dragged -= 1) <= 0) { dragged = 0; room.classList.remove('dropping'); } });
addEventListener('dragover', event => event.preventDefault());
addEventListener('drop', event => {
  event.preventDefault();
  dragged = 0;
  room.classList.remove('dropping');
  if (files(event) && (room.contains(event.target) || pane.composer?.form.contains(event.target))) (pane.composer?.form.contains(event.target) ? pane.composer : composer).tray.drop(event.dataTransfer);
});

addEventListener('focus', () => timeline.atBottom && chat.current && chat.seen(chat.current));
document.addEventListener('visibilitychange', () => { if (!document.hidden && chat.current) timeline.update(); });
addEventListener('hashchange', () => chat.me && choose());
addEventListener('beforeunload', event => { if (composer.tray.busy) event.preventDefault(); });

listen({ chat, actions, timeline, composer, pane, sidebar });
compact();
signin.draw();
signin.node.hidden = chat.session.known;
chat.link.open();
