// The pane at the side: members, threads and one of them, what is pinned, and search.

import { avatar } from './faces.js';
import { clock, count, day, fold, h, icon, iconButton } from './dom.js';
import { Composer } from './composer.js';
import { snippet } from './format.js';
import { messageNode } from './message.js';
import { become, message, PAGE } from './room.js';

const ROLES = [['owner', 'Owners'], ['admin', 'Admins'], ['voiced', 'Voiced'], ['member', 'Members']];

export class Pane {
  kind = null;
  #thread = null;
  #asked = 0;

  constructor(view) {
    this.view = view;
    this.heading = h('h2', { id: 'pane-title' });
    this.content = h('div', { class: 'pane-content' });
    this.node = h('section', { class: 'pane', 'aria-labelledby': 'pane-title', hidden: true },
      h('header', {}, iconButton('back', 'Back', () => this.close(), { class: 'icon-button only-narrow' }), this.heading, iconButton('close', 'Close this pane', () => this.close(), { class: 'icon-button only-wide' })), this.content);
  }

  close() {
    if (!this.kind) return false;
    this.kind = this.#thread = null;
    this.node.hidden = true;
    this.view.shown();
    return true;
  }

  #open(kind, title, ...content) {
    this.kind = kind;
    this.#asked += 1;
    this.heading.textContent = title;
    this.content.replaceChildren(...content);
    this.node.hidden = false;
    if (kind !== 'thread') this.#thread = null;
    this.view.shown();
    return this.#asked;
  }

  /** Where answers in the open thread are written. */
  get composer() {
    return this.#thread?.composer;
  }

  /** The room was changed: what belongs to the other one is closed, or displayed anew. */
  changeRoom() {
    if (this.kind === 'members') this.members();
    else if (this.kind && this.kind !== 'search') this.close();
  }

  async members() {
    const { chat, room } = this.view;
    if (!room) return undefined;
    if (room.direct) return this.view.actions.person(room.name, this.view.header);
    const asked = this.#open('members', 'Members', h('p', { class: 'soft' }, 'Loading…'));
    try {
      await chat.people(room);
    } catch (error) {
      if (asked === this.#asked) this.content.replaceChildren(h('p', { class: 'form-error' }, error.message));
      return undefined;
    }
    if (asked === this.#asked) this.drawMembers();
    this.view.shown();
    return undefined;
  }

  drawMembers() {
    const { chat, room, actions } = this.view;
    if (this.kind !== 'members' || !room?.people) return;
    const focused = this.content.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    const groups = ROLES.map(([role, title]) => {
      const people = [...room.people.values()].filter(found => (found.role ?? 'member') === role);
      if (!people.length) return null;
      const away = found => (chat.presence(found.name).presence === 'offline' && !chat.isMe(found.name) ? 1 : 0);
      people.sort((a, b) => away(a) - away(b) || fold(a.name).localeCompare(fold(b.name)));
      return h('section', {}, h('h3', {}, `${title} · ${people.length}`), h('ul', { class: 'people' }, people.map(found => {
        const { presence, status } = chat.isMe(found.name) ? { presence: chat.mine ?? 'online', status: chat.status ?? '' } : chat.presence(found.name);
        return h('li', {}, h('button', { type: 'button', 'data-name': found.name, class: presence === 'offline' ? 'row away' : 'row', 'aria-haspopup': 'menu', onclick: event => actions.person(found.name, event.currentTarget) },
          h('span', { class: 'face' }, avatar(found.name), h('i', { class: `dot ${presence}` })),
          h('span', { class: 'row-name' }, found.display || found.name, found.display && h('small', {}, ` ${found.name}`), status && h('small', { class: 'status' }, status)), h('span', { class: 'sr' }, ` ${presence}`)));
      })));
    });
    const act = (mark, label, then) => h('button', { type: 'button', class: 'button quiet', onclick: then }, icon(mark), label);
    const deeds = h('div', { class: 'pane-actions' }, act('plus', 'Invite', () => actions.invite(room)), act('shield', 'Roles and more', () => actions.manage('people')));
    this.content.replaceChildren(...[deeds, ...groups].filter(Boolean));
    if (focused) this.content.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus();
  }

  /** The answers to a message. */
  async thread(item) {
    const { chat, room } = this.view;
    const composer = new Composer(chat, this.view.actions, item);
    composer.show(room);
    const log = h('div', { class: 'log', role: 'log', 'aria-live': 'off', 'aria-label': 'Thread' });
    const asked = this.#open('thread', 'Thread', h('div', { class: 'scroller', tabindex: '0', role: 'region', 'aria-label': 'Thread' }, log), composer.form);
    this.#thread = { room, parent: item, items: new Map(), log, composer };
    composer.focus();
    this.drawThread();
    try {
      const reply = await chat.link.ask('history', { room: room.name, thread: item.id, limit: PAGE * 3 });
      if (asked !== this.#asked) return;
      for (const event of reply.events) if (event.t === 'message' && event.id !== item.id) this.#thread.items.set(event.id, message(event));
      this.drawThread();
    } catch (error) {
      log.append(h('p', { class: 'form-error' }, error.message));
    }
  }

  /** Something happened in the room. */
  told(room, event) {
    if (this.kind === 'pins' && ['pin', 'unpin'].includes(event?.t) && room === this.view.room) this.pins();
    const thread = this.#thread;
    if (!thread || thread.room !== room) return;
    if (event?.t === 'message' && event.thread === thread.parent.id) thread.items.set(event.id, message(event));
    const item = event?.message && thread.items.get(event.message);
    if (item && !room.byId.has(item.id)) become(item, event);
    this.drawThread();
  }

  drawThread() {
    const thread = this.#thread;
    if (!thread) return;
    const { chat } = this.view;
    const view = { ...this.view, chat, room: thread.room, inThread: true, actions: this.view.actions, media: this.view.media, look: this.view.look };
    const now = item => thread.room.byId.get(item.id) ?? item;
    const waiting = chat.outbox.of(thread.room.name).filter(entry => entry.thread === thread.parent.id)
      .map(entry => ({ cid: entry.cid, entry, at: entry.at, from: chat.me?.name ?? '', text: entry.text, style: entry.style ?? 'text', media: entry.media ?? [], reactions: [], state: entry.failed ? 'failed' : 'pending', failed: entry.failed }));
    const items = [...thread.items.values()].sort((a, b) => a.order - b.order).map(now);
    const rule = h('div', { class: 'day', role: 'separator' }, h('span', {}, count(items.length, 'reply', 'replies')));
    thread.log.replaceChildren(messageNode(now(thread.parent), view, false), rule, ...[...items, ...waiting].map(item => messageNode({ ...item, reply: undefined }, view, false)));
    thread.log.parentNode.scrollTop = thread.log.parentNode.scrollHeight;
  }

  /** Messages with answers, those of late first. */
  async threads() {
    const { chat, room } = this.view;
    const list = h('div', { class: 'results' });
    const note = h('p', { class: 'soft', role: 'status' }, 'Loading…');
    const more = h('button', { type: 'button', class: 'button quiet wide-button', hidden: true, onclick: () => load() }, 'Look further back');
    const asked = this.#open('threads', 'Threads', note, list, more);
    let before;
    const load = async () => {
      more.disabled = true;
      try {
        const reply = await chat.link.ask('history', { room: room.name, before, limit: chat.limits.page ?? PAGE });
        if (asked !== this.#asked) return;
        const found = reply.events.filter(event => event.replies && !event.thread).reverse();
        list.append(...found.map(event => this.#threadRow(message(event))));
        before = reply.events[0]?.seq;
        more.hidden = !reply.more || !before;
        note.textContent = list.childElementCount ? '' : more.hidden ? 'Nobody has answered in a thread yet. T on a message begins one.' : 'No threads of late.';
      } catch (error) {
        note.textContent = error.message;
      }
      more.disabled = false;
    };
    await load();
  }

  #threadRow(item) {
    return h('button', { type: 'button', class: 'result', onclick: () => this.thread(this.view.room.byId.get(item.id) ?? item) },
      h('span', { class: 'head' }, avatar(item.from), h('b', {}, item.from), h('span', { class: 'soft' }, `${day(item.at)} ${clock(item.at)}`)),
      h('span', { class: 'result-text' }, (item.text || 'A file').slice(0, 300)),
      h('span', { class: 'replies' }, icon('thread'), count(item.replies, 'reply', 'replies')));
  }

  async pins() {
    const { chat, room } = this.view;
    const asked = this.#open('pins', 'Pinned messages', h('p', { class: 'soft' }, 'Loading…'));
    try {
      const reply = await chat.link.ask('pins', { room: room.name });
      const events = reply.events;
      room.pins = new Set(events.map(event => event.id ?? event));
      if (asked !== this.#asked) return;
      const none = h('p', { class: 'soft' }, 'Nothing is pinned here. Pin a message by its menu, and everybody finds it here.');
      this.content.replaceChildren(...(events.length ? events.map(event => this.#result(event, [event.text || 'A file'])) : [none]));
    } catch (error) {
      this.content.replaceChildren(h('p', { class: 'form-error' }, error.message));
    }
  }

  search() {
    const { chat, room } = this.view;
    const input = h('input', { type: 'search', name: 'text', placeholder: 'Words, "a phrase", begin*', 'aria-label': 'Search for', autocomplete: 'off' });
    const scope = h('select', { name: 'scope', 'aria-label': 'Where' }, room && h('option', { value: 'room' }, `In ${room.name}`), h('option', { value: 'all' }, 'In all my rooms'));
    const results = h('div', { class: 'results', 'aria-live': 'polite' });
    let last = 0;
    const run = async before => {
      const text = input.value.trim();
      if (!text) return;
      last += 1;
      const mine = last;
      try {
        const reply = await chat.link.ask('search', { text, room: scope.value === 'room' ? room?.name : undefined, before, limit: 30 });
        if (mine !== last) return;
        const found = reply.found.map(({ event, snippet: words }) => this.#result(event, snippet(words ?? event.text)));
        if (!before) results.replaceChildren(h('p', { class: 'soft' }, found.length ? `${count(found.length, 'message')}${reply.more ? ' and more' : ''}` : 'Nothing was found.'));
        results.append(...found);
        if (reply.more && found.length) {
          const more = h('button', { type: 'button', class: 'button quiet wide-button', onclick: () => { more.remove(); run(reply.found.at(-1).event.id); } }, 'More');
          results.append(more);
        }
      } catch (error) {
        results.replaceChildren(h('p', { class: 'form-error' }, error.message));
      }
    };
    let timer;
    input.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(run, 350); });
    scope.addEventListener('change', () => run());
    const form = h('form', { class: 'search', role: 'search', onsubmit: event => { event.preventDefault(); clearTimeout(timer); run(); } }, h('div', { class: 'search-field' }, icon('search'), input), scope);
    this.#open('search', 'Search', form, results);
    input.focus();
  }

  #result(event, text) {
    return h('button', { type: 'button', class: 'result', onclick: () => this.view.actions.jump(event.room, event.id) },
      h('span', { class: 'head' }, avatar(event.from), h('b', {}, event.from), h('span', { class: 'soft' }, `${event.room} · ${day(event.at)} ${clock(event.at)}`)), h('span', { class: 'result-text' }, ...text));
  }
}
