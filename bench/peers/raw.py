"Starlette, and the least that broadcasts and answers: the yardstick"
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from bench.peers.kit import said, uvicorn

conns = {} # in the order in which they came; the order of a set costs cache misses

async def ws(ws):
    await ws.accept()
    conns[ws] = True
    try:
        while True:
            await ws.receive_text()
            text = said()
            for o in list(conns): await o.send_text(text)
    except WebSocketDisconnect: pass
    finally: conns.pop(ws, None)

async def echo(ws):
    await ws.accept()
    try:
        while True: await ws.send_text(await ws.receive_text())
    except WebSocketDisconnect: pass

uvicorn(Starlette(routes=[WebSocketRoute('/ws', ws), WebSocketRoute('/echo', echo)]))
