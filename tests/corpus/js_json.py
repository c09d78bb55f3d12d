"A page's own WebSocket: JSON up, JSON down, as text and by `send_json`."
import json
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    return Titled('JSON', Div(Div(id='a'), Div(id='b'), id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onopen = () => ws.send(JSON.stringify({cmd: 'add', nums: [1, 2, 39]}));
        ws.onmessage = e => {
            const {id, ...rest} = JSON.parse(e.data);
            document.getElementById(id).textContent = JSON.stringify(rest);
        };'''))

@app.ws('/ws')
async def ws(cmd:str, data, ws, send):
    await send(json.dumps({'id': 'a', 'cmd': cmd, 'sum': sum(data['nums'])}))
    await ws.send_json({'id': 'b', 'ok': True, 'none': None})

serve()
