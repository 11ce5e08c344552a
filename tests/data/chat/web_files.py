"""Files in the web client: dropped, pasted and chosen, with their progress, seen by the other one, and refused in words."""

import base64
import hashlib
import struct
import zlib

folder = sys.argv[5]


def png(width, height, colour):
    row = b"\0" + bytes(colour) * width
    part = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + part(b"IDAT", zlib.compress(row * height)) + part(b"IEND", b"")


def file(name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as new:
        new.write(data)
    return path


def drop(page, selector, *paths):
    """Drags files over a part of the page, and lets them fall there."""
    box = until(page, f"(box => box && {{ x: Math.round(box.x + box.width / 2), y: Math.round(box.y + box.height / 2) }})(document.querySelector({json.dumps(selector)})?.getBoundingClientRect())")
    data = {"items": [], "files": list(paths), "dragOperationsMask": 1}
    for kind in ["dragEnter", "dragOver"]:
        page.ask("Input.dispatchDragEvent", type=kind, data=data, **box)
    over = evaluate(page, "document.querySelector('.room').classList.contains('dropping') && document.querySelector('.drop').innerText")
    page.ask("Input.dispatchDragEvent", type="drop", data=data, **box)
    return over


def paste(page, name, kind, data):
    page.focus(".room .composer textarea")
    evaluate(page, f"""(() => {{
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob('{base64.b64encode(data).decode()}'), letter => letter.charCodeAt(0))], {json.dumps(name)}, {{ type: {json.dumps(kind)} }}));
      document.activeElement.dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: data, bubbles: true, cancelable: true }}));
    }})()""")


def choose(page, *paths):
    """As the dialog of the button does."""
    found = page.ask("Runtime.evaluate", expression="document.querySelector('.room .composer input[type=file]')")
    page.ask("DOM.setFileInputFiles", files=list(paths), objectId=found["result"]["objectId"])


def done(page, number):
    until(page, f"document.querySelectorAll('.room .tray li.done').length === {number}")


picture = file("rose.png", png(1280, 960, (190, 40, 90)))
plan = file("plan.txt", b"Roses by the wall\n" * 40)
noise = hashlib.shake_128(b"noise").digest(3_000_000)

alice = Page(devtools)
prepare(alice)
sign_up(alice, "alice")
create(alice, "garden")
bob = beside(other)
sign_up(bob, "bob")
join(bob, "garden")

# A picture and a text are dropped, and go with one message.
print("over the room:", drop(alice, ".timeline", picture, plan))
done(alice, 2)
print("tray:", evaluate(alice, "[...document.querySelectorAll('.tray .file-name')].map(node => node.innerText).join()"))
say(alice, "The rose, and the plan")
sent = message(bob, "The rose")
loaded = f"(image => image?.complete && image.naturalWidth && `${{image.naturalWidth}}x${{image.naturalHeight}} ${{new URL(image.src).searchParams.get('thumb')}}`)(document.querySelector({json.dumps(on(sent, '.picture img'))}))"
print("thumbnail:", until(bob, loaded))
print("card:", until(bob, f"(card => card?.querySelector('a')?.href && card.innerText.replace(/\\n/g, ', ') + ', ' + card.querySelector('a').download)(document.querySelector({json.dumps(on(sent, '.card-file'))}))"))
print("saved:", evaluate(bob, f"fetch(document.querySelector({json.dumps(on(sent, '.card-file a'))}).href).then(reply => reply.text()).then(text => text.length)"))
click(bob, on(sent, ".picture"))
print("large:", until(bob, "(image => image?.naturalWidth && `${image.naturalWidth}x${image.naturalHeight}`)(document.querySelector('dialog.viewer img'))"))
audit(bob, "a picture")
leave_dialog(bob)

# Pasted, and chosen by the button.
paste(bob, "", "image/png", png(300, 200, (20, 120, 60)))
done(bob, 1)
choose(bob, plan)
done(bob, 2)
say(bob, "Pasted and chosen")
heard = message(alice, "Pasted")
print("pasted:", until(alice, f"document.querySelectorAll({json.dumps(on(heard, '.picture'))}).length + document.querySelectorAll({json.dumps(on(heard, '.card-file'))}).length"))

# A slow upload shows how far it is, and can be cancelled.
alice.ask("Network.enable")
alice.ask("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=300_000)
choose(alice, file("noise.bin", noise))
print("under way:", until(alice, r"/^[1-9]\d? % of 2.9 MiB$/.test(document.querySelector('.tray .file-size')?.innerText) && document.querySelector('.room .send').disabled"))
print("bar:", until(alice, "(bar => bar && bar.value > 0 && bar.value < 1)(document.querySelector('.tray progress'))"))
click(alice, ".tray [aria-label='Cancel the upload of noise.bin']")
print("cancelled:", until(alice, "!document.querySelector('.tray li') && document.querySelector('.tray').hidden"))
alice.ask("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)

# What is refused says why, beside the file, and the rest of the message is kept.
large = file("film.mp4", b"")
os.truncate(large, 60 << 20)
fill(alice, ".room .composer textarea", "still here")
drop(alice, ".timeline", large, file("empty.txt", b""), plan)
done(alice, 1)
print("refused:", evaluate(alice, "[...document.querySelectorAll('.tray .bad .file-size')].map(node => node.innerText).join(' ')"))
sound(alice, "files that were refused")
click(alice, ".tray .bad [aria-label]")
click(alice, ".tray .bad [aria-label]")
alice.focus(".room .composer textarea")
alice.enter()
message(bob, "still here")

# A picture of oneself: no other file is taken, and others see it.
click(alice, ".me")
click(alice, ".menu button", "Account")
drop(alice, ".portrait", plan)
print("no picture:", alice.appears(".portrait .form-error", "plan.txt"))
drop(alice, ".portrait", picture)
until(alice, "document.querySelector('.portrait .avatar img')?.naturalWidth")
print("picture:", evaluate(alice, "document.querySelector('.portrait .form-error').innerText === ''"))
leave_dialog(alice)
click(bob, ".room-header .members")
print("seen:", until(bob, "document.querySelector('.people [data-name=alice] .avatar img')?.naturalWidth"))

# Guests send none.
click(bob, ".me")
click(bob, ".menu button", "Log out")
until(bob, "document.querySelector('#signin').checkVisibility()")
click(bob, "#tab-guest")
fill(bob, "#signin [name=name]", "visitor")
click(bob, "#signin [type=submit]")
bob.appears(".me-name b", "visitor")
join(bob, "lawn")
print("guest:", drop(bob, ".timeline", plan), "|", bob.appears("#toasts", "Guests"), "|", evaluate(bob, "document.querySelector('.composer [aria-label=\"Attach files\"]').hidden"))
no_faults(alice, bob)
