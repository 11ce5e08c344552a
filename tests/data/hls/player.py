"""Watches what the player page offers. Stands behind devtools.py; is given the address of DevTools, that of the page, axe-core and a folder
for pictures. The first line names the codec that is used: a browser without H.264 is shown AV1, and no more."""

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
evaluate("window.VIDEO = document.getElementById('video'); VIDEO.loop = true; 0")
avc = evaluate("MediaSource.isTypeSupported('video/mp4; codecs=\"avc1.64001e\"')")
print("codec:", "avc1" if avc else "av01")
until("document.querySelectorAll('.stream').length")


def stream(name):
    evaluate(f"location.hash = {json.dumps('#' + name)}; 0")
    until(f"document.querySelector('.about h2').innerText === {json.dumps(name)}")
    plays(1)
    print(name, "plays")


def statistics(words):
    """Opens them, and waits until all words are in them and something was drawn."""
    evaluate("document.querySelector('[title^=\"Statistics (s)\"]').click()")
    for word in words:
        until(f"document.getElementById('stats').innerText.includes({json.dumps(word)})")
    until("(canvas => canvas.width && canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value))(document.querySelector('#stats canvas'))")


if not avc:
    stream("av1")
    statistics(["av01"])
    print("in the statistics: a drawing")
    sys.exit()

print("streams:", evaluate("[...document.querySelectorAll('.stream .name')].map(node => node.innerText).join(', ')"))
plays(1)
print("film plays")
print("qualities:", menu("Quality"))
choose("240p")
until("VIDEO.videoHeight === 240")
print("chosen: 240 high")
statistics(["240p", "avc1", "hls.js"])
until("[...document.querySelectorAll('#stats dl div')].find(row => row.innerText.startsWith('Switches')).innerText.match(/[1-9]/)")
print("in the statistics: 240p, 1 switch, a drawing")
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

stream("packaged")
stream("av1")
evaluate("location.hash = '#live'; 0")
until("document.querySelector('.about h2').innerText === 'live' && !document.querySelector('button.live').hidden && VIDEO.currentTime > 1")
shown = until("document.querySelector('button.live').innerText.match(/^(Live) · [0-9.]+ s$/)?.[1]")
print(f"live: {shown},", until("document.querySelector('button.live').title.match(/latency by the dates of the stream/)?.[0]"))

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
