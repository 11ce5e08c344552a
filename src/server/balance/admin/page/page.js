'use strict';
const SECONDS = 60, RATE_OVER = 5, LATENCY_OVER = 30;
const SVG = 'http://www.w3.org/2000/svg';
const byId = id => document.getElementById(id);
const history = [];

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}
function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
function say(node, text) { if (node.textContent !== text) node.textContent = text; }

/* Numbers, as people read them. */
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
function count(n) {
  if (n >= 1e9) return number.format(n / 1e9) + ' G';
  if (n >= 1e6) return number.format(n / 1e6) + ' M';
  if (n >= 1e5) return number.format(n / 1e3) + ' k';
  return new Intl.NumberFormat('en', { maximumFractionDigits: n < 10 ? 1 : 0 }).format(n);
}
function time(seconds) {
  if (seconds === null) return '–';
  if (seconds < 0.001) return Math.max(seconds * 1e6, 1).toFixed(0) + ' µs';
  if (seconds < 1) return (seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0) + ' ms';
  return seconds.toFixed(seconds < 10 ? 1 : 0) + ' s';
}
function span(seconds) {
  if (seconds < 60) return Math.max(0, Math.round(seconds)) + ' s';
  if (seconds < 3600) return Math.round(seconds / 60) + ' min';
  if (seconds < 86400) return Math.round(seconds / 3600) + ' h';
  return Math.round(seconds / 86400) + ' d';
}
function percent(part) { return part === 0 ? '0' : part < 0.001 ? '<0.1' : (part * 100).toFixed(part < 0.1 ? 1 : 0); }
const sum = map => Object.values(map).reduce((a, b) => a + b, 0);

/* What a backend has done so far; differences of it are what it does now. */
function tally(backend) {
  const responses = sum(backend.responses), failures = sum(backend.failures);
  return {
    requests: responses + backend.sessions,
    errors: backend.responses['5xx'] + failures,
    tried: responses + failures + backend.sessions,
    buckets: backend.latency.buckets.map(([, n]) => n),
    ends: backend.latency.buckets.map(([end]) => end),
  };
}
function add(a, b) {
  if (!a) return b;
  return { requests: a.requests + b.requests, errors: a.errors + b.errors, tried: a.tried + b.tried, ends: b.ends, buckets: b.buckets.map((n, i) => n + a.buckets[i]) };
}
/* The tally of a key so many seconds ago, or the oldest that there is. */
function before(key, seconds) {
  const now = history[history.length - 1].at;
  let found = null;
  for (const entry of history) {
    if (!entry.tallies.has(key)) continue;
    if (!found || now - entry.at >= seconds * 1000) found = entry;
    else break;
  }
  return found && { at: found.at, ...found.tallies.get(key) };
}
function quantile(ends, buckets, part) {
  const all = buckets.reduce((a, b) => a + b, 0);
  if (!all) return null;
  let below = 0;
  for (let i = 0; i < buckets.length; i++) {
    if (buckets[i] && below + buckets[i] >= part * all) {
      const low = i ? ends[i - 1] : 0;
      const high = ends[i] === null ? low : ends[i];
      return low + (high - low) * (part * all - below) / buckets[i];
    }
    below += buckets[i];
  }
  return null;
}
function measure(key, tallies, at) {
  const now = tallies.get(key);
  const near = before(key, RATE_OVER), far = before(key, LATENCY_OVER);
  const seconds = near ? (at - near.at) / 1000 : 0;
  const rate = seconds > 0 ? Math.max(0, now.requests - near.requests) / seconds : 0;
  const tried = far ? now.tried - far.tried : 0;
  const errors = far ? now.errors - far.errors : 0;
  const buckets = far ? now.buckets.map((n, i) => Math.max(0, n - far.buckets[i])) : now.buckets.map(() => 0);
  const at_ = part => quantile(now.ends, buckets, part);
  return { rate, errors, part: tried > 0 ? Math.min(1, errors / tried) : 0, p50: at_(.5), p95: at_(.95), p99: at_(.99), rates: rates(key) };
}
/* Requests in each second of the last minute. */
function rates(key) {
  const points = [];
  for (let i = 1; i < history.length; i++) {
    const a = history[i - 1], b = history[i];
    const x = a.tallies.get(key), y = b.tallies.get(key);
    points.push(x && y && b.at > a.at ? Math.max(0, (y.requests - x.requests) * 1000 / (b.at - a.at)) : 0);
  }
  return points.slice(-SECONDS);
}

/* Shapes: a state is told by its word, its shape and its colour. */
const SHAPES = {
  up: ['M3.5 8.3 6.6 11.4 12.6 5'],
  down: ['M4.2 4.2 11.8 11.8', 'M11.8 4.2 4.2 11.8'],
  ejected: ['M8 2.2 14.4 13.4H1.6Z', 'M8 6.4V9.4', 'M8 11.3V11.5'],
  'breaker-open': ['M2 11.5H5L12 4.5', 'M12 11.5H14'],
  drain: ['M8 2.5V9.5', 'M4.6 6.6 8 10 11.4 6.6', 'M3 13H13'],
  'forced-down': ['M3.5 3.5H12.5V12.5H3.5Z'],
};
const WORDS = { up: 'Up', down: 'Down', ejected: 'Ejected', 'breaker-open': 'Breaker open', drain: 'Draining', 'forced-down': 'Forced down' };
function icon(state) {
  const paths = SHAPES[state].map(d => svg('path', { d, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.9, 'stroke-linecap': 'round', 'stroke-linejoin': 'round' }));
  return svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, ...paths);
}
function spark() {
  const area = svg('path', { class: 'area' }), line = svg('path', {});
  const node = svg('svg', { class: 'spark', viewBox: `0 0 ${SECONDS - 1} 24`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, area, line);
  node.draw = points => {
    const most = Math.max(...points, 1);
    const from = SECONDS - points.length;
    const at = points.map((n, i) => `${from + i} ${(23 - n / most * 21).toFixed(1)}`);
    line.setAttribute('d', at.length > 1 ? 'M' + at.join('L') : '');
    area.setAttribute('d', at.length > 1 ? `M${from} 24L${at.join('L')}L${SECONDS - 1} 24Z` : '');
  };
  return node;
}

/* Rows stay what they are while their numbers change, so that a focus stays where it is. */
const rowsOf = new WeakMap();
function keyed(parent, items, key, make) {
  if (!rowsOf.has(parent)) rowsOf.set(parent, new Map());
  const known = rowsOf.get(parent);
  const seen = new Set();
  let next = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    seen.add(id);
    let row = known.get(id);
    if (!row) known.set(id, row = make(item));
    if (row === next) next = next.nextElementSibling;
    else parent.insertBefore(row, next);
    row.show(item);
  }
  for (const [id, row] of known) if (!seen.has(id)) { row.remove(); known.delete(id); }
}

function backendRow(upstream) {
  return () => {
    const state = el('span'), name = el('span', { class: 'name' }), sub = el('div', { class: 'sub' });
    const checked = el('div', { class: 'sub' }), fault = el('div', { class: 'fault' });
    const rate = el('b'), line = spark(), act = el('button', { type: 'button' }), weigh = el('button', { type: 'button', class: 'weigh' });
    const cell = (cap, cls, ...children) => el('td', { 'data-cap': cap, class: cls }, ...children);
    const cells = {
      flight: cell('In flight', 'flight'), errors: cell('Errors', 'errors'), p50: cell('p50', 'p50'), p95: cell('p95', 'p95'), p99: cell('p99', 'p99'),
      ejections: cell('Ejections', 'wide'),
    };
    const row = el('tr', {},
      cell('Backend', 'left name-cell', name, sub, fault), cell('State', 'left state-cell', state, checked), cell('Weight', 'weight', weigh), cells.flight,
      cell('Requests/s', 'rate', el('div', { class: 'withspark' }, rate, line)),
      cells.errors, cells.p50, cells.p95, cells.p99, cells.ejections, cell('', 'act', act));
    let shown = null, current = null;
    const path = () => `/api/upstreams/${encodeURIComponent(upstream)}/backends/${encodeURIComponent(current.name)}`;
    act.addEventListener('click', () => change('PATCH', path(), { state: current.admin === 'ready' ? 'drain' : 'ready' }, `${current.name} is as it was`, act));
    weigh.addEventListener('click', async () => {
      const given = await form(`Weight of ${current.name}`, 'Its share of the requests is its weight among those of its upstream. With 0 it gets nothing new.',
        [{ name: 'weight', label: 'Weight', type: 'number', min: 0, max: 65536, required: '', value: current.weight }], 'Change');
      if (given) await change('PATCH', path(), { weight: Number(given.weight) }, `${current.name} is as it was`, weigh);
    });
    row.show = ({ backend, now }) => {
      current = backend;
      row.classList.toggle('well', backend.state === 'up');
      if (shown !== backend.state) {
        shown = backend.state;
        state.className = 'state s-' + shown;
        state.replaceChildren(icon(shown), WORDS[shown]);
      }
      say(name, backend.name);
      name.title = backend.name;
      const notes = [];
      if (backend.priority > 0) notes.push('backup');
      if (backend.origin !== 'config') notes.push(backend.origin === 'operator' ? 'added by hand' : 'discovered');
      if (backend.ejected_for) notes.push(`back in ${span(backend.ejected_for)}`);
      if (backend.connections.idle) notes.push(backend.connections.idle === 1 ? '1 idle connection' : `${backend.connections.idle} idle connections`);
      say(sub, notes.join(' · '));
      const put = (node, text, quiet, alarm) => { say(node, text); node.classList.toggle('zero', !!quiet); node.classList.toggle('alarm', !!alarm); };
      put(weigh, String(backend.weight), backend.weight === 0);
      weigh.setAttribute('aria-label', `Weight of ${backend.name}: ${backend.weight}. Change it`);
      put(cells.flight, count(backend.in_flight), backend.in_flight === 0);
      cells.flight.title = `at most ${backend.in_flight_peak}`;
      say(rate, count(now.rate));
      rate.className = now.rate === 0 ? 'zero' : '';
      line.draw(now.rates);
      put(cells.errors, percent(now.part) + ' %', now.part === 0, now.part >= 0.01);
      cells.errors.title = `${count(now.errors)} in the last ${LATENCY_OVER} s`;
      for (const name of ['p50', 'p95', 'p99']) put(cells[name], time(now[name]), now[name] === null);
      const ejections = sum(backend.ejections);
      put(cells.ejections, count(ejections), ejections === 0);
      const check = backend.check, error = check && check.error;
      say(checked, !check ? 'not checked' : check.age === null ? 'no check yet' : error ? `for ${span(check.since)}` : `passed ${span(check.age)} ago`);
      say(fault, error || '');
      fault.title = error || '';
      const word = backend.admin === 'ready' ? 'Drain' : 'Ready';
      say(act, word);
      act.setAttribute('aria-label', `${word} ${backend.name}`);
    };
    return row;
  };
}

function upstreamCard(upstream) {
  const title = el('h2', {}, upstream.name), how = el('span', { class: 'tag' }), pool = el('span', { class: 'state', hidden: '' });
  const rate = el('b'), well = el('b'), retries = el('b'), denied = el('b'), queued = el('b'), none = el('p', { class: 'none' }), bar = el('span', { class: 'bar', 'aria-hidden': 'true' });
  const body = el('tbody');
  const heads = [
    ['Backend', 'left c-name'], ['State', 'left c-state'], ['Weight', 'c-number'], ['In flight', 'c-number'], ['Requests/s', 'c-rate'], ['Errors', 'c-number'],
    ['p50', 'c-number p50'], ['p95', 'c-number'], ['p99', 'c-number'], ['Ejections', 'c-number wide'], ['', 'c-act'],
  ];
  const head = el('thead', {}, el('tr', {}, ...heads.map(([text, cls]) => el('th', { scope: 'col', class: cls }, text || el('span', { 'aria-label': 'Actions' })))));
  const figure = (value, text) => el('span', { class: 'cap' }, value, ' ' + text);
  const refused = figure(denied, 'retries over the budget');
  const card = el('article', { class: 'up', 'aria-label': `Upstream ${upstream.name}` },
    el('header', {}, title, how, pool, el('span', { class: 'grow' }), bar, figure(well, 'up'), figure(rate, 'requests/s'), figure(queued, 'queued'), figure(retries, 'retries'), refused),
    el('table', {}, head, body), none);
  const make = backendRow(upstream.name);
  card.show = ({ upstream, tallies, at }) => {
    say(how, upstream.algorithm);
    const trouble = upstream.panic ? ['Panic: all backends are used', 's-down', 'ejected'] : upstream.pool === null ? ['Nobody serves', 's-down', 'down'] : upstream.pool > 0 ? ['A backup serves', 's-ejected', 'ejected'] : null;
    pool.hidden = !trouble;
    if (trouble) { pool.className = 'state ' + trouble[1]; pool.replaceChildren(icon(trouble[2]), trouble[0]); }
    const rows = upstream.backends.map(backend => ({ backend, now: measure(upstream.name + '\n' + backend.name, tallies, at) }));
    say(rate, count(rows.reduce((all, { now }) => all + now.rate, 0)));
    say(well, `${upstream.backends.filter(b => b.state === 'up').length}/${upstream.backends.length}`);
    say(queued, count(upstream.queued));
    say(retries, count(upstream.retries));
    say(denied, count(upstream.retries_denied));
    refused.hidden = !upstream.retries_denied;
    const well_ = rows.every(({ backend }) => backend.state === 'up');
    card.classList.toggle('empty', !rows.length);
    card.classList.toggle('well', !!rows.length && well_);
    say(none, !rows.length ? 'No backend has been found.' : well_ ? 'All backends are up.' : '');
    const order = ['up', 'drain', 'ejected', 'breaker-open', 'forced-down', 'down'];
    const parts = order.map(state => [state, upstream.backends.filter(b => b.state === state).length]).filter(([, n]) => n);
    bar.replaceChildren(...parts.map(([state, n]) => { const part = el('i', { class: 's-' + state }); part.style.flexGrow = n; return part; }));
    keyed(body, rows, ({ backend }) => backend.name, make);
  };
  return card;
}

function listenerCard() {
  const at = el('b'), mode = el('span', { class: 'tag' }), tls = el('span', { class: 'tag' }, 'TLS');
  const open = el('b'), accepted = el('b'), refused = el('b'), not = el('span', { class: 'cap' }, refused, 'refused');
  const card = el('li', {}, el('div', { class: 'at' }, at, mode, tls),
    el('div', { class: 'facts' }, el('span', { class: 'cap' }, open, 'open'), el('span', { class: 'cap' }, accepted, 'accepted'), not));
  card.show = listener => {
    say(at, listener.listen);
    at.title = listener.listen;
    say(mode, listener.mode.toUpperCase());
    tls.hidden = !listener.tls;
    say(open, count(listener.connections));
    say(accepted, count(listener.accepted));
    say(refused, count(listener.refused));
    not.classList.toggle('bad', listener.refused > 0);
  };
  return card;
}

/* Bytes, as people read them. */
function bytes(n) {
  for (const unit of ['B', 'KiB', 'MiB']) { if (n < 1024) return number.format(n) + ' ' + unit; n /= 1024; }
  return number.format(n) + ' GiB';
}
function cacheCard() {
  const at = el('b'), used = el('b'), uris = el('b'), hits = el('b'), part = el('i'), purge = el('button', { type: 'button' }, 'Purge');
  const figure = (value, text) => el('span', { class: 'cap' }, value, text);
  const card = el('li', {}, el('div', { class: 'at' }, at, el('span', { class: 'grow' }), purge),
    el('div', { class: 'meter', 'aria-hidden': 'true' }, part),
    el('div', { class: 'facts' }, figure(used, 'stored'), figure(uris, 'URIs'), figure(hits, 'hits')));
  let name = null;
  purge.addEventListener('click', async () => {
    const given = await form(`Purge ${name}`, 'What is stored for these URIs is forgotten. A target is a path with its query, a path with any query, or /path/*.',
      [{ name: 'host', label: 'Host, or * for all', required: '', value: '*' }, { name: 'target', label: 'Target', required: '', pattern: '/.*', value: '/*' }], 'Purge');
    if (!given) return;
    const done = await change('POST', `/api/caches/${encodeURIComponent(name)}/purge`, given, `${name} is as it was`, purge);
    if (done) tell('good', `${done.purged === 1 ? '1 URI is' : done.purged + ' URIs are'} forgotten in ${name}.`);
  });
  card.show = cache => {
    name = cache.name;
    say(at, name);
    purge.setAttribute('aria-label', `Purge ${name}`);
    say(used, `${bytes(cache.bytes)} / ${bytes(cache.memory)}`);
    part.style.width = Math.min(100, cache.bytes / cache.memory * 100) + '%';
    say(uris, count(cache.uris));
    const { hit = 0, stale = 0, collapsed = 0, miss = 0, revalidated = 0 } = cache.counts;
    const served = hit + stale + collapsed, all = served + miss + revalidated;
    say(hits, all ? percent(served / all) + ' %' : '–');
  };
  return card;
}

function total(name) {
  const value = el('dd', {}, '–');
  byId('totals').append(el('div', {}, el('dt', {}, name), value));
  return (text, unit) => { say(value, text); if (unit) value.append(el('small', {}, unit)); };
}
const totals = { rate: total('Requests/s'), errors: total('Errors'), flight: total('In flight'), p50: total('p50'), p95: total('p95'), p99: total('p99') };

function show(view) {
  const at = Date.parse(view.time), tallies = new Map();
  let flight = 0, all = null;
  for (const upstream of view.upstreams) for (const backend of upstream.backends) {
    const tally_ = tally(backend);
    tallies.set(upstream.name + '\n' + backend.name, tally_);
    all = add(all, tally_);
    flight += backend.in_flight;
  }
  if (all) tallies.set('', all);
  history.push({ at, tallies });
  while (history.length > SECONDS + 1) history.shift();
  const now = all ? measure('', tallies, at) : { rate: 0, part: 0, p50: null, p95: null, p99: null };
  totals.rate(count(now.rate));
  totals.errors(percent(now.part), '%');
  totals.flight(count(flight));
  for (const name of ['p50', 'p95', 'p99']) {
    const [value, unit] = time(now[name]).split(' ');
    totals[name](value, unit);
  }
  keyed(byId('listeners'), view.listeners, listener => listener.listen, listenerCard);
  keyed(byId('caches'), view.caches, cache => cache.name, cacheCard);
  byId('caches-part').hidden = !view.caches.length;
  byId('nothing').hidden = !!view.upstreams.length;
  keyed(byId('upstreams'), view.upstreams.map(upstream => ({ upstream, tallies, at })), ({ upstream }) => upstream.name, ({ upstream }) => upstreamCard(upstream));
  const { generation, checksum, since, error } = view.config;
  say(byId('config'), `configuration ${generation}${checksum ? ' (' + checksum.slice(0, 12) + ')' : ''} since ${new Date(since).toLocaleString()}`);
  const bad = byId('bad-file');
  bad.hidden = !error;
  if (error) say(bad, 'The file that was read last is bad, and the configuration before it stays in use:\n' + error);
}

/* Changes. */
function tell(kind, text) {
  const notice = byId('notice');
  notice.className = 'notice ' + kind;
  say(notice, text);
  notice.hidden = !text;
}
/* Asks for something; the values, or null if there are none. */
function form(title, text, fields, word, refused = '') {
  const ask = byId('ask');
  const inputs = fields.map(({ label, ...attributes }) => el('label', {}, label, el('input', { autocomplete: 'off', spellcheck: 'false', ...attributes })));
  say(byId('ask-title'), title);
  say(byId('ask-text'), text);
  say(byId('refused'), refused);
  say(byId('ask-ok'), word);
  byId('ask-fields').replaceChildren(...inputs);
  ask.returnValue = '';
  ask.showModal();
  const first = ask.querySelector('input');
  first.focus();
  first.select();
  return new Promise(resolve => ask.addEventListener('close', () => {
    const values = Object.fromEntries(new FormData(ask.querySelector('form')));
    byId('ask-fields').replaceChildren();
    resolve(ask.returnValue === 'ok' ? values : null);
  }, { once: true }));
}
byId('ask-cancel').addEventListener('click', () => byId('ask').close());
byId('only').addEventListener('change', event => document.body.classList.toggle('filtered', event.target.checked));

let token = sessionStorage.getItem('token');
/* Sends a change, and asks for the token when that is wanted; what was answered, or null. */
async function change(method, path, body, otherwise, button) {
  button.disabled = true;
  tell('', '');
  try {
    for (;;) {
      const headers = { 'Content-Type': 'application/json' };
      if (token) headers.Authorization = 'Bearer ' + token;
      const reply = await fetch(path, { method, headers, body: JSON.stringify(body) });
      if (reply.ok) { if (token) sessionStorage.setItem('token', token); return await reply.json(); }
      const { detail } = await reply.json();
      if (reply.status !== 401) throw new Error(detail);
      const given = await form('Token', 'Changes need the token of this balancer. It is kept until this tab is closed.',
        [{ name: 'token', label: 'Token', type: 'password', required: '' }], 'Continue', token ? detail : '');
      if (!given) return null;
      token = given.token.trim();
    }
  } catch (error) {
    tell('bad', `${otherwise}: ${error.message}`);
    return null;
  } finally {
    button.disabled = false;
    /* A button that is disabled loses the focus; whoever has gone on to something else keeps it. */
    if (document.activeElement === document.body) button.focus();
  }
}

/* The browser connects again by itself; a stream that it has given up is begun anew. */
function listen() {
  const live = byId('live');
  const events = new EventSource('/api/events');
  events.onopen = () => { live.className = 'live on'; say(live, 'live'); };
  events.onmessage = event => show(JSON.parse(event.data));
  events.onerror = () => {
    live.className = 'live off';
    say(live, 'connection lost');
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}
listen();
