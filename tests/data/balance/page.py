"""An operator at the status page: drains a backend, changes its weight and purges a cache, all by keyboard; prints what the page shows.

The browser is driven over a WebSocket of its own, by the DevTools protocol. TOKEN is what the page asks for before the first change."""

import json
import sys
import urllib.request
from urllib.parse import urlsplit

from websockets.sync.client import connect

devtools, token = sys.argv[1:]

# Seconds that one step may take where many tests run: less than the test waits for all.
PATIENCE = 120


def page():
    """The page's own address, when the browser has opened it."""
    while True:
        with urllib.request.urlopen(f"http://{urlsplit(devtools).netloc}/json/list") as reply:
            for target in json.load(reply):
                if target["type"] == "page" and target["url"].startswith("http"):
                    return target["webSocketDebuggerUrl"]


with connect(page(), max_size=None) as browser:
    number = 0

    def ask(method, **params):
        global number
        number += 1
        browser.send(json.dumps({"id": number, "method": method, "params": params}))
        while (reply := json.loads(browser.recv(timeout=PATIENCE))).get("id") != number:
            pass
        assert "error" not in reply, reply
        return reply["result"]

    def appears(selector, text=""):
        """The text of the first element with this selector, when it has this text in it."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].find(node => node.innerText.includes({json.dumps(text)}))"
        look = f"(found = {found}) ? done(found.innerText) : setTimeout(look, 20)"
        wait = f"new Promise(done => {{ let found; const look = () => {look}; look(); }})"
        return ask("Runtime.evaluate", expression=wait, awaitPromise=True)["result"]["value"].strip()

    def enter():
        ask("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
        ask("Input.dispatchKeyEvent", type="keyUp", key="Enter", code="Enter", windowsVirtualKeyCode=13)

    def press(selector):
        appears(selector)
        ask("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)}).focus()")
        enter()

    def answer(text):
        """Writes into the field of the dialog that has the focus, in place of what stands there."""
        appears("dialog[open] input:focus")
        ask("Input.insertText", text=text)
        enter()

    print(appears("tbody .state"))
    press("tbody .act button")
    answer("not-the-token-of-this-one")
    print(appears("dialog[open] .refused", "token"))
    answer(token)
    print(appears("tbody .state", "Draining"))
    press("tbody .weigh")
    answer("7")
    print(appears("tbody .weigh", "7"))
    press("#caches button")
    answer("*")
    print(appears("#notice", "forgotten"))
    # Nothing may be wider than a telephone.
    ask("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
    width = ask("Runtime.evaluate", expression="document.documentElement.scrollWidth")
    print(width["result"]["value"])
