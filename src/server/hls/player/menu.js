// A button with a menu of which one entry is chosen: the menu pattern of WAI-ARIA, with arrows, Home, End and Escape.

import { h, icon, iconButton } from './dom.js';

export class Menu {
  /** `entries()` gives `{ value, name, note, checked }`; `choose(value)` is called with what was picked. */
  constructor(name, label, entries, choose) {
    this.label = label;
    this.entries = entries;
    this.choose = choose;
    this.button = iconButton(name, label, () => this.toggle(), { 'aria-haspopup': 'menu', 'aria-expanded': 'false' });
    this.list = h('div', { class: 'menu', role: 'menu', 'aria-label': label, hidden: true, onkeydown: event => this.#key(event) });
    this.node = h('div', { class: 'has-menu' }, this.button, this.list);
    document.addEventListener('pointerdown', event => {
      if (!this.node.contains(event.target)) this.close();
    });
    this.node.addEventListener('focusout', event => {
      if (event.relatedTarget && !this.node.contains(event.relatedTarget)) this.close();
    });
  }

  get isOpen() {
    return !this.list.hidden;
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }

  open() {
    this.draw();
    this.list.hidden = false;
    this.button.setAttribute('aria-expanded', 'true');
    (this.list.querySelector('[aria-checked=true]') ?? this.list.querySelector('button'))?.focus();
  }

  close() {
    if (!this.isOpen) return;
    const inside = this.list.contains(document.activeElement);
    this.list.hidden = true;
    this.button.setAttribute('aria-expanded', 'false');
    if (inside) this.button.focus();
  }

  /** Draws the entries anew, and hides a menu that has no choice. */
  refresh(least = 2) {
    const entries = this.entries();
    this.node.hidden = entries.length < least;
    if (this.node.hidden) this.close();
    const drawn = JSON.stringify(entries);
    if (this.isOpen && drawn !== this.drawn) {
      const focused = document.activeElement?.dataset?.value;
      this.draw();
      [...this.list.querySelectorAll('button')].find(button => button.dataset.value === focused)?.focus();
    }
  }

  draw() {
    const entries = this.entries();
    this.drawn = JSON.stringify(entries);
    const rows = entries.map(({ value, name, note, checked }) =>
      h('button', { type: 'button', role: 'menuitemradio', tabindex: '-1', 'aria-checked': String(checked), 'data-value': String(value), onclick: () => this.#picked(value) },
        checked ? icon('check') : h('span', { class: 'icon' }), h('span', {}, name), note ? h('small', {}, note) : null));
    this.list.replaceChildren(h('p', { class: 'menu-title', 'aria-hidden': 'true' }, this.label), ...rows);
  }

  #picked(value) {
    this.choose(value);
    this.close();
  }

  #key(event) {
    const items = [...this.list.querySelectorAll('button')];
    const here = items.indexOf(document.activeElement);
    const moves = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: items.length - 1 };
    if (event.key === 'Escape') this.close();
    else if (event.key in moves) items[(moves[event.key] + items.length) % items.length]?.focus();
    else if (event.key !== 'Enter' && event.key !== ' ' && event.key !== 'Tab') return;
    event.stopPropagation();
    if (event.key in moves || event.key === 'Escape') event.preventDefault();
  }
}
