"A plain `conn` and a plain handler that block: a thread each, so that other connections go on."
import time
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Slow', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

def on_conn(ws):
    time.sleep(.1)
    ws.scope['started'] = 'started'

@app.ws('/ws', conn=on_conn)
def ws(msg:str, ws):
    time.sleep(.1)
    return Div(f'{ws.scope["started"]} {msg}', id='out', hx_swap_oob='true')

serve()
