// The client's state: who one is, one's rooms, and who is here. It is changed by what the server tells, and by nothing else.
//
// Views listen to `change`, whose detail says what changed: `me`, `rooms`, `room`, `people`, `display`, `link`.

import { face } from './faces.js';
import { fold } from './dom.js';
import { Link, Lost } from './link.js';
import { Outbox } from './outbox.js';
import { calls } from './format.js';
import { Room } from './room.js';
import { Session } from './session.js';

/** How long events are waited for that were passed over. */
const MEND_AFTER = 1_500;
/** Members of a room that are asked for. */
const PEOPLE = 2_000;
/** People whose pictures are asked for when a session begins. */
const FACES = 10;
/** People who have just come in that are asked about at the same time. */
const MEETING = 8;

export class Chat extends EventTarget {
  me = null;
  rooms = new Map();
  current = null;
  presences = new Map();
  /** The presence that was chosen, if any, and what was said about it. */
  mine = null;
  status = null;
  /** How many are asked about who have just come in. */
  meeting = 0;
  /** Whether this connection has come in. */
  ready = false;
  constructor() {
    super();
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.link = new Link(`${scheme}://${location.host}/chat`);
    this.session = new Session(this);
    this.outbox = new Outbox({
      say: entry => this.#say(entry),
      done: (entry, reply) => this.#said(entry, reply),
      changed: name => this.changed('room', this.rooms.get(fold(name))),
    });
    this.link.addEventListener('state', () => {
      if (this.link.state !== 'open') this.ready = false;
      this.changed('link');
    });
    this.link.addEventListener('told', event => this.told(event.detail));
  }

  changed(what, room = null, event = null) {
    this.dispatchEvent(new CustomEvent('change', { detail: { what, room, event } }));
  }

  get limits() {
    return this.link.hello?.limits ?? {};
  }

  room(name) {
    return this.rooms.get(fold(name));
  }

  /** Whether a name is one's own. */
  isMe(name) {
    return this.me !== null && fold(name) === fold(this.me.name);
  }

  presence(name) {
    return this.presences.get(fold(name)) ?? { presence: 'offline', status: '' };
  }

  /** The last event of each room that this client has, so that the server tells what was missed. */
  resume() {
    const known = [...this.rooms.values()].filter(room => room.live && room.last > 0);
    return known.length ? Object.fromEntries(known.map(room => [room.name, room.last])) : undefined;
  }

  /** The rooms as they are when a session begins. What was missed since the last one was told before this. */
  async begin(reply) {
    const again = this.me !== null && fold(this.me.name) === fold(reply.me.name);
    if (!again) this.rooms.clear();
    this.me = reply.me;
    this.ready = true;
    const resumed = new Set(Object.entries(reply.resumed ?? {}).filter(([, { lost }]) => !lost).map(([name]) => fold(name)));
    for (const words of reply.rooms ?? []) {
      const room = this.add(words);
      if (!resumed.has(room.key) && room.last < words.seq) room.forget();
      room.last = Math.max(room.last, words.seq);
    }
    if (again) this.#dropLeft(reply.rooms ?? []);
    this.changed('me');
    this.changed('rooms');
    this.outbox.open(this.me.account ?? `guest.${this.me.name}`);
    this.outbox.flush();
    if (again && this.mine) this.link.tell('presence', { presence: this.mine, status: this.status ?? undefined });
    if (!again) this.#faces();
    this.watch([...this.rooms.values()].filter(room => room.direct).map(room => room.name));
    this.changed('room', this.current);
  }

  /** Sets one's presence here, and what it is about: what is not said stays. Who is not to be seen is so on all devices. */
  async setPresence(presence, status = this.status ?? '') {
    await this.link.ask('presence', { presence, status, all: presence === 'offline' || undefined });
    this.mine = presence;
    this.status = status;
    this.changed('rooms');
  }

  /** One's own picture, and those of the people whom one writes to. */
  async #faces() {
    const directs = [...this.rooms.values()].filter(room => room.direct).slice(0, FACES);
    for (const name of [this.me.account, ...directs.map(room => room.name)].filter(Boolean)) await this.look(name);
  }

  /** What somebody looks like. */
  async look(name) {
    const reply = await this.link.ask('whois', { name }).catch(() => null);
    if (!reply) return;
    face(name, reply.user.avatar);
    this.#displayed(name, reply.user.display ?? '');
  }

  /** What somebody is called beside the name. */
  #displayed(name, display) {
    if (this.isMe(name)) this.me.display = display;
    for (const room of this.rooms.values()) {
      const found = room.people?.get(fold(name));
      if (found) found.display = display;
    }
    this.changed('display');
  }

  /** Somebody has come into a room. */
  #joined(room, { from, account }) {
    room.members += 1;
    if (!this.presences.has(fold(from))) this.presences.set(fold(from), { presence: 'online', status: '' });
    if (room === this.current) room.people?.set(fold(from), { name: from, role: 'member' });
    else if (!room.direct) room.people = null;
    if (!account || room !== this.current || this.meeting >= MEETING) return;
    this.meeting += 1;
    this.look(from).finally(() => { this.meeting -= 1; });
  }

  /** The members of a room, all of them up to a limit. */
  async people(room) {
    const people = new Map();
    let reply;
    let after;
    do {
      reply = await this.link.ask('members', { room: room.name, after, limit: 200 });
      for (const found of reply.members) this.#member(people, found);
      after = reply.members.at(-1)?.name;
    } while (reply.more && after && people.size < PEOPLE);
    room.people = people;
    if (!reply.more) room.members = people.size;
    this.changed('people');
    return people;
  }

  #member(people, found) {
    people.set(fold(found.name), found);
    face(found.name, found.avatar);
    if (found.presence) this.presences.set(fold(found.name), { presence: found.presence, status: found.status ?? this.presence(found.name).status });
  }

  /** Asks for the presence of these, now and from now on. */
  async watch(names) {
    if (!names.length) return;
    const reply = await this.link.ask('watch', { names }).catch(() => ({}));
    for (const { name, presence, status } of reply.users ?? []) this.presences.set(fold(name), { presence, status: status ?? '' });
    this.changed('people');
  }

  /** Changes something in a room. Who makes a change hears of it by the reply alone: it is applied here. */
  async act(t, fields) {
    const reply = await this.link.ask(t, fields);
    if (reply.seq) this.told({ ...fields, t, seq: reply.seq, id: reply.id, at: reply.at ?? Date.now(), from: this.me.name });
    return reply;
  }

  /** Rooms that one has left elsewhere, while this client was away. Those that only this client knows stay. */
  #dropLeft(rooms) {
    const names = new Set(rooms.map(words => fold(words.room)));
    for (const room of [...this.rooms.values()]) {
      if (!room.direct && !names.has(room.key)) this.remove(room);
    }
  }

  /** Adds a room, or brings a known one up to date. */
  add(words) {
    const known = this.room(words.room);
    if (known) known.update(words);
    else this.rooms.set(fold(words.room), new Room(words));
    return this.room(words.room);
  }

  remove(room) {
    this.rooms.delete(room.key);
    if (this.current === room) this.current = null;
    this.changed('rooms');
  }

  /** The room with somebody, who need not be known. */
  direct(name) {
    const room = this.room(name) ?? this.add({ room: name, kind: 'direct', seq: 0 });
    this.watch([name]);
    this.look(name);
    this.changed('rooms');
    return room;
  }

  /** What the server tells. */
  told(words) {
    switch (words.t) {
      case 'typing': return this.#typing(words);
      case 'presence':
        this.presences.set(fold(words.name), { presence: words.presence, status: words.status ?? '' });
        // One was made unseen on another device, on all of them.
        if (words.presence === 'offline' && this.isMe(words.name)) this.mine = 'offline';
        return this.changed('people');
      case 'cursor': return this.#cursor(words);
      case 'read': return this.#readElsewhere(words);
      case 'renamed': return this.#renamed(words);
      case 'gone':
        this.presences.set(fold(words.name), { presence: 'offline', status: '' });
        return this.changed('people');
      case 'appeared': {
        const room = this.room(words.room);
        if (!room && this.isMe(words.name)) return this.#newRoom(words);
        room?.people?.set(fold(words.name), { name: words.name, role: words.role });
        if (this.presence(words.name).presence === 'offline') this.presences.set(fold(words.name), { presence: 'online', status: '' });
        return this.changed('people');
      }
      case 'display': return this.#displayed(words.name, words.display ?? '');
      case 'bye': return this.changed('bye', null, words);
      default: return words.room && this.#event(words);
    }
  }

  #event(event) {
    const room = this.room(event.room);
    if (room) return this.#logged(room, event);
    if (event.t === 'invite' && this.isMe(event.name)) return this.changed('invited', null, event);
    if (event.t === 'invited') return this.changed('invited', null, event);
    if (event.t === 'message' || this.isMe(event.from)) return this.#newRoom(event);
    return undefined;
  }

  /** Something happens in a room that this client does not know: one came in by another device, or somebody speaks to one. */
  async #newRoom(event) {
    if (['leave', 'close'].includes(event.t)) return;
    const room = this.add({ room: event.room, seq: 0 });
    if (room.direct) this.watch([room.name]);
    if (event.t !== 'appeared') this.#logged(room, event);
    try {
      const { room: words } = await this.link.ask('room', { room: event.room });
      if (words?.room) room.update(words);
    } catch {
      // A guest's direct messages are in no log.
      if (room.direct) room.atStart = room.atEnd = room.loaded = true;
    }
    this.changed('rooms');
  }

  #logged(room, event) {
    if (event.seq && !room.advance(event.seq)) return;
    if (room.missing.size && !room.mending) {
      room.mending = setTimeout(() => {
        room.mending = 0;
        // They do not come any more: the window is loaded anew.
        if (!room.missing.size) return;
        room.forget();
        this.changed('room', room);
      }, MEND_AFTER);
    }
    const before = event.message && room.byId.get(event.message);
    // What is said with a guest is in no log. What is said so in a room waits for the log, and stands behind it.
    const aside = !event.seq && !room.loaded;
    if (aside && room.direct && !room.seq) room.loaded = room.atEnd = room.atStart = true;
    room.held?.push(event);
    if (room.live || before || aside) room.put(event);
    if ((room.live || aside) && room !== this.current) room.trim(true);
    this.#effects(room, event);
    this.changed('room', room, event);
  }

  #effects(room, event) {
    switch (event.t) {
      case 'message': return this.#message(room, event);
      case 'topic': room.topic = event.topic ?? ''; break;
      case 'join':
        this.#joined(room, event);
        break;
      case 'leave': return this.#left(room, event.from);
      case 'kick': return this.#left(room, event.name);
      case 'close': return this.remove(room);
      case 'role':
        if (this.isMe(event.name)) room.role = event.role;
        if (room.people?.has(fold(event.name))) room.people.get(fold(event.name)).role = event.role;
        break;
      case 'rename': room.people?.delete(fold(event.from)); room.people?.set(fold(event.name), { name: event.name, role: 'member' }); break;
      case 'pin': room.pins.add(event.message); break;
      case 'unpin': room.pins.delete(event.message); break;
      case 'set': Object.assign(room.settings, event.set); break;
      default: return undefined;
    }
    return this.changed('rooms');
  }

  #left(room, name) {
    if (this.isMe(name)) return this.remove(room);
    room.members = Math.max(0, room.members - 1);
    room.people?.delete(fold(name));
    return this.changed('people');
  }

  #message(room, event) {
    room.typing.delete(fold(event.from));
    room.active = event.at ?? Date.now();
    if (event.thread) {
      const parent = room.byId.get(event.thread);
      if (parent) { parent.replies += 1; parent.rev += 1; }
    }
    if (this.isMe(event.from)) {
      room.read = Math.max(room.read, event.seq ?? 0);
      return;
    }
    const seen = room === this.current && !document.hidden && room.live;
    const called = room.direct || calls(event.text ?? '', this.me.name);
    if (!seen) {
      room.unread += 1;
      if (called) room.mentions += 1;
      if (room.divider === null && room.unread === 1) room.divider = event.seq ? event.seq - 1 : room.last;
    }
    if (event.seq && this.me.account) this.#delivered(room);
    if (room.notify === 'all' || (called && room.notify !== 'none')) this.changed('called', room, event);
  }

  /** Tells the server what has arrived: once for all that comes in a second. */
  #delivered(room) {
    if (room.receiving) return;
    room.receiving = setTimeout(() => {
      room.receiving = 0;
      if (room.last > room.delivered) {
        room.delivered = room.last;
        this.link.tell('delivered', { room: room.name, seq: room.last });
      }
    }, 1_000);
  }

  /** Everything in a room was seen. */
  seen(room) {
    const fresh = room.unread > 0 || room.mentions > 0;
    room.unread = room.mentions = 0;
    if (fresh) this.changed('rooms');
    if (room.last <= room.read || !this.me?.account || this.link.state !== 'open' || room.reading) return;
    room.reading = setTimeout(() => {
      room.reading = 0;
      if (room.last <= room.read) return;
      room.read = room.delivered = room.last;
      this.link.tell('read', { room: room.name, seq: room.last });
    }, 300);
  }

  #readElsewhere({ room: name, seq }) {
    const room = this.room(name);
    if (!room) return;
    room.read = Math.max(room.read, seq);
    if (seq >= room.last) room.unread = room.mentions = 0;
    this.changed('rooms');
  }

  #typing({ room: name, from, on }) {
    const room = this.room(name);
    if (!room || this.isMe(from)) return;
    clearTimeout(room.typing.get(fold(from))?.timer);
    if (on) {
      const timer = setTimeout(() => { room.typing.delete(fold(from)); this.changed('typing', room); }, 8_000);
      room.typing.set(fold(from), { name: from, timer });
    } else {
      room.typing.delete(fold(from));
    }
    this.changed('typing', room);
  }

  #cursor({ room: name, name: who, delivered, read }) {
    const room = this.room(name);
    if (!room) return;
    room.cursors.set(fold(who), { name: who, delivered, read });
    this.changed('cursor', room);
  }

  #renamed({ from, name }) {
    if (this.isMe(from)) this.me.name = name;
    this.presences.set(fold(name), this.presence(from));
    for (const room of this.rooms.values()) {
      const known = room.people?.get(fold(from));
      if (!known) continue;
      room.people.delete(fold(from));
      room.people.set(fold(name), { ...known, name });
    }
    const direct = this.room(from);
    if (direct?.direct) {
      this.rooms.delete(direct.key);
      direct.name = name;
      direct.key = fold(name);
      this.rooms.set(direct.key, direct);
    }
    this.changed('people');
    this.changed('rooms');
  }

  #say({ room, text, cid, style, reply, thread, media }) {
    if (!this.ready) return Promise.reject(new Lost());
    const files = media?.map(({ digest, name }) => ({ digest, name }));
    return this.link.ask('send', { room, text, cid, style, reply, thread, media: files?.length ? files : undefined });
  }

  /** The reply to a message stands for its event. Of one that was sent again the event may be known. */
  #said({ room, text, style, reply: to, thread, media }, { id, seq, at }) {
    if (id) this.told({ t: 'message', room, text, style, reply: to, thread, media, id, seq, at, from: this.me.name });
  }
}
