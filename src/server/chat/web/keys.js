// What keys do: everything can be done without a mouse. Keys within a field, a menu or a dialog are theirs.

import { closePopup } from './popup.js';
import { h } from './dom.js';
import { dialog } from './popup.js';

const SHORTCUTS = [
  ['Go', [
    ['Ctrl K', 'to a room, a person, or something to do'],
    ['Alt ↑  Alt ↓', 'to the previous or next room'],
    ['Alt Shift ↑  ↓', 'to the previous or next unread room'],
    ['Ctrl Shift F', 'search'],
    ['F6', 'rooms, messages, field, pane in turn'],
  ]],
  ['Write', [
    ['Enter', 'send'], ['Shift Enter', 'a new line'],
    ['↑', 'edit your last message, in an empty field'],
    ['@  #  /', 'names, rooms, commands: Tab takes one'],
    ['Ctrl U', 'attach files'],
  ]],
  ['On a message', [
    ['Ctrl ↑', 'from the field to the messages'], ['↑  ↓', 'from one to the next'],
    ['R', 'reply'], ['T', 'reply in a thread'], ['+', 'react'], ['E', 'edit'], ['P', 'pin'], ['C', 'copy the text'], ['Delete', 'delete'],
  ]],
  ['Read', [
    ['Shift Esc', 'mark all rooms as read'],
    ['Alt Home', 'to the first unread message'],
    ['Esc', 'cancel, close, or go to the latest message'],
    ['Ctrl /', 'these keys'],
  ]],
];

/** What all keys do. */
export function shortcuts() {
  const row = ([keys, what]) => h('div', {}, h('dt', {}, keys.split('  ').map(key => h('kbd', {}, key))), h('dd', {}, what));
  dialog('Keyboard shortcuts', h('div', { class: 'keys dialog-body' }, SHORTCUTS.map(([title, rows]) => h('section', {}, h('h3', {}, title), h('dl', {}, rows.map(row))))), { wide: true });
}

/** Listens. `parts` are the app's: `{ chat, actions, timeline, composer, pane, sidebar }`. */
export function listen(parts) {
  const { chat, actions, timeline, composer, pane, sidebar } = parts;
  const held = event => event.ctrlKey || event.metaKey;

  document.addEventListener('keydown', event => {
    if (!chat.me || document.querySelector('dialog[open]')) return;
    const key = event.key.toLowerCase();
    if (held(event) && key === 'k') actions.switcher();
    else if (held(event) && event.shiftKey && key === 'f') pane.search();
    else if (held(event) && key === '/') shortcuts();
    else if (held(event) && key === 'u' && chat.current) composer.attach();
    else if (event.altKey && (key === 'arrowup' || key === 'arrowdown')) neighbour(key === 'arrowup' ? -1 : 1, event.shiftKey);
    else if (held(event) && key === 'arrowup' && chat.current) timeline.step(-1);
    else if (event.altKey && key === 'home' && chat.current) timeline.toUnread();
    else if (key === 'f6') part(event.shiftKey ? -1 : 1);
    else if (key === 'escape' && event.shiftKey) actions.readAll();
    else if (key === 'escape') escape();
    else if (!listKey(key) && !messageKey(event, key)) return;
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
      if (!unread || next.unread > 0) return actions.open(next);
    }
    return undefined;
  }

  /** The parts of the page, one after the other. */
  function part(by) {
    const all = [sidebar.row, timeline.scroller, composer.input, pane.node.querySelector('button, input')].filter(node => node?.checkVisibility());
    const within = [sidebar.node, timeline.node, composer.form, pane.node];
    const at = all.findIndex(node => within.find(area => area.contains(node))?.contains(document.activeElement));
    all[(at + by + all.length) % all.length]?.focus();
  }

  /** Arrows in the list of rooms. */
  function listKey(key) {
    const row = document.activeElement?.closest?.('.lists .row, .people .row');
    const by = { arrowdown: 1, arrowup: -1 }[key];
    if (!row || !by) return false;
    const all = [...row.closest('.lists, .pane-content').querySelectorAll('.row')].filter(node => node.checkVisibility());
    all[all.indexOf(row) + by]?.focus();
    return true;
  }

  /** Keys on a message. */
  function messageKey(event, key) {
    const active = document.activeElement;
    const within = timeline.scroller.contains(active);
    if (within && (key === 'arrowup' || key === 'arrowdown') && !active.closest('.popup, video, audio')) return timeline.step(key === 'arrowup' ? -1 : 1);
    const node = active?.closest?.('.message');
    if (!node || held(event) || event.altKey || active !== node) return false;
    const item = chat.current?.byId.get(node.dataset.id);
    if (!item || item.deleted) return false;
    const mine = chat.isMe(item.from);
    const { moderates, arranges } = chat.current;
    const deeds = {
      r: () => actions.reply(item), t: () => item.seq && actions.thread(item), '+': () => actions.pick(item, node), e: () => mine && actions.edit(item),
      p: () => arranges && actions.pin(item), c: () => actions.copy(item), delete: () => (mine || moderates) && actions.remove(item),
    };
    if (!deeds[key]) return false;
    deeds[key]();
    return true;
  }
}
