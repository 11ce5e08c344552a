"""A page in a browser, driven over a WebSocket of its own by the DevTools protocol. The scripts of the tests stand behind this."""

import json
import sys
import urllib.request
from urllib.parse import urlsplit

from websockets.sync.client import connect

# Seconds that one step may take where many tests run: less than the tests wait for all.
PATIENCE = 120


class Refused(Exception):
    """What the browser answers where it does not do what it is asked: the page or the worker is gone, for example."""


class Page:
    patience = PATIENCE

    def __init__(self, devtools):
        self.browser = connect(self.address(devtools), max_size=None, open_timeout=PATIENCE)
        self.number = 0

    @staticmethod
    def address(devtools):
        """The page's own address, when the browser has opened it."""
        while True:
            with urllib.request.urlopen(f"http://{urlsplit(devtools).netloc}/json/list") as reply:
                for target in json.load(reply):
                    if target["type"] == "page" and target["url"].startswith("http"):
                        return target["webSocketDebuggerUrl"]

    def ask(self, method, **params):
        self.number += 1
        self.browser.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while (reply := json.loads(self.browser.recv(timeout=self.patience))).get("id") != self.number:
            pass
        if "error" in reply:
            raise Refused(f"{method}: {reply['error']}")
        return reply["result"]

    def appears(self, selector, text=""):
        """The text of the first element with this selector, when it has this text in it."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].find(node => node.innerText.includes({json.dumps(text)}))"
        look = f"(found = {found}) ? done(found.innerText) : setTimeout(look, 20)"
        wait = f"new Promise(done => {{ let found; const look = () => {look}; look(); }})"
        return self.ask("Runtime.evaluate", expression=wait, awaitPromise=True)["result"]["value"].strip()

    def focus(self, selector):
        self.appears(selector)
        self.ask("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)}).focus()")

    def enter(self, text=""):
        """Writes into what has the focus, in place of what is selected there, and presses Enter."""
        if text:
            self.ask("Input.insertText", text=text)
        for kind, typed in [("keyDown", {"text": "\r"}), ("keyUp", {})]:
            self.ask("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, **typed)


