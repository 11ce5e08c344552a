"""Makes torrents of a folder by libtorrent: one for clients of version 1, one for those of version 2, one for both.

Arguments: the folder, the length of a piece, and the folder to write v1.torrent, v2.torrent and
hybrid.torrent to, and hybrid-untailed.torrent, which has no padding behind the last file.
"""

import os
import sys

import libtorrent as lt

folder, piece_length, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
parent, name = os.path.split(folder)

KINDS = {
    "v1": lt.create_torrent.v1_only,
    "v2": lt.create_torrent.v2_only,
    "hybrid": 0,
    "hybrid-untailed": lt.create_torrent.canonical_files_no_tail_padding,
}


def files():
    """The files in the order of their paths."""
    paths = [os.path.join(where, file) for where, _, files in os.walk(folder) for file in files]
    return sorted(paths, key=lambda path: os.path.relpath(path, folder).encode().split(b"/"))


for kind, flags in KINDS.items():
    storage = lt.file_storage()
    for path in files():
        storage.add_file(os.path.relpath(path, parent), os.path.getsize(path))
    torrent = lt.create_torrent(storage, piece_length, flags)
    torrent.set_creator("libtorrent")
    lt.set_piece_hashes(torrent, parent)
    with open(os.path.join(out, kind + ".torrent"), "wb") as file:
        file.write(lt.bencode(torrent.generate()))
