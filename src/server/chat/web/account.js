// One's own account: the profile, notifications, the password, the devices that are logged in, and whom one does not hear.

import { avatar, face } from './faces.js';
import { h, icon, iconButton, toast } from './dom.js';
import { ask, form, sheet, toggle } from './popup.js';
import { WORDS } from './people.js';
import { noFiles, upload } from './tray.js';

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
/** Pixels of a picture that is kept: as many as are ever displayed. */
const SIDE = 256;

export function account(chat, actions, first = 'profile') {
  const member = Boolean(chat.me.account);
  sheet(member ? 'Your account' : 'Preferences', [
    member && { name: 'profile', label: 'Profile', icon: 'person', draw: page => profile(page, chat) },
    { name: 'notify', label: 'Notifications', icon: 'bell', draw: page => notifications(page, chat, actions) },
    { name: 'look', label: 'Appearance', icon: 'theme', draw: page => look(page, actions) },
    member && { name: 'devices', label: 'Devices', icon: 'device', draw: page => devices(page, chat) },
    member && { name: 'password', label: 'Password', icon: 'lock', draw: page => password(page, chat) },
    member && { name: 'blocked', label: 'Blocked', icon: 'ban', draw: page => blocked(page, chat) },
  ], first);
}

/** Draws what has to be asked for first. */
async function loading(page, load) {
  page.replaceChildren(h('p', { class: 'soft', role: 'status' }, 'Loading…'));
  try {
    await load();
  } catch (error) {
    page.replaceChildren(h('p', { class: 'form-error', role: 'alert' }, error.message));
  }
}

function profile(page, chat) {
  return loading(page, async () => {
    const { user } = await chat.link.ask('whois', { name: chat.me.account });
    face(user.account, user.avatar);
    page.replaceChildren(picture(chat, user), form([
      { name: 'display', label: 'Display name', value: user.display ?? '', maxlength: '60', placeholder: user.account, hint: 'Shown beside your name.' },
      { name: 'about', label: 'About you', value: user.about ?? '', maxlength: '200' },
      { name: 'status', label: 'Status', value: chat.status ?? user.status ?? '', maxlength: '100', placeholder: 'Lunch, back at two', hint: 'Until you close the page.' },
    ], 'Save', async ({ display, about, status }) => {
      await chat.link.ask('profile', { display: display.trim(), about: about.trim() });
      chat.me.display = display.trim();
      if (status.trim() !== (chat.status ?? '')) await chat.setPresence(chat.mine ?? 'online', status.trim());
      chat.changed('rooms');
    }), h('div', { class: 'switches' }, toggle('Read receipts', user.read_receipts !== false, on => chat.link.ask('profile', { read_receipts: on }), { hint: 'Others see how far you have read.' })));
  });
}

/** The picture, which is cut to a square here: nothing larger is sent. */
function picture(chat, user) {
  const error = h('p', { class: 'form-error', role: 'alert' });
  const why = noFiles(chat);
  const set = async digest => {
    await chat.link.ask('profile', { avatar: digest });
    face(user.account, digest);
    drop.hidden = !digest;
  };
  const take = async file => {
    error.textContent = '';
    if (!file) return;
    try {
      if (!file.type.startsWith('image/')) throw new Error(`${file.name} is no picture. Choose a PNG, JPEG, WebP or GIF.`);
      const { digest } = await upload(chat, await square(file), 'avatar.png');
      await set(digest);
    } catch (failure) {
      error.textContent = failure.message;
    }
  };
  const input = h('input', { type: 'file', accept: 'image/*', class: 'sr', tabindex: '-1', 'aria-label': 'Picture', onchange: () => { take(input.files[0]); input.value = ''; } });
  const drop = h('button', { type: 'button', class: 'button quiet', hidden: !user.avatar, onclick: () => set('').catch(failure => { error.textContent = failure.message; }) }, 'Remove');
  const node = h('div', { class: 'portrait' }, avatar(user.account, 'huge'), h('div', {},
    h('div', { class: 'portrait-actions' }, h('button', { type: 'button', class: 'button quiet', disabled: Boolean(why), onclick: () => input.click() }, icon('picture'), 'Choose a picture'), drop, input),
    h('small', { class: 'soft' }, why || 'Or drop one here.'), error));
  node.addEventListener('dragover', event => event.preventDefault());
  node.addEventListener('drop', event => { event.preventDefault(); event.stopPropagation(); if (!why) take(event.dataTransfer.files[0]); });
  return node;
}

async function square(file) {
  const whole = await createImageBitmap(file).catch(() => { throw new Error(`${file.name} cannot be read as a picture.`); });
  const side = Math.min(whole.width, whole.height);
  const canvas = h('canvas', { width: SIDE, height: SIDE });
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(whole, (whole.width - side) / 2, (whole.height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  return new Promise(done => canvas.toBlob(done, 'image/png'));
}

function notifications(page, chat, actions) {
  const { notify } = actions;
  const note = h('p', { class: 'soft', role: 'status' });
  const refused = 'Notification' in window && Notification.permission === 'denied';
  const on = toggle('Notifications in this browser', notify.on, async wanted => { note.textContent = await notify.set(wanted); if (wanted && !notify.on) throw new Error(note.textContent); }, {
    hint: refused ? 'The browser refuses them: allow them in the settings of this page first.' : 'When somebody mentions you or writes to you, and this page is not in front.', disabled: refused || !('Notification' in window),
  });
  const push = notify.pushOffered && toggle('Also while the page is closed', notify.pushed, wanted => notify.push(wanted), {
    hint: 'By the push service of your browser. What it carries is encrypted: only your browser reads it.',
  });
  page.replaceChildren(h('div', { class: 'switches' }, on, push || null, toggle('Sound', notify.sound, wanted => { notify.sound = wanted; }, { hint: 'A short tone with each notification.' })), note);
}

function look(page, actions) {
  const chosen = actions.theme() ?? 'system';
  page.replaceChildren(h('fieldset', { class: 'choices-row' }, h('legend', {}, 'Colours'), [['system', 'As the system'], ['light', 'Light'], ['dark', 'Dark']].map(([value, label]) => h('label', {},
    h('input', { type: 'radio', name: 'theme', value, checked: value === chosen, onchange: () => actions.theme(value) }), h('span', { class: `swatch ${value}`, 'aria-hidden': 'true' }), label))),
  h('div', { class: 'switches' }, toggle('Compact', actions.compact(), on => { actions.compact(on); }, { hint: 'Less room between messages, and smaller pictures of people.' })));
}

function devices(page, chat) {
  return loading(page, async () => {
    const { sessions } = await chat.link.ask('sessions');
    sessions.sort((a, b) => b.this - a.this || b.used - a.used);
    const others = sessions.filter(session => !session.this);
    const end = async all => {
      for (const { session } of all) await chat.link.ask('revoke', { session });
      devices(page, chat);
    };
    const failed = error => toast(error.message, { bad: true });
    page.replaceChildren(h('p', { class: 'soft' }, 'Each device has a token of its own. One that is signed out is put out at once.'),
      h('ul', { class: 'cards' }, sessions.map(session => h('li', {}, icon('device'), h('div', {},
        h('b', {}, session.device || 'Unnamed device', session.this ? h('span', { class: 'pill' }, 'This one') : session.connected && h('span', { class: 'pill' }, WORDS[session.presence])),
        h('small', {}, `Used ${WHEN.format(session.used)} · since ${DATE.format(session.created)} · until ${DATE.format(session.expires)}`)),
      !session.this && h('button', { type: 'button', class: 'button quiet', 'aria-label': `Sign out ${session.device || 'this device'}`, onclick: () => end([session]).catch(failed) }, 'Sign out')))),
      others.length > 0 && h('button', { type: 'button', class: 'button quiet warn', onclick: () => ask('Sign out all other devices?', [], 'Sign out', () => end(others), { bad: true, text: `${others.length === 1 ? 'One device has' : `${others.length} devices have`} to sign in again.` }) }, 'Sign out all others') || '');
  });
}

function password(page, chat) {
  page.replaceChildren(form([
    { name: 'old', label: 'Present password', type: 'password', autocomplete: 'current-password', required: true },
    { name: 'new', label: 'New password', type: 'password', autocomplete: 'new-password', required: true, minlength: '8', hint: 'At least 8 characters' },
    { name: 'again', label: 'New password, again', type: 'password', autocomplete: 'new-password', required: true },
  ], 'Change the password', async ({ old, new: fresh, again }, node) => {
    if (fresh !== again) throw new Error('The two are not the same.');
    await chat.link.ask('password', { old, new: fresh });
    node.reset();
    return 'Changed. Other devices have to sign in again.';
  }));
}

function blocked(page, chat) {
  return loading(page, async () => {
    const { user } = await chat.link.ask('whois', { name: chat.me.account });
    const names = user.blocked ?? [];
    const set = (name, on) => chat.link.ask('block', { name, on }).then(() => blocked(page, chat));
    page.replaceChildren(h('p', { class: 'soft' }, names.length ? 'Their direct messages do not reach you, nor yours them.' : 'Nobody. Whom you block cannot write to you directly.'),
      h('ul', { class: 'cards' }, names.map(name => h('li', {}, avatar(name), h('div', {}, h('b', {}, name)), iconButton('close', `Hear ${name} again`, () => set(name, false).catch(error => toast(error.message, { bad: true })))))),
      form([{ name: 'name', label: 'Block somebody', required: true, maxlength: '32' }], 'Block', ({ name }) => set(name.trim(), true)));
  });
}
