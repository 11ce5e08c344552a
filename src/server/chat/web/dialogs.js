// Rooms to find and to make, and the menus of a room and of oneself.

import { count, h, icon, toast } from './dom.js';
import { leave, shut } from './manage.js';
import { profile } from './people.js';
import { ask, dialog, field, menu } from './popup.js';

/** Lists rooms to enter, and opens new ones. */
export function browse(chat, actions) {
  const list = h('ul', { class: 'browse', 'aria-live': 'polite' });
  const input = h('input', { type: 'search', 'aria-label': 'Find a room', placeholder: 'Name or topic', autocomplete: 'off' });
  const enter = async name => { await actions.join(name); node.close(); };
  const load = async () => {
    try {
      const { rooms } = await chat.link.ask('rooms', { search: input.value.trim() || undefined, limit: 50 });
      list.replaceChildren(...rooms.map(room => h('li', {}, h('button', { type: 'button', onclick: () => enter(room.room ?? room.name).catch(error => toast(error.message, { bad: true })) },
        icon('hash'), h('span', { class: 'row-name' }, h('b', {}, (room.room ?? room.name).slice(1)), room.topic && h('small', {}, room.topic)),
        h('span', { class: 'soft' }, chat.room(room.room ?? room.name) ? 'Joined' : count(room.members ?? 0, 'member'))))));
      if (!rooms.length) list.replaceChildren(h('li', { class: 'soft' }, 'No room is called so. You can create it below.'));
    } catch (error) {
      list.replaceChildren(h('li', { class: 'form-error' }, error.message));
    }
  };
  let timer;
  input.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(load, 250); });
  const error = h('p', { class: 'form-error', role: 'alert' });
  const form = h('form', { class: 'create' },
    field({ name: 'room', label: 'Create a room', placeholder: 'garden', required: true, maxlength: '63' }),
    field({ name: 'kind', label: 'Who may enter', choices: [['public', 'Everybody'], ['private', 'The invited']] }),
    h('button', { type: 'submit', class: 'button' }, 'Create'), error);
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    const room = `#${values.room.trim().replace(/^#/, '')}`;
    try {
      const reply = await chat.link.ask('create', { room, kind: values.kind });
      chat.add(reply.room ?? { room, kind: values.kind, role: 'owner' });
      chat.changed('rooms');
      node.close();
      actions.open(chat.room(room));
    } catch (failure) {
      error.textContent = failure.message;
    }
  });
  const node = dialog('Rooms', h('div', { class: 'dialog-body' }, h('div', { class: 'search-field' }, icon('search'), input), list, form), { wide: true });
  input.focus();
  load();
}

/** What one can do with a room. */
export function roomMenu(chat, room, anchor, actions) {
  menu(anchor, [
    room.unread > 0 && { icon: 'check', label: 'Mark as read', act: () => chat.seen(room) },
    chat.link.hello?.push && chat.me.account && { icon: 'bell', label: 'Notify me of…', act: () => levels(chat, room, anchor) },
    { icon: 'thread', label: 'Threads', act: actions.threads },
    { icon: 'pin', label: 'Pinned messages', act: actions.pins },
    ...(room.direct ? [{ icon: 'person', label: 'Profile', act: () => profile(chat, room.name, actions) }] : [
      null,
      { icon: 'info', label: 'About the room', act: () => actions.manage('about') },
      { icon: 'people', label: 'Members and roles', act: () => actions.manage('people') },
      { icon: 'plus', label: 'Invite somebody', act: () => invite(chat, room) },
      room.moderates && { icon: 'shield', label: 'Settings', act: () => actions.manage('settings') },
      { icon: 'ban', label: 'Bans and invitations', act: () => actions.manage('lists') },
      { icon: 'clock', label: 'What was changed', act: () => actions.manage('log') },
      null,
      { icon: 'leave', label: 'Leave the room…', bad: true, act: () => leave(room, actions) },
      room.role === 'owner' && { icon: 'ban', label: 'Close it for everybody…', bad: true, act: () => shut(chat, room) },
    ]),
  ], room.name);
}

/** Of what one is notified in a room. */
function levels(chat, room, anchor) {
  const level = (word, label, icon) => ({ icon, label, checked: (room.notify ?? 'mentions') === word, act: async () => {
    try {
      await chat.link.ask('notify', { room: room.name, level: word });
      room.notify = word;
      toast(`${room.title}: ${label.toLowerCase()}.`);
    } catch (error) {
      toast(error.message, { bad: true });
    }
  } });
  menu(anchor, [level('all', 'All messages', 'message'), level('mentions', room.direct ? 'Messages to you' : 'Mentions', 'at'), level('none', 'Nothing', 'mute')], `Notifications of ${room.name}`);
}

export function invite(chat, room) {
  ask(`Invite to ${room.name}`, [{ name: 'name', label: 'Name', required: true, maxlength: '32' }], 'Invite', async ({ name }) => {
    await chat.act('invite', { room: room.name, name: name.trim() });
    toast(`${name.trim()} is invited.`);
  });
}

/** One's own menu. */
export function meMenu(chat, anchor, actions) {
  const { account } = chat.me;
  const mine = chat.mine ?? 'online';
  const presence = (word, label) => ({ icon: word, label, checked: mine === word, act: () => chat.setPresence(word).catch(error => toast(error.message, { bad: true })) });
  menu(anchor, [
    presence('online', 'Online'), presence('away', 'Away'), presence('busy', 'Busy: no notifications'), presence('offline', 'Unseen'), null,
    { icon: 'person', label: account ? 'Account and preferences' : 'Preferences', act: () => actions.account(account ? 'profile' : 'notify') },
    { icon: 'bell', label: 'Notifications', act: () => actions.account('notify') },
    { icon: 'checks', label: 'Mark all as read', act: actions.readAll },
    { icon: 'keyboard', label: 'Keyboard shortcuts', act: actions.shortcuts }, null,
    { icon: 'leave', label: account ? 'Log out' : 'Leave', act: () => chat.session.logout() },
  ], 'Your menu');
}
