// A room's own page: what it is about, who is in it and may do what, who is kept out or silent, how it is set, and what was changed.

import { avatar, face } from './faces.js';
import { clock, count, day, fold, h, icon, iconButton, toast } from './dom.js';
import { bare, noteText } from './message.js';
import { above, DURATIONS, personMenu, roles } from './people.js';
import { ask, form, sheet, toggle } from './popup.js';

const ROLES = { owner: 'Owner', admin: 'Admin', voiced: 'Voiced', member: 'Member' };
const KINDS = { public: 'Public: it is listed, and everybody may enter.', private: 'Private: only the invited enter.' };
const LISTS = [
  ['bans', 'Banned', 'Nobody is banned.', 'ban'],
  ['mutes', 'Muted', 'Nobody is muted.', 'mute'],
  ['invite_exceptions', 'Always invited', 'Nobody has a standing invitation.', 'enter'],
  ['ban_exceptions', 'Never banned', 'No exceptions of bans.', 'shield'],
];
const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const WHO = 'A name, nick!user@host with * and ?, or $a:account';

export function manage(chat, room, actions, first = 'about') {
  const view = { chat, room, actions };
  sheet(room.name, [
    { name: 'about', label: 'About', icon: 'info', draw: page => about(page, view) },
    { name: 'people', label: 'Members', icon: 'people', draw: page => people(page, view) },
    { name: 'lists', label: 'Access', icon: 'ban', draw: page => lists(page, view) },
    room.moderates && { name: 'settings', label: 'Settings', icon: 'shield', draw: page => settings(page, view) },
    { name: 'log', label: 'Log', icon: 'clock', draw: page => log(page, view) },
  ], first);
}

const failed = error => toast(error.message, { bad: true });

function about(page, { chat, room, actions }) {
  const may = room.arranges;
  const address = `${location.origin}/#${encodeURIComponent(room.title)}`;
  const close = node => node.closest('dialog').close();
  page.replaceChildren(
    h('p', { class: 'soft' }, KINDS[room.kind] ?? '', ' ', count(room.members, 'member'), `. You are ${{ owner: 'an owner', admin: 'an admin', voiced: 'voiced', member: 'a member' }[room.role]}.`),
    may ? form([{ name: 'topic', label: 'Topic', value: room.topic, maxlength: String(chat.limits.topic ?? 390) }], 'Set the topic', ({ topic }) => chat.act('topic', { room: room.name, topic: topic.trim() }).then(() => 'Set.'))
      : h('p', {}, h('b', {}, 'Topic '), room.topic || 'none', h('small', { class: 'soft' }, ' Only admins set it.')),
    h('div', { class: 'stack' },
      h('button', { type: 'button', class: 'button quiet', onclick: () => navigator.clipboard?.writeText(address).then(() => toast('Copied.')) }, icon('copy'), 'Copy the address'),
      h('button', { type: 'button', class: 'button quiet', onclick: () => actions.invite(room) }, icon('plus'), 'Invite somebody'),
      h('button', { type: 'button', class: 'button quiet warn', onclick: event => leave(room, actions, () => close(event.target)) }, icon('leave'), 'Leave the room'),
      room.role === 'owner' && h('button', { type: 'button', class: 'button quiet warn', onclick: () => shut(chat, room) }, icon('ban'), 'Close it for everybody')));
}

export function leave(room, actions, then = () => {}) {
  ask(`Leave ${room.name}?`, [], 'Leave', async () => { await actions.leave(room); then(); }, { bad: true, text: room.kind === 'private' ? 'You need an invitation to come back.' : 'You can come back whenever you like.' });
}

export function shut(chat, room) {
  ask(`Close ${room.name} for everybody?`, [{ name: 'name', label: 'Write its name to go on', required: true }], 'Close it', ({ name }) => {
    if (fold(name.trim().replace(/^#?/, '#')) !== room.key) throw new Error('That is not its name.');
    return chat.link.ask('close', { room: room.name });
  }, { bad: true, text: 'Nobody enters it again, and nobody reads it.' });
}

async function people(page, view) {
  const { chat, room, actions } = view;
  const input = h('input', { type: 'search', 'aria-label': 'Find a member', placeholder: 'Find a member', autocomplete: 'off' });
  const list = h('ul', { class: 'cards people-list' });
  page.replaceChildren(h('div', { class: 'search-field' }, icon('search'), input), list);
  const draw = () => {
    const word = fold(input.value.trim());
    const found = [...(room.people?.values() ?? [])].filter(({ name, display = '' }) => fold(name).includes(word) || fold(display).includes(word))
      .sort((a, b) => fold(a.name).localeCompare(fold(b.name)));
    list.replaceChildren(...found.slice(0, 200).map(member => memberRow(member, view, draw)));
    if (!found.length) list.replaceChildren(h('li', { class: 'soft' }, 'Nobody is called so.'));
  };
  input.addEventListener('input', draw);
  try {
    await chat.people(room);
    draw();
  } catch (error) {
    list.replaceChildren(h('li', { class: 'form-error' }, error.message));
  }
  actions.drawn?.();
}

function memberRow({ name, role = 'member', display, avatar: digest }, view, draw) {
  const { chat, room, actions } = view;
  face(name, digest);
  const { presence } = chat.isMe(name) ? { presence: chat.mine ?? 'online' } : chat.presence(name);
  const choices = chat.isMe(name) ? [] : roles(room, role);
  const select = choices.length > 0 && h('select', { 'aria-label': `Role of ${name}` }, [...new Set([...choices, role])].map(to => h('option', { value: to, selected: to === role }, ROLES[to])));
  select && select.addEventListener('change', () => chat.act('role', { room: room.name, name, role: select.value }).catch(failed).finally(draw));
  const more = iconButton('more', `More about ${name}`, () => personMenu(chat, room, name, more, actions), { 'aria-haspopup': 'menu' });
  return h('li', {}, h('span', { class: 'face' }, avatar(name), h('i', { class: `dot ${presence}` })),
    h('div', {}, h('b', {}, name), display && h('small', {}, display)),
    select || h('span', { class: 'soft' }, ROLES[role]),
    above(room, role) && !chat.isMe(name) ? more : h('span', { class: 'no-more' }));
}

async function lists(page, view) {
  const { chat, room } = view;
  page.replaceChildren(h('p', { class: 'soft', role: 'status' }, 'Loading…'));
  try {
    const reply = await chat.link.ask('lists', { room: room.name });
    const again = () => lists(page, view);
    page.replaceChildren(...LISTS.map(([name, title, none, mark]) => {
      const add = h('button', { type: 'button', class: 'button quiet', onclick: () => enlist(view, name, title, again) }, icon('plus'), 'Add');
      const rows = reply[name] ?? [];
      return h('section', {}, h('header', {}, h('h3', {}, title), room.moderates && add), rows.length ? h('ul', { class: 'cards' }, rows.map(row => h('li', {}, icon(mark),
        h('div', {}, h('b', {}, bare(row.mask)), h('small', {}, [`by ${row.by.split('!')[0]}, ${WHEN.format(row.at)}`, row.until && `until ${WHEN.format(row.until)}`, row.reason].filter(Boolean).join(' · '))),
        room.moderates && iconButton('close', `Remove ${bare(row.mask)}`, () => chat.act('unlist', { room: room.name, list: name, mask: row.mask }).then(again, failed))))) : h('p', { class: 'soft' }, none));
    }));
  } catch (error) {
    page.replaceChildren(h('p', { class: 'form-error', role: 'alert' }, error.message));
  }
}

function enlist({ chat, room }, list, title, then) {
  ask(`${title}: add`, [
    { name: 'mask', label: 'Whom', required: true, hint: WHO },
    { name: 'seconds', label: 'For how long', choices: DURATIONS, value: '' },
    { name: 'reason', label: 'Reason' },
  ], 'Add', async ({ mask, seconds, reason }) => {
    await chat.act('list', { room: room.name, list, mask: mask.trim(), seconds: Number(seconds) || undefined, reason: reason || undefined });
    then();
  });
}

function settings(page, { chat, room }) {
  const set = async change => {
    await chat.act('set', { room: room.name, ...change });
    for (const [name, value] of Object.entries(change)) room.settings[name] = name === 'key' ? value !== '' : value;
    chat.changed('rooms');
  };
  const rows = [
    ['moderated', 'Only the voiced speak', 'Others read: for announcements.'],
    ['members_only', 'Only members speak', 'Nobody says something from outside, as IRC allows.'],
    ['topic_locked', 'Only admins set the topic', ''],
    ['accounts_only', 'No guests', 'Only those with an account enter.'],
    ['accounts_speak', 'Guests only read', 'Unless they are voiced.'],
    ['op_moderated', 'Only admins read the unvoiced', 'Nothing of that is kept.'],
    ['invite_only', 'Only the invited enter', ''],
    ['secret', 'Not listed', 'It is found by its name alone.'],
  ];
  page.replaceChildren(h('div', { class: 'switches' }, rows.map(([name, label, hint]) => toggle(label, Boolean(room.settings[name]), on => set({ [name]: on }), { hint }))),
    form([
      { name: 'slow', label: 'Slow mode: seconds between two messages of a member', type: 'number', min: '0', max: '21600', value: String(room.settings.slow ?? 0), hint: '0 for none. Admins are not slowed.' },
      { name: 'limit', label: 'Members at most', type: 'number', min: '0', value: String(room.settings.limit ?? 0), hint: '0 for as many as come.' },
      { name: 'key', label: 'Key that one needs to enter', maxlength: '64', placeholder: room.settings.key ? 'There is one; write another, or - for none' : 'None', hint: 'The invited need none.' },
    ], 'Save', async ({ slow, limit, key }) => {
      const change = {};
      if (Number(slow) !== (room.settings.slow ?? 0)) change.slow = Number(slow);
      if (Number(limit) !== (room.settings.limit ?? 0)) change.limit = Number(limit);
      if (key.trim()) change.key = key.trim() === '-' ? '' : key.trim();
      if (Object.keys(change).length) await set(change);
      return 'Saved.';
    }));
}

async function log(page, { chat, room }) {
  const list = h('ol', { class: 'audit' });
  const more = h('button', { type: 'button', class: 'button quiet wide-button', hidden: true, onclick: () => load() }, 'Earlier');
  const note = h('p', { class: 'soft', role: 'status' });
  page.replaceChildren(note, list, more);
  let before;
  const load = async () => {
    more.disabled = true;
    try {
      const reply = await chat.link.ask('audit', { room: room.name, before, limit: 50 });
      list.append(...reply.events.toReversed().map(event => h('li', {}, h('time', { datetime: new Date(event.at).toISOString() }, `${day(event.at)} ${clock(event.at)}`), h('span', {}, noteText(event)))));
      before = reply.before;
      more.hidden = !reply.more;
      note.textContent = list.childElementCount ? '' : 'Nothing was changed.';
    } catch (error) {
      note.textContent = error.message;
    }
    more.disabled = false;
  };
  await load();
}
