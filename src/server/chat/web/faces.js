// The pictures of people: letters in a colour of their own, and what they have uploaded above that.

import { fold, h } from './dom.js';

/** Folded name to the digest of the picture. */
const known = new Map();
let address = null;

/** `ask(digest)` gives the address of a file. */
export function addresses(ask) {
  address = ask;
}

/** A square with the first letters of a name. */
export function avatar(name, size = '') {
  const letters = name.replace(/^#/, '').replace(/[^\p{L}\p{N}]/gu, '') || name;
  const node = h('span', { class: `avatar ${size}`, 'aria-hidden': 'true', 'data-face': fold(name), 'data-letters': letters.slice(0, size ? 2 : 1).toUpperCase() });
  let sum = 7;
  for (const letter of fold(name)) sum = (sum * 31 + letter.codePointAt(0)) % 997;
  node.style.setProperty('--hue', String((sum * 47) % 360));
  dress(node, known.get(fold(name)));
  return node;
}

/** Takes note of somebody's picture; without a digest there is none any longer. */
export function face(name, digest = '') {
  const key = fold(name);
  if ((known.get(key) ?? '') === digest) return;
  known.set(key, digest);
  for (const node of document.querySelectorAll(`[data-face="${CSS.escape(key)}"]`)) dress(node, digest);
}

/** The digest of somebody's picture, if it is known. */
export function faceOf(name) {
  return known.get(fold(name)) ?? '';
}

async function dress(node, digest) {
  node.querySelector('img')?.remove();
  if (!digest || !address) return;
  const url = await Promise.resolve(address(digest)).catch(() => null);
  if (!url || known.get(node.dataset.face) !== digest) return;
  const image = h('img', { alt: '', src: `${url}&thumb=1`, draggable: 'false' });
  // Small pictures have no thumbnail, and need none.
  image.addEventListener('error', () => { image.src = url; image.addEventListener('error', () => image.remove(), { once: true }); }, { once: true });
  node.append(image);
}
