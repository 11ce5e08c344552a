"""What the scripts of the web client's tests have in common. They stand behind this, and are given the address of DevTools, the address
of the client under two names, and axe-core."""

import os
import urllib.request

devtools, alone, other, axe = sys.argv[1:5]
with open(axe) as file:
    AXE = file.read()


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
        except Refused:
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


def audit(page, where):
    """What axe-core, a judge that is not ours, finds wrong with the page, or with the dialog that is open."""
    if not evaluate(page, "'axe' in window"):
        evaluate(page, AXE + ";0")
    found = evaluate(page, "axe.run(document.querySelector('dialog[open]') ?? document).then(({ violations }) => violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(node => node.html.slice(0, 160)).join(' | ')}`))")
    assert not found, where + ":\n" + "\n".join(found)


def sound(page, where):
    for scheme in ["light", "dark"]:
        page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}])
        for width, height in [(1440, 900), (820, 1100), (430, 932), (360, 740)]:
            size(page, width, height)
            wide = until(page, f"innerWidth === {width} && document.documentElement.scrollWidth")
            assert wide <= width, (where, width, wide)
            faults = evaluate(page, FAULTS)
            assert not faults, f"{where}, {scheme}, {width}:\n{faults}"
        audit(page, f"{where}, {scheme}")
    page.ask("Emulation.setEmulatedMedia", features=[])
    size(page, 1440, 900)
    print("sound:", where)


def beside(address):
    """Another page of the same browser. A page of another origin shares nothing with the first one."""
    request = urllib.request.Request(f"http://{urlsplit(devtools).netloc}/json/new?{address}", method="PUT")
    with urllib.request.urlopen(request) as reply:
        target = json.load(reply)["webSocketDebuggerUrl"]
    page = Page.__new__(Page)
    page.browser, page.number = connect(target, max_size=None, open_timeout=PATIENCE), 0
    prepare(page)
    return page


def prepare(page):
    size(page, 1440, 900)
    page.ask("Runtime.enable")
    page.ask("Emulation.setFocusEmulationEnabled", enabled=True)
    page.appears("#signin button")
    evaluate(page, "window.faults = []; addEventListener('error', event => faults.push(event.message)); addEventListener('unhandledrejection', event => faults.push(String(event.reason?.stack ?? event.reason))); addEventListener('securitypolicyviolation', event => faults.push(event.violatedDirective))")


def sign_up(page, name):
    click(page, "#tab-register")
    fill(page, "#signin [name=name]", name)
    fill(page, "#signin [name=password]", "correct horse battery")
    click(page, "#signin [type=submit]")
    page.appears(".me-name b", name)


def create(page, room):
    click(page, ".lists section:first-child header button")
    fill(page, "dialog [name=room]", room)
    click(page, "dialog .create [type=submit]")
    page.appears(".room-title", room)


def join(page, room):
    key(page, "k", 75, 2)
    fill(page, ".switcher input", room)
    click(page, ".switcher [role=option]", f"Join #{room}")
    page.appears(".room-title", room)


def leave_dialog(page):
    evaluate(page, "document.querySelectorAll('dialog[open]').forEach(node => node.close())")
    until(page, "!document.querySelector('dialog')")


def no_faults(*pages):
    for page in pages:
        assert evaluate(page, "faults.join()") == "", evaluate(page, "faults.join('\\n')")
