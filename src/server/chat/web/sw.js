// What runs while no page is open: it displays what the server pushes, and a click on that opens the room at the message.
//
// It keeps nothing, and answers no requests: the page itself is small, and comes from the server.

const ICON = '/BUILD/icon-192.png';

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', event => event.waitUntil(self.clients.claim()));
self.addEventListener('push', event => event.waitUntil(show(event.data)));
self.addEventListener('notificationclick', event => {
  event.notification.close();
  event.waitUntil(follow(event.notification.data ?? {}));
});

/** Displays a push, unless somebody looks at the chat: the page says it then. */
async function show(data) {
  const said = parse(data);
  const pages = await self.clients.matchAll({ type: 'window' });
  if (pages.some(page => page.focused && page.visibilityState === 'visible')) return;
  const { room = '', from = 'Chat', text = '', id, kind } = said;
  const title = kind === 'direct' ? from : kind === 'invite' ? `${from} invites you to ${room}` : room ? `${from} in ${room}` : from;
  await self.registration.showNotification(title, {
    body: text.slice(0, 300) || (kind === 'invite' ? '' : 'Sent a file'),
    // One of a room at a time, and each makes itself heard.
    tag: `room ${room}`, renotify: true,
    icon: ICON, badge: ICON, timestamp: Date.now(),
    data: { room, id },
  });
}

function parse(data) {
  try {
    const said = data.json();
    return typeof said === 'object' && said ? said : {};
  } catch {
    return { text: data?.text() ?? '' };
  }
}

/** Opens a room at a message: in a page that is there, or in a new one. */
async function follow({ room, id }) {
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const page = pages.find(found => found.visibilityState === 'visible') ?? pages[0];
  if (!page) return self.clients.openWindow(address(room, id));
  page.postMessage({ open: room, message: id });
  return page.focus().catch(() => {});
}

function address(room, id) {
  if (!room) return '/';
  const name = room.startsWith('#') ? room.slice(1) : `@${room}`;
  return `/#${encodeURIComponent(name)}${id ? `/${id}` : ''}`;
}
