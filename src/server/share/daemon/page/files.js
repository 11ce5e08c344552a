// The files of a torrent: which are wanted, how far they are, and the player.

const FILES_AT_ONCE = 500;
const PRIORITIES = { skip: 'Skip', low: 'Low', normal: 'Normal', high: 'High' };
const VIDEO = /\.(mp4|m4v|webm|mkv|mov|ogv)$/i;
const AUDIO = /\.(mp3|m4a|aac|ogg|oga|opus|flac|wav)$/i;

function makeFiles(panel) {
  const search = h('input', { type: 'search', 'aria-label': 'Find files', placeholder: 'Find files', autocomplete: 'off' });
  const rest = h('button', { type: 'button', class: 'button quiet', hidden: true });
  const [line, files] = [h('div', { class: 'line' }), h('ul', { class: 'rows' })];
  let many = FILES_AT_ONCE;
  let torrent = null;
  const found = () => [...torrent.files.entries()].filter(([, file]) => file.path.toLowerCase().includes(search.value.trim().toLowerCase()));
  const show = () => {
    const matching = found();
    sync(files, matching.slice(0, many), ([at]) => at, makeFile, fillFile);
    rest.hidden = matching.length <= many;
    say(rest, `Show the other ${(matching.length - many).toLocaleString('en')}`);
    line.hidden = !torrent.files.length;
  };
  const button = (label, priority) => h('button', { type: 'button', class: 'button quiet', onclick: () => prioritize(found().map(([at]) => at), priority) }, label);
  search.addEventListener('input', show);
  rest.addEventListener('click', () => { many = Infinity; show(); });
  line.append(h('div', { class: 'search' }, icon('search'), search), button('Fetch all', 'normal'), button('Skip all', 'skip'));
  panel.append(line, files, rest);
  return { whole: found => { torrent = found; show(); } };
}

function makeFile([at, file]) {
  const choice = h('select', { 'aria-label': `Priority of ${file.path}`, onchange: () => prioritize([at], choice.value) },
    Object.entries(PRIORITIES).map(([value, label]) => h('option', { value }, label)));
  const plays = VIDEO.test(file.path) || AUDIO.test(file.path);
  const slash = file.path.lastIndexOf('/') + 1;
  const name = file.path.slice(slash);
  return h('li', { class: 'file-row' }, h('div', {}, h('b', {}, name), slash > 0 && h('small', {}, file.path.slice(0, slash)), h('div', { class: 'links' },
    plays && h('button', { type: 'button', onclick: () => play(name, file.url), 'aria-label': `Play ${name}` }, 'Play'),
    !plays && h('a', { href: file.url, target: '_blank', rel: 'noopener', 'aria-label': `Open ${name}` }, 'Open'),
    h('button', { type: 'button', onclick: () => copy(new URL(file.url, location.href).href, 'Link'), 'aria-label': `Copy link of ${name}` }, 'Copy link'))),
  h('div', { class: 'cell-progress' }, meter(), h('span')), choice);
}

function fillFile(row, [, file]) {
  const [, progress, choice] = row.children;
  const done = file.size ? file.done / file.size : 1;
  fillMeter(progress.firstChild, done);
  say(progress.lastChild, done >= 1 ? bytes(file.size) : percent(done));
  mark(progress, 'title', `${bytes(file.done)} of ${bytes(file.size)}`);
  row.classList.toggle('skipped', file.priority === 'skip');
  // Who is choosing is not disturbed.
  if (choice.value !== file.priority && document.activeElement !== choice) choice.value = file.priority;
}

async function prioritize(files, priority) {
  if (!files.length) return;
  await change(detail.id, { priorities: Object.fromEntries(files.map(at => [at, priority])) }).catch(failed);
  lookAtWhole();
}

/** Plays what there is, while the rest of it comes. */
function play(name, url) {
  const player = h(VIDEO.test(name) ? 'video' : 'audio', { controls: true, autoplay: true, 'aria-label': name });
  const error = h('p', { class: 'form-error', role: 'alert' });
  const closed = () => {
    // Without this the browser goes on fetching.
    player.removeAttribute('src');
    player.load();
  };
  player.addEventListener('error', () => { if (player.hasAttribute('src')) error.textContent = 'This browser cannot play it. Its link can be opened in a player.'; });
  player.setAttribute('src', url);
  dialog(name, [player, error, h('div', { class: 'line' }, h('a', { href: url, target: '_blank', rel: 'noopener' }, 'Open'),
    h('button', { type: 'button', class: 'button quiet', onclick: () => copy(new URL(url, location.href).href, 'Link') }, icon('copy'), 'Copy link'))], { kind: 'player', closed });
}
