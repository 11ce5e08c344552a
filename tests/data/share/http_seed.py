"""A web seed of pieces (BEP 17), of a torrent of one file. It prints `listening seed ADDR`, and `left alone` or `too early` when it is
asked for the second time.

    --busy N   the first request is refused, and the body says to come again in N seconds
"""

import argparse
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("file")
parser.add_argument("piece_length", type=int)
parser.add_argument("listen")
parser.add_argument("--busy", type=int, required=True)
args = parser.parse_args()

with open(args.file, "rb") as file:
    content = file.read()
refused = []


class Script(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if not refused:
            refused.append(time.monotonic())
            return self.answer(503, str(args.busy).encode())
        if len(refused) == 1:
            refused.append(None)
            waited = time.monotonic() - refused[0]
            print("left alone" if waited >= args.busy else "too early", flush=True)
        begin = int(query["piece"][0]) * args.piece_length
        piece = content[begin : begin + args.piece_length]
        parts = [part.split("-") for part in query.get("ranges", [f"0-{len(piece) - 1}"])[0].split(",")]
        self.answer(200, b"".join(piece[int(first) : int(last) + 1] for first, last in parts))

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", len(body))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


host, port = args.listen.split(":")
server = ThreadingHTTPServer((host, int(port)), Script)
print(f"listening seed {args.listen}", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
