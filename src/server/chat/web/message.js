// One item of the log, as DOM: a message with its reply, files, reactions, marks and actions, or a line about what happened.

import { avatar } from './faces.js';
import { clock, count, fold, full, h, icon, iconButton, day } from './dom.js';
import { format, plain } from './format.js';
import { fileNode } from './media.js';

export const COMMON = ['👍', '❤️', '😂', '🎉', '👀', '🙏'];

/** `view` is what the timeline offers: `{ chat, room, actions, media, inThread }`; `continued` is behind one of the same author. */
export function messageNode(item, view, continued) {
  const { chat, room } = view;
  const mine = chat.isMe(item.from);
  const shown = nameOf(room, item.from);
  const node = h('article', {
    class: ['message', continued && 'continued', mine && 'mine', item.style === 'action' && 'action', item.state].filter(Boolean).join(' '),
    'data-id': item.id ?? item.cid, 'data-seq': item.seq || undefined, tabindex: '-1',
    'aria-label': `${item.from}, ${clock(item.at)}`,
  });
  const time = h('time', { datetime: new Date(item.at).toISOString(), title: full(item.at) }, clock(item.at));
  const gutter = h('div', { class: 'gutter' }, continued ? time : avatar(item.from, 'big'));
  const body = h('div', { class: 'body' });
  if (item.reply) body.append(replyNode(item, view));
  if (!continued) {
    body.append(h('div', { class: 'head' },
      h('button', { type: 'button', class: 'author', onclick: event => view.actions.person(item.from, event.currentTarget) }, shown || item.from),
      shown && h('span', { class: 'nick' }, item.from),
      time, room.pins.has(item.id) && h('span', { class: 'tag' }, icon('pin'), 'Pinned')));
  }
  body.append(...contents(item, view));
  node.append(gutter, body);
  if (!item.deleted && !item.state) node.append(toolbar(item, view, mine));
  return node;
}

/** The display name of a member, if it has one. */
export function nameOf(room, name) {
  return room.people?.get(fold(name))?.display ?? '';
}

function contents(item, view) {
  if (item.deleted) return [h('p', { class: 'text gone' }, 'This message was deleted.')];
  const parts = [];
  if (item.text) {
    const text = h('div', { class: onlyEmoji(item.text) ? 'text large' : 'text', dir: 'auto' });
    if (item.style === 'action') text.append(`${item.from} `);
    text.append(...format(item.text, view.look));
    if (item.edited) text.append(h('span', { class: 'edited', title: full(item.edited) }, ' (edited)'));
    parts.push(text);
  }
  if (item.media.length) parts.push(h('div', { class: 'files' }, item.media.map(file => fileNode(file, view.media))));
  if (item.reactions.length) parts.push(reactions(item, view));
  if (item.replies && !view.inThread) {
    parts.push(h('button', { type: 'button', class: 'replies', onclick: () => view.actions.thread(item) },
      icon('thread'), count(item.replies, 'reply', 'replies')));
  }
  if (item.state === 'failed') parts.push(failed(item, view));
  return parts;
}

function onlyEmoji(text) {
  return text.length <= 24 && /^[\p{Extended_Pictographic}\u200d\ufe0f\u{1f3fb}-\u{1f3ff}\s]+$/u.test(text);
}

function replyNode(item, view) {
  const to = view.room.byId.get(item.reply);
  const words = to ? (to.deleted ? 'a deleted message' : to.text || count(to.media.length, 'file')) : 'an earlier message';
  return h('button', { type: 'button', class: 'reply-to', onclick: () => view.actions.jump(item.room ?? view.room.name, item.reply) },
    icon('reply'), to && h('b', {}, to.from), h('span', {}, plain(words).slice(0, 160)));
}

function reactions(item, view) {
  const chips = item.reactions.map(({ reaction, by }) => {
    const mine = by.some(name => view.chat.isMe(name));
    return h('button', {
      type: 'button', class: 'chip', 'aria-pressed': String(mine), title: by.join(', '),
      'aria-label': `${reaction}, ${count(by.length, 'reaction')}${mine ? ', yours too' : ''}`,
      onclick: () => view.actions.react(item, reaction, !mine),
    }, h('span', {}, reaction), h('b', {}, String(by.length)));
  });
  return h('div', { class: 'chips' }, chips,
    iconButton('smile', 'Add a reaction', event => view.actions.pick(item, event.currentTarget), { class: 'icon-button chip-add' }));
}

function failed(item, view) {
  return h('p', { class: 'failed', role: 'alert' }, icon('alert'), `Not sent: ${item.failed} `,
    h('button', { type: 'button', onclick: () => view.chat.outbox.retry(item.entry) }, 'Try again'),
    h('button', { type: 'button', onclick: () => view.chat.outbox.drop(item.entry) }, 'Discard'));
}

function toolbar(item, view, mine) {
  const { actions, room } = view;
  const act = (name, label, then, mark) => iconButton(name, label, then, { 'data-act': mark ?? name, tabindex: '-1' });
  return h('div', { class: 'tools', role: 'toolbar', 'aria-label': 'Message actions' },
    COMMON.slice(0, 2).map(emoji => h('button', {
      type: 'button', class: 'icon-button emoji', tabindex: '-1', 'aria-label': `React with ${emoji}`, title: `React with ${emoji}`,
      onclick: () => actions.react(item, emoji, !item.reactions.some(found => found.reaction === emoji && found.by.some(name => view.chat.isMe(name)))),
    }, emoji)),
    act('smile', 'Add a reaction', event => actions.pick(item, event.currentTarget), 'react'),
    act('reply', 'Reply', () => actions.reply(item)),
    item.seq > 0 && !view.inThread && act('thread', 'Reply in thread', () => actions.thread(item)),
    mine && act('edit', 'Edit', () => actions.edit(item)),
    act('more', 'More actions', event => actions.more(item, event.currentTarget)));
}

/** What became of one's own message, for its end. */
export function markNode(item, room, me) {
  if (item.state === 'pending') return h('span', { class: 'mark', title: 'Sending' }, icon('clock'), h('span', { class: 'sr' }, 'Sending'));
  if (item.state) return null;
  const seen = room.seenBy(item.seq, me);
  const [name, words] = seen.read.length
    ? ['read', room.direct ? 'Read' : `Read by ${names(seen.read)}`]
    : seen.delivered.length ? ['delivered', room.direct ? 'Delivered' : `Delivered to ${names(seen.delivered)}`] : ['sent', 'Sent'];
  return h('span', { class: `mark ${name}`, title: words }, icon(name === 'sent' ? 'check' : 'checks'), h('span', { class: 'sr' }, words));
}

function names(all) {
  return all.length > 5 ? `${all.slice(0, 4).join(', ')} and ${all.length - 4} others` : all.join(', ');
}

/** A line between two days. */
export function dayNode(time) {
  return h('div', { class: 'day', role: 'separator', 'aria-label': day(time) }, h('span', {}, day(time)));
}

/** The line above what is new. */
export function newNode() {
  return h('div', { class: 'new', role: 'separator', 'aria-label': 'New messages' }, h('span', {}, 'New messages'));
}

/** A line about what happened in a room. */
export function noteNode(item) {
  return h('p', { class: 'note', 'data-id': item.id, 'data-seq': item.seq, title: full(item.at) }, icon(NOTE_ICONS[item.t] ?? 'info'), noteText(item));
}

const NOTE_ICONS = { join: 'enter', leave: 'leave', kick: 'leave', pin: 'pin', unpin: 'pin', topic: 'edit', role: 'shield', list: 'shield', unlist: 'shield' };
const ROLES = { member: 'a member', voiced: 'a voiced member', admin: 'an admin', owner: 'an owner' };
const LISTS = { bans: 'bans', ban_exceptions: 'exceptions of bans', invite_exceptions: 'standing invitations', mutes: 'mutes' };

/** A mask that means a name alone, as that name. */
export function bare(mask) {
  return mask.replace(/!\*@\*$/, '');
}

/** What happened in a room, in a sentence. */
export function noteText(item) {
  const why = item.reason ? `: ${item.reason}` : '';
  switch (item.t) {
    case 'create': return `${item.from} created the room`;
    case 'join': return `${item.from} joined`;
    case 'leave': return `${item.from} left${why}`;
    case 'rename': return item.name === item.from ? `${item.from} changed the account` : `${item.from} is now called ${item.name}`;
    case 'kick': return `${item.from} removed ${item.name}${why}`;
    case 'invite': return `${item.from} invited ${item.name}`;
    case 'role': return `${item.from} made ${item.name} ${ROLES[item.role] ?? item.role}`;
    case 'topic': return item.topic ? `${item.from} set the topic: ${item.topic}` : `${item.from} removed the topic`;
    case 'list': return `${item.from} added ${bare(item.mask)} to the ${LISTS[item.list]}${why}`;
    case 'unlist': return `${item.from} removed ${bare(item.mask)} from the ${LISTS[item.list]}`;
    case 'pin': return `${item.from} pinned a message`;
    case 'unpin': return `${item.from} unpinned a message`;
    case 'set': return `${item.from} set ${Object.entries(item.set ?? {}).map(([name, value]) => `${name.replaceAll('_', ' ')} to ${value ?? 'none'}`).join(', ')}`;
    case 'close': return `${item.from} closed the room`;
    default: return `${item.from}: ${item.t}`;
  }
}
