// Web push: the browser's push service wakes the worker (`sw.js`) for what was said while no page is open. What the server sends is
// encrypted for this browser; the push service sees who sends to whom, and when.

const TOLD = 'wireworks.push';

/** Whether this browser and this server can do it. */
export function offered(chat) {
  return Boolean(chat.link.hello?.push?.key) && chat.me?.account && 'serviceWorker' in navigator && 'PushManager' in window && window.isSecureContext;
}

/** The worker, which installs the page too. It takes clicks on notifications back to `open(room, message)`. */
export async function register(open) {
  if (!('serviceWorker' in navigator) || !window.isSecureContext) return;
  navigator.serviceWorker.addEventListener('message', ({ data }) => data?.open && open(data.open, data.message));
  await navigator.serviceWorker.register('/sw.js').catch(() => {});
}

/** Subscribes this browser, and tells the server. */
export async function subscribe(chat) {
  const { pushManager } = await navigator.serviceWorker.ready;
  const wanted = key(chat.link.hello.push.key);
  let subscription = await pushManager.getSubscription();
  // A server that was set up anew has another key: it cannot use the old subscription.
  if (subscription && !same(subscription.options?.applicationServerKey, wanted)) {
    await subscription.unsubscribe();
    subscription = null;
  }
  subscription ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: wanted });
  const { endpoint, keys: { p256dh, auth } } = subscription.toJSON();
  await chat.link.ask('push', { endpoint, p256dh, auth });
  localStorage.setItem(TOLD, endpoint);
}

/** Ends the subscription, here and at the server. */
export async function unsubscribe(chat) {
  const endpoint = localStorage.getItem(TOLD);
  localStorage.removeItem(TOLD);
  if (endpoint) await chat.link.ask('unpush', { endpoint }).catch(() => {});
  const registration = await navigator.serviceWorker?.getRegistration('/');
  await (await registration?.pushManager?.getSubscription())?.unsubscribe();
}

/** Browsers renew subscriptions now and then: each session tells the present one, if there is to be one. */
export async function renew(chat) {
  if (localStorage.getItem(TOLD) && offered(chat) && Notification.permission === 'granted') await subscribe(chat).catch(() => {});
}

/** The server's key, out of base64url. */
function key(text) {
  const plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(plain, letter => letter.charCodeAt(0));
}

function same(buffer, bytes) {
  const other = new Uint8Array(buffer ?? []);
  return other.length === bytes.length && other.every((byte, at) => byte === bytes[at]);
}
