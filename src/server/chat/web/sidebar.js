// The list of rooms and of direct messages, with what is unread in them, and who one is.

import { avatar } from './faces.js';
import { h, icon, iconButton } from './dom.js';

const WORDS = { online: 'Online', away: 'Away', busy: 'Busy', offline: 'Offline' };

const ORDER = new Intl.Collator();

export class Sidebar {
  #nodes = new Map();
  #shown = '';
  #current = null;

  constructor(chat, actions) {
    Object.assign(this, { chat, actions });
    this.title = h('p', { class: 'brand-name', 'aria-hidden': 'true' });
    // On a narrow screen this list is not always there, and its name is that of the page.
    this.heading = h('h1', { class: 'sr' });
    this.state = h('p', { class: 'link-state', role: 'status' });
    this.rooms = h('ul', {});
    this.directs = h('ul', {});
    this.me = h('button', { type: 'button', class: 'me', 'aria-haspopup': 'menu', onclick: () => actions.meMenu(this.me) });
    const section = (name, label, act, list) => h('section', {}, h('header', {}, h('h2', {}, name), iconButton('plus', label, act)), list);
    this.node = h('nav', { class: 'sidebar', 'aria-label': 'Rooms' },
      h('header', { class: 'brand' }, h('span', { class: 'mark', 'aria-hidden': 'true' }, icon('logo')), h('div', {}, this.title, this.state)),
      h('button', { type: 'button', class: 'jump', onclick: actions.switcher }, icon('search'), h('span', {}, 'Jump to…'), h('kbd', {}, 'Ctrl K')),
      h('div', { class: 'lists' }, section('Rooms', 'Browse and create rooms', actions.browse, this.rooms), section('Direct messages', 'Write to somebody', actions.newDirect, this.directs)),
      h('footer', {}, this.me, iconButton('theme', 'Switch between light and dark', actions.switchTheme)));
  }

  /** In the order of the list: rooms by name, then people by who spoke last. */
  order() {
    const all = [...this.chat.rooms.values()];
    const rooms = all.filter(room => !room.direct).sort((a, b) => ORDER.compare(a.key, b.key));
    const directs = all.filter(room => room.direct).sort((a, b) => b.active - a.active || ORDER.compare(a.key, b.key));
    return [...rooms, ...directs];
  }

  /** The row of the room that is open, or the first one. */
  get row() {
    return this.node.querySelector('.row[aria-current]') ?? this.node.querySelector('.row');
  }

  draw() {
    const { chat } = this;
    const name = chat.link.hello?.server ?? 'Chat';
    if (this.title.textContent !== name) this.title.textContent = this.heading.textContent = name;
    const all = this.order();
    for (const room of this.#nodes.keys()) if (chat.rooms.get(room.key) !== room) this.#nodes.delete(room);
    place(this.rooms, all.filter(room => !room.direct).map(room => this.#row(room)));
    place(this.directs, all.filter(room => room.direct).map(room => this.#row(room)));
    if (!this.rooms.childElementCount) this.rooms.append(h('li', { class: 'none' }, h('button', { type: 'button', onclick: this.actions.browse }, 'Find a room')));
    if (chat.me) this.#drawMe();
    if (chat.current !== this.#current) {
      this.#current = chat.current;
      if (chat.current) this.row?.scrollIntoView({ block: 'nearest' });
    }
  }

  #drawMe() {
    const { chat } = this;
    const mine = chat.mine ?? 'online';
    const words = chat.me.account ? chat.status || WORDS[mine] : 'Guest';
    const key = JSON.stringify([chat.me, mine, words]);
    if (this.#shown === key) return;
    this.#shown = key;
    this.me.replaceChildren(h('span', { class: 'face' }, avatar(chat.me.name), h('i', { class: `dot ${mine}` })),
      h('span', { class: 'me-name' }, h('b', {}, chat.me.display || chat.me.name), h('small', {}, words)), h('span', { class: 'sr' }, `: your menu${words === WORDS[mine] ? '' : `, ${WORDS[mine]}`}`));
  }

  #row(room) {
    const here = room === this.chat.current;
    const { presence, status } = room.direct ? this.chat.presence(room.name) : {};
    const unread = room.unread > 0 && !here;
    const badge = unread && (room.mentions || room.direct)
      ? h('span', { class: 'badge' }, room.direct ? cap(room.unread) : `@${cap(room.mentions)}`)
      : unread ? h('span', { class: 'badge soft' }, cap(room.unread)) : null;
    const label = [room.direct && WORDS[presence], unread && 'unread', unread && room.mentions > 0 && !room.direct && `${room.mentions} mention you`].filter(Boolean).join(', ');
    const key = JSON.stringify([here, label, unread && room.unread, room.kind, status]);
    const known = this.#nodes.get(room);
    if (known?.key === key) return known.node;
    const button = h('a', {
      href: `#${encodeURIComponent(room.direct ? `@${room.name}` : room.title)}`, class: ['row', unread && 'unread'].filter(Boolean).join(' '),
      'aria-current': here ? 'page' : undefined, title: status || undefined,
      onclick: event => { if (event.ctrlKey || event.metaKey || event.shiftKey) return; event.preventDefault(); this.actions.open(room); },
    }, room.direct ? h('span', { class: 'face' }, avatar(room.name), h('i', { class: `dot ${presence}` })) : icon(room.kind === 'private' ? 'lock' : 'hash'),
    h('span', { class: 'row-name' }, room.title), badge, label && h('span', { class: 'sr' }, ` ${label}`));
    const node = h('li', {}, button);
    const focused = known?.node.contains(document.activeElement);
    this.#nodes.set(room, { key, node });
    if (focused) queueMicrotask(() => button.focus());
    return node;
  }

  drawLink() {
    const { state, retryAt } = this.chat.link;
    const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
    const words = { open: 'Connected', connecting: 'Connecting…', waiting: `Offline, trying again in ${seconds} s`, closed: 'Offline' };
    if (this.state.textContent !== words[state]) this.state.textContent = words[state];
    this.state.className = `link-state ${state}`;
  }
}

/** Puts nodes into a list in this order. Those that are where they belong are not touched: there may be hundreds. */
function place(list, nodes) {
  const keep = new Set(nodes);
  for (const node of [...list.children]) if (!keep.has(node)) node.remove();
  nodes.forEach((node, at) => { if (list.children[at] !== node) list.insertBefore(node, list.children[at] ?? null); });
}

function cap(number) {
  return number > 99 ? '99+' : String(number);
}
