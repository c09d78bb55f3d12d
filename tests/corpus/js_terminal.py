"A terminal: control sequences, blanks and newlines go to the page as the shell wrote them."
from fasthtml.common import *

app, rt = fast_app()

@rt
def index():
    return Titled('Terminal', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onopen = () => { ws.send(JSON.stringify({cols: 80, rows: 24})); ws.send(JSON.stringify({msg: 'ls'})); };
        ws.onmessage = e => document.getElementById('out').textContent += JSON.stringify(e.data);'''))

async def on_conn(send): await send('\r\n\x1b[32mready\x1b[0m $ ')

@app.ws('/ws', conn=on_conn)
async def on_message(send, msg:str='', cols:int=0, rows:int=0):
    if msg: await send(f'{msg}\r\n  a.txt <DIR> & b\t\r\n')
    elif cols: await send(f'{cols}x{rows}')

serve()
