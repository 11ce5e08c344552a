// Where one writes: text that grows with its lines, files, answers and edits, names by Tab, and commands.

import { plain } from './format.js';
import { fold, h, icon, iconButton, toast } from './dom.js';
import { noFiles, Tray } from './tray.js';

const COMMANDS = [
  ['/me', 'does something', 'Say what you do'],
  ['/join', '#room', 'Enter a room'],
  ['/msg', 'name text', 'Write to somebody'],
  ['/topic', 'text', 'Set the topic'],
  ['/invite', 'name', 'Invite somebody'],
  ['/leave', '', 'Leave the room'],
];
const TYPING_EVERY = 3_000;

export class Composer {
  room = null;
  #mode = null;
  #typed = 0;
  #choice = -1;
  /** What was written before an edit began. */
  #kept = '';

  /** `actions` are the app's; `thread` is the message whose thread it writes to, or null. */
  constructor(chat, actions, thread = null) {
    Object.assign(this, { chat, actions, thread });
    const label = thread ? 'Reply in thread' : 'Message';
    this.input = h('textarea', { rows: '1', 'aria-label': label, placeholder: label, enterkeyhint: 'send', autocapitalize: 'sentences', dir: 'auto', 'aria-autocomplete': 'list' });
    this.banner = h('div', { class: 'banner', hidden: true });
    this.tray = new Tray(chat, () => this.#refresh());
    this.choices = h('div', { class: 'choices', role: 'listbox', 'aria-label': 'Suggestions', hidden: true });
    this.picker = h('input', { type: 'file', multiple: true, hidden: true, tabindex: '-1', 'aria-label': 'Files', onchange: () => { this.tray.add(this.picker.files); this.picker.value = ''; } });
    this.clip = iconButton('clip', 'Attach files', () => this.picker.click());
    this.send = h('button', { type: 'submit', class: 'send', 'aria-label': 'Send', title: 'Send (Enter)' }, icon('send'));
    this.error = h('p', { class: 'form-error', role: 'alert' });
    this.form = h('form', { class: 'composer' }, this.choices, this.banner, this.tray.node,
      h('div', { class: 'composer-row' }, this.clip, this.input, this.picker, this.send), this.error);
    this.form.addEventListener('submit', event => { event.preventDefault(); this.#submit(); });
    this.input.addEventListener('input', () => this.#input());
    this.input.addEventListener('keydown', event => this.#key(event));
    this.input.addEventListener('blur', () => setTimeout(() => this.#offer([]), 150));
    this.form.addEventListener('paste', event => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.tray.add(event.clipboardData.files);
    });
  }

  show(room) {
    if (this.room) this.room.draft = this.#mode?.edit ? this.#kept : this.input.value;
    this.#silent();
    this.room = room;
    this.#mode = null;
    this.banner.hidden = true;
    this.error.textContent = '';
    this.input.value = this.thread ? '' : room.draft;
    if (!this.thread) this.input.placeholder = `Message ${room.direct ? room.name : room.name}`;
    this.clip.hidden = Boolean(noFiles(this.chat));
    this.#refresh();
  }

  /** Lets files be chosen. */
  attach() {
    const why = noFiles(this.chat);
    if (why) toast(why, { bad: true });
    else this.picker.click();
  }

  focus() {
    this.input.focus({ preventScroll: true });
  }

  reply(item) {
    this.#mode = { reply: item };
    this.#banner('reply', `Replying to ${item.from}`, item.text);
  }

  edit(item) {
    if (!this.#mode?.edit) this.#kept = this.input.value;
    this.#mode = { edit: item };
    this.input.value = item.text;
    this.#banner('edit', 'Editing', 'Enter saves, Escape leaves it as it is');
    this.#refresh();
  }

  /** Says whether there was an answer or an edit to give up. */
  cancel() {
    if (!this.#choices().length && !this.#mode) return false;
    if (this.#choices().length) {
      this.#offer([]);
      return true;
    }
    if (this.#mode.edit) this.input.value = this.#kept;
    this.#mode = null;
    this.banner.hidden = true;
    this.#refresh();
    return true;
  }

  #banner(name, title, text) {
    this.banner.replaceChildren(icon(name), h('b', {}, title), h('span', {}, plain(text).slice(0, 120)), iconButton('close', 'Cancel', () => { this.cancel(); this.focus(); }));
    this.banner.hidden = false;
    this.focus();
  }

  #refresh() {
    this.input.style.height = 'auto';
    const most = Math.round(innerHeight * 0.35);
    const wanted = this.input.scrollHeight;
    this.input.style.height = `${Math.min(wanted, most)}px`;
    this.input.style.overflowY = wanted > most ? 'auto' : 'hidden';
    const files = this.tray.files.filter(file => !file.error).length > 0;
    this.send.disabled = this.tray.busy || (!this.input.value.trim() && !files);
  }

  #input() {
    this.error.textContent = '';
    this.#refresh();
    this.#suggest();
    const now = performance.now();
    if (!this.input.value.trim() || this.#mode?.edit) return this.#silent();
    if (this.#typed && now - this.#typed < TYPING_EVERY) return;
    this.#typed = now;
    this.chat.link.tell('typing', { room: this.room.name, on: true });
  }

  #silent() {
    if (!this.#typed) return;
    this.#typed = 0;
    this.chat.link.tell('typing', { room: this.room.name, on: false });
  }

  #key(event) {
    if (event.isComposing) return;
    const offered = this.#choices();
    if (offered.length && ['ArrowDown', 'ArrowUp', 'Tab', 'Enter'].includes(event.key)) {
      event.preventDefault();
      if (event.key === 'Tab' || event.key === 'Enter') offered[Math.max(0, this.#choice)].click();
      else this.#choose((this.#choice + (event.key === 'ArrowDown' ? 1 : -1) + offered.length) % offered.length);
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === 'ArrowUp' && !this.input.value && !this.thread) {
      const item = this.actions.lastOwn();
      if (item) { event.preventDefault(); this.edit(item); }
    } else if (event.key === 'Escape' && this.cancel()) {
      event.stopPropagation();
    }
  }

  async #submit() {
    const text = this.input.value.trim();
    if (this.send.disabled || !this.room) return;
    const limit = this.chat.limits.text;
    if (limit && new TextEncoder().encode(text).length > limit) {
      this.error.textContent = `The message is longer than ${limit} bytes.`;
      return;
    }
    this.#silent();
    if (this.#mode?.edit) return void this.#save(text);
    if (text.startsWith('/') && !text.startsWith('//') && !this.tray.files.length && await this.#command(text)) return;
    const reply = this.#mode?.reply?.id;
    this.#clear();
    const media = this.tray.take();
    this.chat.outbox.add(this.room.name, { text: text.startsWith('//') ? text.slice(1) : text, reply, thread: this.thread?.id, media: media.length ? media : undefined });
  }

  #clear() {
    this.input.value = '';
    if (!this.thread) this.room.draft = '';
    this.#mode = null;
    this.banner.hidden = true;
    this.#refresh();
  }

  async #save(text) {
    const { edit } = this.#mode;
    if (!text && !edit.media.length) return;
    const { room } = this;
    if (text === edit.text) return void this.cancel();
    try {
      await this.chat.act('edit', { room: room.name, message: edit.id, text });
      if (this.#mode?.edit === edit) this.cancel();
    } catch (error) {
      this.error.textContent = error.message;
    }
  }

  /** Whether it was a command. */
  async #command(text) {
    const [, name, rest] = text.match(/^(\/\S+)\s*([\s\S]*)$/);
    const first = rest.split(/\s/)[0];
    const { chat, room } = this;
    const deeds = {
      '/me': () => { if (rest) chat.outbox.add(room.name, { text: rest, style: 'action', thread: this.thread?.id }); },
      '/join': () => this.actions.join(first.startsWith('#') ? first : `#${first}`),
      '/msg': () => { const said = rest.slice(first.length).trim(); this.actions.open(chat.direct(first)); if (said) chat.outbox.add(first, { text: said }); },
      '/topic': () => chat.act('topic', { room: room.name, topic: rest }),
      '/invite': () => chat.link.ask('invite', { room: room.name, name: first }).then(() => toast(`${first} is invited.`)),
      '/leave': () => this.actions.leave(room),
    };
    if (!deeds[name]) {
      this.error.textContent = `There is no command ${name}. To say it, write /${name}`;
      return true;
    }
    this.#clear();
    try {
      await deeds[name]();
    } catch (error) {
      this.error.textContent = error.message;
    }
    return true;
  }

  #choices() {
    return [...this.choices.children];
  }

  /** Names behind `@`, rooms behind `#`, and commands. */
  #suggest() {
    const before = this.input.value.slice(0, this.input.selectionStart);
    const found = before.match(/(?:^|\s)([@#]\S*)$/) ?? before.match(/^(\/\S*)$/);
    if (!found) return this.#offer([]);
    const word = fold(found[1]);
    const put = text => {
      this.input.setRangeText(text, before.length - found[1].length, before.length, 'end');
      this.#offer([]);
      this.#refresh();
      this.focus();
    };
    const row = (text, note) => ({ text, note, act: () => put(`${text} `) });
    if (word[0] === '/') return this.#offer(COMMANDS.filter(([name]) => name.startsWith(word)).map(([name, args, help]) => row(name, `${args} ${args ? '·' : ''} ${help}`)));
    if (word[0] === '#') return this.#offer([...this.chat.rooms.values()].filter(room => !room.direct && room.key.includes(word)).slice(0, 8).map(room => row(room.name, room.topic)));
    return this.#offer(this.actions.names(this.room).filter(name => fold(name).startsWith(word.slice(1))).slice(0, 8).map(name => row(`@${name}`, '')));
  }

  #offer(rows) {
    this.choices.hidden = rows.length === 0;
    this.choices.replaceChildren(...rows.map(({ text, note, act }, at) => h('button', { type: 'button', role: 'option', id: `choice-${at}`, tabindex: '-1', 'aria-selected': 'false', onclick: act }, h('b', {}, text), note && h('span', {}, note))));
    this.#choose(rows.length ? 0 : -1);
  }

  #choose(at) {
    this.#choice = at;
    this.#choices().forEach((node, number) => node.setAttribute('aria-selected', String(number === at)));
    if (at >= 0) this.input.setAttribute('aria-activedescendant', `choice-${at}`);
    else this.input.removeAttribute('aria-activedescendant');
  }
}
