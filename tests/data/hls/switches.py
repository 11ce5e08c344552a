"""Waits until the player page shows pictures of so many rows, by its own choice and while time goes on. Stands behind devtools.py; is given the address of DevTools,
the rows ("240", or "240,360" for either), and where to go first: "ahead" is a place of which nothing is loaded yet, "" is where it is.

Prints the rows, and how often the statistics say that the rendition was switched."""

devtools, rows, place = sys.argv[1:4]
page = Page(devtools)


def evaluate(expression):
    reply = page.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
    assert "exceptionDetails" not in reply, (expression, reply)
    return reply["result"].get("value")


def until(condition):
    """Waits until a condition of the page holds, and gives its value."""
    return evaluate(f"new Promise(done => {{ const look = () => {{ const found = {condition}; found ? done(found) : setTimeout(look, 20); }}; look(); }})")


until("document.readyState === 'complete'")
evaluate("window.VIDEO = document.getElementById('video'); 0")
if place == "ahead":
    until("VIDEO.buffered.length && VIDEO.currentTime > 0")
    evaluate("VIDEO.currentTime = VIDEO.buffered.end(VIDEO.buffered.length - 1) + 3; 0")
playing = f"document.getElementById('notice').hidden && !VIDEO.seeking && [{rows}].includes(VIDEO.videoHeight)"
until(playing)
begun = evaluate("VIDEO.currentTime")
shown = until(f"{playing} && VIDEO.currentTime > {begun} + 1 && VIDEO.videoHeight")
evaluate("document.getElementById('stats').hidden && document.querySelector('[title^=\"Statistics (s)\"]').click(); 0")
switches = until("[...document.querySelectorAll('#stats dl div')].find(row => row.innerText.startsWith('Switches'))?.innerText.match(/[0-9]+/)?.[0]")
print(shown, switches)
