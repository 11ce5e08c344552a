// The page as a whole: its head, its keys, and the beginning.

const lookAtList = watch(() => 'torrents', showList);
const lookAtRates = watch(() => (byId('graph').checkVisibility() ? 'rates' : null), showGraph);

function showTotals({ down, up, limits, free }) {
  say(byId('down'), rate(down));
  say(byId('up'), rate(up));
  say(byId('free'), `${bytes(free)} free`);
  mark(byId('slow'), 'aria-pressed', limits.alternative);
  const title = down + up > 0 ? `↓ ${rate(down)} ↑ ${rate(up)} · Share` : 'Share';
  if (document.title !== title) document.title = title;
  showHead();
}

function showGraphOrNot(shown) {
  byId('graph').hidden = !shown;
  mark(byId('rates'), 'aria-expanded', shown);
  localStorage.setItem('share.graph', shown);
  lookAtRates();
}

const openHelp = () => dialog('Keys', byId('keys').content.cloneNode(true));
const typing = node => node instanceof Element && Boolean(node.closest('input, select, textarea, [contenteditable]'));

/** Keys of all of the page, unless something is being typed. */
const PAGE_KEYS = {
  '/': () => byId('search').focus(), a: () => openAdd(), s: toggleSlow, '?': openHelp,
  Escape: () => (list.chosen.size && document.activeElement === grid ? chooseThese([]) : closeDetail()),
};

/** Keys of the list. */
const LIST_KEYS = {
  ArrowDown: event => goTo(placeOf(list.at) + 1, how(event)),
  ArrowUp: event => goTo(placeOf(list.at) - 1, how(event)),
  PageDown: event => goTo(placeOf(list.at) + 10, how(event)),
  PageUp: event => goTo(placeOf(list.at) - 10, how(event)),
  Home: event => goTo(0, how(event)),
  End: event => goTo(list.shown.length - 1, how(event)),
  ' ': () => toggleAll(chosen()),
  Enter: () => openDetail(list.at),
  Delete: () => chosen().length && askToRemove(chosen()),
  ContextMenu: () => openMenuHere(),
};

const how = event => ({ more: event.ctrlKey || event.metaKey, range: event.shiftKey });

function openMenuHere() {
  const row = rows.querySelector('.here')?.getBoundingClientRect();
  if (row) openMenu(row.left + 40, row.bottom);
}

function pressed(event) {
  if (event.defaultPrevented || document.querySelector('dialog[open], .menu')) return;
  const inList = event.target === grid || event.target === document.body;
  const wanted = inList && (event.altKey ? queueKey(event) : event.key.toLowerCase() === 'a' && (event.ctrlKey || event.metaKey) ? () => chooseThese(list.shown) : LIST_KEYS[event.key]);
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !typing(event.target);
  const act = wanted || (plain && PAGE_KEYS[event.key]);
  if (!act) return;
  event.preventDefault();
  if (wanted && !grid.hidden) grid.focus();
  act(event);
}

function queueKey(event) {
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  return by && (() => moveAll(chosen(), by));
}

function start() {
  startList();
  startDrop();
  const clicks = {
    'open-add': () => openAdd(), 'first-add': () => openAdd(), 'show-all': showAll, 'open-settings': openSettings, 'open-banned': openBanned,
    'open-help': openHelp, slow: toggleSlow, rates: () => showGraphOrNot(byId('graph').hidden),
  };
  for (const [id, act] of Object.entries(clicks)) byId(id).addEventListener('click', act);
  byId('search').addEventListener('keydown', event => { if (['Enter', 'ArrowDown', 'Escape'].includes(event.key)) { event.preventDefault(); grid.focus(); } });
  addEventListener('keydown', pressed);
  addEventListener('paste', pasted);
  addEventListener('hashchange', route);
  for (const node of [byId('graph'), aside]) new ResizeObserver(() => { lookAtRates(); lookAtMore(); }).observe(node);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { lookAtRates(); lookAtMore(); });
  showGraphOrNot((localStorage.getItem('share.graph') ?? String(!narrow.matches)) === 'true');
  lookAtList();
  route();
}

start();
