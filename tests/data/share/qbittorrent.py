"""qBittorrent without its window. It prints `listening qbittorrent ADDR` when it knows its torrents, and `all done` when all of them are
there and right. By then it has ended, so that all of it is on the disk, unless it is to stay: then it shares until its input ends.

    --listen IP:PORT        where it takes connections
    --encryption off|on     plain connections only, or connections by RC4 only
    --peer IP:PORT          whom it connects to; may be repeated
    --torrent SOURCE DIR    a torrent file or a magnet link, and the folder that its files are or will be in; may be repeated
    --stay                  it goes on sharing, what is there already and right
    --state DIR             a folder for its state
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--listen", required=True)
parser.add_argument("--encryption", choices=("off", "on"), required=True)
parser.add_argument("--peer", action="append", default=[])
parser.add_argument("--torrent", nargs=2, action="append", default=[])
parser.add_argument("--stay", action="store_true")
parser.add_argument("--state", required=True)
args = parser.parse_args()

host, port = args.listen.split(":")
settings = f"""[LegalNotice]
Accepted=true

[BitTorrent]
Session\\AddTrackersEnabled=false
Session\\BTProtocol=TCP
Session\\DHTEnabled=false
Session\\Encryption={1 if args.encryption == "on" else 2}
Session\\InterfaceAddress={host}
Session\\LSDEnabled=false
Session\\PeXEnabled=false
Session\\Port={port}
Session\\QueueingSystemEnabled=false

[Network]
PortForwardingEnabled=false

[Preferences]
WebUI\\Address={host}
WebUI\\AuthSubnetWhitelist={host}/24
WebUI\\AuthSubnetWhitelistEnabled=true
WebUI\\Port=8080
WebUI\\UseUPnP=false
"""
config = os.path.join(args.state, "qBittorrent", "config")
os.makedirs(config)
with open(os.path.join(config, "qBittorrent.conf"), "w") as file:
    file.write(settings)
# It ends when this ends, however that may be.
dies = ["setpriv", "--pdeathsig", "KILL"]
client = subprocess.Popen([*dies, "qbittorrent-nox", f"--profile={args.state}"], stdin=subprocess.DEVNULL, stdout=sys.stderr)


def leave():
    sys.stdin.read()
    client.kill()
    os._exit(0)


threading.Thread(target=leave, daemon=True).start()


def ask(method, **fields):
    """One call, as soon as it takes calls."""
    boundary = "a-line-that-is-in-no-torrent"
    body = b""
    for name, value in fields.items():
        file = f'; filename="{name}"' if isinstance(value, bytes) else ""
        value = value if isinstance(value, bytes) else value.encode()
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(f"http://{host}:8080/api/v2/{method}", body if fields else None, kind)
    if method == "app/shutdown":
        request.method = "POST"
    while client.poll() is None:
        try:
            with urllib.request.urlopen(request) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            sys.exit(f"{method}: {error.code} {error.read()}")
        except urllib.error.URLError:
            time.sleep(0.05)
    sys.exit("qbittorrent-nox has ended")


def torrents():
    return json.loads(ask("torrents/info"))


# Connections that come right after it has looked at files it closes, for a moment: who shares does not look.
unlooked = str(args.stay).lower()
for source, folder in args.torrent:
    os.makedirs(folder, exist_ok=True)
    if source.startswith("magnet:"):
        said = ask("torrents/add", urls=source, savepath=folder)
    else:
        with open(source, "rb") as file:
            said = ask("torrents/add", torrents=file.read(), savepath=folder, skip_checking=unlooked)
    assert said == b"Ok.", (source, said)
while len(torrents()) < len(args.torrent):
    time.sleep(0.05)
for torrent in torrents():
    if args.peer:
        ask("torrents/addPeers", hashes=torrent["hash"], peers="|".join(args.peer))
print(f"listening qbittorrent {args.listen}", flush=True)
while not all(torrent["progress"] == 1 and torrent["state"] in ("uploading", "stalledUP") for torrent in torrents()):
    time.sleep(0.1)
if not args.stay:
    ask("app/shutdown")
    client.wait()
print("all done", flush=True)
client.wait()
