"""An echo by Python's websockets, that says where it listens."""

import asyncio

from websockets.asyncio.server import serve


async def echo(socket):
    async for message in socket:
        if message == "close":
            await socket.close(4000, "as you wish")
        else:
            await socket.send(message)


async def main():
    async with serve(echo, "127.0.0.1", 0, subprotocols=["v1.chat"]) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"listening ws 127.0.0.1:{port}", flush=True)
        await server.serve_forever()


asyncio.run(main())
