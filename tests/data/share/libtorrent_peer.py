"""A peer by libtorrent, which prints `listening libtorrent ADDR`, then `done NAME` for each torrent that is whole and on its disk, and then
`all done`. It stays until its input ends.

    --listen IP:PORT         where it takes connections
    --encryption off|on      plain connections only, or connections by RC4 only
    --peer IP:PORT           whom it connects to; may be repeated
    --torrent FILE NAME DIR  a torrent, what it is called, and the folder that its files are or will be in; may be repeated
    --magnet LINK NAME DIR   likewise, of which only the link is known
"""

import argparse
import os
import sys
import threading

import libtorrent as lt

parser = argparse.ArgumentParser()
parser.add_argument("--listen", required=True)
parser.add_argument("--encryption", choices=("off", "on"), required=True)
parser.add_argument("--peer", action="append", default=[])
parser.add_argument("--torrent", nargs=3, action="append", default=[])
parser.add_argument("--magnet", nargs=3, action="append", default=[])
args = parser.parse_args()

session = lt.session(
    {
        "listen_interfaces": args.listen,
        "outgoing_interfaces": args.listen.split(":")[0],
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "in_enc_policy": 2 if args.encryption == "off" else 0,
        "out_enc_policy": 2 if args.encryption == "off" else 0,
        "allowed_enc_level": 2,
        "active_limit": -1,
        "active_downloads": -1,
        "active_seeds": -1,
        "min_reconnect_time": 1,
        "alert_mask": lt.alert.category_t.status_notification
        | lt.alert.category_t.error_notification
        | lt.alert.category_t.storage_notification,
    }
)

names, waits = {}, set()


def add(params, name, folder):
    params.save_path = folder
    params.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    handle = session.add_torrent(params)
    names[handle] = name
    waits.add(handle)
    for peer in args.peer:
        host, port = peer.split(":")
        handle.connect_peer((host, int(port)))


for path, name, folder in args.torrent:
    os.makedirs(folder, exist_ok=True)
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(path)
    add(params, name, folder)
for link, name, folder in args.magnet:
    os.makedirs(folder, exist_ok=True)
    add(lt.parse_magnet_uri(link), name, folder)


def say(line):
    print(line, flush=True)


def leave():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=leave, daemon=True).start()
say(f"listening libtorrent {args.listen}")
while True:
    session.wait_for_alert(10_000)
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_finished_alert):
            # What is finished is not on the disk yet.
            alert.handle.flush_cache()
        elif isinstance(alert, lt.cache_flushed_alert):
            if alert.handle in waits and alert.handle.status().is_seeding:
                waits.discard(alert.handle)
                say(f"done {names[alert.handle]}")
                if not waits:
                    say("all done")
        elif alert.category() & lt.alert.category_t.error_notification:
            print(alert, file=sys.stderr, flush=True)
