"A JSON array and a bare JSON string as messages to a page's own WebSocket."
import json
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    return Titled('Array', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onmessage = e => document.getElementById('out').append(JSON.stringify(JSON.parse(e.data)) + ' ');'''))

async def on_conn(send):
    await send(json.dumps([['<i>', 1], ['b', 2.5]]))
    await send(json.dumps('quoted <i>'))

@app.ws('/ws', conn=on_conn)
async def ws(data): pass

serve()
