// The connection: requests and their replies, events, and how it comes back after it was lost.

import { sentence } from './dom.js';

const SUBPROTOCOL = 'chat.v1.json';
const FIRST_WAIT = 400;
const LONGEST_WAIT = 20_000;
const REPLY_WITHIN = 20_000;
/** How often a request is sent again that the server found too fast. */
const TRIES = 6;
/** Somebody who has asked to come in waits so long for a connection. */
const OPEN_WITHIN = 8_000;
const PING_AFTER = 25_000;

/** A request that the server did not do. */
export class Refused extends Error {
  constructor(reply) {
    super(sentence(reply.message || reply.code));
    this.code = reply.code;
    this.reply = reply;
  }
}

/** A request whose reply did not come: nobody knows whether it was done. */
export class Lost extends Error {
  constructor() {
    super('The connection was lost.');
    this.code = 'lost';
  }
}

/** Events: `hello`, `told` (with the event as detail), and `state` whenever `state` changes. */
export class Link extends EventTarget {
  state = 'closed';
  hello = null;
  retryAt = 0;
  #socket = null;
  #waiting = new Map();
  #number = 0;
  #failures = 0;
  #timer = 0;
  #heard = 0;
  #wanted = false;
  #lostAt = Date.now();

  constructor(url) {
    super();
    this.url = url;
    addEventListener('online', () => this.hurry());
    document.addEventListener('visibilitychange', () => document.hidden || this.hurry());
    setInterval(() => this.#check(), 5_000);
  }

  /** Connects, and stays connected. */
  open() {
    this.#wanted = true;
    clearTimeout(this.#timer);
    if (this.#socket) return;
    this.#set('connecting');
    const socket = new WebSocket(this.url, SUBPROTOCOL);
    this.#socket = socket;
    socket.onmessage = message => this.#socket === socket && this.#read(message.data);
    socket.onclose = () => this.#socket === socket && this.#lost();
  }

  /** Connects anew. */
  restart() {
    const socket = this.#socket;
    this.#lost();
    socket?.close();
    this.#failures = 0;
    this.open();
  }

  /** Asks for something. The reply's fields come, or `Refused`, or `Lost`. */
  ask(t, fields = {}) {
    if (this.state !== 'open') return Promise.reject(new Lost());
    const id = ++this.#number;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Lost());
      }, REPLY_WITHIN);
      this.#waiting.set(id, { resolve, reject, late, text: JSON.stringify({ t, id, ...fields }), tries: 0 });
      this.#socket.send(this.#waiting.get(id).text);
    });
  }

  /** Waits until there is a connection, or has been none for a while. */
  whenOpen() {
    if (this.state === 'open') return Promise.resolve();
    return new Promise(resolve => {
      const late = setTimeout(done, OPEN_WITHIN);
      const link = this;
      function done() {
        clearTimeout(late);
        link.removeEventListener('hello', done);
        resolve();
      }
      this.addEventListener('hello', done);
    });
  }

  /** Says something whose outcome nobody waits for. */
  tell(t, fields = {}) {
    this.ask(t, fields).catch(() => {});
  }

  #read(text) {
    this.#heard = performance.now();
    const words = JSON.parse(text);
    if (words.t === 'hello') {
      this.hello = words;
      this.#failures = 0;
      this.#set('open');
      this.dispatchEvent(new Event('hello'));
    } else if ((words.t === 'ok' || words.t === 'error') && words.re !== undefined) {
      const waiting = this.#waiting.get(words.re);
      if (!waiting) return;
      if (words.code === 'slow_down' && waiting.tries < TRIES) return void this.#again(waiting, words.wait_ms ?? 500);
      this.#waiting.delete(words.re);
      clearTimeout(waiting.late);
      if (words.t === 'ok') waiting.resolve(words);
      else waiting.reject(new Refused(words));
    } else {
      this.dispatchEvent(new CustomEvent('told', { detail: words }));
    }
  }

  /** A request that came too fast was not done: it is sent again when it may be. */
  #again(waiting, wait) {
    waiting.tries += 1;
    const socket = this.#socket;
    setTimeout(() => this.#socket === socket && this.state === 'open' && socket.send(waiting.text), wait * (1 + Math.random() * waiting.tries));
  }

  #lost() {
    this.#socket = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject, late } of waiting) {
      clearTimeout(late);
      reject(new Lost());
    }
    if (!this.#wanted) return this.#set('closed');
    // A random part keeps the clients of a server that was restarted from coming all at once.
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures) * (0.5 + Math.random() / 2);
    this.#failures += 1;
    this.retryAt = Date.now() + wait;
    this.#set('waiting');
    this.#timer = setTimeout(() => this.open(), wait);
  }

  /** Tries at once what would be tried soon. */
  hurry() {
    if (this.state === 'waiting') this.open();
    else this.#check();
  }

  /** A connection that says nothing is asked whether it lives. */
  #check() {
    if (this.state !== 'open' || performance.now() - this.#heard < PING_AFTER) return;
    const socket = this.#socket;
    this.#heard = performance.now();
    this.ask('ping').catch(() => {
      if (this.#socket !== socket) return;
      this.#lost();
      socket.close();
    });
  }

  /** Milliseconds since there was a connection. */
  get lostFor() {
    return this.state === 'open' ? 0 : Date.now() - this.#lostAt;
  }

  #set(state) {
    if (this.state === 'open' && state !== 'open') this.#lostAt = Date.now();
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }
}
