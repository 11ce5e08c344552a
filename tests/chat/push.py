# A push service, and a service that takes webhooks: it decrypts (RFC 8291), checks VAPID (RFC 8292) and signatures (Standard Webhooks) by the package
# `cryptography`, and tells each request as a line `got N {...}`. What it answers is typed: statuses with a comma between them, each for one request, with
# `:SECONDS` behind for Retry-After. Without any it answers 201. With a certificate and its key it speaks TLS.
import base64, collections, hashlib, hmac, json, ssl, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

secret = base64.b64decode(sys.argv[1].removeprefix("whsec_"))
private, auth = ec.generate_private_key(ec.SECP256R1()), b"0123456789abcdef"
b64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
unb64 = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
raw = lambda key: key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
public = raw(private.public_key())
answers, lock, count = collections.deque(), threading.Lock(), 0

def expand(salt, key, info, length):
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(key)

def decrypt(body):
    salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
    sender, record = body[21:21 + length], body[21 + length:]
    assert length == 65 and len(record) <= size and len(body) <= 4096, (length, size, len(body))
    shared = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
    key = expand(auth, shared, b"WebPush: info\0" + public + sender, 32)
    text = AESGCM(expand(salt, key, b"Content-Encoding: aes128gcm\0", 16)).decrypt(
        expand(salt, key, b"Content-Encoding: nonce\0", 12), record, None)
    assert text.rstrip(b"\0")[-1:] == b"\2", text
    return json.loads(text.rstrip(b"\0")[:-1])

def vapid(field, origin):
    scheme, rest = field.split(" ", 1)
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(parts["k"]))
    signed, signature = parts["t"].rsplit(".", 1)
    signature = unb64(signature)
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    key.verify(utils.encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
    head, claims = (json.loads(unb64(part)) for part in signed.split("."))
    assert scheme == "vapid" and head == {"typ": "JWT", "alg": "ES256"}, field
    assert claims["aud"] == origin and time.time() < claims["exp"] <= time.time() + 24 * 3600, claims
    return {"sub": claims["sub"], "key": parts["k"]}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        global count
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = {"path": self.path, "at": time.monotonic()}
        try:
            if self.path.startswith("/hook"):
                name, sent = self.headers["webhook-id"], self.headers["webhook-timestamp"]
                signed = hmac.new(secret, f"{name}.{sent}.".encode() + body, hashlib.sha256).digest()
                assert abs(time.time() - int(sent)) < 300 and self.headers["Content-Type"] == "application/json"
                wanted = "v1," + base64.b64encode(signed).decode()
                assert wanted in self.headers["webhook-signature"].split(" "), self.headers["webhook-signature"]
                told |= {"id": name, "body": json.loads(body)}
            else:
                assert self.headers["Content-Encoding"] == "aes128gcm"
                told |= {"body": decrypt(body)} | vapid(self.headers["Authorization"], f"{scheme}://" + self.headers["Host"])
                told |= {name: self.headers[name] for name in ("ttl", "urgency", "topic")}
        except Exception as error:
            told["fault"] = repr(error)
        with lock:
            count += 1
            status, _, wait = (answers.popleft() if answers else "201").partition(":")
            print("got", count, json.dumps(told), file=sys.stderr, flush=True)
        self.send_response(int(status))
        if wait:
            self.send_header("Retry-After", wait)
        if status == "302":
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
scheme = "http"
if len(sys.argv) > 2:
    scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[2:4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("keys", json.dumps({"p256dh": b64(public), "auth": b64(auth)}), file=sys.stderr, flush=True)
print(f"listening push 127.0.0.1:{server.server_port}", flush=True)
for line in sys.stdin:
    with lock:
        answers.extend(line.strip().split(","))
    print("listening answers", line.strip(), flush=True)
