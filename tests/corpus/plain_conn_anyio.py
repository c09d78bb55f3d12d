"A plain `conn` runs in a worker thread on stock, so it may send with `anyio.from_thread.run(send, x)`; so may a plain handler."
import anyio
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    return Titled('Plain', Div(Div(Div(id='a'), Div(id='b'), id='out'), Form(Input(id='msg'), id='form', ws_send=True), hx_ext='ws', ws_connect='/ws'))

def on_conn(send): anyio.from_thread.run(send, Div('welcome', id='a', hx_swap_oob='true'))

@app.ws('/ws', conn=on_conn)
def ws(msg:str, send): anyio.from_thread.run(send, Div(f'got {msg}', id='b', hx_swap_oob='true'))

serve()
