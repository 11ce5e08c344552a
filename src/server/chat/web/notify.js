// Tells who looks elsewhere: notifications of the system where they are allowed, and the number of unread messages in the title.

import { announce } from './dom.js';
import { offered, renew, subscribe, unsubscribe } from './push.js';

const WANTED = 'wireworks.notify';
const SOUND = 'wireworks.sound';
const PUSHED = 'wireworks.push';

export class Notify {
  constructor(chat, open) {
    this.chat = chat;
    this.open = open;
    chat.addEventListener('change', ({ detail: { what, room, event } }) => {
      if (what === 'me' && chat.me) renew(chat);
      if (what === 'called') this.#called(room, event);
      if (what === 'room' && event?.t === 'message' && room === chat.current && !chat.isMe(event.from)) announce(`${event.from}: ${event.text || 'a file'}`);
    });
  }

  get on() {
    return 'Notification' in window && Notification.permission === 'granted' && localStorage.getItem(WANTED) !== 'off';
  }

  get pushOffered() {
    return offered(this.chat);
  }

  get pushed() {
    return localStorage.getItem(PUSHED) !== null;
  }

  get sound() {
    return localStorage.getItem(SOUND) === 'on';
  }

  set sound(on) {
    localStorage.setItem(SOUND, on ? 'on' : 'off');
    if (on) tone();
  }

  /** Turns them on or off for this browser. Says what became of it. */
  async set(on) {
    if (!on) {
      localStorage.setItem(WANTED, 'off');
      if (this.pushed) await unsubscribe(this.chat);
      return 'Notifications are off.';
    }
    if (!('Notification' in window)) return 'This browser has no notifications.';
    const permission = Notification.permission === 'granted' ? 'granted' : await Notification.requestPermission();
    if (permission !== 'granted') return 'The browser does not allow notifications for this page.';
    localStorage.removeItem(WANTED);
    return 'Notifications are on.';
  }

  /** Turns push on or off. */
  async push(on) {
    if (!on) return unsubscribe(this.chat);
    if (!this.on) await this.set(true);
    if (!this.on) throw new Error('The browser does not allow notifications for this page.');
    return subscribe(this.chat);
  }

  #called(room, event) {
    if (this.chat.mine === 'busy' || (!document.hidden && document.hasFocus())) return;
    if (this.sound) tone();
    if (!this.on) return;
    const title = room.direct ? event.from : `${event.from} in ${room.name}`;
    // Tabs of one account, and the worker, say it once: the tag is the room's.
    const about = { body: (event.text || 'Sent a file').slice(0, 200), tag: `room ${room.name}` };
    try {
      const note = new Notification(title, about);
      note.onclick = () => {
        focus();
        this.open(room);
        note.close();
      };
    } catch {
      // Phones have them by way of the worker alone.
      navigator.serviceWorker?.ready.then(worker => worker.showNotification(title, { ...about, data: { room: room.name, id: event.id } }));
    }
  }

  title() {
    const { chat } = this;
    const number = [...chat.rooms.values()].reduce((sum, room) => sum + (room.direct ? room.unread : room.mentions), 0);
    const rest = [...chat.rooms.values()].some(room => room.unread > 0);
    const name = chat.link.hello?.server ?? 'Chat';
    const title = `${number ? `(${number}) ` : rest ? '• ' : ''}${chat.current ? `${chat.current.name} · ` : ''}${name}`;
    if (document.title !== title) document.title = title;
    if (chat.me && number) navigator.setAppBadge?.(number).catch(() => {});
    else navigator.clearAppBadge?.().catch(() => {});
  }
}

/** Two notes. */
function tone() {
  try {
    const context = new AudioContext();
    const volume = context.createGain();
    volume.gain.value = 0.06;
    volume.connect(context.destination);
    for (const [at, pitch] of [[0, 660], [0.11, 880]]) {
      const note = context.createOscillator();
      note.frequency.value = pitch;
      note.connect(volume);
      note.start(context.currentTime + at);
      note.stop(context.currentTime + at + 0.1);
    }
    setTimeout(() => context.close(), 600);
  } catch {
    // A browser without sound.
  }
}
