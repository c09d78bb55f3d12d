"JSON that carries markup, to a page's own WebSocket; it is shown as the text that it is."
import json
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    return Titled('JSON', Input(id='msg'), Button('Send', id='go'), Div(id='out'), Script('''
        const by = id => document.getElementById(id);
        const ws = new WebSocket(`ws://${location.host}/ws`);
        by('go').onclick = () => ws.send(JSON.stringify({msg: by('msg').value}));
        ws.onmessage = e => by('out').textContent = JSON.parse(e.data).html;'''))

@app.ws('/ws')
async def ws(msg:str, send): await send(json.dumps({'html': f'<p class="m">{msg} &amp; <b>bold</b></p>', 'n': 1}))

serve()
