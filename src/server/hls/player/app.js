// The page: the list of streams, which is asked for again and again, the one that is chosen, and what is wrong with it.

import { Controls } from './controls.js';
import { at, becomes, h, icon, iconButton, say } from './dom.js';
import { Engine } from './engine.js';
import { Stats } from './stats.js';

/** Milliseconds between questions for the list. */
const AGAIN = 5000;

/** Streams above which there is a field to find one. */
const MANY = 8;

const KEYS = [
  ['Space, K', 'Play, pause'], ['← →', '5 seconds back, on; with Shift 30'], ['J, L', '10 seconds back, on'], ['↑ ↓', 'Louder, softer'],
  ['Home, End', 'To the beginning, to the end or the live edge'], ['M', 'Sound off, on'], ['C', 'Subtitles'], ['S', 'Statistics'], ['F', 'Full screen'], ['?', 'This list'],
];

const video = at('video');
const engine = new Engine(video);
const stats = new Stats(engine, video, () => controls.toggleStats());
const controls = new Controls(engine, video, stats);
let streams = [];
let playing = null;

/** The name in the address. */
const named = () => {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return '';
  }
};

async function list() {
  let text = '';
  try {
    const reply = await fetch('streams.json', { cache: 'no-cache' });
    if (!reply.ok) throw new Error(String(reply.status));
    ({ streams } = await reply.json());
  } catch {
    text = 'The server does not answer';
  }
  at('summary').textContent = text;
  if (!text) shown();
  setTimeout(list, AGAIN);
}

/** Draws the list, and plays what the address names, or the first that there is: live ones before others. */
function shown() {
  at('none').hidden = streams.length > 0;
  at('find').hidden = streams.length <= MANY;
  const words = at('find').hidden ? [] : at('find').value.toLowerCase().split(' ');
  const found = streams.filter(stream => words.every(word => stream.name.toLowerCase().includes(word)));
  at('nothing').hidden = found.length > 0 || !streams.length;
  const key = JSON.stringify([found, playing?.name]);
  if (key !== shown.key) {
    shown.key = key;
    at('streams').replaceChildren(...found.map(row));
  }
  // The address of a folder stands for the first stream in it, and none for what plays already.
  const name = named() || playing?.name;
  const wanted = streams.find(stream => stream.name === name) ?? (name ? streams.find(stream => stream.name.startsWith(`${name}/`)) : undefined);
  // A stream that had ended and goes on has the same address: what plays is at the end of what was before.
  const again = wanted && wanted.live && playing && !playing.live && wanted.url === playing.url;
  if (wanted && (again || wanted.url !== playing?.url)) play(wanted);
  else if (wanted) playing.live = wanted.live;
  else if (!playing && streams.length) play(streams.find(stream => stream.live) ?? streams[0]);
}

function row(stream) {
  const here = stream.name === playing?.name;
  return h('li', {}, h('a', { href: `#${encodeURIComponent(stream.name)}`, class: 'stream', 'aria-current': here ? 'true' : null },
    icon('play'), h('span', { class: 'name' }, stream.name), stream.live ? h('span', { class: 'badge' }, 'Live') : null));
}

function play(stream) {
  playing = stream;
  document.title = `${stream.name} · Player`;
  stats.clear();
  quiet();
  if (!Engine.playable) return wrong('This browser plays no HLS', false);
  engine.load(stream.url);
  about(stream);
  controls.menus();
  shown();
  video.addEventListener('loadedmetadata', () => controls.start(), { once: true });
  return undefined;
}

/** What is below the picture: the name, and the address for other players. */
function about(stream) {
  const url = new URL(stream.url, location.href).href;
  const copy = iconButton('copy', 'Copy the address', async () => {
    try {
      await navigator.clipboard.writeText(url);
      say('Copied');
      becomes(copy, 'check', 'Copied');
      setTimeout(() => becomes(copy, 'copy', 'Copy the address'), 1500);
    } catch {
      getSelection().selectAllChildren(address);
    }
  });
  const address = h('a', { href: url, class: 'address' }, url);
  at('about').replaceChildren(
    h('div', { class: 'title' }, h('h2', {}, stream.name), stream.live ? h('span', { class: 'badge' }, 'Live') : null, h('span', { class: 'space' }), iconButton('help', 'Keyboard shortcuts (?)', help)),
    h('p', { class: 'soft for-others' }, address, copy));
}

function wrong(text, again) {
  const notice = at('notice');
  const words = again ? 'It is tried again by itself.' : 'Choose another stream, or try again.';
  if (notice.dataset.text !== text) {
    notice.dataset.text = text;
    notice.replaceChildren(h('p', {}, h('strong', {}, text)), h('p', {}, words), h('button', { type: 'button', class: 'button', onclick: () => { quiet(); engine.again(); } }, 'Try again'));
  }
  notice.hidden = false;
  at('spinner').hidden = true;
  controls.draw();
}

function quiet() {
  const notice = at('notice');
  notice.hidden = true;
  delete notice.dataset.text;
}

function help() {
  const dialog = at('keys');
  dialog.replaceChildren(
    h('div', { class: 'stats-head' }, h('h2', { id: 'keys-title' }, 'Keyboard shortcuts'), iconButton('close', 'Close', () => dialog.close())),
    h('dl', {}, KEYS.map(([keys, does]) => h('div', {}, h('dt', {}, keys.split(/, | /).map(key => h('kbd', {}, key))), h('dd', {}, does)))));
  dialog.showModal();
}

engine.addEventListener('trouble', event => wrong(event.detail.text, event.detail.again));
engine.addEventListener('well', () => {
  if (at('notice').hidden) return;
  quiet();
  if (video.paused) controls.start();
});
video.addEventListener('playing', () => quiet());
window.addEventListener('hashchange', () => shown());
at('find').addEventListener('input', () => shown());

document.addEventListener('keydown', event => {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || document.querySelector('dialog[open]')) return;
  // What has the focus keeps the keys that it needs.
  const focus = document.activeElement;
  const moves = event.key.startsWith('Arrow') || event.key === 'Home' || event.key === 'End';
  if (focus.matches('button, a') && (event.key === ' ' || event.key === 'Enter')) return undefined;
  if (focus.matches('input.volume') && moves) return undefined;
  if (focus.matches('input[type=search]')) return undefined;
  if (event.key === '?') return help();
  if (controls.key(event)) event.preventDefault();
  return undefined;
});

controls.awake();
list();
