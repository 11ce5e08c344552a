// One torrent in full: a panel beside or below the list, a page of its own on phones. Its id is in the address, so that "back" closes it.

/** For each tab: what it asks for (`whole`, and more of its own), and how it is made. Each gives a function that fills it. */
const TABS = [
  { key: 'overview', label: 'Overview', whole: true, more: 'pieces', make: makeOverview },
  { key: 'files', label: 'Files', whole: true, make: panel => makeFiles(panel) },
  { key: 'peers', label: 'Peers', more: 'peers', make: makePeers },
  { key: 'trackers', label: 'Trackers', whole: true, make: makeTrackers },
  { key: 'limits', label: 'Limits', make: panel => makeLimits(panel) },
];

const detail = { id: null, tab: TABS[0], fill: {} };
const aside = byId('detail');

const lookAtWhole = watch(() => (detail.id && detail.tab.whole ? `torrents/${detail.id}` : null), torrent => detail.fill.whole?.(torrent));
const lookAtMore = watch(() => (detail.id && detail.tab.more ? `torrents/${detail.id}/${detail.tab.more}` : null), found => detail.fill.more?.(found));

function openDetail(id) {
  if (id && list.all.has(id)) location.hash = id;
}

function closeDetail() {
  if (!detail.id) return;
  history.replaceState(null, '', location.pathname + location.search);
  route();
}

/** Shows what the address names. */
function route() {
  const id = location.hash.slice(1) || null;
  if (id === detail.id) return;
  const before = detail.id;
  detail.id = id;
  byId('detail').hidden = !id;
  document.querySelector('main').classList.toggle('open', Boolean(id));
  draw();
  if (!id) return grid.focus();
  if (!before) makeDetail();
  openTab(detail.tab);
  if (!before) aside.querySelector('h2').focus();
  return undefined;
}

/** With the panel open, it shows the torrent that is chosen. This is no step to go back to. */
function followDetail() {
  if (!detail.id || narrow.matches || list.chosen.size !== 1 || detail.id === list.at || !list.chosen.has(list.at)) return;
  history.replaceState(null, '', `#${list.at}`);
  route();
}

function makeDetail() {
  const torrents = () => (list.all.has(detail.id) ? [list.all.get(detail.id)] : []);
  const tabs = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Detail' }, TABS.map(tab => h('button', {
    type: 'button', role: 'tab', id: `tab-${tab.key}`, 'aria-controls': 'tab', onclick: () => openTab(tab),
  }, tab.label)));
  tabs.addEventListener('keydown', event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) { nextOf([...tabs.children], step).focus(); document.activeElement.click(); }
  });
  const shared = ACTIONS.filter(action => !['up', 'down'].includes(action.icon));
  aside.replaceChildren(h('div', { class: 'detail-head' }, iconButton('back', 'Back to the list', closeDetail, { class: 'tool back' }), h('h2', { tabindex: '-1' }),
    shared.map(action => iconButton(action.icon, action.label, () => action.act(torrents()), { class: `tool ${action.icon}` })),
    iconButton('close', 'Close', closeDetail, { class: 'tool shut' })), tabs, h('div', { class: 'tab', id: 'tab', role: 'tabpanel', tabindex: '0' }));
}

function openTab(tab) {
  detail.tab = tab;
  for (const button of aside.querySelectorAll('[role="tab"]')) {
    mark(button, 'aria-selected', button.id === `tab-${tab.key}`);
    mark(button, 'tabindex', button.id === `tab-${tab.key}` ? 0 : -1);
  }
  const panel = h('div', { class: 'tab', id: 'tab', role: 'tabpanel', tabindex: '0', 'aria-labelledby': `tab-${tab.key}` });
  byId('tab').replaceWith(panel);
  detail.fill = tab.make(panel);
  showHead();
  lookAtWhole();
  lookAtMore();
}

/** The head lives on the list, which is asked for anyway. What is no longer in it is no longer shown. */
function showHead() {
  const torrent = list.all.get(detail.id);
  if (detail.id && list.loaded && !torrent) closeDetail();
  if (!torrent) return;
  say(aside.querySelector('h2'), torrent.name);
  aside.querySelector('.tool.play').hidden = !stopped(torrent);
  aside.querySelector('.tool.pause').hidden = stopped(torrent);
  detail.fill.listed?.(torrent);
}

/** Facts are pairs of a name and a text; those without a text are left out. */
function fillFacts(node, facts) {
  const make = () => h('div', {}, h('dt'), h('dd'));
  sync(node, facts.filter(([, text]) => text), ([name]) => name, make, (row, [name, text, kind]) => {
    say(row.firstChild, name);
    say(row.lastChild, text);
    row.lastChild.className = kind ?? '';
  });
}

function makeOverview(panel) {
  const [notice, facts, map] = [h('p', { class: 'notice', hidden: true }), h('dl', { class: 'facts' }), makeMap()];
  panel.append(notice, h('div', { class: 'two' }, facts, map.node));
  const whole = torrent => {
    notice.hidden = !torrent.error;
    say(notice, torrent.error ? sentence(torrent.error) : '');
    map.node.hidden = !torrent.pieces;
    fillFacts(facts, factsOf(torrent));
  };
  return { whole, more: pieces => pieces.pieces && map.fill(pieces) };
}

function factsOf(t) {
  const version = { 1: 'Version 1', 2: 'Version 2', hybrid: 'Versions 1 and 2' }[t.version];
  return [
    ['State', `${STATES[t.state] ?? t.state}${t.left === null ? '' : `, ${span(t.left)} left`}`],
    ['Progress', t.wanted && `${bytes(t.done)} of ${bytes(t.wanted)} (${percent(part(t))})`],
    ['Size', t.size && (t.wanted < t.size ? `${bytes(t.size)}, of which ${bytes(t.wanted)} are wanted` : bytes(t.size))],
    ['Now', `${rate(t.down)} down, ${rate(t.up)} up`],
    ['In all', `${bytes(t.downloaded)} down, ${bytes(t.uploaded)} up, ratio ${t.ratio.toFixed(2)}`],
    ['Wasted', maybe(t.wasted, bytes)],
    ['Peers', `${t.peers}, of which ${count(t.seeds, 'seed')}`],
    ['Pieces', t.pieces && `${t.pieces.toLocaleString('en')} of ${roundBytes(t.piece_length)}`],
    ['Folder', t.folder],
    ['Added', date(t.added)],
    ['Complete', t.completed && date(t.completed)],
    ['Made', [t.created && date(t.created), t.creator].filter(Boolean).join(' by ')],
    ['Comment', t.comment],
    ['Kind', `${version}${t.private ? ', private' : ''}`],
    ['Hash v1', t.hashes.v1, 'mono'],
    ['Hash v2', t.hashes.v2, 'mono'],
  ];
}

const PEER_COLUMNS = [
  { label: 'Peer', text: peer => peer.addr },
  { label: 'Client', text: peer => peer.client ?? '–', spare: true },
  { label: 'Link', text: linkOf, spare: true },
  { label: 'Has', text: peer => percent(peer.has), number: true },
  { label: 'Down', text: peer => maybe(peer.down, rate), number: true },
  { label: 'Up', text: peer => maybe(peer.up, rate), number: true },
  { label: 'Got', text: peer => maybe(peer.downloaded, bytes), number: true, rare: true },
  { label: 'Given', text: peer => maybe(peer.uploaded, bytes), number: true, rare: true },
  { label: 'Between us', text: between, spare: true },
];

function linkOf(peer) {
  const transport = { tcp: 'TCP', utp: 'uTP', web: 'Web' }[peer.transport] ?? peer.transport;
  return [transport, peer.encrypted && 'encrypted', peer.incoming && 'incoming'].filter(Boolean).join(', ');
}

/** Who gives to whom, and who waits, in words. */
function between(peer) {
  const gives = peer.interests_us && (peer.snubbed ? 'it owes us' : peer.chokes_us ? 'we wait' : 'it gives');
  const takes = peer.interested_in_us && (peer.choked_by_us ? 'it waits' : 'we give');
  return [gives, takes].filter(Boolean).join(', ') || 'idle';
}

function makePeers(panel) {
  const kind = column => [column.number && 'number', column.spare && 'spare', column.rare && 'rare'].filter(Boolean).join(' ');
  const body = h('tbody');
  const none = h('p', { class: 'soft' }, 'No peers at the moment.');
  const table = h('table', { hidden: true }, h('thead', {}, h('tr', {}, PEER_COLUMNS.map(column => h('th', { scope: 'col', class: kind(column) }, column.label)))), body);
  panel.append(none, table);
  const make = () => h('tr', {}, PEER_COLUMNS.map(column => h('td', { class: kind(column) })));
  const fill = (row, peer) => PEER_COLUMNS.forEach((column, at) => say(row.children[at], column.text(peer)));
  return { more: peers => {
    table.hidden = !peers.length;
    none.hidden = !table.hidden;
    sync(body, peers.toSorted((a, b) => b.down - a.down || b.up - a.up), peer => `${peer.transport} ${peer.addr}`, make, fill);
  } };
}

function makeTrackers(panel) {
  const trackers = h('ul', { class: 'rows' });
  const again = async () => call('POST', `torrents/${detail.id}/announce`).then(() => toast('The trackers are being asked'), failed);
  panel.append(h('div', { class: 'line' }, h('button', { type: 'button', class: 'button quiet', onclick: again }, icon('announce'), 'Ask now')), trackers);
  const make = () => h('li', {}, h('b'), h('small'));
  const fill = (row, tracker) => {
    say(row.firstChild, tracker.url);
    say(row.lastChild, tracker.state ? trackerInWords(tracker) : 'Web seed');
    row.lastChild.className = tracker.state === 'failed' ? 'bad' : '';
  };
  const none = { url: 'No trackers', state: 'waiting', quiet: true };
  return { whole: torrent => {
    const all = [...torrent.trackers, ...torrent.web_seeds.map(url => ({ url }))];
    sync(trackers, all.length ? all : [none], (one, at) => `${at} ${one.url}`, make, fill);
  } };
}

function trackerInWords({ state, error, next, seeds, leechers, quiet }) {
  if (quiet) return 'Peers are found by DHT, by other peers, and on the own network.';
  const first = { waiting: 'Waits for its turn', working: 'Works', failed: error ?? 'Failed' }[state] ?? state;
  const known = (number, one) => number !== null && count(number, one);
  return sentence([first, known(seeds, 'seed'), known(leechers, 'leecher'), next !== null && `next in ${span(next)}`].filter(Boolean).join(', '));
}
