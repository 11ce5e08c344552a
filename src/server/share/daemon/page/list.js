// The list: which torrents are shown, in which order, which are chosen, and the few rows that are seen.

const STATES = { downloading: 'Downloading', seeding: 'Seeding', paused: 'Paused', queued: 'Queued', checking: 'Checking', metadata: 'Metadata', failed: 'Failed' };
const SPARE = 6;

/** How much is there, or how much has been looked at. */
const part = torrent => (torrent.state === 'checking' ? torrent.checked : torrent.wanted ? torrent.done / torrent.wanted : 0);
const maybe = (number, text) => (number ? text(number) : '');
const NEVER = Number.MAX_VALUE;

/** What a column is sorted by, what it says, and whether the largest comes first. */
const COLUMNS = [
  { key: 'position', label: '#', long: 'Queue', by: t => t.position, text: t => String(t.position + 1), number: true },
  { key: 'name', label: 'Name', by: t => t.name, text: t => t.name },
  { key: 'state', label: 'State', by: t => STATES[t.state] ?? t.state, text: t => (t.error ? sentence(t.error) : STATES[t.state] ?? t.state) },
  { key: 'progress', label: 'Progress', by: part, text: t => percent(part(t)), first: true },
  { key: 'size', label: 'Size', by: t => t.size, text: t => maybe(t.size, bytes), number: true, first: true },
  { key: 'down', label: 'Down', by: t => t.down, text: t => maybe(t.down, rate), number: true, first: true },
  { key: 'up', label: 'Up', by: t => t.up, text: t => maybe(t.up, rate), number: true, first: true },
  { key: 'ratio', label: 'Ratio', by: t => t.ratio, text: t => t.ratio.toFixed(2), number: true, first: true },
  { key: 'peers', label: 'Peers', by: t => t.peers, text: t => maybe(t.peers, String), number: true, first: true },
  { key: 'left', label: 'Time left', by: t => t.left ?? NEVER, text: t => (t.left === null ? '' : span(t.left)), number: true },
  { key: 'added', label: 'Added', long: 'time added', by: t => t.added, first: true, hidden: true },
];
const SEEN = COLUMNS.filter(column => !column.hidden);

const list = {
  all: new Map(), order: [], shown: [], chosen: new Set(),
  at: null, from: null, state: 'all', text: '', sort: { key: 'added', reversed: true }, loaded: false,
};
const grid = byId('grid');
const rows = byId('rows');
const words = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

function showList(answer) {
  list.all = new Map(answer.torrents.map(torrent => [torrent.id, torrent]));
  list.loaded = true;
  for (const id of list.chosen) if (!list.all.has(id)) list.chosen.delete(id);
  showTotals(answer);
  arrange();
}

/** Filters and sorts. The order of before is kept as the beginning: sorting what is nearly sorted is quick. */
function arrange() {
  const known = list.order.map(torrent => list.all.get(torrent.id)).filter(Boolean);
  const had = new Set(known.map(torrent => torrent.id));
  list.order = [...known, ...[...list.all.values()].filter(torrent => !had.has(torrent.id))].sort(comparison());
  list.shown = list.order.filter(torrent => inState(torrent, list.state) && torrent.name.toLowerCase().includes(list.text));
  showFilters();
  showEmpty();
  draw();
  showActions();
}

function comparison() {
  const { by } = COLUMNS.find(column => column.key === list.sort.key);
  const sign = list.sort.reversed ? -1 : 1;
  const compare = ['name', 'state'].includes(list.sort.key) ? words.compare : (a, b) => a - b;
  return (a, b) => sign * compare(by(a), by(b)) || b.added - a.added || (a.id < b.id ? -1 : 1);
}

function inState(torrent, state) {
  return state === 'all' || torrent.state === state || (state === 'active' && torrent.down + torrent.up > 0);
}

function sortBy(key, reversed) {
  const column = COLUMNS.find(found => found.key === key);
  list.sort = { key, reversed: reversed ?? (list.sort.key === key ? !list.sort.reversed : Boolean(column.first)) };
  localStorage.setItem('share.sort', JSON.stringify(list.sort));
  showSort();
  arrange();
}

function showSort() {
  byId('sort').value = list.sort.key;
  SEEN.forEach(({ key }, at) => {
    const way = list.sort.key !== key ? 'none' : list.sort.reversed ? 'descending' : 'ascending';
    mark(byId('head').children[at], 'aria-sort', way);
  });
}

/** The states that there are, each with how many. */
function showFilters() {
  const numbers = { all: list.all.size, active: 0 };
  for (const torrent of list.all.values()) {
    numbers[torrent.state] = (numbers[torrent.state] ?? 0) + 1;
    if (inState(torrent, 'active')) numbers.active += 1;
  }
  const states = ['all', 'active', ...Object.keys(STATES)].filter(state => numbers[state] || ['all', list.state].includes(state));
  const label = state => ({ all: 'All', active: 'Active' })[state] ?? STATES[state];
  const chip = state => h('button', { type: 'button', onclick: () => filterBy(state) }, label(state), h('small'));
  const many = state => (numbers[state] ?? 0).toLocaleString('en');
  sync(byId('chips'), states, state => state, chip, (node, state) => {
    mark(node, 'aria-pressed', state === list.state);
    say(node.lastChild, many(state));
  });
  sync(byId('state'), states, state => state, state => h('option', { value: state }), (node, state) => say(node, `${label(state)} (${many(state)})`));
  byId('state').value = list.state;
}

function filterBy(state) {
  list.state = state;
  grid.scrollTop = 0;
  arrange();
}

function searchFor(text) {
  list.text = text.trim().toLowerCase();
  grid.scrollTop = 0;
  arrange();
}

/** What stands there when there is nothing says what to do next. */
function showEmpty() {
  grid.hidden = !list.shown.length;
  byId('nothing-yet').hidden = !list.loaded || list.all.size > 0;
  byId('nothing-found').hidden = !grid.hidden || !list.all.size;
}

function showAll() {
  byId('search').value = list.text = '';
  filterBy('all');
}

/** Fills the rows that are seen, and some above and below. Rows are not made again: each gets the torrent that is at its place. */
function draw() {
  const height = parseFloat(getComputedStyle(grid).getPropertyValue('--row'));
  const first = Math.max(0, Math.floor(grid.scrollTop / height) - SPARE);
  const many = Math.min(list.shown.length - first, Math.ceil(grid.clientHeight / height) + 2 * SPARE);
  while (rows.children.length < many) rows.append(makeRow());
  while (rows.children.length > Math.max(0, many)) rows.lastChild.remove();
  rows.style.height = `${list.shown.length * height}px`;
  mark(grid, 'aria-rowcount', list.shown.length + 1);
  [...rows.children].forEach((row, at) => fillRow(row, list.shown[first + at], first + at, height));
  if (rows.querySelector('.here')) mark(grid, 'aria-activedescendant', `t-${list.at}`);
  else grid.removeAttribute('aria-activedescendant');
}

function makeRow() {
  return h('div', { class: 'row', role: 'row' }, SEEN.map(column => h('div', { class: `cell-${column.key}${column.number ? ' number' : ''}`, role: 'gridcell' },
    column.key === 'state' && [h('span', { class: 'dot' }), h('span')], column.key === 'progress' && [meter(), h('span')])));
}

function fillRow(row, torrent, at, height) {
  const top = `translateY(${at * height}px)`;
  if (row.style.transform !== top) row.style.transform = top;
  if (row.id !== `t-${torrent.id}`) row.id = `t-${torrent.id}`;
  mark(row, 'data-state', torrent.state);
  mark(row, 'aria-rowindex', at + 2);
  mark(row, 'aria-selected', list.chosen.has(torrent.id));
  row.classList.toggle('here', torrent.id === list.at);
  SEEN.forEach((column, number) => {
    const cell = row.children[number];
    say(cell.lastElementChild ?? cell, column.text(torrent));
    if (column.key === 'progress') fillMeter(cell.firstChild, part(torrent));
  });
  // What is cut off is said in full by the tooltip.
  const title = torrent.error ? `${torrent.name}: ${torrent.error}` : torrent.name;
  if (row.title !== title) row.title = title;
}

const placeOf = id => list.shown.findIndex(torrent => torrent.id === id);

/** Chooses by pointer or key: one alone, one more or less, or all from the last one on. */
function choose(place, { more = false, range = false } = {}) {
  const torrent = list.shown[place];
  if (!torrent) return;
  if (!more) list.chosen.clear();
  if (range) {
    const from = Math.max(0, placeOf(list.from));
    for (const one of list.shown.slice(Math.min(from, place), Math.max(from, place) + 1)) list.chosen.add(one.id);
  } else if (!list.chosen.delete(torrent.id)) list.chosen.add(torrent.id);
  if (!range) list.from = torrent.id;
  list.at = torrent.id;
  draw();
  showActions();
  followDetail();
}

function chooseThese(torrents) {
  list.chosen = new Set(torrents.map(torrent => torrent.id));
  draw();
  showActions();
}

/** Goes to a place, and scrolls so far that it is seen. The head of the table lies above the rows. */
function goTo(place, how) {
  const to = Math.max(0, Math.min(place, list.shown.length - 1));
  const height = parseFloat(getComputedStyle(grid).getPropertyValue('--row'));
  const head = byId('head').parentNode.offsetHeight;
  if (to * height < grid.scrollTop) grid.scrollTop = to * height;
  const below = (to + 1) * height + head - grid.clientHeight;
  if (below > grid.scrollTop) grid.scrollTop = below;
  choose(to, how);
}

/** The torrents that an action is for. */
const chosen = () => list.shown.filter(torrent => list.chosen.has(torrent.id));

function startList() {
  try { Object.assign(list.sort, JSON.parse(localStorage.getItem('share.sort'))); } catch { /* What is stored there is not ours. */ }
  if (!COLUMNS.some(column => column.key === list.sort.key)) list.sort = { key: 'added', reversed: true };
  byId('head').append(...SEEN.map(column => h('div', { role: 'columnheader', class: `cell-${column.key}${column.number ? ' number' : ''}` },
    h('button', { type: 'button', title: `Sort by ${(column.long ?? column.label).toLowerCase()}`, onclick: () => sortBy(column.key) }, column.label))));
  byId('sort').append(...COLUMNS.map(column => h('option', { value: column.key }, `By ${(column.long ?? column.label).toLowerCase()}`)));
  byId('sort').addEventListener('change', () => sortBy(byId('sort').value, Boolean(COLUMNS.find(column => column.key === byId('sort').value).first)));
  byId('state').addEventListener('change', () => filterBy(byId('state').value));
  byId('search').addEventListener('input', () => searchFor(byId('search').value));
  grid.addEventListener('scroll', draw, { passive: true });
  new ResizeObserver(draw).observe(grid);
  rows.addEventListener('click', clicked);
  rows.addEventListener('dblclick', () => openDetail(list.at));
  rows.addEventListener('contextmenu', offerMenu);
  showSort();
}

const placeUnder = event => placeOf(event.target.closest('.row')?.id.slice(2));
const narrow = matchMedia('(max-width: 740px)');

function clicked(event) {
  const place = placeUnder(event);
  const [more, range] = [event.ctrlKey || event.metaKey, event.shiftKey];
  // On a phone a touch opens; after a long one has chosen the first, more are chosen.
  if (narrow.matches && !more && !range) return list.chosen.size ? choose(place, { more: true }) : openDetail(list.shown[place]?.id);
  grid.focus();
  return choose(place, { more, range });
}

function offerMenu(event) {
  event.preventDefault();
  const place = placeUnder(event);
  if (place >= 0 && !list.chosen.has(list.shown[place].id)) choose(place);
  if (!narrow.matches) openMenu(event.clientX, event.clientY);
}
