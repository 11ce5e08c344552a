"""A person adds a link in the page, watches it come, looks at its files and peers, and plays the film in it."""

import urllib.error
import urllib.request

devtools, url, link, seed, torrent, axe = sys.argv[1:7]
page = Page(devtools)


def evaluate(expression):
    reply = page.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
    assert "exceptionDetails" not in reply, (expression, reply)
    return reply["result"].get("value")


def until(condition):
    wait = f"new Promise(done => {{ const look = () => {{ const found = {condition}; found ? done(found) : setTimeout(look, 20); }}; look(); }})"
    return evaluate(wait)


def click(selector, text=""):
    page.appears(selector, text)
    evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].find(node => node.innerText.includes({json.dumps(text)})).click()")


def audit(where):
    found = evaluate("axe.run(document.querySelector('dialog[open]') ?? document).then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html.slice(0, 160)).join(' | ')}`))")
    assert not found, where + ":\n" + "\n".join(found)


page.ask("Emulation.setDeviceMetricsOverride", width=1440, height=900, deviceScaleFactor=1, mobile=False)
page.ask("Page.enable")
page.ask("Runtime.enable")
page.ask("Emulation.setFocusEmulationEnabled", enabled=True)
with open(axe) as file:
    evaluate(file.read() + ";0")
evaluate("window.faults = []; addEventListener('error', event => faults.push(event.message)); addEventListener('unhandledrejection', event => faults.push(String(event.reason))); addEventListener('securitypolicyviolation', event => faults.push(event.violatedDirective)); 0")

print("empty:", until("document.querySelector('#nothing-yet')?.checkVisibility()"))
audit("nothing")
click("#first-add")
page.focus("dialog textarea")
page.ask("Input.insertText", text=link)
audit("adding")
click("dialog .form-actions .button", "Add")
until("!document.querySelector('dialog[open]')")
until("document.querySelector('#rows [role=row]')")
# Who gave the link tells where a peer is, too.
known = urllib.request.Request(f"{url}api/torrents/{torrent}/peers", json.dumps({"addr": seed}).encode(), {"X-Wireworks": "1", "Content-Type": "application/json"})
while True:
    try:
        with urllib.request.urlopen(known):
            break
    except urllib.error.HTTPError as error:
        assert error.code == 409, error
print("added:", until("[...document.querySelectorAll('#rows [role=row]')].find(row => row.innerText.includes('films')) && 'films'"))
print("complete:", until("document.querySelector('#rows').innerText.includes('Seeding')"))
audit("list")
evaluate(f"location.hash = '{torrent}'")
click("[role=tab]", "Files")
print("files:", until("document.querySelectorAll('.file-row').length === 3 && 3"))
audit("files")
click(".file-row button", "Play")
print("plays:", until("document.querySelector('dialog video')?.currentTime > 0.2 || document.querySelector('dialog .form-error')?.innerText.length > 0"))
audit("player")
evaluate("document.querySelector('dialog[open]').close()")
click("[role=tab]", "Peers")
print("peers:", until("document.querySelector('#tab').innerText.length > 0"))
for tab in ["Overview", "Trackers", "Limits"]:
    click("[role=tab]", tab)
    audit(tab)
assert evaluate("faults.join()") == "", evaluate("faults.join('\\n')")
print("sound")
