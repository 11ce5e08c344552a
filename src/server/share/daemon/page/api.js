// Questions to the server. Addresses are relative, so that the page works below any path.

const EVERY = 1000;
const PATIENCE = 20_000;

/** Asks, and gives the answer. An error has the server's own words, and its status where there was an answer. */
async function call(method, path, body, type = 'application/json') {
  const headers = method === 'GET' ? {} : { 'X-Wireworks': '1' };
  if (body !== undefined) headers['Content-Type'] = type;
  const plain = body === undefined || body instanceof Blob ? body : JSON.stringify(body);
  // A move of data may take long: only questions have an end.
  const signal = method === 'GET' ? AbortSignal.timeout(PATIENCE) : undefined;
  const reply = await fetch(`api/${path}`, { method, headers, body: plain, signal, cache: 'no-store' })
    .catch(() => { throw new Error('The server does not answer'); });
  const text = await reply.text();
  if (!reply.ok) throw Object.assign(new Error(reason(text, reply.status)), { status: reply.status });
  return text ? JSON.parse(text) : null;
}

function reason(text, status) {
  try { return JSON.parse(text).error ?? `The server answered ${status}`; } catch { return `The server answered ${status}`; }
}

/**
 * Asks again and again for what `path()` names, as long as the page is seen; for nothing while it is null.
 * Gives a function that asks at once.
 */
function watch(path, show) {
  let timer = 0;
  let last = 0;
  const look = async () => {
    clearTimeout(timer);
    const [asked, turn, begun] = [path(), ++last, performance.now()];
    if (asked === null || document.hidden) return;
    const found = await call('GET', asked).catch(error => ({ error }));
    // Meanwhile something else may have been asked for.
    if (turn !== last || asked !== path()) return;
    connected(!found.error || found.error.status < 500);
    if (!found.error) show(found);
    // A list of many thousands takes its time: it is asked for less often, so that there is time for other things.
    timer = setTimeout(look, Math.max(EVERY, 4 * (performance.now() - begun)));
  };
  document.addEventListener('visibilitychange', look);
  return look;
}

function connected(well) {
  byId('lost').classList.toggle('on', !well);
  say(byId('lost').lastElementChild, well ? '' : 'Connection lost, trying again…');
}

/** Does something for many torrents, some at a time, and says what went wrong. */
async function forAll(ids, act, together = 6) {
  const left = [...ids];
  const errors = [];
  const work = async () => { while (left.length) await act(left.shift()).catch(error => errors.push(error)); };
  await Promise.all(Array.from({ length: together }, work));
  if (errors.length) failed(errors.length === 1 ? errors[0] : new Error(`${count(errors.length, 'torrent')} did not follow: ${errors[0].message}`));
  lookAtList();
}

const change = (id, what) => call('PATCH', `torrents/${id}`, what);
