// Messages that are on their way. Each is kept in the browser until the server has acknowledged it, under an id (`cid`) by which the
// server knows it: however often it is sent, by whichever tab, it is said once.

const PREFIX = 'wireworks.outbox.';

export class Outbox {
  #entries = new Map();
  #busy = new Set();

  /** `say(entry)` sends one, `done(entry, reply)` and `changed(room)` are told what became of it. */
  constructor({ say, done, changed }) {
    Object.assign(this, { say, done, changed });
    // A tab that has sent its message says so by removing it.
    addEventListener('storage', event => {
      const cid = this.account && event.key?.startsWith(this.#prefix()) && event.newValue === null && event.key.slice(this.#prefix().length);
      const entry = cid && this.#entries.get(cid);
      if (!entry) return;
      this.#entries.delete(cid);
      this.changed(entry.room);
    });
  }

  /** Takes over what an account left unsent, here or in a tab that is closed. */
  open(account) {
    if (this.account !== account) this.#entries.clear();
    this.account = account;
    for (const name of Object.keys(localStorage)) {
      if (!name.startsWith(this.#prefix())) continue;
      try {
        const entry = JSON.parse(localStorage.getItem(name));
        if (!this.#entries.has(entry.cid)) this.#entries.set(entry.cid, entry);
      } catch {
        localStorage.removeItem(name);
      }
    }
  }

  /** Those for a room, oldest first. */
  of(room) {
    return [...this.#entries.values()].filter(entry => entry.room === room);
  }

  get size() {
    return this.#entries.size;
  }

  /** Keeps a message, and sends it as soon as may be. */
  add(room, fields) {
    const cid = crypto.getRandomValues(new Uint32Array(3)).reduce((text, part) => text + part.toString(36), 'w');
    const entry = { cid, room, at: Date.now(), ...fields };
    this.#entries.set(cid, entry);
    this.#keep(entry);
    this.changed(room);
    this.flush();
    return entry;
  }

  /** Forgets one that could not be sent. */
  drop(entry) {
    this.#entries.delete(entry.cid);
    localStorage.removeItem(this.#prefix() + entry.cid);
    this.changed(entry.room);
  }

  /** Tries one again that was refused. */
  retry(entry) {
    delete entry.failed;
    this.#keep(entry);
    this.changed(entry.room);
    this.flush();
  }

  /** Sends what waits: the messages of a room one by one, so that they keep their order. */
  flush() {
    for (const room of new Set([...this.#entries.values()].map(entry => entry.room))) this.#next(room);
  }

  async #next(room) {
    if (this.#busy.has(room)) return;
    const entry = this.of(room).find(found => !found.failed);
    if (!entry) return;
    this.#busy.add(room);
    let goes = true;
    try {
      const reply = await this.say(entry);
      this.#entries.delete(entry.cid);
      localStorage.removeItem(this.#prefix() + entry.cid);
      this.done(entry, reply);
    } catch (error) {
      goes = this.#failed(entry, error);
    }
    this.#busy.delete(room);
    this.changed(room);
    if (goes) this.#next(room);
  }

  /** Whether the next message can be tried at once. */
  #failed(entry, error) {
    if (error.code === 'lost') {
      // Without a connection this fails at once, and the next session begins with a flush.
      setTimeout(() => this.flush(), 5_000);
      return false;
    }
    // What will be possible later is tried again.
    const wait = error.reply?.wait_ms;
    if (wait !== undefined || ['busy', 'store_away', 'closing'].includes(error.code)) {
      setTimeout(() => this.flush(), Math.min(wait ?? 2_000, 60_000) + 50);
      return false;
    }
    entry.failed = error.message;
    this.#keep(entry);
    return true;
  }

  #keep(entry) {
    try {
      localStorage.setItem(this.#prefix() + entry.cid, JSON.stringify(entry));
    } catch {
      // The browser's room is full: the message is still sent, as long as the tab lives.
    }
  }

  #prefix() {
    return `${PREFIX}${this.account}.`;
  }
}
