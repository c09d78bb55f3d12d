"The first frame starts the handler, which then reads binary frames with `receive_bytes`."
from fasthtml.common import *

app, rt = fast_app()

@rt
def index():
    return Titled('Audio', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onopen = () => {
            ws.send('{"rate": 16000}');
            ws.send(new Uint8Array([1, 2, 3]));
            ws.send(new Uint8Array(5));
        };
        ws.onmessage = e => document.getElementById('out').append(e.data + ' ');'''))

@app.ws('/ws')
async def ws(rate:int, ws, send):
    first, second = await ws.receive_bytes(), await ws.receive_bytes()
    await send(f'{rate}: {list(first)} and {len(second)} bytes')

serve()
