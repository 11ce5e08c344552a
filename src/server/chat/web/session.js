// Who one is: signing up and in, coming as a guest, and coming back by the token after the connection was lost.

const TOKEN = 'wireworks.token';
const GUEST = 'wireworks.guest';

export class Session {
  /** Why one has to sign in (again), for the form. */
  reason = '';
  #again = true;

  constructor(chat) {
    this.chat = chat;
    chat.link.addEventListener('hello', () => this.#hello());
    // Another tab has logged in, or out.
    addEventListener('storage', event => {
      if (event.key !== TOKEN) return;
      if (event.newValue === null && chat.me?.account) this.#out('');
      else if (event.newValue && !chat.me) this.#hello();
    });
  }

  get known() {
    return localStorage.getItem(TOKEN) !== null || sessionStorage.getItem(GUEST) !== null;
  }

  /** By `login` or `register`. */
  async account(verb, fields) {
    await this.chat.link.whenOpen();
    const reply = await this.chat.link.ask(verb, { ...fields, device: device() });
    if (reply.token) localStorage.setItem(TOKEN, reply.token);
    sessionStorage.removeItem(GUEST);
    await this.#begin(reply);
  }

  async guest(name) {
    await this.chat.link.whenOpen();
    const reply = await this.chat.link.ask('guest', { name });
    sessionStorage.setItem(GUEST, name);
    await this.#begin(reply);
  }

  /** Logs this device out: the token is void from then on. */
  async logout() {
    const account = this.chat.me?.account;
    this.#forget();
    if (account) await this.chat.link.ask('logout').catch(() => {});
    this.#out('');
    this.chat.link.restart();
  }

  async #hello() {
    const { chat } = this;
    const token = localStorage.getItem(TOKEN);
    const guest = sessionStorage.getItem(GUEST);
    try {
      if (token) await this.#begin(await chat.link.ask('token', { token, resume: chat.resume() }));
      else if (guest) await this.#guestAgain(guest);
      else chat.changed('me');
    } catch (error) {
      if (error.code === 'lost') return;
      if (token && !['token_over', 'token_invalid', 'suspended', 'not_found'].includes(error.code)) {
        setTimeout(() => chat.link.state === 'open' && this.#hello(), error.reply?.wait_ms ?? 3_000);
        return;
      }
      this.#forget();
      this.#out(token ? 'Please sign in again.' : error.message);
    }
  }

  /** The server forgets a guest whose connection ends: it comes in anew, and enters its rooms again. */
  async #guestAgain(name) {
    const { chat } = this;
    const rooms = chat.me ? [...chat.rooms.values()].filter(room => !room.direct) : [];
    const reply = await chat.link.ask('guest', { name }).catch(async error => {
      // The old connection of this guest may not have ended yet.
      if (error.code === 'lost' || !this.#again) throw error;
      this.#again = false;
      await new Promise(done => setTimeout(done, 1_500));
      return chat.link.ask('guest', { name });
    });
    this.#again = true;
    // What was said meanwhile is in the history alone.
    for (const room of rooms) room.forget();
    const joined = await Promise.all(rooms.map(room => chat.link.ask('join', { room: room.name }).then(found => found.room, () => null)));
    await this.#begin({ ...reply, rooms: [...(reply.rooms ?? []), ...joined.filter(Boolean)] });
  }

  async #begin(reply) {
    this.reason = '';
    await this.chat.begin(reply);
  }

  #forget() {
    localStorage.removeItem(TOKEN);
    sessionStorage.removeItem(GUEST);
  }

  #out(reason) {
    const { chat } = this;
    this.reason = reason;
    chat.me = null;
    chat.current = null;
    chat.rooms.clear();
    chat.presences.clear();
    chat.mine = chat.status = null;
    chat.changed('me');
  }
}

/** What this device is called in the list of sessions. */
function device() {
  const agent = navigator.userAgent;
  const browser = ['Firefox', 'Edg', 'Chrome', 'Safari'].find(name => agent.includes(name)) ?? 'Browser';
  const system = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac', 'Linux'].find(name => agent.includes(name));
  return `${browser === 'Edg' ? 'Edge' : browser}${system ? ` on ${system}` : ''}`;
}
