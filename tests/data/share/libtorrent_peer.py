"""A peer by libtorrent, which prints `listening libtorrent ADDR`, then `done NAME` for each torrent that is whole and on its disk, and then
`all done`; as a node of the DHT, `entered the DHT` when it has, and `announced HASH` when somebody has announced a torrent to it. It stays
until its input ends.

    --listen IP:PORT         where it takes connections
    --encryption off|on      plain connections only, or connections by RC4 only
    --transport tcp|utp      what connections are made over, and taken over; tcp if it is not said
    --peer IP:PORT           whom it connects to; may be repeated
    --dht [IP:PORT]          it is a node of a DHT, which it enters by that one; with none it is the first
    --down N                 so many bytes a second of a torrent are received at most
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
parser.add_argument("--transport", choices=("tcp", "utp"), default="tcp")
parser.add_argument("--peer", action="append", default=[])
parser.add_argument("--dht", nargs="?", const="")
parser.add_argument("--down", type=int, default=-1)
parser.add_argument("--torrent", nargs=3, action="append", default=[])
parser.add_argument("--magnet", nargs=3, action="append", default=[])
args = parser.parse_args()

session = lt.session(
    {
        "listen_interfaces": args.listen,
        "outgoing_interfaces": args.listen.split(":")[0],
        "enable_dht": args.dht is not None,
        "dht_bootstrap_nodes": args.dht or "",
        # Seconds after which it looks again for peers of a torrent.
        "dht_announce_interval": 2,
        # Nodes on one network are told apart by nothing but their ports and last digits.
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_tcp": args.transport == "tcp",
        "enable_outgoing_tcp": args.transport == "tcp",
        "enable_incoming_utp": args.transport == "utp",
        "enable_outgoing_utp": args.transport == "utp",
        "in_enc_policy": 2 if args.encryption == "off" else 0,
        "out_enc_policy": 2 if args.encryption == "off" else 0,
        "allowed_enc_level": 2,
        "active_limit": -1,
        "active_downloads": -1,
        "active_seeds": -1,
        "min_reconnect_time": 1,
        "alert_mask": lt.alert.category_t.status_notification
        | lt.alert.category_t.error_notification
        | lt.alert.category_t.storage_notification
        | lt.alert.category_t.dht_notification,
    }
)

names, waits = {}, set()


def add(params, name, folder):
    params.save_path = folder
    params.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    params.download_limit = args.down
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
        elif isinstance(alert, lt.dht_bootstrap_alert):
            say("entered the DHT")
            for handle in names:
                handle.force_dht_announce()
        elif isinstance(alert, lt.dht_announce_alert):
            say(f"announced {alert.info_hash}")
        elif alert.category() & lt.alert.category_t.error_notification:
            print(alert, file=sys.stderr, flush=True)
