"Frames of a camera: a task sends JSON with the size, then data URLs in base64, to a page's own WebSocket."
import asyncio, base64, json
from fasthtml.common import *

app, rt = fast_app()

@rt
def index():
    return Title('Camera'), Main(Div(id='size'), Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onmessage = e => {
            if (e.data.startsWith('data:')) document.getElementById('out').textContent = e.data;
            else document.getElementById('size').textContent = JSON.parse(e.data).width;
        };'''))

async def frames(send):
    for i in range(3):
        await send('data:image/png;base64,' + base64.b64encode(bytes([137, 80, 255, i])).decode())
        await asyncio.sleep(.01)

async def on_connect(send):
    await send(json.dumps(dict(type='dimensions', width=640)))
    asyncio.create_task(frames(send))

async def on_disconnect(): print('Disconnected')

@app.ws('/ws', conn=on_connect, disconn=on_disconnect)
async def ws(websocket): pass

serve()
