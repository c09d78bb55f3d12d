"aiohttp"
import asyncio

from aiohttp import web

from bench.peers import listening, loop, text

conns = {} # in the order in which they came; the order of a set costs cache misses

async def ws(request):
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    conns[ws] = True
    try:
        async for _ in ws:
            for o in list(conns): await o.send_str(text)
    finally: conns.pop(ws, None)
    return ws

async def main():
    app = web.Application()
    app.router.add_get('/ws', ws)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening(), backlog=4096).start()
    await asyncio.get_running_loop().create_future()

loop(main())
