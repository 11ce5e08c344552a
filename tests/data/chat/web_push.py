"""What is pushed to the web client while nobody looks: the subscription, the notification, and where a click on it leads.

The push service is Chromium's, which cannot be reached: subscriptions are made by a stand-in, and pushes are delivered by DevTools. So are
the server's words about pushes, so that what the page says is seen here."""

from websockets.exceptions import WebSocketException

KEY = "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM"

STAND_IN = """
window.said = [];
class Talk extends WebSocket {
  set onmessage(then) {
    this.addEventListener('message', ({ data }) => {
      const words = JSON.parse(data);
      if (words.t === 'hello') words.push = { key: 'KEY' };
      then({ data: JSON.stringify(words) });
    });
    this.answer = words => then({ data: JSON.stringify(words) });
  }
  send(text) {
    const words = JSON.parse(text);
    if (!['push', 'unpush', 'notify'].includes(words.t)) return super.send(text);
    said.push(words);
    queueMicrotask(() => this.answer({ t: 'ok', re: words.id }));
  }
}
window.WebSocket = Talk;
let subscription = null;
PushManager.prototype.getSubscription = async () => subscription;
PushManager.prototype.subscribe = async options => {
  const key = new Uint8Array(options.applicationServerKey);
  if (!options.userVisibleOnly || key.length !== 65 || key[0] !== 4) throw new Error('no key');
  subscription = {
    endpoint: 'https://push.example/1', options: { applicationServerKey: key.buffer },
    toJSON: () => ({ endpoint: 'https://push.example/1', keys: { p256dh: 'P256', auth: 'AUTH' } }),
    unsubscribe: async () => { subscription = null; return true; },
  };
  return subscription;
};
""".replace("KEY'", KEY + "'", 1)

alice = Page(devtools)
alice.ask("Browser.grantPermissions", origin=alone.rstrip("/"), permissions=["notifications"])
alice.ask("Page.enable")
alice.ask("Page.addScriptToEvaluateOnNewDocument", source=STAND_IN)
alice.ask("Page.navigate", url=alone)
until(alice, "'said' in window && document.readyState === 'complete'")
prepare(alice)
sign_up(alice, "alice")
create(alice, "garden")
bob = beside(other)
sign_up(bob, "bob")
join(bob, "garden")
say(bob, "The first roses")
first = message(alice, "The first")
for number in range(30):
    say(bob, f"Line {number}")
message(alice, "Line 29")

# It can be installed.
manifest = alice.ask("Page.getAppManifest")
print("manifest:", manifest["errors"], json.loads(manifest["data"])["display"])
print("can be installed:", alice.ask("Page.getInstallabilityErrors")["installabilityErrors"])

# It is subscribed in the account's page.
click(alice, ".me")
click(alice, ".menu button", "Notifications")
alice.appears(".switch", "page is closed")
audit(alice, "notifications with pushes")
click(alice, ".switch", "page is closed")
print("subscribed:", until(alice, "said.length === 1 && JSON.stringify({ ...said[0], id: undefined })"))
leave_dialog(alice)

# Each room has a level of its own.
click(alice, ".room-header [aria-label='More about this room']")
click(alice, ".menu button", "Notify me of")
print("level:", until(alice, "document.querySelector('.menu [aria-checked=true]')?.innerText"))
click(alice, ".menu button", "Nothing")
print("told:", until(alice, "said.length === 2 && JSON.stringify({ ...said[1], id: undefined })"))
evaluate(alice, "said.length = 1")

# A push is not displayed while one looks, and is when nobody does. DevTools tells of workers on a connection of its own.
until(alice, "navigator.serviceWorker.ready.then(worker => worker.active?.state === 'activated')")
backstage = Page(devtools)
backstage.browser.send(json.dumps({"id": 0, "method": "ServiceWorker.enable"}))
worker = None
while not worker:
    told = json.loads(backstage.browser.recv(timeout=PATIENCE))
    if told.get("method") == "ServiceWorker.workerRegistrationUpdated":
        found = [one["registrationId"] for one in told["params"]["registrations"] if one["scopeURL"] == alone]
        worker = found[0] if found else None

NOTES = "navigator.serviceWorker.ready.then(worker => worker.getNotifications()).then(all => all.map(({ title, body, tag, data }) => [title, body, tag, data.id ?? ''].join(' | ')).sort().join('\\n'))"


def pushed(data):
    backstage.ask("ServiceWorker.deliverPushMessage", origin=alone.rstrip("/"), registrationId=worker, data=data)


def inside(expression):
    """In the worker, which the browser stops when it has nothing to do: what it is asked in that moment is never answered, and asked again."""
    while True:
        backstage.ask("ServiceWorker.startWorker", scopeURL=alone)
        with urllib.request.urlopen(f"http://{urlsplit(devtools).netloc}/json/list") as reply:
            # Each of the two people has a worker.
            workers = (found for found in json.load(reply) if found["type"] == "service_worker")
            target = next((found for found in workers if found["url"].startswith(alone)), None)
        if not target:
            continue
        page = Page.__new__(Page)
        page.number, page.patience = 0, 10
        try:
            with connect(target["webSocketDebuggerUrl"], max_size=None, open_timeout=PATIENCE) as page.browser:
                return evaluate(page, expression)
        except (Refused, TimeoutError, WebSocketException, OSError):
            pass


def wait_until_looked_at(looked):
    """Pages and workers hear of the focus on ways of their own: it is the worker's that counts."""
    while inside("self.clients.matchAll({ type: 'window' }).then(all => all.some(page => page.focused && page.visibilityState === 'visible'))") != looked:
        (alice if looked else bob).ask("Page.bringToFront")


push = {"room": "#garden", "from": "bob", "text": "@alice, the roses", "id": first, "seq": 3, "kind": "mention"}
alice.ask("Page.bringToFront")
wait_until_looked_at(True)
pushed(json.dumps(push))
# What follows in the worker follows after the push was handled.
inside("self.clients.matchAll().then(() => 1)")
print("while one looks:", evaluate(alice, NOTES) or "nothing")
bob.ask("Page.bringToFront")
alice.ask("Emulation.setFocusEmulationEnabled", enabled=False)
wait_until_looked_at(False)


def displayed(data, text):
    """Pushes until there is a notification with this text: one that comes while the worker is being stopped is lost, and two of one room are one."""
    while text not in (found := evaluate(alice, NOTES)):
        pushed(data)
    return found


print("notification:", displayed(json.dumps(push), "roses").replace(first, "first"))
displayed(json.dumps({"room": "bob", "from": "bob", "text": "", "id": first, "seq": 1, "kind": "direct"}), "Sent a file")
notes = displayed("no JSON", "no JSON").split("\n")
print("others:", " ; ".join(sorted(note.replace(first, "first") for note in notes if "roses" not in note)))

# A click opens the room at the message: in the page that is there, or in a new one.
create(alice, "shed")
inside(f"follow({{ room: '#garden', id: '{first}' }}).then(() => 1)")
print("click:", alice.appears(".room-title", "garden"), "|", until(alice, "document.querySelector('.message.found .text')?.innerText"))
address = inside(f"address('#garden', '{first}')")
print("address:", address.replace(first, "first"), inside("address('bob')"), inside("address('')"))
alice.ask("Page.bringToFront")
alice.ask("Emulation.setFocusEmulationEnabled", enabled=True)
click(alice, ".row", "shed")
alice.appears(".room-title", "shed")
evaluate(alice, f"history.replaceState(null, '', {json.dumps(address)})")
reload(alice)
print("anew:", until(alice, "document.querySelector('.message.found .text')?.innerText"))

# The page that comes back tells its subscription again, and ends it when it is switched off.
print("told again:", until(alice, "window.said?.length === 1 && said[0].t"))
click(alice, ".me")
click(alice, ".menu button", "Notifications")
click(alice, ".switch", "page is closed")
print("ended:", until(alice, "said.length === 2 && JSON.stringify([said[1].t, said[1].endpoint])"), until(alice, "String(localStorage.getItem('wireworks.push'))"))
no_faults(bob)
