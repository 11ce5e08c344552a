"""Watches a live stream on the player page that ends and begins again under its name. Stands behind devtools.py; is given the address of DevTools, and the
commands of an encoder that stops and of one that goes on."""

import os
import signal
import subprocess

page = Page(sys.argv[1])


def evaluate(expression):
    reply = page.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
    assert "exceptionDetails" not in reply, (expression, reply)
    return reply["result"].get("value")


def until(condition):
    """Waits until a condition of the page holds."""
    evaluate(f"new Promise(done => {{ const look = () => {condition} ? done(0) : setTimeout(look, 20); look(); }})")


def publish(command):
    return subprocess.Popen(["sh", "-c", command], start_new_session=True)


LISTED = "document.querySelector('.stream')"
LIVE = "document.querySelector('.stream .badge')"
until("document.readyState === 'complete'")
# How often something else was loaded, and whether it plays since then.
evaluate("""window.VIDEO = document.getElementById('video'); window.LOADED = 0; window.PLAYS = false;
VIDEO.addEventListener('emptied', () => { LOADED += 1; PLAYS = false; });
VIDEO.addEventListener('timeupdate', () => { PLAYS ||= !VIDEO.paused && VIDEO.readyState > 2; }); 0""")
encoder = publish(sys.argv[2])
until(f"{LIVE} && PLAYS")
print("plays")
assert encoder.wait() == 0
until(f"{LISTED} && !{LIVE}")
print("ended")
before = evaluate("LOADED")
encoder = publish(sys.argv[3])
try:
    until(f"{LIVE} && LOADED > {before} && PLAYS && !VIDEO.ended")
    print("plays again")
finally:
    os.killpg(encoder.pid, signal.SIGTERM)
    encoder.wait()
