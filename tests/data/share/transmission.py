"""Transmission with one torrent. Prints `listening transmission ADDR`, then `done` when all of the torrent is there and right. It stays until its
input ends.

Arguments: its address, whether connections are plain or by RC4 only (`off`, `on`), the folder of the files, and a torrent file or a
magnet link. It keeps its state in the folder CONFIG, the next argument. If `utp` follows, it knows uTP, too.
"""

import base64
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

address, encryption, folder, torrent, config, *transport = sys.argv[1:]
host, port = address.split(":")
os.makedirs(folder, exist_ok=True)
os.makedirs(config, exist_ok=True)
settings = {
    "bind-address-ipv4": host,
    "peer-port": int(port),
    "encryption": 2 if encryption == "on" else 0,
    "dht-enabled": False,
    "lpd-enabled": False,
    "pex-enabled": False,
    "utp-enabled": transport == ["utp"],
    "port-forwarding-enabled": False,
    "preallocation": 0,
    "rpc-bind-address": host,
    "rpc-port": 9091,
    "rpc-whitelist-enabled": False,
    "rpc-host-whitelist-enabled": False,
    "download-dir": folder,
}
with open(os.path.join(config, "settings.json"), "w") as file:
    json.dump(settings, file)
# It ends when this ends, however that may be.
dies = ["setpriv", "--pdeathsig", "KILL"]
daemon = subprocess.Popen([*dies, "transmission-daemon", "-f", "-g", config, "--log-error"], stdout=sys.stderr)


def leave():
    sys.stdin.read()
    daemon.kill()
    os._exit(0)


threading.Thread(target=leave, daemon=True).start()
session = ""


def ask(method, **arguments):
    """One call, as soon as the daemon takes calls."""
    global session
    body = json.dumps({"method": method, "arguments": arguments}).encode()
    while daemon.poll() is None:
        request = urllib.request.Request(f"http://{host}:9091/transmission/rpc", body)
        request.add_header("X-Transmission-Session-Id", session)
        try:
            with urllib.request.urlopen(request) as reply:
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            session = error.headers["X-Transmission-Session-Id"]
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            assert answer["result"] == "success", answer
            return answer["arguments"]
    sys.exit("transmission-daemon has ended")


if torrent.startswith("magnet:"):
    added = ask("torrent-add", filename=torrent)
else:
    with open(torrent, "rb") as file:
        added = ask("torrent-add", metainfo=base64.b64encode(file.read()).decode())
number = added["torrent-added"]["id"]
if not torrent.startswith("magnet:"):
    ask("torrent-verify", ids=[number])
print(f"listening transmission {address}", flush=True)
while True:
    [state] = ask("torrent-get", ids=[number], fields=["percentDone", "status", "errorString"])["torrents"]
    if state["percentDone"] == 1 and state["status"] == 6:
        break
    time.sleep(0.1)
print("done", flush=True)
daemon.wait()
