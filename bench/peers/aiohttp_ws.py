"aiohttp"
import asyncio

from aiohttp import WSMsgType, web

from bench.peers.kit import listening, loop, said, settings

conns = {} # in the order in which they came; the order of a set costs cache misses

def socket(): return web.WebSocketResponse(compress=settings['deflate'], heartbeat=settings['ping'])

async def room(request):
    ws = socket()
    await ws.prepare(request)
    conns[ws] = True
    try:
        async for _ in ws:
            text = said()
            for o in list(conns): await o.send_str(text)
    finally: conns.pop(ws, None)
    return ws

async def echo(request):
    ws = socket()
    await ws.prepare(request)
    async for message in ws:
        if message.type == WSMsgType.TEXT: await ws.send_str(message.data)
    return ws

async def main():
    app = web.Application()
    app.router.add_get('/ws', room)
    app.router.add_get('/echo', echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening(), backlog=4096).start()
    await asyncio.get_running_loop().create_future()

loop(main)
