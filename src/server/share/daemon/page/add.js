// New torrents: by the dialog, by dropping them on the page, and by pasting a link.

const LINK = /^(magnet:\?|https?:)\S+$/i;
const linksOf = text => text.split(/\s+/).filter(word => LINK.test(word));

/** Adds files and links one after the other, and says what became of them. Those that failed are given back. */
async function addAll(sources, options = {}) {
  const query = new URLSearchParams(Object.entries(options).filter(([, value]) => value)).toString();
  const path = query ? `torrents?${query}` : 'torrents';
  const added = [];
  const errors = [];
  for (const source of sources) {
    const sent = source instanceof File ? call('POST', path, source, 'application/x-bittorrent') : call('POST', path, { source });
    await sent.then(torrent => added.push(torrent), error => errors.push({ source, error }));
  }
  if (added.length) toast(added.length === 1 ? `Added ${added[0].name}` : `${count(added.length, 'torrent')} added`);
  lookAtList();
  return errors;
}

const named = ({ source, error }) => `${source.name ?? source.slice(0, 60)}: ${error.message}`;

async function addAtOnce(sources) {
  if (!sources.length) return toast('Neither a torrent file nor a link is in there.', true);
  const errors = await addAll(sources);
  return errors.length && toast(errors.length === 1 ? named(errors[0]) : `${count(errors.length, 'torrent')} could not be added; ${named(errors[0])}`, true);
}

function openAdd(link = '') {
  if (document.querySelector('dialog[open]')) return;
  const links = h('textarea', { rows: '3', placeholder: 'magnet:?xt=…', spellcheck: 'false', autocomplete: 'off', autofocus: !link }, link);
  const files = h('input', { type: 'file', multiple: true, accept: '.torrent,application/x-bittorrent' });
  const folder = h('input', { type: 'text', placeholder: 'As in the settings', spellcheck: 'false', autocomplete: 'off' });
  const [paused, sequential] = [tick('Start paused'), tick('In order, to play it while it loads')];
  const send = async () => {
    const sources = [...linksOf(links.value), ...files.files];
    if (!sources.length) throw new Error('A magnet link, a URL or a torrent file is needed');
    const errors = await addAll(sources, { paused: paused.input.checked, sequential: sequential.input.checked, folder: folder.value.trim() });
    if (!errors.length) return close();
    links.value = errors.map(({ source }) => source).filter(source => typeof source === 'string').join('\n');
    throw new Error(errors.map(named).join('; '));
  };
  const close = dialog('Add torrents', form([
    field('Magnet links or URLs', links, 'One a line'), field('Torrent files', files), field('Folder', folder), h('div', {}, paused.node, sequential.node),
  ], 'Add', send, { cancel: () => close() }));
  // A link that was pasted needs only Enter.
  if (link) document.querySelector('dialog .form-actions .button:last-child').focus();
}

/** While something is dragged over the page, all of the page is the target. */
function startDrop() {
  let inside = 0;
  const show = by => { inside = Math.max(0, inside + by); byId('drop').hidden = !inside; };
  const welcome = event => ['Files', 'text/uri-list', 'text/plain'].some(kind => event.dataTransfer?.types.includes(kind));
  addEventListener('dragenter', event => welcome(event) && show(1));
  addEventListener('dragleave', event => welcome(event) && show(-1));
  addEventListener('dragover', event => welcome(event) && event.preventDefault());
  addEventListener('drop', event => {
    show(-inside);
    if (!welcome(event)) return;
    event.preventDefault();
    const text = event.dataTransfer.getData('text/uri-list') || event.dataTransfer.getData('text/plain');
    const files = [...event.dataTransfer.files];
    addAtOnce(files.length ? files : linksOf(text));
  });
}

function pasted(event) {
  if (typing(event.target) || document.querySelector('dialog[open]')) return;
  const files = [...event.clipboardData.files];
  const links = linksOf(event.clipboardData.getData('text/plain'));
  if (files.length) addAtOnce(files);
  else if (links.length) openAdd(links.join('\n'));
}
