// A room as this client knows it: what the server says of it, and a window of its log.
//
// The window is bounded: what is scrolled far out of sight is dropped, and asked for again.

import { fold } from './dom.js';

/** Items of the window at most. */
export const WINDOW = 300;
/** Messages in a page of history. */
export const PAGE = 60;

/** The time in a ULID, in ms since 1970. */
export function ulidTime(id) {
  let time = 0;
  for (const letter of id.slice(0, 10)) time = time * 32 + '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.indexOf(letter);
  return time;
}

export class Room {
  topic = '';
  role = 'member';
  members = 0;
  seq = 0;
  read = 0;
  delivered = 0;
  unread = 0;
  mentions = 0;
  /** The last event that this client has, so that it can resume behind it. */
  last = 0;
  /** Events before the last one that have not come yet. */
  missing = new Set();
  /** When something was said last, for the order of direct messages. */
  active = 0;
  draft = '';
  items = [];
  byId = new Map();
  loaded = false;
  atStart = false;
  atEnd = false;
  /** What is told while a page is under way that may be the last one: it belongs behind that page. */
  held = null;
  /** Where "new messages" begin: behind this event. */
  divider = null;
  /** How many were unread when one came. */
  since = 0;
  /** Who is here: folded name to `{ name, role, display }`; null until somebody asks. */
  people = null;
  cursors = new Map();
  typing = new Map();
  pins = new Set();
  settings = {};
  /** Of what one is notified here, if that was chosen: `all`, `mentions` or `none`. */
  notify = undefined;

  constructor(words) {
    this.name = words.room;
    this.key = fold(words.room);
    this.direct = !words.room.startsWith('#');
    this.kind = this.direct ? 'direct' : 'public';
    this.update(words);
    this.last = this.seq;
  }

  /** Takes what the server says of the room. */
  update(words) {
    for (const name of ['kind', 'topic', 'role', 'members', 'seq', 'read', 'delivered', 'unread']) {
      if (words[name] !== undefined) this[name] = words[name];
    }
    if (words.unread !== undefined) this.mentions = words.mentions ?? 0;
    if (words.unread !== undefined) this.notify = words.notify;
    this.pins = new Set(words.pins ?? []);
    this.settings = words.settings ?? {};
  }

  get title() {
    return this.direct ? this.name : this.name.slice(1);
  }

  get moderates() {
    return this.role === 'admin' || this.role === 'owner';
  }

  /** Whether one may pin, and set the topic. */
  get arranges() {
    return this.direct || this.moderates || !this.settings.topic_locked;
  }

  /** Whether a message is shown in the room itself, and not in a thread of it. */
  static inRoom(item) {
    return !item.thread;
  }

  /** Forgets the window. */
  forget() {
    this.items = [];
    this.missing.clear();
    this.byId.clear();
    this.loaded = this.atStart = this.atEnd = false;
  }

  /** Puts an event of the log in its place, or what became of a message onto it. Says which message changed. */
  put(event) {
    switch (event.t) {
      case 'message': return this.#insert(message(event));
      case 'tags': return null;
      case 'edit': case 'delete': case 'react': case 'unreact': return this.#change(event);
      default: return event.seq ? this.#insert({ ...event, kind: 'note', rev: 0, order: event.seq }) : null;
    }
  }

  /** Takes note of an event's number. Says whether the event is new. */
  advance(seq) {
    if (seq <= this.last) return this.missing.delete(seq);
    if (this.live) for (let gap = Math.max(this.last + 1, seq - WINDOW); gap < seq; gap += 1) this.missing.add(gap);
    this.last = seq;
    this.seq = Math.max(this.seq, seq);
    return true;
  }

  /** Whether an event of the end belongs into the window. */
  get live() {
    return this.loaded && this.atEnd;
  }

  #change(event) {
    const item = this.byId.get(event.message);
    if (item) become(item, event);
    return item ?? null;
  }

  #insert(item) {
    const known = this.byId.get(item.id);
    if (known) {
      if (item.seq && item.kind === 'message') Object.assign(known, item, { rev: known.rev + 1, replies: Math.max(known.replies, item.replies) });
      return known;
    }
    const end = this.items.at(-1);
    // Messages that are in no log have no number: they stand where they came, behind all that has one.
    if (!item.order) item.order = Math.max(end?.order ?? 0, this.last) + 0.001;
    this.byId.set(item.id, item);
    let at = this.items.length;
    while (at > 0 && this.items[at - 1].order > item.order) at -= 1;
    this.items.splice(at, 0, item);
    return item;
  }

  /** A page of history, in order; behind the last one stands what was told meanwhile. */
  page(events, last = false) {
    for (const event of events) this.put(event);
    if (last) for (const event of this.held ?? []) this.put(event);
  }

  /** Drops what the window has too much, at its beginning or its end. */
  trim(atBeginning) {
    const excess = this.items.length - WINDOW;
    if (excess <= 0) return;
    const dropped = atBeginning ? this.items.splice(0, excess) : this.items.splice(WINDOW);
    for (const item of dropped) this.byId.delete(item.id);
    if (atBeginning) this.atStart = false;
    else this.atEnd = false;
  }

  get firstSeq() {
    return this.items.find(item => item.seq)?.seq;
  }

  get lastSeq() {
    return this.items.findLast(item => item.seq)?.seq;
  }

  /** Who has received, and who has read, everything up to an event; without oneself. */
  seenBy(seq, me) {
    const others = [...this.cursors.values()].filter(cursor => fold(cursor.name) !== fold(me));
    return {
      delivered: others.filter(cursor => cursor.delivered >= seq).map(cursor => cursor.name),
      read: others.filter(cursor => cursor.read >= seq).map(cursor => cursor.name),
      others: others.length,
    };
  }
}

/** An event of a message, as an item of a window. */
export function message(event) {
  return {
    kind: 'message',
    rev: 0,
    order: event.seq || event.order || 0,
    id: event.id,
    seq: event.seq || 0,
    at: event.at ?? ulidTime(event.id),
    from: event.from,
    room: event.room,
    text: event.text ?? '',
    style: event.style ?? 'text',
    reply: event.reply,
    thread: event.thread,
    media: event.media ?? [],
    edited: event.edited,
    deleted: event.deleted,
    reactions: (event.reactions ?? []).map(({ reaction, by }) => ({ reaction, by: [...by] })),
    replies: event.replies ?? 0,
  };
}

/** Does to a message what an event says of it. */
export function become(item, event) {
  switch (event.t) {
    case 'edit': item.text = event.text; item.edited = event.at; break;
    case 'delete': item.deleted = event.at; item.reactions = []; break;
    case 'react': react(item, event.reaction, event.from, true); break;
    case 'unreact': react(item, event.reaction, event.from, false); break;
    default: return;
  }
  item.rev += 1;
}

function react(item, reaction, by, on) {
  const known = item.reactions.find(found => found.reaction === reaction) ?? { reaction, by: [] };
  known.by = known.by.filter(name => fold(name) !== fold(by));
  if (on) known.by.push(by);
  if (on && !item.reactions.includes(known)) item.reactions.push(known);
  item.reactions = item.reactions.filter(found => found.by.length);
}
