"`websockets` and its broadcast()"
import asyncio

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

from bench.peers import listening, loop, text

conns = {} # in the order in which they came; the order of a set costs cache misses

async def ws(ws):
    conns[ws] = True
    try:
        async for _ in ws: broadcast(conns, text)
    except ConnectionClosed: pass
    finally: conns.pop(ws, None)

async def main():
    async with serve(ws, sock=listening(), compression=None, ping_interval=None): await asyncio.get_running_loop().create_future()

loop(main())
