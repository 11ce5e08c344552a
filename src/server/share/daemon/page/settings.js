// What can be set: limits of a torrent, the settings of the daemon, and who is banned.

const DAYS = { mon: 'Mon', tue: 'Tue', wed: 'Wed', thu: 'Thu', fri: 'Fri', sat: 'Sat', sun: 'Sun' };

/** A field for a number with a unit; empty means null. `scale` is how much one of the unit is. */
function numberField(label, value, unit, { scale = 1, empty = 'No limit', needed = false, step = 'any' } = {}) {
  const shown = value === null ? '' : +(value / scale).toFixed(3);
  const input = h('input', { type: 'number', min: '0', step, inputmode: 'decimal', placeholder: empty, value: shown, required: needed });
  const read = () => (input.value === '' ? null : scale === 1 ? input.valueAsNumber : Math.round(input.valueAsNumber * scale));
  return { node: field(label, h('span', { class: 'unit' }, input, unit && h('span', {}, unit))), input, read };
}

const rateField = (label, value, options) => numberField(label, value, 'KiB/s', { scale: 1024, ...options });

/** A limit of a torrent that is as in the settings (null), none (0), or its own. */
function ownLimit(label, value, unit, step) {
  const kind = value === null ? 'settings' : value === 0 ? 'none' : 'own';
  const choices = { settings: 'As in the settings', none: 'No limit', own: 'Stop at' };
  const select = h('select', { 'aria-label': label }, Object.entries(choices).map(([key, text]) => h('option', { value: key, selected: key === kind }, text)));
  const input = h('input', { type: 'number', min: '0', step, 'aria-label': `${label}: ${unit}`, placeholder: unit, value: value || '', required: true });
  const follow = () => { input.disabled = select.value !== 'own'; };
  select.addEventListener('change', follow);
  follow();
  const node = h('div', { class: 'field' }, h('span', {}, label), h('div', { class: 'own' }, select, input));
  return { node, read: () => ({ settings: null, none: 0, own: input.valueAsNumber })[select.value] };
}

/** Filled once: what is being typed is not written over by the next second. */
function makeLimits(panel) {
  const listed = torrent => { if (!panel.children.length) panel.append(limitsForm(torrent)); };
  return { listed };
}

function limitsForm(torrent) {
  const { id, limits } = torrent;
  const [down, up] = [rateField('Download', limits.down), rateField('Upload', limits.up)];
  const [ratio, idle] = [ownLimit('Ratio', limits.ratio, 'ratio', '0.01'), ownLimit('Without any traffic', limits.idle, 'minutes', '1')];
  const sequential = tick('In order, to play it while it loads', torrent.sequential);
  const folder = h('input', { type: 'text', value: torrent.folder, required: true, spellcheck: 'false', autocomplete: 'off' });
  const send = async () => {
    const moved = folder.value.trim() === torrent.folder ? {} : { folder: folder.value.trim() };
    const limits = { down: down.read(), up: up.read(), ratio: ratio.read(), idle: idle.read() };
    torrent = await change(id, { limits, sequential: sequential.input.checked, ...moved });
    toast('Saved');
  };
  return form([h('div', { class: 'pair' }, down.node, up.node), h('div', { class: 'pair stack' }, ratio.node, idle.node), sequential.node,
    field('Folder', folder, 'Its data is moved when this is changed.')], 'Save', send);
}

const group = (title, ...children) => h('fieldset', { class: 'group' }, h('legend', {}, title), ...children);

async function openSettings() {
  const settings = await call('GET', 'settings').catch(failed);
  if (!settings || document.querySelector('dialog[open]')) return;
  const needed = { needed: true, empty: '' };
  const fields = {
    down: rateField('Download', settings.down), up: rateField('Upload', settings.up),
    ratio: numberField('Ratio', settings.ratio, ''), idle: numberField('Without any traffic', settings.idle, 'min', { step: '1' }),
    downloads: numberField('Downloads', settings.downloads, '', { ...needed, step: '1' }), seeds: numberField('Seeds', settings.seeds, '', { ...needed, step: '1' }),
  };
  const slow = { down: rateField('Download', settings.alternative.down, needed), up: rateField('Upload', settings.alternative.up, needed) };
  const schedule = makeSchedule(settings.schedule);
  const text = (value, placeholder) => h('input', { type: 'text', value: value ?? '', placeholder, required: !placeholder, spellcheck: 'false', autocomplete: 'off' });
  const [folder, complete] = [text(settings.folder, ''), text(settings.complete, 'Stay where they are')];
  const send = async () => {
    const plain = Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.read()]));
    const alternative = { ...settings.alternative, down: slow.down.read(), up: slow.up.read() };
    await call('PATCH', 'settings', { ...plain, alternative, schedule: schedule.read(), folder: folder.value.trim(), complete: complete.value.trim() || null });
    close();
    toast('Saved');
    lookAtList();
  };
  const pair = (...nodes) => h('div', { class: 'pair' }, nodes.map(one => one.node));
  const close = dialog('Settings', form([
    group('Limits', pair(fields.down, fields.up)),
    group('Slow mode', pair(slow.down, slow.up), schedule.node),
    group('Stop a seed at', pair(fields.ratio, fields.idle)),
    group('At a time', pair(fields.downloads, fields.seeds)),
    group('Folders', field('New torrents', folder), field('Complete ones move to', complete)),
  ], 'Save', send, { cancel: () => close(), note: `wireworks ${settings.version}, ${count(settings.filter, 'range')} in the IP filter` }), { kind: 'wide-dialog' });
}

/** The times of the week at which the alternative limits hold. */
function makeSchedule(spans) {
  const rows = h('div', { class: 'group' });
  const add = one => rows.append(spanRow(one));
  spans.forEach(add);
  const more = h('button', { type: 'button', class: 'button quiet', onclick: () => add({ days: Object.keys(DAYS).slice(0, 5), from: '08:00', to: '17:00' }) }, icon('clock'), 'Add hours of slow mode');
  const node = h('div', { class: 'group' }, rows, h('div', {}, more));
  return { node, read: () => [...rows.children].map(row => row.read()).filter(one => one.days.length) };
}

function spanRow({ days, from, to }) {
  const ticks = Object.entries(DAYS).map(([key, label]) => ({ key, ...tick(label, days.includes(key)) }));
  const [begin, end] = [['From', from], ['To', to]].map(([label, value]) => h('input', { type: 'time', 'aria-label': label, value, required: true }));
  const row = h('div', { class: 'span', role: 'group', 'aria-label': 'Hours of slow mode' }, h('div', { class: 'days' }, ticks.map(one => one.node),
    iconButton('trash', 'Remove these hours', () => row.remove())), begin, end);
  row.read = () => ({ days: ticks.filter(one => one.input.checked).map(one => one.key), from: begin.value, to: end.value });
  return row;
}

/** The server has one record of both limits and whether they hold: the whole of it goes back. */
async function toggleSlow() {
  try {
    const { alternative } = await call('GET', 'settings');
    const enabled = byId('slow').getAttribute('aria-pressed') !== 'true';
    await call('PATCH', 'settings', { alternative: { ...alternative, enabled } });
    lookAtList();
  } catch (error) { failed(error); }
}

async function openBanned() {
  const banned = await call('GET', 'banned').catch(failed);
  if (!banned || document.querySelector('dialog[open]')) return;
  const forgive = async () => { await call('DELETE', 'banned'); close(); toast('All are forgiven'); };
  const row = ({ ip, why, when }) => h('li', {}, h('b', {}, ip), h('small', {}, `${sentence(why)} ${date(when)}`));
  const close = dialog('Banned peers', banned.length ? form([h('ul', { class: 'rows' }, banned.map(row))], 'Forgive all', forgive)
    : h('p', { class: 'soft' }, 'Nobody. Peers that send bad data come here, with the reason.'));
}
