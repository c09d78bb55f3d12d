"`send:Callable`, and `Optional[Callable]` with a default."
from typing import Callable, Optional
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Typed', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

async def on_conn(send:Optional[Callable]=None): await send(Div('connected', id='out', hx_swap_oob='true'))

@app.ws('/ws', conn=on_conn)
async def ws(msg:str, send:Callable): await send(Div(f'typed {msg}', id='out', hx_swap_oob='true'))

serve()
