"Starlette, and the least that broadcasts: the yardstick"
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from bench.peers import text, uvicorn

conns = {} # in the order in which they came; the order of a set costs cache misses

async def ws(ws):
    await ws.accept()
    conns[ws] = True
    try:
        while True:
            await ws.receive_text()
            for o in list(conns): await o.send_text(text)
    except WebSocketDisconnect: pass
    finally: conns.pop(ws, None)

uvicorn(Starlette(routes=[WebSocketRoute('/ws', ws)]))
