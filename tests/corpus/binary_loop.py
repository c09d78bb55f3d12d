"A loop over `ws.receive()` that takes binary and text frames until the client leaves."
from fasthtml.common import *

app, rt = fast_app()
ended = []

@rt
def index():
    return Titled('Upload', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        const frames = ['{"name": "a.wav"}', new Uint8Array(1000), 'more', new Uint8Array(24), 'end'];
        ws.onopen = () => frames.forEach(o => ws.send(o));
        ws.onmessage = e => document.getElementById('out').append(e.data + ' ');'''))

@rt
def count(): return Div(f'{len(ended)} ended', id='out', hx_get='/count', hx_trigger='every 50ms', hx_swap='outerHTML')

@app.ws('/ws')
async def ws(name:str, ws):
    size = 0
    while True:
        msg = await ws.receive()
        if msg['type']=='websocket.disconnect': break
        if msg.get('bytes'): size += len(msg['bytes'])
        elif msg['text']=='end': await ws.send_text(f'{name}: {size} bytes;')
        else: await ws.send_text(f'text {msg["text"]};')
    ended.append(size)

serve()
