"""The web client of the chat, used by two people. What they see is printed; a line on the standard input goes on after a pause."""

import urllib.request

devtools, alone, other = sys.argv[1:]


def evaluate(page, expression):
    reply = page.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
    assert "exceptionDetails" not in reply, (expression, reply)
    return reply["result"].get("value")


def until(page, condition):
    """Waits until a condition of the page holds, and gives its value."""
    wait = f"new Promise(done => {{ const look = () => {{ const found = {condition}; found ? done(found) : setTimeout(look, 20); }}; look(); }})"
    return evaluate(page, wait)


def click(page, selector, text=""):
    page.appears(selector, text)
    evaluate(page, f"[...document.querySelectorAll({json.dumps(selector)})].find(node => node.innerText.includes({json.dumps(text)})).click()")


def key(page, name, code=0, modifiers=0, text=None):
    typed = {"text": text} if text else {}
    for kind in ["keyDown", "keyUp"]:
        page.ask("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, modifiers=modifiers, **(typed if kind == "keyDown" else {}))


def fill(page, selector, text):
    page.focus(selector)
    evaluate(page, f"document.querySelector({json.dumps(selector)}).value = ''")
    page.ask("Input.insertText", text=text)


def say(page, text):
    page.focus(".room .composer textarea")
    page.enter(text)


def message(page, text):
    """Waits for a message with this text, and gives its id."""
    found = f"[...document.querySelectorAll('.timeline .message:not(.pending) .text')].find(node => node.innerText.includes({json.dumps(text)}))"
    return until(page, f"({found})?.closest('.message').dataset.id")


def on(identity, selector):
    return f".timeline .message[data-id=\"{identity}\"] {selector}"


def reload(page):
    evaluate(page, "window.former = true; location.reload()")
    while True:
        try:
            if evaluate(page, "!window.former && document.readyState === 'complete'"):
                return
        except AssertionError:
            # The former page is being left.
            pass


def size(page, width, height):
    page.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 700)


# Everything that can be seen has 4.5:1 against its ground (3:1 if it is large), and everything that can be used has a name.
FAULTS = r"""(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const over = (top, below) => top.slice(0, 3).map((part, at) => part * top[3] / 255 + below[at] * (1 - top[3] / 255));
  const ground = node => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      layers.push(colour);
      if (colour[3] === 255) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const faults = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || node.closest('.sr, noscript, :disabled')) continue;
    const style = getComputedStyle(node);
    const below = ground(node);
    const [one, two] = [light(over(rgba(style.color), below)), light(below)];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    const pixels = parseFloat(style.fontSize);
    const large = pixels >= 24 || (pixels >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) faults.push(`${ratio.toFixed(2)} ${node.className} ${walker.currentNode.data.slice(0, 20)}`);
  }
  for (const node of document.querySelectorAll('a, button, input, select, textarea, dialog, nav, aside, main, [role=region]')) {
    if (!node.checkVisibility() || node.type === 'hidden') continue;
    const by = node.getAttribute('aria-labelledby');
    const name = node.getAttribute('aria-label') || (by && document.getElementById(by)?.textContent) || (node.labels?.[0]?.textContent) || (/^(A|BUTTON)$/.test(node.tagName) && node.textContent) || '';
    if (!name.trim() && node.tagName !== 'MAIN') faults.push(`no name: ${node.outerHTML.slice(0, 80)}`);
  }
  for (const image of document.querySelectorAll('img:not([alt])')) faults.push(`no alt: ${image.src}`);
  for (const id of [...document.querySelectorAll('[id]')].map(node => node.id)) if (document.querySelectorAll(`#${CSS.escape(id)}`).length > 1) faults.push(`twice: ${id}`);
  return faults.join('\n');
})()"""


def sound(page, where):
    for scheme in ["light", "dark"]:
        page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}])
        for width, height in [(1440, 900), (820, 1100), (390, 844)]:
            size(page, width, height)
            wide = until(page, f"innerWidth === {width} && document.documentElement.scrollWidth")
            assert wide <= width, (where, width, wide)
            faults = evaluate(page, FAULTS)
            assert not faults, f"{where}, {scheme}, {width}:\n{faults}"
    page.ask("Emulation.setEmulatedMedia", features=[])
    size(page, 1440, 900)
    print("sound:", where)


def prepare(page):
    size(page, 1440, 900)
    page.ask("Runtime.enable")
    page.ask("Emulation.setFocusEmulationEnabled", enabled=True)
    page.appears("#signin button")
    evaluate(page, "window.faults = []; addEventListener('error', event => faults.push(event.message)); addEventListener('unhandledrejection', event => faults.push(String(event.reason?.stack ?? event.reason))); addEventListener('securitypolicyviolation', event => faults.push(event.violatedDirective))")


alice = Page(devtools)
prepare(alice)
sound(alice, "the way in")

# One registers, and opens a room.
click(alice, "#tab-register")
fill(alice, "#signin [name=name]", "alice")
fill(alice, "#signin [name=password]", "correct horse battery")
click(alice, "#signin [type=submit]")
print("in as", alice.appears(".me-name b"))
click(alice, ".lists section:first-child header button")
fill(alice, "dialog [name=room]", "garden")
click(alice, "dialog .create [type=submit]")
print("room:", alice.appears(".room-title", "garden"))
say(alice, "Welcome to the *garden*, see https://example.org/a?b=(c) <b>not bold</b>")
first = message(alice, "Welcome")
print("text:", evaluate(alice, f"document.querySelector({json.dumps(on(first, '.text'))}).innerHTML"))

# Another one comes in as a guest, in a page of another origin, so that the two share nothing.
request = urllib.request.Request(f"http://{urlsplit(devtools).netloc}/json/new?{other}", method="PUT")
with urllib.request.urlopen(request) as reply:
    target = json.load(reply)["webSocketDebuggerUrl"]
guest = Page.__new__(Page)
guest.browser, guest.number = connect(target, max_size=None, open_timeout=PATIENCE), 0
prepare(guest)
click(guest, "#tab-guest")
fill(guest, "#signin [name=name]", "visitor")
click(guest, "#signin [type=submit]")
guest.appears(".me-name b", "visitor")
click(guest, ".empty .button")
click(guest, "dialog .browse button", "garden")
message(guest, "Welcome")

# They talk.
say(guest, "Hello from a guest")
heard = message(alice, "Hello from a guest")
click(alice, on(heard, "[data-act=reply]"))
say(alice, "Good to see yuo")
answer = message(guest, "Good to see")
message(alice, "Good to see")
print("reply to:", guest.appears(on(answer, ".reply-to span")))
alice.focus(".room .composer textarea")
key(alice, "ArrowUp", 38)
print("editing:", until(alice, "document.querySelector('.banner:not([hidden])') && document.querySelector('.composer textarea').value"))
fill(alice, ".room .composer textarea", "Good to see you")
alice.enter()
print("edited:", guest.appears(on(answer, ".text"), "(edited)"))
click(guest, on(answer, "[data-act=react]"))
click(guest, ".picker .emoji")
print("reaction:", until(alice, f"document.querySelector({json.dumps(on(answer, '.chip'))})?.getAttribute('aria-label')"))
click(alice, on(answer, ".chip"))
print("reaction:", until(guest, f"[...document.querySelectorAll({json.dumps(on(answer, '.chip'))})].find(node => node.innerText.includes('2'))?.getAttribute('aria-label')"))
guest.focus(".room .composer textarea")
guest.ask("Input.insertText", text="I am wri")
print("typing:", alice.appears(".typing", "typing"))
fill(guest, ".room .composer textarea", "")
click(alice, on(heard, "[data-act=thread]"))
alice.focus(".pane .composer textarea")
alice.enter("Aside")
alice.appears(".pane .message .text", "Aside")
until(alice, "!document.querySelector('.pane .message.pending') && true")
click(alice, ".pane .message:last-child [data-act=edit]")
fill(alice, ".pane .composer textarea", "An aside")
alice.enter()
print("thread:", alice.appears(".pane .message .text", "(edited)"))
print("thread:", guest.appears(on(heard, ".replies")))

# The keyboard alone: search, and go to what was found.
key(alice, "Escape", 27)
key(alice, "F", 70, 2 | 8)
fill(alice, ".search input", "guest")
print("found:", alice.appears(".result mark"))
click(alice, ".result")
until(alice, f"document.querySelector('.message.found')?.dataset.id === {json.dumps(heard)}")
key(alice, "Escape", 27)
key(alice, "k", 75, 2)
sound(alice, "the switcher")
fill(alice, ".switcher input", "gard")
key(alice, "Escape", 27)
until(alice, "!document.querySelector('dialog')")
click(alice, ".room-header .members")
print("members:", " ".join(sorted([alice.appears(".people .row-name", "alice"), alice.appears(".people .row-name", "visitor")])))
sound(alice, "a room with its members")

# The server goes away. What is said meanwhile is kept, sent once it is back, and said once.
print("away", flush=True)
sys.stdin.readline()
until(alice, "document.querySelector('.link-state:not(.open)') && true")
say(alice, "Said to nobody")
until(alice, "document.querySelector('.message.pending') && true")
print("kept:", evaluate(alice, "Object.keys(localStorage).filter(name => name.startsWith('wireworks.outbox')).length"))
print("back", flush=True)
sys.stdin.readline()
message(alice, "Said to nobody")
message(guest, "Said to nobody")
count = "[...document.querySelectorAll('.timeline .text')].filter(node => node.innerText.includes('Said to nobody')).length"
print("said:", until(alice, "!document.querySelector('.message.pending') && " + count), evaluate(guest, count))
print("kept:", evaluate(alice, "Object.keys(localStorage).filter(name => name.startsWith('wireworks.outbox')).length"))
say(guest, "Still here")
message(alice, "Still here")
for page in [alice, guest]:
    assert evaluate(page, "faults.join()") == "", evaluate(page, "faults.join('\\n')")

# The page comes back to where it was, by its token, until one logs out.
reload(alice)
message(alice, "Still here")
print("history:", evaluate(alice, "document.querySelectorAll('.timeline .message').length"))
click(alice, ".me")
click(alice, ".menu button", "Log out")
alice.appears("#signin button")
print("token:", evaluate(alice, "localStorage.getItem('wireworks.token')"))
