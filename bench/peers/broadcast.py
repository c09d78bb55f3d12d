"`websockets` and its broadcast()"
import asyncio

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

from bench.peers.kit import listening, loop, said, settings

conns = {} # in the order in which they came; the order of a set costs cache misses

async def room(ws):
    conns[ws] = True
    try:
        async for _ in ws: broadcast(conns, said())
    except ConnectionClosed: pass
    finally: conns.pop(ws, None)

async def echo(ws):
    try:
        async for message in ws: await ws.send(message)
    except ConnectionClosed: pass

async def handler(ws): await (echo if ws.request.path == '/echo' else room)(ws)

async def main():
    async with serve(handler, sock=listening(), compression='deflate' if settings['deflate'] else None, ping_interval=settings['ping'],
                     ping_timeout=settings['ping']):
        await asyncio.get_running_loop().create_future()

loop(main)
