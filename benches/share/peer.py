"""A client by libtorrent that does one thing with a torrent, or keeps many.

    peer.py seed|leech|stay|verify TORRENT FOLDER [--listen IP:PORT] [--peer IP:PORT] [--up BYTES] [--super]
    peer.py keep FOLDER_OF_TORRENTS FOLDER [--listen IP:PORT]

It prints `ready` before it begins, and `done` when all is on the disk: `leech` and `verify` then end. `keep` takes for granted that all
files are there, and prints `done` when it has all torrents. Whatever would look for peers by itself is off; all else is as it comes.
"""

import argparse
import os
import sys

import libtorrent as lt

parser = argparse.ArgumentParser()
parser.add_argument("role", choices=("seed", "leech", "stay", "verify", "keep"))
parser.add_argument("torrent")
parser.add_argument("folder")
parser.add_argument("--listen", required=True)
parser.add_argument("--peer")
parser.add_argument("--up", type=int, default=0)
parser.add_argument("--super", action="store_true")
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
        "in_enc_policy": 2,
        "out_enc_policy": 2,
        "active_limit": -1,
        "active_downloads": -1,
        "active_seeds": -1,
        "alert_queue_size": 100_000,
        "alert_mask": lt.alert.category_t.status_notification
        | lt.alert.category_t.error_notification
        | lt.alert.category_t.storage_notification,
    }
)


def add(path, flags=0):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(path)
    params.save_path = args.folder
    params.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    params.flags |= flags
    return session.add_torrent(params)


def say(line):
    print(line, flush=True)


if args.role == "keep":
    for name in os.listdir(args.torrent):
        add(os.path.join(args.torrent, name), lt.torrent_flags.seed_mode)
    say("done")
else:
    say("ready")
    handle = add(args.torrent, lt.torrent_flags.super_seeding if args.super else 0)
    if args.up:
        # The limits of a session leave peers of the same network alone.
        handle.set_upload_limit(args.up)
    if args.peer:
        host, port = args.peer.split(":")
        handle.connect_peer((host, int(port)))

while True:
    session.wait_for_alert(10_000)
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_checked_alert) and args.role == "verify":
            if not alert.handle.status().is_seeding:
                say("error: a piece is wrong")
            os._exit(0)
        elif isinstance(alert, lt.torrent_finished_alert) and args.role in ("leech", "stay"):
            # What is finished is not on the disk yet.
            alert.handle.flush_cache()
        elif isinstance(alert, lt.cache_flushed_alert) and args.role in ("leech", "stay"):
            if alert.handle.status().is_seeding:
                say("done")
                if args.role == "leech":
                    os._exit(0)
        elif alert.category() & lt.alert.category_t.error_notification:
            print(alert, file=sys.stderr, flush=True)
