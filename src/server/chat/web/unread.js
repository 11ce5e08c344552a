// The bar above the log: how much is new above what one sees, the way there, and the way not to go there.

import { clock, count, day, h, icon } from './dom.js';

export class Unread {
  #shown = '';

  /** `jump` goes to the first unread message, `read` marks all as read. */
  constructor({ jump, read }) {
    this.words = h('span', {});
    this.node = h('div', { class: 'unread-bar', role: 'status', hidden: true },
      h('button', { type: 'button', class: 'unread-jump', title: 'To the first unread message (Alt Home)', onclick: jump }, icon('up'), this.words),
      h('button', { type: 'button', class: 'unread-read', onclick: read }, icon('checks'), 'Mark as read'));
  }

  /** `{ number, at }` of what is above, or null. */
  show(above) {
    const today = above && day(above.at) === 'Today';
    const words = above ? `${above.number >= 200 ? '200 or more' : above.number} new ${count(above.number, 'message').replace(/^\d+ /, '')} since ${today ? '' : `${day(above.at)}, `}${clock(above.at)}` : '';
    if (words === this.#shown) return;
    this.#shown = words;
    this.words.textContent = words;
    this.node.hidden = !above;
  }
}
