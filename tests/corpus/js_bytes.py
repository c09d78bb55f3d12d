"Binary frames down: `ws.send_bytes` to a page's own WebSocket, with text between them."
from fasthtml.common import *

app, rt = fast_app()

@rt
def index():
    return Titled('Bytes', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.binaryType = 'arraybuffer';
        ws.onopen = () => ws.send('{"n": 3}');
        ws.onmessage = e => {
            const s = typeof e.data == 'string' ? e.data : [...new Uint8Array(e.data)].join(',');
            document.getElementById('out').append(s + ';');
        };'''))

@app.ws('/ws')
async def ws(n:int, ws):
    for i in range(n): await ws.send_bytes(bytes(range(i, i+3)))
    await ws.send_text('that was all')

serve()
