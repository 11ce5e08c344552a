"""Watches a live stream on the player page. Stands behind devtools.py; is given the address of DevTools."""

page = Page(sys.argv[1])


def evaluate(expression):
    reply = page.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
    assert "exceptionDetails" not in reply, (expression, reply)
    return reply["result"].get("value")


def until(condition):
    """Waits until a condition of the page holds, and gives its value."""
    return evaluate(f"new Promise(done => {{ const look = () => {{ const found = {condition}; found ? done(found) : setTimeout(look, 20); }}; look(); }})")


until("document.readyState === 'complete'")
print("codec:", "avc1" if evaluate("MediaSource.isTypeSupported('video/mp4; codecs=\"avc1.64001e\"')") else "none")
evaluate("window.VIDEO = document.getElementById('video'); 0")
print("listed:", until("document.querySelector('.stream')?.innerText.replaceAll('\\n', ' ').replace(/ +/g, ' ').trim()"))
# Where the encoder was started anew the stream goes on.
until("document.getElementById('notice').hidden && VIDEO.currentTime > 9")
print("plays on")
print("rows:", evaluate("VIDEO.videoHeight"))
