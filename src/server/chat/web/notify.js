// Tells who looks elsewhere: notifications of the system where they are allowed, and the number of unread messages in the title.

import { announce } from './dom.js';

const WANTED = 'wireworks.notify';

export class Notify {
  constructor(chat, open) {
    this.chat = chat;
    this.open = open;
    chat.addEventListener('change', ({ detail: { what, room, event } }) => {
      if (what === 'called') this.#called(room, event);
      if (what === 'room' && event?.t === 'message' && room === chat.current && !chat.isMe(event.from)) announce(`${event.from}: ${event.text || 'a file'}`);
    });
  }

  get on() {
    return 'Notification' in window && Notification.permission === 'granted' && localStorage.getItem(WANTED) !== 'off';
  }

  /** Turns them on or off for this browser. Says what became of it. */
  async toggle() {
    if (this.on) {
      localStorage.setItem(WANTED, 'off');
      return 'Notifications are off.';
    }
    if (!('Notification' in window)) return 'This browser has no notifications.';
    const permission = Notification.permission === 'granted' ? 'granted' : await Notification.requestPermission();
    if (permission !== 'granted') return 'The browser does not allow notifications for this page.';
    localStorage.removeItem(WANTED);
    return 'Notifications are on.';
  }

  #called(room, event) {
    if (!this.on || this.chat.mine === 'busy' || (!document.hidden && document.hasFocus())) return;
    // Tabs of one account say it once: the tag is the message's.
    const note = new Notification(room.direct ? event.from : `${event.from} in ${room.name}`, { body: (event.text || 'Sent a file').slice(0, 200), tag: event.id });
    note.onclick = () => {
      focus();
      this.open(room);
      note.close();
    };
  }

  title() {
    const { chat } = this;
    const number = [...chat.rooms.values()].reduce((sum, room) => sum + (room.direct ? room.unread : room.mentions), 0);
    const rest = [...chat.rooms.values()].some(room => room.unread > 0);
    const name = chat.link.hello?.server ?? 'Chat';
    document.title = `${number ? `(${number}) ` : rest ? '• ' : ''}${chat.current ? `${chat.current.name} · ` : ''}${name}`;
  }
}
