"""Watches what the player page offers. Stands behind devtools.py; is given the address of DevTools, that of the page, axe-core and a folder
for pictures. A browser without H.264 is told from one that plays nothing by the first line, which names the codec that is used."""

import base64
import os

devtools, address, axe, pictures = sys.argv[1:5]
page = Page(devtools)


def evaluate(expression):
    reply = page.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
    assert "exceptionDetails" not in reply, (expression, reply)
    return reply["result"].get("value")


def until(condition):
    """Waits until a condition of the page holds, and gives its value."""
    return evaluate(f"new Promise(done => {{ const look = () => {{ const found = {condition}; found ? done(found) : setTimeout(look, 20); }}; look(); }})")


def key(name, code):
    text = {"text": name} if len(name) == 1 else {}
    for kind in ["keyDown", "keyUp"]:
        page.ask("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, **(text if kind == "keyDown" else {}))


def menu(title):
    """Opens a menu, and gives its entries."""
    until(f"document.querySelector('.has-menu:not([hidden]) > [title^=\"{title}\"]')")
    evaluate(f"document.querySelector('[title^=\"{title}\"]').click()")
    return until("[...document.querySelectorAll('.menu:not([hidden]) button span:not(.icon)')].map(node => node.innerText).join(', ')")


def choose(name):
    evaluate(f"[...document.querySelectorAll('.menu:not([hidden]) button')].find(node => node.innerText.includes({json.dumps(name)})).click()")


def plays(seconds):
    until(f"document.getElementById('notice').hidden && VIDEO.currentTime > {seconds}")


def picture(name):
    page.ask("Page.bringToFront")
    shot = page.ask("Page.captureScreenshot", format="png")["data"]
    with open(os.path.join(pictures, f"{name}.png"), "wb") as file:
        file.write(base64.b64decode(shot))


def look(name, width, height, scheme):
    """A picture of the page, which must be sound: nothing beside the window, no fault that axe finds."""
    page.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
    page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}])
    wide = until(f"innerWidth === {width} && document.documentElement.scrollWidth")
    assert wide <= width, (name, wide)
    evaluate("document.getElementById('stage').dispatchEvent(new PointerEvent('pointermove'))")
    picture(name)
    found = json.loads(evaluate("axe.run(document, { resultTypes: ['violations'] }).then(found => JSON.stringify(found.violations.map(fault => [fault.id, fault.nodes.map(node => node.html)])))"))
    assert not found, (name, found)


until("document.readyState === 'complete'")
with open(axe) as file:
    evaluate(file.read() + "; 0")
evaluate("window.VIDEO = document.getElementById('video'); 0")
avc = evaluate("MediaSource.isTypeSupported('video/mp4; codecs=\"avc1.64001e\"')")
print("codec:", "avc1" if avc else "none")
assert avc, "this browser does not decode H.264"

until("document.querySelectorAll('.stream').length")
print("streams:", evaluate("[...document.querySelectorAll('.stream .name')].map(node => node.innerText).join(', ')"))
plays(1)
print("film plays")
print("qualities:", menu("Quality"))
choose("240p")
until("VIDEO.videoHeight === 240")
print("chosen: 240 high")
evaluate("document.querySelector('[title^=\"Statistics (s)\"]').click()")
until("document.getElementById('stats').innerText.includes('240p')")
print("in the statistics: 240p")
menu("Quality")
choose("Auto")
until("VIDEO.videoHeight === 480")
print("back to auto")
print("sound tracks and subtitles:", menu("Subtitles"))
choose("Subtitles")
until("[...VIDEO.textTracks].some(track => track.mode === 'showing' && track.cues?.length)")
print("subtitles on")

evaluate("VIDEO.currentTime = 0; document.activeElement.blur(); 0")
done = []
key(" ", 32)
until("VIDEO.paused")
done.append("paused")
key(" ", 32)
until("!VIDEO.paused")
done.append("playing")
plays(0.5)
key("ArrowRight", 39)
until("VIDEO.currentTime > 5")
done.append("on")
key("ArrowLeft", 37)
until("VIDEO.currentTime < 5")
done.append("back")
key("m", 77)
until("VIDEO.muted")
done.append("muted")
key("m", 77)
until("!VIDEO.muted")
done.append("loud")
key("s", 83)
until("document.getElementById('stats').hidden")
key("s", 83)
until("!document.getElementById('stats').hidden && document.querySelector('#stats canvas').width > 100")
done.append("statistics")
key("?", 191)
until("document.querySelector('dialog[open]')")
evaluate("document.querySelector('dialog').close()")
done.append("help")
print("keys:", ", ".join(done))

evaluate("location.hash = '#packaged'; 0")
until("document.querySelector('.about h2').innerText === 'packaged'")
plays(1)
print("packaged plays")

# The same page, told of other streams.
evaluate("""window.fetched = window.fetch; window.fetch = (url, options) => url === 'streams.json'
    ? Promise.resolve(new Response(JSON.stringify({ streams: [{ name: 'ts', url: 'film/ts/master.m3u8', live: false }, { name: 'gone', url: 'none/master.m3u8', live: true }] })))
    : fetched(url, options); location.hash = '#ts'; 0""")
until("document.querySelector('.about h2').innerText === 'ts'")
plays(1)
print("transport stream plays")
evaluate("location.hash = '#gone'; 0")
print("gone:", until("!document.getElementById('notice').hidden && document.querySelector('#notice strong').innerText"))
evaluate("window.fetch = fetched; location.hash = '#film'; 0")
until("document.querySelector('.about h2').innerText === 'film'")
plays(1)
look("desktop", 1440, 900, "light")
look("phone", 390, 844, "light")
look("dark", 1440, 900, "dark")
print("well: desktop, phone, dark")
