// A room's log on the screen. It displays the window that `room.js` keeps, loads more at both ends, and keeps its place.

import { fold, h, icon } from './dom.js';
import { dayNode, markNode, messageNode, nameOf, newNode, noteNode } from './message.js';
import { PAGE, Room } from './room.js';
import { Unread } from './unread.js';

/** Pixels from an end at which more is loaded. */
const NEAR = 700;
/** A message stands under the one before without its author's name, if it came so soon after it. */
const TOGETHER = 5 * 60_000;

export class Timeline {
  room = null;
  #nodes = new Map();
  #places = new Map();
  #loading = false;
  #frame = 0;
  #below = 0;
  /** The room that is being opened. */
  #opening = null;

  constructor(view) {
    this.view = view;
    this.log = h('div', { class: 'log', role: 'log', 'aria-live': 'off' });
    this.scroller = h('div', { class: 'scroller', tabindex: '0', 'aria-label': 'Messages', role: 'region' }, this.log);
    this.down = h('button', { type: 'button', class: 'to-end', hidden: true, onclick: () => this.toEnd() }, icon('down'), h('span', {}));
    this.unread = new Unread({ jump: () => this.toUnread(), read: () => this.readAll() });
    this.node = h('div', { class: 'timeline' }, this.unread.node, this.scroller, this.down);
    this.scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#stuck && this.#bottom()).observe(this.scroller);
    new ResizeObserver(() => this.#stuck && this.#bottom()).observe(this.log);
    this.log.addEventListener('click', event => this.#tapped(event));
  }

  #stuck = true;
  #shape = '';

  /** Displays a room: where one was, or at what is new, or at its end. */
  async show(room) {
    if (this.room && this.room !== room) this.#leave();
    this.room = room;
    this.view.room = room;
    this.#nodes.clear();
    this.log.replaceChildren();
    this.#below = 0;
    if (!room) return;
    this.#stuck = !this.#places.has(room);
    if (room.unread) room.since = room.unread;
    if (!room.loaded) {
      this.#opening = room;
      await this.#first(room);
      this.#opening = null;
    }
    if (this.room !== room) return;
    this.#draw();
    const place = this.#places.get(room);
    this.#places.delete(room);
    const line = this.log.querySelector('.new');
    if (place && this.#offset(place.id) !== null) this.scroller.scrollTop += this.#offset(place.id) - place.offset;
    else if (line && line.offsetTop < this.scroller.scrollHeight - this.scroller.clientHeight) {
      this.#stuck = false;
      this.scroller.scrollTop = line.offsetTop - 60;
    } else this.#bottom();
    this.#scrolled();
  }

  #leave() {
    const first = this.#anchor();
    if (!this.#stuck && first) this.#places.set(this.room, first);
    if (!this.room.unread) this.room.divider = null;
    if (this.#stuck) this.room.trim(true);
  }

  async #first(room) {
    if (room.unread > 0 && room.read > 0 && room.divider === null) room.divider = room.read;
    this.log.setAttribute('aria-busy', 'true');
    room.held = [];
    try {
      const many = room.unread > PAGE - 10;
      const reply = await this.view.chat.link.ask('history', many
        ? { room: room.name, after: Math.max(0, room.read - 8), limit: PAGE }
        : { room: room.name, limit: PAGE });
      const before = room.items.filter(item => !item.seq);
      room.forget();
      room.page(reply.events, !many || !reply.more);
      for (const item of before) room.put({ t: item.t ?? 'message', ...item });
      room.atStart = many ? false : !reply.more;
      room.atEnd = many ? !reply.more : true;
      room.loaded = true;
      this.#receipts(room);
    } catch (error) {
      if (error.code !== 'lost') room.loaded = room.atStart = room.atEnd = true;
    }
    room.held = null;
    this.log.removeAttribute('aria-busy');
  }

  async #receipts(room) {
    if (!this.view.chat.me?.account) return;
    try {
      const { members } = await this.view.chat.link.ask('receipts', { room: room.name });
      for (const { name, delivered, read } of members) room.cursors.set(fold(name), { name, delivered, read });
      this.update();
    } catch {
      // Not every room tells them.
    }
  }

  /** Goes to a message, wherever it is in the log. */
  async jump(id) {
    const { room } = this;
    if (!room.byId.has(id)) {
      const reply = await this.view.chat.link.ask('history', { room: room.name, around: id, limit: PAGE });
      if (this.room !== room) return;
      room.forget();
      room.page(reply.events);
      room.loaded = true;
      room.atStart = false;
      room.atEnd = (room.lastSeq ?? 0) >= room.last;
      this.#nodes.clear();
    }
    this.#stuck = false;
    this.#draw();
    const node = this.#find(id);
    if (!node) return;
    node.scrollIntoView({ block: 'center' });
    node.classList.add('found');
    node.focus({ preventScroll: true });
    setTimeout(() => node.classList.remove('found'), 2_500);
  }

  /** Goes to the first message that one has not read. */
  async toUnread() {
    const { room } = this;
    if (!room || room.divider === null) return;
    if (!this.log.querySelector('.new')) {
      const reply = await this.view.chat.link.ask('history', { room: room.name, after: Math.max(0, room.divider - 8), limit: PAGE }).catch(() => null);
      if (!reply || this.room !== room) return;
      room.forget();
      room.page(reply.events, !reply.more);
      room.loaded = true;
      room.atEnd = !reply.more;
      this.#nodes.clear();
    }
    this.#stuck = false;
    this.#draw();
    const line = this.log.querySelector('.new');
    if (!line) return;
    this.scroller.scrollTop = line.offsetTop - 60;
    line.nextElementSibling?.focus({ preventScroll: true });
    this.#scrolled();
  }

  /** Everything here counts as read. */
  readAll() {
    const { room } = this;
    if (!room) return;
    room.divider = null;
    this.view.chat.seen(room);
    this.#draw();
  }

  /** Goes to the end of the log. */
  async toEnd() {
    const { room } = this;
    if (!room.atEnd) {
      room.forget();
      room.divider = null;
      room.unread = 0;
      await this.show(room);
    }
    this.#stuck = true;
    this.#below = 0;
    this.#draw();
    this.#bottom();
    this.#scrolled();
  }

  /** Something changed: it is drawn with the next frame. */
  update(event) {
    if (event?.t === 'message' && !this.#stuck && !this.view.chat.isMe(event.from)) this.#below += 1;
    if (event?.t === 'message' && this.view.chat.isMe(event.from)) this.#stuck = this.room?.atEnd ?? false;
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (!this.room) return;
      if (this.#opening === this.room) return;
      if (!this.room.loaded && this.view.chat.ready) return void this.show(this.room);
      this.#draw();
      this.#scrolled();
    });
    // Hidden tabs have no frames.
    if (document.hidden) setTimeout(() => this.room?.loaded && this.#draw(), 0);
  }

  get atBottom() {
    return this.#stuck && Boolean(this.room?.atEnd);
  }

  /** The newest message of one's own that can be edited: none as long as a newer one is on its way. */
  lastOwn() {
    if (this.#unsent().length) return undefined;
    return this.room?.items.findLast(item => item.kind === 'message' && this.view.chat.isMe(item.from) && !item.deleted && Room.inRoom(item));
  }

  #draw() {
    const { room } = this;
    const keep = this.#stuck ? null : this.#anchor();
    if (this.#stuck && room.live) room.trim(true);
    const wanted = [];
    let before = null;
    let ruled = room.divider === null;
    const add = (key, sig, make) => {
      const known = this.#nodes.get(key);
      const kept = known && known.sig === sig ? known : { sig, node: make() };
      wanted.push([key, kept]);
      return kept.node;
    };
    if (room.atStart) add('start', room.name, () => this.#start());
    for (const item of [...room.items.filter(Room.inRoom), ...this.#unsent()]) {
      if (!before || new Date(before.at).toDateString() !== new Date(item.at).toDateString()) {
        add(`day ${new Date(item.at).toDateString()}`, '', () => dayNode(item.at));
        before = null;
      }
      if (!ruled && item.order > room.divider && !this.view.chat.isMe(item.from) && item.kind === 'message') {
        ruled = true;
        add('new', '', newNode);
        before = null;
      }
      if (item.kind === 'note') {
        add(item.id, 'note', () => noteNode(item));
        before = { at: item.at };
        continue;
      }
      const continued = before?.from === item.from && item.at - before.at < TOGETHER && !item.reply && before.style !== 'action' && item.style !== 'action';
      const replied = item.reply && room.byId.get(item.reply)?.rev;
      const node = add(item.id ?? item.cid, `${item.rev} ${continued} ${replied} ${room.role} ${room.pins.has(item.id)} ${room.people !== null} ${nameOf(room, item.from)} ${item.state}`, () => messageNode(item, this.view, continued));
      if (this.view.chat.isMe(item.from)) this.#mark(node, item);
      before = item;
    }
    this.#place(wanted);
    if (this.#stuck) this.#bottom();
    else if (keep) {
      const now = this.#offset(keep.id);
      if (now !== null) this.scroller.scrollTop += now - keep.offset;
    }
    this.#button();
  }

  /** Puts nodes in order, and touches those alone that are not where they belong. */
  #place(wanted) {
    this.#nodes = new Map(wanted);
    const keep = new Set(wanted.map(([, { node }]) => node));
    const focused = this.log.contains(document.activeElement) ? document.activeElement.closest('[data-id]')?.dataset.id : null;
    for (const node of [...this.log.children]) if (!keep.has(node)) node.remove();
    let at = this.log.firstChild;
    for (const [, { node }] of wanted) {
      if (node === at) at = at.nextSibling;
      else this.log.insertBefore(node, at);
    }
    if (focused && !this.log.contains(document.activeElement)) this.#find(focused)?.focus({ preventScroll: true });
  }

  #mark(node, item) {
    const mark = item.deleted ? null : markNode(item, this.room, this.view.chat.me?.name ?? '');
    const old = node.querySelector(':scope > .mark');
    if (old?.className === mark?.className && old?.title === mark?.title) return;
    old?.remove();
    if (mark) node.append(mark);
  }

  /** Those of the outbox, at the end of the log. */
  #unsent() {
    if (!this.room.atEnd) return [];
    return this.view.chat.outbox.of(this.room.name).filter(entry => !entry.thread).map(entry => ({
      kind: 'message', cid: entry.cid, entry, at: entry.at, from: this.view.chat.me?.name ?? '', text: entry.text, style: entry.style ?? 'text',
      reply: entry.reply, media: entry.media ?? [], reactions: [], replies: 0, rev: 0, order: Infinity,
      state: entry.failed ? 'failed' : 'pending', failed: entry.failed,
    }));
  }

  #start() {
    const { room } = this;
    const words = room.direct ? `This is the beginning of your conversation with ${room.name}.` : `This is the beginning of ${room.name}.`;
    return h('div', { class: 'start' }, icon(room.direct ? 'person' : 'hash'), h('h2', {}, room.title), h('p', {}, words));
  }

  #find(id) {
    return this.log.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  #anchor() {
    const top = this.scroller.getBoundingClientRect().top;
    for (const node of this.log.querySelectorAll(':scope > [data-id]')) {
      const box = node.getBoundingClientRect();
      if (box.bottom > top) return { id: node.dataset.id, offset: box.top - top };
    }
    return null;
  }

  #offset(id) {
    const node = this.#find(id);
    return node ? node.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top : null;
  }

  #bottom() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #scrolled() {
    const { scroller, room } = this;
    if (!room?.loaded) return;
    // What is at the end stays there when the log or its frame gets another height: nobody has scrolled.
    const shape = `${scroller.clientHeight} ${scroller.scrollHeight}`;
    if (this.#stuck && room.atEnd && shape !== this.#shape) this.#bottom();
    this.#shape = shape;
    const below = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    this.#stuck = below < 48 && room.atEnd;
    if (this.#stuck) {
      this.#below = 0;
      if (!document.hidden && document.hasFocus()) this.view.chat.seen(room);
    }
    this.#button();
    if (scroller.scrollTop < NEAR && !room.atStart) this.#more(true);
    else if (below < NEAR && !room.atEnd) this.#more(false);
  }

  #button() {
    this.#above();
    this.down.hidden = this.#stuck || !this.room?.loaded;
    this.down.lastChild.textContent = this.#below ? `${this.#below} new` : 'Latest';
  }

  /** How much that is new stands above what one sees, or was not loaded. */
  #above() {
    const { room } = this;
    if (!room?.loaded || room.divider === null) return this.unread.show(null);
    const line = this.log.querySelector('.new');
    const fresh = room.items.filter(item => item.kind === 'message' && item.order > room.divider && !this.view.chat.isMe(item.from));
    const hidden = line ? line.offsetTop + line.offsetHeight < this.scroller.scrollTop : fresh.length > 0;
    return this.unread.show(hidden && fresh.length ? { number: Math.max(room.since, fresh.length), at: fresh[0].at } : null);
  }

  async #more(before) {
    const { room } = this;
    const seq = before ? room.firstSeq : room.lastSeq;
    if (this.#loading || (seq === undefined && room.items.length)) return;
    this.#loading = true;
    if (!before) room.held = [];
    try {
      const reply = await this.view.chat.link.ask('history', { room: room.name, [before ? 'before' : 'after']: seq ?? room.seq + 1, limit: PAGE });
      if (this.room !== room || !room.loaded) return;
      const last = !reply.more || reply.events.length === 0;
      room.page(reply.events, !before && last);
      if (before) room.atStart = last;
      else room.atEnd = last;
      room.trim(!before);
      this.#draw();
    } catch {
      return;
    } finally {
      this.#loading = false;
      if (!before) room.held = null;
    }
    // A page of answers in threads fills no screen.
    this.#scrolled();
  }

  /** Where there is no pointer that hovers, a tap shows the actions of a message. */
  #tapped(event) {
    if (!matchMedia('(hover: none)').matches || event.target.closest('a, button')) return;
    const message = event.target.closest('.message');
    for (const open of this.log.querySelectorAll('.message.open')) if (open !== message) open.classList.remove('open');
    message?.classList.toggle('open');
  }

  /** From message to message by keys. */
  step(by) {
    const all = [...this.log.querySelectorAll('.message')];
    const at = all.indexOf(document.activeElement?.closest('.message'));
    const next = at < 0 ? all.at(-1) : all[at + by];
    next?.focus();
    return Boolean(next);
  }
}
