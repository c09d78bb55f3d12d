"A heartbeat of one's own: `ping` in JSON, `pong` as plain text, byte for byte."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    return Titled('Ping', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onopen = () => ws.send('{"type": "ping"}');
        ws.onmessage = e => document.getElementById('out').textContent += JSON.stringify(e.data);'''))

@app.ws('/ws')
async def ws(data, send):
    if data.get('type')=='ping':
        await send('pong')
        return 'and returned'

serve()
