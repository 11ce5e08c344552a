"""A client on Python's websockets, against the routes of the server at the URL given, whose subprotocols are b and a."""

import asyncio
import ssl
import sys
from email.utils import parsedate_to_datetime

from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Deflate

URL = sys.argv[1]
# The server's certificate is its own.
TLS = {"ssl": ssl._create_unverified_context()} if URL.startswith("wss:") else {}

# What is offered, and what the answer must have beside the extension's name.
OFFERS = [
    ({}, set()),
    ({"server_no_context_takeover": True}, {"server_no_context_takeover"}),
    ({"server_max_window_bits": 9}, {"server_max_window_bits=9"}),
    ({"client_no_context_takeover": True, "client_max_window_bits": 10}, set()),
]


async def echo(socket):
    async def pieces():
        yield "one "
        await (await socket.ping(b"in between"))
        yield "message"

    for message in ["", "text", "\u20ac" * 300_000, b"", bytes(range(256)) * 4096]:
        await socket.send(message)
        assert await socket.recv() == message, message[:20]
    await socket.send(pieces())
    assert await socket.recv() == "one message"
    # Many under way at once come back in order.
    lines = [f"line {number}" for number in range(1000)]

    async def send():
        for line in lines:
            await socket.send(line)

    sending = asyncio.create_task(send())
    assert [await socket.recv() for _ in lines] == lines
    await sending
    await socket.close(4000, "enough")
    assert socket.close_code == 4000, socket.close_code


async def main():
    async with connect(f"{URL}/echo", max_size=None, compression=None, **TLS) as socket:
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        await echo(socket)
    for parameters, wanted in OFFERS:
        extensions = [Deflate(**parameters)]
        async with connect(f"{URL}/echo", max_size=None, compression=None, extensions=extensions, **TLS) as socket:
            name, *agreed = socket.response.headers["Sec-WebSocket-Extensions"].split("; ")
            assert name == "permessage-deflate" and wanted <= set(agreed), (parameters, agreed)
            await echo(socket)
    async with connect(f"{URL}/echo", subprotocols=["c", "b"], **TLS) as socket:
        assert socket.subprotocol == "b", socket.subprotocol
    async with connect(f"{URL}/clock", **TLS) as socket:
        parsedate_to_datetime(await socket.recv())
    async with connect(f"{URL}/broadcast", **TLS) as one, connect(f"{URL}/broadcast", **TLS) as other:
        await one.send("to all")
        assert await other.recv() == await one.recv() == "to all"


asyncio.run(main())
