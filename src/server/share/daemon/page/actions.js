// What can be done with the torrents that are chosen: by buttons, by a menu, and by keys.

const stopped = torrent => ['paused', 'failed'].includes(torrent.state);

/** Each has a name, an icon, for which torrents it is, and the key that does the same. */
const ACTIONS = [
  { icon: 'play', label: 'Resume', when: stopped, key: 'Space', act: torrents => pauseAll(torrents.filter(stopped), false) },
  { icon: 'pause', label: 'Pause', when: torrent => !stopped(torrent), key: 'Space', act: torrents => pauseAll(torrents.filter(one => !stopped(one)), true) },
  { icon: 'up', label: 'Up in the queue', act: torrents => moveAll(torrents, -1) },
  { icon: 'down', label: 'Down in the queue', act: torrents => moveAll(torrents, 1) },
  { icon: 'link', label: 'Copy magnet link', act: torrents => copy(torrents.map(one => one.magnet).join('\n'), torrents.length === 1 ? 'Magnet link' : 'Magnet links') },
  { icon: 'verify', label: 'Verify', act: torrents => verifyAll(torrents) },
  { icon: 'trash', label: 'Remove', key: 'Delete', act: torrents => askToRemove(torrents) },
];

function pauseAll(torrents, paused) {
  return forAll(torrents.map(one => one.id), id => change(id, { paused }));
}

/** Pauses what runs; when nothing of it runs, resumes all. */
function toggleAll(torrents) {
  const running = torrents.filter(one => !stopped(one));
  return running.length ? pauseAll(running, true) : pauseAll(torrents, false);
}

async function verifyAll(torrents) {
  await forAll(torrents.map(one => one.id), id => call('POST', `torrents/${id}/verify`));
  toast(torrents.length === 1 ? 'Its data is being verified' : `The data of ${count(torrents.length, 'torrent')} is being verified`);
}

/** One after the other, the foremost first: so those that are chosen keep their order, and stop together at the end of the queue. */
function moveAll(torrents, by) {
  const sorted = torrents.toSorted((a, b) => by * (b.position - a.position));
  const end = by < 0 ? 0 : list.all.size - 1;
  const targets = new Map(sorted.map((one, at) => [one.id, by < 0 ? Math.max(end + at, one.position - 1) : Math.min(end - at, one.position + 1)]));
  return forAll(targets.keys(), id => change(id, { position: targets.get(id) }), 1);
}

function askToRemove(torrents) {
  const one = torrents.length === 1;
  const files = tick(one ? 'Also delete its files' : 'Also delete their files');
  const size = torrents.reduce((sum, torrent) => sum + torrent.done, 0);
  const remove = () => {
    close();
    if (torrents.some(torrent => torrent.id === detail.id)) closeDetail();
    return forAll(torrents.map(torrent => torrent.id), id => call('DELETE', `torrents/${id}${files.input.checked ? '?files=true' : ''}`));
  };
  const close = dialog(one ? 'Remove this torrent?' : `Remove ${count(torrents.length, 'torrent')}?`, form([
    h('p', {}, torrents.slice(0, 3).map(torrent => torrent.name).join(', '), torrents.length > 3 && ` and ${count(torrents.length - 3, 'other')}`),
    h('div', {}, files.node, h('small', { class: 'soft' }, `${bytes(size)} in ${[...new Set(torrents.map(torrent => torrent.folder))].slice(0, 2).join(' and ')}`)),
  ], 'Remove', remove, { danger: true, cancel: () => close() }));
}

/** The buttons above the list. They are there when something is chosen. */
function showActions() {
  const torrents = chosen();
  const bar = byId('actions');
  bar.hidden = !torrents.length;
  if (!bar.children.length) {
    bar.append(h('span'), ...ACTIONS.map(action => iconButton(action.icon, action.label, () => action.act(chosen()), { title: action.key ? `${action.label} (${action.key})` : action.label })),
      iconButton('close', 'Choose none', () => chooseThese([])));
  }
  say(bar.firstChild, `${torrents.length.toLocaleString('en')} selected`);
  ACTIONS.forEach((action, at) => { bar.children[at + 1].disabled = !torrents.some(action.when ?? (() => true)); });
}

function openMenu(x, y) {
  const torrents = chosen();
  if (!torrents.length) return;
  menu(x, y, 'What is selected', [{ icon: 'search', label: 'Details', act: () => openDetail(list.at), off: torrents.length > 1 },
    ...ACTIONS.filter(action => torrents.some(action.when ?? (() => true))).map(action => ({ ...action, act: () => action.act(torrents) }))]);
}
