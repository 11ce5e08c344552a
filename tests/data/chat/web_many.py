"""Ten thousand messages, and five hundred rooms: what the page holds of them stays bounded, nothing is passed over, and nothing jumps."""

MESSAGES = 10_000
ROOMS = 500
# Items that the client keeps, and a page more while one is added.
BOUND = 300 + 60


class Talk:
    """A client without a page."""

    def __init__(self, name):
        self.socket = connect(alone.replace("http", "ws") + "chat", subprotocols=["chat.v1.json"], max_size=None)
        self.number = 0
        self.ask([{"t": "register", "account": name, "password": "correct horse battery"}])

    def ask(self, requests):
        """Asks for all of these at once, and waits for the last reply."""
        for request in requests:
            self.number += 1
            self.socket.send(json.dumps({"id": self.number, **request}))
            if self.number % 200 == 0:
                self.wait()
        return self.wait()

    def wait(self):
        while (reply := json.loads(self.socket.recv(timeout=PATIENCE))).get("re") != self.number:
            assert reply["t"] != "error", reply
        assert reply["t"] == "ok", reply
        return reply


owner = Talk("alice")
owner.ask([{"t": "create", "room": "#big"}])
owner.ask([{"t": "create", "room": f"#room-{number:03}"} for number in range(ROOMS)])
filler = Talk("bob")
filler.ask([{"t": "join", "room": "#big"}, {"t": "join", "room": "#room-250"}])
filler.ask([{"t": "send", "room": "#big", "text": f"Message {number}" + ("\nand a second line" if number % 7 == 0 else "")} for number in range(MESSAGES)])

alice = Page(devtools)
prepare(alice)
fill(alice, "#signin [name=name]", "alice")
fill(alice, "#signin [name=password]", "correct horse battery")
click(alice, "#signin [type=submit]")
alice.appears(".me-name b", "alice")
print("rows:", until(alice, f"document.querySelectorAll('.lists .row').length === {ROOMS + 1}"))

# One message changes one row of the list.
click(alice, ".row", "room-000")
alice.appears(".room-title", "room-000")
evaluate(alice, """
window.touched = new Set();
new MutationObserver(records => records.forEach(({ target, addedNodes }) => [...addedNodes, target].forEach(node => node.closest?.('li') && touched.add(node.closest('li').querySelector('.row-name').textContent)))).observe(document.querySelector('.lists'), { childList: true, subtree: true });
""")
filler.ask([{"t": "send", "room": "#room-250", "text": "One more"}])
print("row:", until(alice, "[...document.querySelectorAll('.row.unread')].some(node => node.textContent.includes('room-250')) && [...touched].join()"))
key(alice, "k", 75, 2)
fill(alice, ".switcher input", "room-499")
key(alice, "Enter", 13, text="\r")
print("switched:", alice.appears(".room-title", "room-499"))
print("in sight:", until(alice, "(row => row && row.getBoundingClientRect().top >= 0 && row.getBoundingClientRect().bottom <= innerHeight)(document.querySelector('.row[aria-current]'))"))

# The log, from the first unread message to its end and back: page after page, without a gap, and never more than the bound.
key(alice, "k", 75, 2)
fill(alice, ".switcher input", "big")
key(alice, "Enter", 13, text="\r")
alice.appears(".room-title", "big")
until(alice, "document.querySelectorAll('.timeline .message').length > 20")
SEQS = "[...document.querySelectorAll('.timeline .message')].map(node => Number(node.dataset.seq))"
seen, most = set(), 0


def look():
    global most
    seqs = evaluate(alice, SEQS)
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), seqs
    most = max(most, len(seqs))
    seen.update(seqs)
    return seqs


def scroll(to_end):
    """Scrolls to an end of the window, until there is more behind that end. What stood there stays where it was."""
    seqs = look()
    edge = "at(-1)" if to_end else "at(0)"
    place = "document.querySelector('.timeline .scroller')"
    evaluate(alice, f"{place}.scrollTop = {f'{place}.scrollHeight' if to_end else '0'}")
    until(alice, f"{SEQS}.{edge} !== {seqs[-1 if to_end else 0]}")
    stays = evaluate(alice, f"(node => node && Math.round(node.getBoundingClientRect().top - {place}.getBoundingClientRect().top))(document.querySelector('.timeline .message[data-seq=\"{seqs[-1 if to_end else 0]}\"]'))")
    assert stays is not None, "what one looked at is gone"
    return stays


click(alice, ".to-end")
until(alice, f"{SEQS}.at(-1) === {MESSAGES + 2}")
for _ in range(20):
    assert abs(scroll(False)) < 120, "it has jumped"
for _ in range(10):
    scroll(True)
look()
print("bounded:", most <= BOUND, "seen without a gap:", sorted(seen) == list(range(min(seen), max(seen) + 1)), len(seen) > 1200)

# From one end of the log to the other.
first = owner.ask([{"t": "history", "room": "#big", "after": 0, "limit": 5}])["events"][0]["id"]
evaluate(alice, f"location.hash = '#big/{first}'")
print("first:", until(alice, "document.querySelector('.message.found .text')?.innerText.split('\\n')[0]"))
look()
click(alice, ".to-end")
print("last:", until(alice, f"{SEQS}.at(-1) === {MESSAGES + 2} && document.querySelector('.timeline .message:last-child .text').innerText"))
look()
print("bounded:", most <= BOUND)
no_faults(alice)
