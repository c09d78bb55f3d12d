"`receive_json` and `iter_text` in the handler."
from fasthtml.common import *

app, rt = fast_app()

@rt
def index():
    return Titled('Iter', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onopen = () => { for (const s of ['{}', '{"user": "ann"}', 'a', 'b', 'stop']) ws.send(s); };
        ws.onmessage = e => document.getElementById('out').append(e.data + ' ');'''))

@app.ws('/ws')
async def ws(ws, send):
    user = (await ws.receive_json())['user']
    async for s in ws.iter_text():
        if s=='stop': break
        await send(f'{user} {s}')
    await send('stopped')

serve()
