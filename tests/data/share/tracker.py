"""A tracker of a few lines: who has announced to it is told to whoever announces later. It prints `listening tracker ADDR`,
and `announced IP:PORT` whenever somebody does.

Nobody is hidden from anybody: aria2 says that nothing is left to fetch as long as it has only a link.
"""

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

swarms = {}


class Tracker(BaseHTTPRequestHandler):
    def do_GET(self):
        if not self.path.startswith("/announce?"):
            return self.send_error(404)
        query = parse_qs(urlsplit(self.path).query, encoding="latin-1")
        swarm = swarms.setdefault(query["info_hash"][0], {})
        me = (self.client_address[0], int(query["port"][0]))
        if query.get("event") == ["stopped"]:
            swarm.pop(me, None)
        else:
            swarm[me] = None
        print(f"announced {me[0]}:{me[1]}", flush=True)
        peers = b"".join(
            socket.inet_aton(host) + port.to_bytes(2, "big") for host, port in list(swarm) if (host, port) != me
        )
        body = b"d8:intervali2e12:min intervali1e5:peers%d:%se" % (len(peers), peers)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *args):
        pass


host, port = sys.argv[1].split(":")
server = ThreadingHTTPServer((host, int(port)), Tracker)
print(f"listening tracker {sys.argv[1]}", flush=True)
server.serve_forever()
