"A plain `conn` and a plain handler that send with `asyncio.run(send(...))`."
import asyncio
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Plain', Div(Div(Div(id='a'), Div(id='b'), id='out'), form, hx_ext='ws', ws_connect='/ws'))

def on_conn(send): asyncio.run(send(Div('welcome', id='a', hx_swap_oob='true')))

@app.ws('/ws', conn=on_conn)
def ws(msg:str, send): asyncio.run(send(Div(f'got {msg}', id='b', hx_swap_oob='true')))

serve()
