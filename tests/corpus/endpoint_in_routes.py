"A `WebSocketRoute` of Starlette's in `routes=`: a function that accepts and reads, and an endpoint class."
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect
from fasthtml.common import *

async def count(websocket):
    await websocket.accept()
    try:
        while True: await websocket.send_json({'length': len(await websocket.receive_text())})
    except WebSocketDisconnect: pass

class Upper(WebSocketEndpoint):
    encoding = 'json'
    async def on_receive(self, websocket, data): await websocket.send_json({'upper': data['msg'].upper()})

app, rt = fast_app(routes=[WebSocketRoute('/count', count), WebSocketRoute('/upper', Upper)])

@rt
def index():
    return Titled('Two', Div(Div(id='a'), Div(id='b'), id='out'), Script('''
        for (const [id, path, msg] of [['a', '/count', 'four'], ['b', '/upper', '{"msg": "four"}']]) {
            const ws = new WebSocket(`ws://${location.host}${path}`);
            ws.onopen = () => ws.send(msg);
            ws.onmessage = e => document.getElementById(id).textContent = JSON.stringify(JSON.parse(e.data));
        }'''))

serve()
