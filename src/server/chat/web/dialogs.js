// Forms and menus: rooms to find and to make, people, settings of a room, and one's own.

import { avatar, count, fold, h, icon, toast } from './dom.js';
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

/** Ctrl-K: goes to a room or somebody by a few letters. */
export function switcher(chat, actions, order) {
  const input = h('input', { type: 'text', role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'switch-list', 'aria-label': 'Go to', placeholder: 'Room or person', autocomplete: 'off' });
  const list = h('ul', { id: 'switch-list', class: 'browse', role: 'listbox', 'aria-label': 'Places' });
  let at = 0;
  const choose = to => {
    at = to;
    [...list.children].forEach((node, number) => node.setAttribute('aria-selected', String(number === at)));
    list.children[at]?.scrollIntoView({ block: 'nearest' });
    input.setAttribute('aria-activedescendant', list.children[at]?.id ?? '');
  };
  const draw = () => {
    const word = fold(input.value.trim());
    const places = order().filter(room => room !== chat.current && room.key.includes(word))
      .sort((a, b) => (b.unread > 0) - (a.unread > 0)).slice(0, 12)
      .map(room => ({ mark: room.direct ? avatar(room.name) : icon('hash'), name: room.title, note: room.unread ? `${room.unread} unread` : '', act: () => actions.open(room) }));
    if (/^#?[^\s,:*?]+$/.test(word) && word.length > 1) {
      const name = word.replace(/^#/, '');
      if (!chat.room(`#${name}`)) places.push({ mark: icon('enter'), name: `Join #${name}`, note: '', act: () => actions.join(`#${name}`).catch(error => toast(error.message, { bad: true })) });
      if (!chat.room(name) && !word.startsWith('#') && /^[a-z[\]\\`^{}|_][-a-z0-9[\]\\`^{}|_]*$/.test(name)) places.push({ mark: icon('person'), name: `Write to ${name}`, note: '', act: () => actions.open(chat.direct(name)) });
    }
    list.replaceChildren(...places.map(({ mark, name, note, act }, number) => h('li', { role: 'option', id: `place-${number}`, onclick: () => { node.close(); act(); } }, mark, h('span', { class: 'row-name' }, name), h('span', { class: 'soft' }, note))));
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
  const node = dialog('Go to', h('div', { class: 'dialog-body' }, input, list));
  node.classList.add('switcher');
  draw();
  input.focus();
}

/** What one can do with, and to, somebody. */
export function personMenu(chat, room, name, anchor, actions) {
  const mine = chat.isMe(name);
  const role = room?.people?.get(fold(name))?.role ?? 'member';
  const ranks = ['member', 'voiced', 'admin', 'owner'];
  const above = room && !room.direct && room.moderates && !mine && ranks.indexOf(role) < ranks.indexOf(room.role);
  const act = (t, fields, done) => () => chat.act(t, fields).then(() => toast(done), error => toast(error.message, { bad: true }));
  const give = (to, label) => role !== to && (room.role === 'owner' || ranks.indexOf(to) < ranks.indexOf(room.role))
    && { icon: 'shield', label, act: act('role', { room: room.name, name, role: to }, `${name} has another role now.`) };
  menu(anchor, [
    !mine && { icon: 'message', label: `Write to ${name}`, act: () => actions.open(chat.direct(name)) },
    { icon: 'person', label: 'Who is that?', act: () => whois(chat, name) },
    !mine && { icon: 'at', label: 'Mention', act: () => actions.mention(name) },
    ...(above ? [null,
      give('admin', 'Make admin'), give('voiced', 'Give voice'), give('member', 'Make plain member'),
      { icon: 'mute', label: 'Mute for 10 minutes', act: act('list', { room: room.name, list: 'mutes', mask: name, seconds: 600 }, `${name} is muted for 10 minutes.`) },
      { icon: 'leave', label: 'Remove from the room', bad: true, act: () => ask(`Remove ${name}?`, [{ name: 'reason', label: 'Reason' }], 'Remove', ({ reason }) => chat.act('kick', { room: room.name, name, reason: reason || undefined }), { bad: true }) },
      { icon: 'ban', label: 'Ban', bad: true, act: () => ask(`Ban ${name}?`, [{ name: 'reason', label: 'Reason' }], 'Ban', async ({ reason }) => {
        await chat.act('list', { room: room.name, list: 'bans', mask: name, reason: reason || undefined });
        await chat.act('kick', { room: room.name, name, reason: reason || undefined });
      }, { bad: true }) }] : []),
    ...(!mine && chat.me.account ? [null, { icon: 'ban', label: 'Block direct messages', bad: true, act: act('block', { name, on: true }, `${name} is blocked.`) }] : []),
  ], name);
}

async function whois(chat, name) {
  try {
    const { t, re, ...told } = await chat.link.ask('whois', { name });
    const flat = told.user ?? told;
    const rows = Object.entries(flat).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value) && value !== '');
    const shown = (key, value) => (/^(seen|last_seen|since|at|registered|created)$/.test(key) && typeof value === 'number' ? new Date(value).toLocaleString() : String(value));
    dialog(name, h('dl', { class: 'facts' }, rows.map(([key, value]) => [h('dt', {}, key.replaceAll('_', ' ')), h('dd', {}, shown(key, value))])));
  } catch (error) {
    toast(error.message, { bad: true });
  }
}

/** What one can do with a room. */
export function roomMenu(chat, room, anchor, actions) {
  menu(anchor, [
    { icon: 'pin', label: 'Pinned messages', act: actions.pins },
    !room.direct && { icon: 'plus', label: 'Invite somebody', act: actions.invite },
    !room.direct && { icon: 'edit', label: 'Topic', act: () => topic(chat, room) },
    room.moderates && { icon: 'shield', label: 'Room settings', act: () => settings(chat, room) },
    ...(room.direct ? [] : [null, { icon: 'leave', label: 'Leave the room', bad: true, act: () => ask(`Leave ${room.name}?`, [], 'Leave', () => actions.leave(room), { bad: true, text: room.kind === 'private' ? 'You need an invitation to come back.' : 'You can come back whenever you like.' }) }]),
    room.role === 'owner' && !room.direct && { icon: 'ban', label: 'Close it for everybody', bad: true, act: () => ask(`Close ${room.name} for everybody?`, [], 'Close it', () => chat.link.ask('close', { room: room.name }), { bad: true, text: 'Nobody enters it again.' }) },
  ], room.name);
}

export function topic(chat, room) {
  ask('Topic', [{ name: 'topic', label: `What ${room.name} is about`, value: room.topic, maxlength: '400' }], 'Set', values => chat.act('topic', { room: room.name, topic: values.topic.trim() }));
}

function settings(chat, room) {
  const yes = (name, label) => ({ name, label, choices: [['false', 'No'], ['true', 'Yes']], value: String(room.settings[name] ?? false) });
  const all = [
    yes('moderated', 'Only the voiced speak'), yes('accounts_only', 'No guests'), yes('invite_only', 'Only the invited enter'), yes('topic_locked', 'Only admins set the topic'),
    { name: 'slow', label: 'Seconds between two messages of a member', type: 'number', min: '0', max: '3600', value: String(room.settings.slow ?? 0), hint: '0 for none' },
  ];
  ask(`Settings of ${room.name}`, all, 'Save', async values => {
    const changed = all.filter(({ name, value }) => values[name] !== value).map(({ name }) => [name, name === 'slow' ? Number(values[name]) : values[name] === 'true']);
    if (!changed.length) return;
    const set = Object.fromEntries(changed);
    await chat.link.ask('set', { room: room.name, ...set });
    Object.assign(room.settings, set);
  });
}

export function invite(chat, room) {
  ask(`Invite to ${room.name}`, [{ name: 'name', label: 'Name', required: true }], 'Invite', async ({ name }) => {
    await chat.act('invite', { room: room.name, name: name.trim() });
    toast(`${name.trim()} is invited.`);
  });
}

/** One's own menu. */
export function meMenu(chat, anchor, actions) {
  const { account } = chat.me;
  const mine = chat.mine ?? 'online';
  const presence = (word, label) => ({ icon: word, label, checked: mine === word, act: async () => {
    await chat.link.ask('presence', { presence: word });
    chat.mine = word;
    chat.changed('rooms');
  } });
  menu(anchor, [
    presence('online', 'Online'), presence('away', 'Away'), presence('busy', 'Busy: no notifications'), presence('offline', 'Unseen'), null,
    { icon: 'bell', label: actions.notify.on ? 'Turn notifications off' : 'Turn notifications on', act: async () => toast(await actions.notify.toggle()) },
    account && { icon: 'lock', label: 'Change the password', act: () => password(chat) },
    { icon: 'keyboard', label: 'Keyboard shortcuts', act: shortcuts }, null,
    { icon: 'leave', label: account ? 'Log out' : 'Leave', act: () => chat.session.logout() },
  ], 'Your menu');
}

function password(chat) {
  ask('Change the password', [
    { name: 'old', label: 'Present password', type: 'password', autocomplete: 'current-password', required: true },
    { name: 'new', label: 'New password', type: 'password', autocomplete: 'new-password', required: true, minlength: '8' },
  ], 'Change', async values => {
    await chat.link.ask('password', values);
    toast('The password was changed. Other devices have to sign in again.');
  });
}

export function shortcuts() {
  const rows = [['Ctrl K', 'Go to a room or person'], ['Alt ↑ / Alt ↓', 'Previous, next room'], ['Alt Shift ↑ / ↓', 'Previous, next unread room'], ['↑', 'Edit your last message (in an empty field)'],
    ['Ctrl Shift F', 'Search'], ['Shift Tab, then ↑ ↓', 'From message to message; then R reply, E edit, T thread, + react, Delete'], ['Shift Enter', 'A new line'], ['Esc', 'Close, cancel, or go to the latest message']];
  dialog('Keyboard shortcuts', h('dl', { class: 'facts keys' }, rows.map(([keys, what]) => [h('dt', {}, h('kbd', {}, keys)), h('dd', {}, what)])));
}
