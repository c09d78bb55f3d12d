"A handler that closes the socket with a code and a reason, which the page shows."
from fasthtml.common import *

app, rt = fast_app()

@rt
def index():
    return Titled('Close', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onopen = () => ws.send('{"msg": "bye"}');
        ws.onclose = e => document.getElementById('out').append(`closed ${e.code} ${e.reason} ${e.wasClean}`);
        ws.onmessage = e => document.getElementById('out').append(e.data + ', ');'''))

@app.ws('/ws')
async def ws(msg:str, ws, send):
    await send(f'you said {msg}')
    await ws.close(4000, 'enough')

serve()
