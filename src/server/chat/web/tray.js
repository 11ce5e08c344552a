// The files that will go with the next message: each with its progress, and what stops it.

import { bytes, h, icon, iconButton, toast } from './dom.js';

/** Files of one message at most. */
const AT_ONCE = 10;

/** Why nobody can send a file here, or nothing. */
export function noFiles(chat) {
  if (!chat.link.hello?.files) return 'This server takes no files.';
  return chat.me?.account ? '' : 'Guests cannot send files: sign up, and you can.';
}

/** Uploads one file. `progress` is told which part has left; the file's description comes. */
export async function upload(chat, file, name, progress = () => {}, started = () => {}) {
  const most = chat.link.hello?.files?.max;
  if (!file.size) throw new Error('The file is empty.');
  if (most && file.size > most) throw new Error(`${bytes(file.size)} is too large: a file has at most ${bytes(most)}.`);
  const { url } = await chat.link.ask('upload', { name, size: file.size });
  return put(url, file, progress, started);
}

export class Tray {
  files = [];

  /** `changed` is called whenever a file comes, goes or is done. */
  constructor(chat, changed) {
    this.chat = chat;
    this.changed = changed;
    this.node = h('ul', { class: 'tray', 'aria-label': 'Files to send', hidden: true });
  }

  get busy() {
    return this.files.some(file => !file.media && !file.error);
  }

  /** Takes what was dragged, pasted or chosen, as far as there is room for it. */
  add(list) {
    const why = noFiles(this.chat);
    if (why) return toast(why, { bad: true });
    for (const file of list) {
      if (this.files.length >= AT_ONCE) {
        toast(`A message has at most ${AT_ONCE} files.`, { bad: true });
        break;
      }
      const entry = { file, name: file.name || 'pasted.png' };
      this.files.push(entry);
      this.#draw(entry);
      this.#upload(entry);
    }
    return this.#shown();
  }

  /** What was dropped, without folders: those cannot be read as files. */
  drop(transfer) {
    const entries = [...transfer.items].filter(item => item.kind === 'file');
    const folders = entries.filter(item => item.webkitGetAsEntry?.()?.isDirectory).length;
    const files = entries.filter(item => !item.webkitGetAsEntry?.()?.isDirectory).map(item => item.getAsFile()).filter(Boolean);
    if (folders) toast('A folder cannot be sent: pack it first.', { bad: true });
    if (files.length) this.add(files);
  }

  /** What goes with the message; the tray is empty then. */
  take() {
    const media = this.files.filter(file => file.media).map(file => file.media);
    for (const entry of this.files) this.#end(entry);
    this.files = [];
    this.node.replaceChildren();
    this.#shown();
    return media;
  }

  #draw(entry) {
    const picture = entry.file.type.startsWith('image/');
    if (picture) entry.preview = URL.createObjectURL(entry.file);
    entry.bar = h('progress', { max: '1', value: '0', 'aria-label': `Upload of ${entry.name}` });
    entry.state = h('span', { class: 'file-size', role: 'status' });
    entry.again = h('button', { type: 'button', class: 'link', hidden: true, onclick: () => this.#upload(entry) }, 'Try again');
    entry.close = iconButton('close', `Cancel the upload of ${entry.name}`, () => this.#remove(entry));
    entry.node = h('li', {}, picture ? h('img', { src: entry.preview, alt: '' }) : h('span', { class: 'file-mark' }, icon('file')),
      h('div', {}, h('span', { class: 'file-name' }, entry.name), entry.state, entry.again, entry.bar), entry.close);
    this.node.append(entry.node);
  }

  #end(entry) {
    entry.request?.abort();
    if (entry.preview) URL.revokeObjectURL(entry.preview);
  }

  #remove(entry) {
    entry.error = 'Cancelled.';
    this.#end(entry);
    this.files = this.files.filter(file => file !== entry);
    entry.node.remove();
    this.#shown();
  }

  async #upload(entry) {
    const { file } = entry;
    entry.error = '';
    entry.node.className = '';
    entry.again.hidden = true;
    entry.bar.hidden = false;
    entry.state.textContent = bytes(file.size);
    try {
      entry.media = await upload(this.chat, file, entry.name, part => {
        entry.bar.value = part;
        entry.state.textContent = part < 1 ? `${Math.floor(part * 100)} % of ${bytes(file.size)}` : 'Being checked…';
      }, request => { entry.request = request; });
      entry.node.classList.add('done');
      entry.state.textContent = bytes(file.size);
      entry.close.title = `Remove ${entry.name}`;
      entry.close.setAttribute('aria-label', entry.close.title);
    } catch (error) {
      if (!this.files.includes(entry)) return;
      entry.error = error.message;
      entry.node.classList.add('bad');
      entry.state.textContent = error.message;
      entry.again.hidden = !error.again;
    }
    entry.bar.hidden = true;
    this.changed();
  }

  #shown() {
    this.node.hidden = this.files.length === 0;
    this.changed();
  }
}

/** `fetch` cannot tell how much has been sent. */
function put(url, file, progress, started) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    started(request);
    const fail = (text, again = true) => reject(Object.assign(new Error(text), { again }));
    request.open('PUT', url);
    request.responseType = 'json';
    request.upload.addEventListener('progress', event => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener('load', () => {
      const reply = request.response;
      if (request.status < 300 && reply?.digest) resolve(reply);
      else fail(reply?.detail ?? reply?.title ?? `The upload was refused (${request.status}).`, request.status >= 500 || request.status === 429 || request.status === 408);
    });
    request.addEventListener('error', () => fail('The upload was interrupted.'));
    request.addEventListener('abort', () => fail('Cancelled.'));
    request.send(file);
  });
}
