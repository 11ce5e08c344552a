"""Types a line into a page that a browser shows, presses Enter, and prints the text of the element that answers.

The browser is driven over a WebSocket of its own, by the DevTools protocol. READY, FIELD and ANSWER are CSS selectors: of what is
there when the page is ready, of the field to type into, and of what appears in the end."""

import json
import sys
import urllib.request
from urllib.parse import urlsplit

from websockets.sync.client import connect

devtools, ready, field, line, answer = sys.argv[1:]


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
        while (reply := json.loads(browser.recv())).get("id") != number:
            pass
        assert "error" not in reply, reply
        return reply["result"]

    def appears(selector):
        look = f"(found = document.querySelector({json.dumps(selector)})) ? done(found.innerText) : setTimeout(look, 20)"
        wait = f"new Promise(done => {{ let found; const look = () => {look}; look(); }})"
        return ask("Runtime.evaluate", expression=wait, awaitPromise=True)["result"]["value"]

    print(appears(ready))
    ask("Runtime.evaluate", expression=f"document.querySelector({json.dumps(field)}).focus()")
    ask("Input.insertText", text=line)
    ask("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    ask("Input.dispatchKeyEvent", type="keyUp", key="Enter", code="Enter", windowsVirtualKeyCode=13)
    print(appears(answer))
