// The way in: sign in, sign up, or come as a guest, as far as the server allows it.

import { h, icon } from './dom.js';
import { field } from './popup.js';

const NAME = { pattern: '[A-Za-z_\\[\\]\\\\`^\\{\\}\\|][A-Za-z0-9_\\[\\]\\\\`^\\{\\}\\|\\-]*', maxlength: '32', autocapitalize: 'off', spellcheck: 'false' };
const WAYS = {
  login: { tab: 'Sign in', submit: 'Sign in' },
  register: { tab: 'Sign up', submit: 'Create the account' },
  guest: { tab: 'Guest', submit: 'Come in' },
};

export class SignIn {
  #way = 'login';

  constructor(chat) {
    this.chat = chat;
    this.title = h('h1', {}, 'Chat');
    this.tabs = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Ways in' });
    this.fields = h('div', {});
    this.error = h('p', { class: 'form-error', role: 'alert' });
    this.submit = h('button', { type: 'submit', class: 'button' });
    this.form = h('form', { id: 'signin', class: 'form' }, this.fields, this.error, this.submit);
    this.panel = h('div', { role: 'tabpanel' }, this.form);
    this.form.addEventListener('submit', event => { event.preventDefault(); this.#go(); });
    this.node = h('main', { class: 'signin' }, h('div', { class: 'card' }, h('span', { class: 'mark', 'aria-hidden': 'true' }, icon('logo')), this.title, this.tabs, this.panel));
  }

  /** The forms that this server offers. */
  draw() {
    const hello = this.chat.link.hello;
    this.title.textContent = hello?.server ?? 'Chat';
    const ways = ['login', hello?.registration !== false && 'register', hello?.guests !== false && 'guest'].filter(Boolean);
    if (!ways.includes(this.#way)) this.#way = 'login';
    this.tabs.replaceChildren(...ways.map(way => h('button', {
      type: 'button', role: 'tab', id: `tab-${way}`, 'aria-selected': String(way === this.#way), tabindex: way === this.#way ? '0' : '-1', onclick: () => this.#choose(way),
    }, WAYS[way].tab)));
    this.tabs.onkeydown = event => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      this.#choose(ways[(ways.indexOf(this.#way) + by + ways.length) % ways.length]);
      this.tabs.querySelector('[aria-selected=true]').focus();
    };
    this.#drawFields();
    this.error.textContent = this.chat.session.reason;
  }

  #choose(way) {
    this.#way = way;
    this.error.textContent = '';
    for (const tab of this.tabs.children) {
      tab.setAttribute('aria-selected', String(tab.id === `tab-${way}`));
      tab.tabIndex = tab.id === `tab-${way}` ? 0 : -1;
    }
    this.#drawFields();
  }

  #drawFields() {
    const way = this.#way;
    const shape = `${way}`;
    this.submit.textContent = WAYS[way].submit;
    this.panel.setAttribute('aria-labelledby', `tab-${way}`);
    if (this.form.dataset.way === shape) return;
    this.form.dataset.way = shape;
    const name = field({ name: 'name', label: 'Name', required: true, autocomplete: 'username', title: 'Letters, digits, - and _; it begins with a letter', ...NAME });
    const password = field({ name: 'password', label: 'Password', type: 'password', required: true, autocomplete: way === 'login' ? 'current-password' : 'new-password', ...(way === 'register' ? { minlength: '8', hint: 'At least 8 characters' } : {}) });
    const rest = way === 'guest' ? [h('p', { class: 'soft' }, 'A guest has no password, and no direct messages once the page is closed.')] : [password];
    this.fields.replaceChildren(name, ...rest);
    if (matchMedia('(hover: hover)').matches) name.querySelector('input').focus();
  }

  async #go() {
    const { name, password } = Object.fromEntries(new FormData(this.form));
    this.error.textContent = '';
    this.submit.disabled = true;
    try {
      if (this.#way === 'guest') await this.chat.session.guest(name.trim());
      else await this.chat.session.account(this.#way, { account: name.trim(), password });
      this.form.reset();
    } catch (error) {
      this.error.textContent = error.code === 'lost' ? 'The server cannot be reached. Please try again in a moment.' : error.message;
    }
    this.submit.disabled = false;
  }
}
