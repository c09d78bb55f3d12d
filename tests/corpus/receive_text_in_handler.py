"`while True: await ws.receive_text()` in the handler, which ends with `WebSocketDisconnect`."
from fasthtml.common import *
from starlette.websockets import WebSocketDisconnect

app, rt = fast_app()
ended = []

@rt
def index():
    return Titled('Loop', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onopen = () => { ws.send('{}'); ws.send('plain'); ws.send('{"json": 1}'); };
        ws.onmessage = e => document.getElementById('out').append(e.data + ' ');'''))

@rt
def count(): return Div(f'{len(ended)} ended', id='out', hx_get='/count', hx_trigger='every 50ms', hx_swap='outerHTML')

@app.ws('/ws')
async def ws(ws):
    try:
        while True:
            msg = await ws.receive_text()
            await ws.send_text(f'[{msg}]')
    except WebSocketDisconnect: ended.append(1)

serve()
