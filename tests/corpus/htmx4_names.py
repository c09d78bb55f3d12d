"The attributes that htmx 4 wants, and an explicit `hx_swap_oob`."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt('/')
def get():
    form = Form(Input(id='msg', name='msg'), id='form', hx_ws_send=True)
    return Titled('WS Demo', Div(Div(id='out'), form, hx_ws_connect='/ws'))

@app.ws('/ws')
async def ws(msg:str, send): await send(Div(f'You said: {msg}', id='out', hx_swap_oob=True))

serve()
