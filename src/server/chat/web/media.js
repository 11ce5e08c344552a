// Files of messages: their addresses, and how they look. Pictures, sound and film stand where they are, all else as a card.

import { bytes, h, icon } from './dom.js';
import { dialog } from './popup.js';

/** A link is asked for again after this time; the server's hold for some hours. */
const LINK_HOLDS = 30 * 60_000;
/** Pixels of a picture in the log, at most. */
const WIDE = 400;
const HIGH = 300;

export class Media {
  #links = new Map();
  #watched = new WeakMap();
  #sight = new IntersectionObserver(seen => seen.filter(one => one.isIntersecting).forEach(one => this.#load(one.target)), { rootMargin: '600px' });

  constructor(link) {
    this.link = link;
  }

  /** Calls `then` with the address of a file when a node comes into sight. */
  show(file, node, then) {
    this.#watched.set(node, { file, then });
    this.#sight.observe(node);
  }

  async #load(node) {
    this.#sight.unobserve(node);
    const { file, then } = this.#watched.get(node);
    try {
      then(await this.address(file.digest));
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

/** A file of a message. Its address is asked for when it comes into sight. */
export function fileNode(file, media) {
  const kind = file.kind ?? '';
  if (/^image\/(png|jpeg|gif|webp|avif)$/.test(kind)) return picture(file, media);
  if (/^audio\//.test(kind) || /^video\/(mp4|webm|quicktime|ogg)$/.test(kind)) return played(file, media, kind.startsWith('audio') ? 'audio' : 'video');
  return card(file, media);
}

function picture(file, media) {
  const image = h('img', { alt: '', loading: 'lazy' });
  const node = h('button', { type: 'button', class: 'file picture', 'aria-label': `Picture ${file.name}, ${bytes(file.size)}`, title: file.name, onclick: () => large(file, media) }, image);
  const [width, height] = file.dimensions ?? [320, 200];
  // Its place is kept free, so that nothing jumps when it arrives.
  const scale = Math.min(1, WIDE / width, HIGH / height);
  node.style.setProperty('--width', `${Math.max(48, Math.round(width * scale))}px`);
  node.style.setProperty('--ratio', `${width} / ${height}`);
  media.show(file, node, url => {
    // Small pictures have no thumbnail: then the picture itself is small enough.
    image.addEventListener('error', () => {
      image.addEventListener('error', () => node.classList.add('missing'), { once: true });
      image.src = url;
    }, { once: true });
    image.src = `${url}&thumb=1`;
  });
  return node;
}

function played(file, media, tag) {
  const player = h(tag, { controls: true, preload: 'metadata', 'aria-label': file.name });
  const node = h('div', { class: `file played ${tag}` }, player, caption(file, media));
  if (tag === 'video' && file.dimensions) player.style.setProperty('aspect-ratio', file.dimensions.join(' / '));
  media.show(file, node, url => { player.src = url; });
  return node;
}

function card(file, media) {
  return h('div', { class: 'file card-file' }, h('span', { class: 'file-mark' }, icon('file')), caption(file, media));
}

/** What a file is called, as the link by which it is saved. */
function caption(file, media) {
  const ending = file.name.includes('.') ? file.name.split('.').at(-1).toUpperCase().slice(0, 8) : '';
  const link = h('a', { class: 'file-name', download: file.name, title: `Save ${file.name}` }, file.name);
  media.show(file, link, url => { link.href = url; });
  return h('span', { class: 'file-about' }, link, h('span', { class: 'file-size' }, [bytes(file.size), ending].filter(Boolean).join(' · ')));
}

/** A picture as large as the screen allows. */
async function large(file, media) {
  const image = h('img', { alt: file.name });
  const save = h('a', { class: 'button quiet', download: file.name }, icon('down'), 'Save');
  const node = dialog(file.name, h('div', { class: 'large-picture' }, image, h('p', { class: 'soft' }, [file.dimensions?.join(' × '), bytes(file.size)].filter(Boolean).join(' · '), ' ', save)));
  node.classList.add('viewer');
  image.addEventListener('click', () => node.close());
  try {
    const url = await media.address(file.digest);
    image.src = save.href = url;
  } catch (error) {
    image.replaceWith(h('p', { class: 'form-error' }, error.message));
  }
}
