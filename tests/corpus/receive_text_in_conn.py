"`conn` asks for a name with `receive_text` before the messages go to the handler."
from fasthtml.common import *

app, rt = fast_app()
names = {}

@rt
def index():
    return Titled('Name', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onmessage = e => {
            document.getElementById('out').append(e.data + ' ');
            if (e.data.startsWith('name')) ws.send('Ann');
            else if (e.data.startsWith('hello')) ws.send('{"msg": "how are you"}');
        };'''))

async def on_conn(ws, send):
    await send('name?')
    names[ws] = await ws.receive_text()
    await send(f'hello {names[ws]}')

@app.ws('/ws', conn=on_conn)
async def ws(msg:str, ws, send): await send(f'{names[ws]}: {msg}')

serve()
