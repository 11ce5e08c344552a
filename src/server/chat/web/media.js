// Files: uploads with their progress, and the addresses of those in messages.

import { bytes, h, icon, iconButton, toast } from './dom.js';

/** A link is asked for again after this time; the server's hold for some hours. */
const LINK_HOLDS = 30 * 60_000;
/** Uploads of one message at most. */
const AT_ONCE = 10;

export class Media {
  #links = new Map();
  #watched = new WeakMap();

  constructor(link) {
    this.link = link;
    this.#sight = new IntersectionObserver(seen => seen.filter(one => one.isIntersecting).forEach(one => this.#load(one.target)), { rootMargin: '600px' });
  }

  #sight;

  /** Gives a node its address, and a picture its thumbnail, when they come into sight. */
  show(file, node, image) {
    this.#watched.set(node, { file, image });
    this.#sight.observe(node);
  }

  async #load(node) {
    this.#sight.unobserve(node);
    const { file, image } = this.#watched.get(node);
    try {
      const url = await this.address(file.digest);
      node.href = url;
      if (!image) return;
      const thumbnail = new URL(url, location.href);
      thumbnail.searchParams.set('thumb', '1');
      // Small pictures have no thumbnail: then the picture itself is small enough.
      image.addEventListener('error', () => { image.src = url; }, { once: true });
      image.src = thumbnail.pathname + thumbnail.search;
    } catch {
      node.classList.add('missing');
      node.title = `${file.name} cannot be shown`;
    }
  }

  /** The address of a file, which holds for a while. */
  address(digest) {
    const known = this.#links.get(digest);
    if (known && Date.now() - known.at < LINK_HOLDS) return known.url;
    const url = this.link.ask('link', { digest }).then(reply => reply.url);
    this.#links.set(digest, { url, at: Date.now() });
    url.catch(() => this.#links.delete(digest));
    return url;
  }
}

/** The files that will go with the next message. */
export class Tray {
  files = [];

  /** `changed` is called whenever a file comes, goes or is done. */
  constructor(link, changed) {
    this.link = link;
    this.changed = changed;
    this.node = h('ul', { class: 'tray', 'aria-label': 'Files to send', hidden: true });
  }

  get ready() {
    return this.files.every(file => file.media);
  }

  get busy() {
    return this.files.some(file => !file.media && !file.error);
  }

  /** Uploads these, as far as there is room for them. */
  add(list) {
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
    this.#shown();
  }

  /** What goes with the message; the tray is empty then. */
  take() {
    const media = this.files.filter(file => file.media).map(file => file.media);
    for (const entry of this.files) entry.preview && URL.revokeObjectURL(entry.preview);
    this.files = [];
    this.node.replaceChildren();
    this.#shown();
    return media;
  }

  #draw(entry) {
    const picture = entry.file.type.startsWith('image/');
    if (picture) entry.preview = URL.createObjectURL(entry.file);
    entry.bar = h('progress', { max: '1', value: '0', 'aria-label': `Upload of ${entry.name}` });
    entry.state = h('span', { class: 'file-size' }, bytes(entry.file.size));
    entry.node = h('li', {}, picture ? h('img', { src: entry.preview, alt: '' }) : icon('file'),
      h('div', {}, h('span', { class: 'file-name' }, entry.name), entry.state, entry.bar),
      iconButton('close', `Remove ${entry.name}`, () => this.#remove(entry)));
    this.node.append(entry.node);
  }

  #remove(entry) {
    entry.request?.abort();
    if (entry.preview) URL.revokeObjectURL(entry.preview);
    this.files = this.files.filter(file => file !== entry);
    entry.node.remove();
    this.#shown();
  }

  async #upload(entry) {
    try {
      const { url } = await this.link.ask('upload', { name: entry.name, size: entry.file.size });
      entry.media = await put(url, entry, part => { entry.bar.value = part; });
      entry.node.classList.add('done');
    } catch (error) {
      entry.error = error.message;
      entry.node.classList.add('bad');
      entry.state.textContent = error.message;
    }
    entry.bar.remove();
    this.changed();
  }

  #shown() {
    this.node.hidden = this.files.length === 0;
    this.changed();
  }
}

/** `fetch` cannot tell how much has been sent. */
function put(url, entry, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    entry.request = request;
    request.open('PUT', url);
    request.responseType = 'json';
    request.upload.addEventListener('progress', event => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener('load', () => {
      const reply = request.response;
      if (request.status < 300 && reply?.digest) resolve(reply);
      else reject(new Error(reply?.detail ?? reply?.title ?? `The upload was refused (${request.status}).`));
    });
    request.addEventListener('error', () => reject(new Error('The upload was interrupted.')));
    request.addEventListener('abort', () => reject(new Error('Cancelled.')));
    request.send(entry.file);
  });
}
