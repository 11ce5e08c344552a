"""A seed that speaks BEP 3 and nothing else. It prints `listening seed ADDR` and then what happens, a line each:

    came            somebody has connected and shaken hands
    have N          so many pieces the peer has told of, since it came
    left N PIECES   it is gone, after so many bytes of so many different pieces
    refused         a connection to it was closed before its handshake (tried once it is gone, with --back)

    --bad           what is sent is wrong
    --most N        so many bytes are sent to the first peer; what it asks for beyond is never answered
    --back IP:PORT  where to connect to a peer that has left
"""

import argparse
import hashlib
import os
import socket
import struct

parser = argparse.ArgumentParser()
parser.add_argument("torrent")
parser.add_argument("data")
parser.add_argument("listen")
parser.add_argument("--bad", action="store_true")
parser.add_argument("--most", type=int)
parser.add_argument("--back")
args = parser.parse_args()


def decode(text, at=0):
    """Bencoding: a value, and where it ends."""
    kind = text[at : at + 1]
    if kind == b"i":
        end = text.index(b"e", at)
        return int(text[at + 1 : end]), end + 1
    if kind == b"l" or kind == b"d":
        items, at = [], at + 1
        while text[at : at + 1] != b"e":
            start = at
            item, at = decode(text, at)
            items.append(item)
            if item == b"info" and kind == b"d":
                spans.append((at, decode(text, at)[1]))
        return (items if kind == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = text.index(b":", at)
    length = int(text[at:colon])
    return text[colon + 1 : colon + 1 + length], colon + 1 + length


spans = []
with open(args.torrent, "rb") as file:
    text = file.read()
info = decode(text)[0][b"info"]
start, end = spans[0]
info_hash = hashlib.sha1(text[start:end]).digest()
piece_length, pieces = info[b"piece length"], len(info[b"pieces"]) // 20
content = bytearray()
for entry in info[b"files"]:
    if b"p" in entry.get(b"attr", b""):
        content += bytes(entry[b"length"])
        continue
    with open(os.path.join(args.data, info[b"name"].decode(), *(part.decode() for part in entry[b"path"])), "rb") as file:
        content += file.read()


def say(line):
    print(line, flush=True)


def read(peer, length):
    data = b""
    while len(data) < length:
        more = peer.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


GREETING = b"\x13BitTorrent protocol" + bytes(8) + info_hash + b"-PLAIN1-" + os.urandom(12)


def talk(peer, most):
    sent, asked, have = 0, set(), 0
    try:
        assert read(peer, 68)[28:48] == info_hash
        peer.sendall(GREETING)
        say("came")
        field = bytearray(b"\xff" * ((pieces + 7) // 8))
        if pieces % 8:
            field[-1] = 0xFF << (8 - pieces % 8) & 0xFF
        peer.sendall(struct.pack(">IB", 1 + len(field), 5) + field)
        peer.sendall(struct.pack(">IB", 1, 1))
        while True:
            (length,) = struct.unpack(">I", read(peer, 4))
            message = read(peer, length)
            if message[:1] == b"\x04":
                have += 1
                say(f"have {have}")
            if message[:1] != b"\x06":
                continue
            piece, begin, count = struct.unpack(">III", message[1:])
            if most is not None and sent + count > most:
                continue
            at = piece * piece_length + begin
            block = bytes(content[at : at + count])
            if args.bad:
                block = bytes(byte ^ 0xAB for byte in block)
            peer.sendall(struct.pack(">IBII", 9 + count, 7, piece, begin) + block)
            sent += count
            asked.add(piece)
    except (EOFError, OSError):
        say(f"left {sent} {len(asked)}")


def comes_back(addr):
    host, port = addr.split(":")
    try:
        with socket.create_connection((host, int(port)), source_address=(args.listen.split(":")[0], 0)) as peer:
            peer.sendall(GREETING)
            read(peer, 68)
    except (EOFError, OSError):
        say("refused")
    else:
        say("let in")


host, port = args.listen.split(":")
door = socket.create_server((host, int(port)))
say(f"listening seed {args.listen}")
most = args.most
while True:
    peer, _ = door.accept()
    with peer:
        talk(peer, most)
    most = None
    if args.back:
        comes_back(args.back)
