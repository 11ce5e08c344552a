// Somebody: who that is, and what one can do with, and to, that person.

import { avatar, face } from './faces.js';
import { fold, h, icon, toast } from './dom.js';
import { ask, dialog, menu } from './popup.js';

const RANKS = ['member', 'voiced', 'admin', 'owner'];
export const WORDS = { online: 'Online', away: 'Away', busy: 'Busy', offline: 'Offline' };
const SINCE = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' });

const AGO = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
const UNITS = [['day', 86_400_000], ['hour', 3_600_000], ['minute', 60_000]];

/** How long ago something was; for longer than a month, when. */
function ago(at) {
  const past = Math.max(0, Date.now() - at);
  if (past > 30 * UNITS[0][1]) return SINCE.format(at);
  const [unit, size] = UNITS.find(([, size]) => past >= size) ?? UNITS[2];
  return AGO.format(-Math.floor(past / size), unit);
}

/** Whether one may act on somebody with this role. */
export function above(room, role) {
  return room && !room.direct && room.moderates && RANKS.indexOf(role) < RANKS.indexOf(room.role);
}

/** The roles that one may give to somebody who has this one: admins up to their own, owners all. */
export function roles(room, role) {
  if (!above(room, role) && room?.role !== 'owner') return [];
  return RANKS.filter(to => room.role === 'owner' || RANKS.indexOf(to) <= RANKS.indexOf(room.role));
}

/** What one can do with, and to, somebody. */
export function personMenu(chat, room, name, anchor, actions) {
  const mine = chat.isMe(name);
  const role = room?.people?.get(fold(name))?.role ?? 'member';
  const power = !mine && above(room, role);
  const act = (t, fields, done) => () => chat.act(t, fields).then(() => toast(done), error => toast(error.message, { bad: true }));
  const give = (to, label) => role !== to && roles(room, role).includes(to)
    && { icon: 'shield', label, act: act('role', { room: room.name, name, role: to }, `${name} has another role now.`) };
  menu(anchor, [
    { icon: 'person', label: mine ? 'Your profile' : 'Profile', act: () => profile(chat, name, actions) },
    !mine && { icon: 'message', label: `Write to ${name}`, act: () => actions.open(chat.direct(name)) },
    !mine && { icon: 'at', label: 'Mention', act: () => actions.mention(name) },
    ...(power ? [null,
      give('owner', 'Make owner'), give('admin', 'Make admin'), give('voiced', 'Give voice'), give('member', 'Make plain member'),
      { icon: 'mute', label: 'Mute…', act: () => mute(chat, room, name) },
      { icon: 'leave', label: 'Remove from the room…', bad: true, act: () => kick(chat, room, name) },
      { icon: 'ban', label: 'Ban…', bad: true, act: () => ban(chat, room, name) }] : []),
    ...(!mine && chat.me.account ? [null, { icon: 'ban', label: 'Block direct messages', bad: true, act: act('block', { name, on: true }, `${name} is blocked.`) }] : []),
  ], name);
}

export const DURATIONS = [['600', '10 minutes'], ['3600', 'An hour'], ['86400', 'A day'], ['604800', 'A week'], ['', 'For good']];

function mute(chat, room, name) {
  ask(`Mute ${name}?`, [{ name: 'seconds', label: 'For how long', choices: DURATIONS, value: '600' }, { name: 'reason', label: 'Reason' }], 'Mute', async ({ seconds, reason }) => {
    await chat.act('list', { room: room.name, list: 'mutes', mask: name, seconds: Number(seconds) || undefined, reason: reason || undefined });
    toast(`${name} is muted.`);
  }, { text: 'Reads, and says nothing.' });
}

function kick(chat, room, name) {
  ask(`Remove ${name}?`, [{ name: 'reason', label: 'Reason' }], 'Remove', ({ reason }) => chat.act('kick', { room: room.name, name, reason: reason || undefined }), { bad: true, text: 'May come again. A ban keeps somebody out.' });
}

function ban(chat, room, name) {
  ask(`Ban ${name}?`, [{ name: 'seconds', label: 'For how long', choices: DURATIONS, value: '' }, { name: 'reason', label: 'Reason' }], 'Ban', async ({ seconds, reason }) => {
    await chat.act('list', { room: room.name, list: 'bans', mask: name, seconds: Number(seconds) || undefined, reason: reason || undefined });
    await chat.act('kick', { room: room.name, name, reason: reason || undefined });
  }, { bad: true });
}

/** A card with what somebody tells of himself or herself. */
export async function profile(chat, name, actions) {
  try {
    const { user } = await chat.link.ask('whois', { name });
    face(user.account ?? user.name, user.avatar);
    const rows = [
      [user.status && 'Status', user.status],
      [user.last_seen && 'Last seen', user.last_seen && ago(user.last_seen)],
      [user.devices?.length > 1 && 'Devices', user.devices?.map(device => WORDS[device.presence]).join(', ')],
      [user.about && 'About', user.about],
      [user.account ? 'Account since' : 'A guest', user.account ? SINCE.format(user.since) : 'Without an account'],
      [user.operator && 'Operator', 'Runs this server'],
    ].filter(([title]) => title);
    const mine = chat.isMe(name);
    const go = (mark, label, act) => h('button', { type: 'button', class: 'button quiet', onclick: () => { node.close(); act(); } }, icon(mark), label);
    const node = dialog(mine ? 'Your profile' : 'Profile', h('div', { class: 'dialog-body profile' },
      h('div', { class: 'profile-head' }, avatar(user.account ?? user.name, 'huge'), h('div', {}, h('b', {}, user.display || user.name), user.display && h('span', { class: 'soft' }, user.name),
        h('span', { class: 'presence' }, h('span', { class: 'face' }, h('i', { class: `dot ${user.presence}` })), WORDS[user.presence]))),
      h('dl', { class: 'facts' }, rows.map(([title, text]) => [h('dt', {}, title), h('dd', {}, text)])),
      h('div', { class: 'profile-actions' }, mine ? chat.me.account && go('edit', 'Edit', () => actions.account('profile')) : [go('message', 'Write', () => actions.open(chat.direct(name))), chat.current && go('at', 'Mention', () => actions.mention(name))])));
  } catch (error) {
    toast(error.message, { bad: true });
  }
}
