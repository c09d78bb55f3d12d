"All of the program stands in `conn`: it reads until the client leaves, and the handler is never called."
from fasthtml.common import *

app, rt = fast_app()

@rt
def index():
    return Titled('Conn', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onopen = () => { ws.send('one'); ws.send('two'); };
        ws.onmessage = e => document.getElementById('out').append(e.data + ' ');'''))

async def on_conn(ws):
    while True: await ws.send_text(f'<{await ws.receive_text()}>')

@app.ws('/ws', conn=on_conn)
async def ws(websocket): pass

serve()
