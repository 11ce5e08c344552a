"""The pages of an account and of a room, what is unread, threads, and the keyboard, in the web client."""


def sheet(page, opener, tab):
    """Opens a page of a dialog."""
    leave_dialog(page)
    opener(page)
    click(page, f"#sheet-{tab}")
    until(page, f"document.querySelector('#sheet-{tab}').getAttribute('aria-selected') === 'true'")


def account(tab):
    def opener(page):
        click(page, ".me")
        click(page, ".menu button", "Account")

    return lambda page: sheet(page, opener, tab)


def room(tab):
    return lambda page: sheet(page, lambda page: click(page, ".topic"), tab)


def submit(page, **fields):
    for name, value in fields.items():
        fill(page, f"dialog[open]:last-of-type [name={name}]", value)
    click(page, "dialog[open]:last-of-type [type=submit]")


def switch(page, label):
    """Turns a switch by the keyboard."""
    found = f"[...document.querySelectorAll('.switch')].find(node => node.innerText.includes({json.dumps(label)}))?.querySelector('input')"
    until(page, f"Boolean({found})")
    evaluate(page, f"{found}.focus()")
    key(page, " ", 32, text=" ")


def focused(page):
    return evaluate(page, "(node => node.getAttribute('aria-label') ?? node.innerText ?? node.tagName)(document.activeElement).trim().split('\\n')[0]")


alice = Page(devtools)
prepare(alice)
sign_up(alice, "alice")
create(alice, "garden")
bob = beside(other)
sign_up(bob, "bob")
join(bob, "garden")
alice.appears(".room-header .members", "2")

# The profile: others see it.
account("profile")(alice)
until(alice, "document.querySelector('dialog [name=display]')")
submit(alice, display="Alice Liddell", about="Gardens, mostly", status="In the greenhouse")
print("saved:", alice.appears(".form-done", "Saved"))
print("me:", alice.appears(".me-name b", "Alice Liddell"), "|", alice.appears(".me-name small", "greenhouse"))
sound(alice, "one's own account")
click(bob, ".room-header .members")
print("seen as:", bob.appears(".people [data-name=alice] .row-name", "Alice Liddell").replace("\n", " | "))
click(bob, ".people [data-name=alice]")
click(bob, ".menu button", "Profile")
print("card:", bob.appears("dialog .facts", "Gardens").split("\n")[1])
audit(bob, "a profile")
leave_dialog(bob)

# Notifications, colours, and whom one does not hear.
for tab, selector in [("notify", ".switches"), ("look", ".swatch"), ("blocked", "[name=name]")]:
    account(tab)(alice)
    until(alice, f"document.querySelector('dialog {selector}')")
    audit(alice, tab)
submit(alice, name="bob")
print("blocked:", alice.appears("dialog .cards b", "bob"))
click(alice, "dialog .cards [aria-label]")
print("heard again:", until(alice, "!document.querySelector('dialog .cards li')"))
account("look")(alice)
evaluate(alice, "document.querySelector('dialog [value=dark]').click()")
print("dark:", evaluate(alice, "getComputedStyle(document.documentElement).colorScheme"), evaluate(alice, "localStorage.getItem('wireworks.theme')"))
evaluate(alice, "document.querySelector('dialog [value=system]').click()")

# Another device is put out, and the password changed.
account("devices")(alice)
print("devices:", until(alice, "document.querySelectorAll('dialog .cards li').length"))
laptop = beside(other.replace("localhost", "phone.localhost"))
fill(laptop, "#signin [name=name]", "alice")
fill(laptop, "#signin [name=password]", "correct horse battery")
click(laptop, "#signin [type=submit]")
laptop.appears(".me-name b", "Alice Liddell")
account("devices")(alice)
until(alice, "document.querySelectorAll('dialog .cards li').length === 2")
audit(alice, "the devices")
click(alice, "dialog .cards button", "Sign out")
print("put out:", laptop.appears("#signin .form-error", "sign in"))
until(alice, "document.querySelectorAll('dialog .cards li').length === 1")
account("password")(alice)
submit(alice, old="correct horse battery", new="battery staple", again="battery stable")
print("typo:", alice.appears("dialog .form-error", "same"))
submit(alice, old="wrong", new="battery staple", again="battery staple")
print("wrong:", until(alice, "(text => text && !text.includes('same') && text)(document.querySelector('dialog .form .form-error').innerText)"))
submit(alice, old="correct horse battery", new="battery staple", again="battery staple")
print("password:", alice.appears("dialog .form-done", "Changed"))

# The room: its topic, its members, who is kept silent, its settings, and its log.
room("about")(alice)
submit(alice, topic="Roses by the wall")
print("topic:", bob.appears(".topic", "Roses"))
audit(alice, "about a room")
room("people")(alice)
until(alice, "document.querySelector('[aria-label=\"Role of bob\"]')")
audit(alice, "members of a room")
evaluate(alice, "(select => { select.value = 'admin'; select.dispatchEvent(new Event('change')); })(document.querySelector('[aria-label=\"Role of bob\"]'))")
print("role:", bob.appears(".pane h3", "Admins"))
room("settings")(alice)
switch(alice, "No guests")
submit(alice, slow="30")
alice.appears("dialog .form-done", "Saved")
audit(alice, "settings of a room")
room("lists")(alice)
click(alice, "dialog section:nth-child(2) button", "Add")
submit(alice, mask="mallory", reason="Noise")
print("muted:", alice.appears("dialog .cards b", "mallory"))
audit(alice, "lists of a room")
room("log")(bob)
print("log:", bob.appears(".audit", "mallory").split("\n")[1])
until(bob, "document.querySelector('.audit').innerText.includes('accounts only')")
audit(bob, "the log of a room")
leave_dialog(alice)
leave_dialog(bob)
room("settings")(alice)
until(alice, "document.querySelector('dialog [name=slow]').value === '30'")
submit(alice, slow="0")
alice.appears("dialog .form-done", "Saved")
leave_dialog(alice)

# A thread, and the list of threads.
say(bob, "Who waters on Sunday?")
asked = message(alice, "Sunday")
click(alice, on(asked, "[data-act=thread]"))
alice.focus(".pane .composer textarea")
alice.enter("I do")
bob.appears(on(asked, ".replies"))
click(bob, ".room-header [aria-label=Threads]")
print("threads:", bob.appears(".pane .result", "Sunday").split("\n")[-1])
audit(bob, "threads")
click(bob, ".pane .result")
print("thread:", bob.appears(".pane .message .text", "I do"))
key(bob, "Escape", 27)

# What is unread: a line, the way to it, and the end of it. One is elsewhere while it is said.
create(alice, "shed")
for number in range(60):
    evaluate(bob, f"localStorage.length; document.querySelector('.room .composer textarea').value = 'Line {number}\\nand more of it\\nand more'; document.querySelector('.room .composer textarea').dispatchEvent(new Event('input')); document.querySelector('.room .composer').requestSubmit()")
until(bob, "!document.querySelector('.message.pending') && [...document.querySelectorAll('.timeline .text')].some(node => node.innerText.includes('Line 59'))")
print("badge:", until(alice, "[...document.querySelectorAll('.row.unread')].find(node => node.innerText.includes('garden') && node.querySelector('.badge')?.innerText === '60')?.querySelector('.badge').innerText"))
click(alice, ".row", "garden")
print("line:", until(alice, "document.querySelector('.timeline .new')?.innerText"))
print("first unread in sight:", until(alice, "(line => line && line.getBoundingClientRect().top > 0 && line.getBoundingClientRect().bottom < innerHeight)(document.querySelector('.timeline .new'))"))
click(alice, ".to-end")
print("bar:", alice.appears(".unread-bar", "60 new messages since").split(" since")[0])
audit(alice, "what is unread")
key(alice, "Home", 36, 1)
print("back at it:", until(alice, "document.querySelector('.unread-bar').hidden && document.activeElement.innerText.includes('Line 0')"))
click(alice, ".to-end")
alice.appears(".unread-bar", "60")
click(alice, ".unread-read")
print("read:", until(alice, "document.querySelector('.unread-bar').hidden && !document.querySelector('.timeline .new')"))

# The keyboard alone.
key(alice, "/", 191, 2)
print("keys:", alice.appears("dialog h2", "Keyboard"))
audit(alice, "the keys")
key(alice, "Escape", 27)
until(alice, "!document.querySelector('dialog')")
alice.focus(".room .composer textarea")
key(alice, "F6", 117)
print("F6:", focused(alice))
key(alice, "ArrowDown", 40)
print("down:", focused(alice))
key(alice, "F6", 117)
print("F6:", focused(alice))
key(alice, "F6", 117, 8)
key(alice, "ArrowDown", 40)
key(alice, "Enter", 13, text="\r")
alice.appears(".room-title", "shed")
key(alice, "ArrowUp", 38, 1)
alice.appears(".room-title", "garden")
key(alice, "k", 75, 2)
fill(alice, ".switcher input", "threads")
key(alice, "Enter", 13, text="\r")
print("switcher:", alice.appears(".pane h2", "Threads"))
key(alice, "Escape", 27)
print("escape:", until(alice, "document.querySelector('.pane').hidden && document.activeElement.tagName"))
key(alice, "ArrowUp", 38, 2)
key(alice, "ArrowUp", 38)
print("message:", focused(alice).split(",")[0])
key(alice, "p", 80, text="p")
print("pinned:", bob.appears(".timeline .note", "pinned a message"))
no_faults(alice, bob, laptop)

# What admins alone are told is in no log: it stands behind the log of a room that was not opened before.
create(alice, "greenhouse")
join(bob, "greenhouse")
say(bob, "Good morning")
message(alice, "Good morning")
room("settings")(alice)
switch(alice, "Only admins read the unvoiced")
submit(alice, limit="50")
alice.appears("dialog .form-done", "Saved")
leave_dialog(alice)
click(alice, ".row", "shed")
alice.appears(".room-title", "shed")
reload(alice)
alice.appears(".room-title", "shed")
say(bob, "Is anybody there?")
until(alice, "[...document.querySelectorAll('.row.unread')].some(node => node.innerText.includes('greenhouse'))")
click(alice, ".row", "greenhouse")
print("aside:", bool(message(alice, "Is anybody there?")), "behind:", bool(message(alice, "Good morning")))
print("line:", until(alice, "document.querySelector('.timeline .new')?.nextElementSibling.innerText.includes('anybody')"))

# A room that leads on to another one: whoever may not enter it is offered that one.
owner = connect(alone.replace("http", "ws") + "chat", subprotocols=["chat.v1.json"], open_timeout=PATIENCE)


def asks(number, **request):
    owner.send(json.dumps({"id": number, **request}))
    while (reply := json.loads(owner.recv(timeout=PATIENCE))).get("re") != number:
        pass
    assert reply["t"] == "ok", reply


asks(1, t="login", account="alice", password="battery staple")
asks(2, t="create", room="#orangery")
asks(3, t="set", room="#shed", invite_only=True, forward="#orangery")
key(bob, "k", 75, 2)
fill(bob, ".switcher input", "shed")
click(bob, ".switcher [role=option]", "Join #shed")
print("forward:", bob.appears(".toast", "Enter #orangery").split("\n")[0])
audit(bob, "a room that leads on")
click(bob, ".toast button", "Enter #orangery")
print("entered:", bob.appears(".room-title", "orangery"))
