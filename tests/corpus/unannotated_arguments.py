"Arguments that nothing fills are None; those with a default keep it; `(*_)` takes nothing."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Free', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

async def on_connect(thing, send): await send(Div(f'{thing} at first', id='out', hx_swap_oob='true'))

@app.ws('/ws', conn=on_connect)
async def ws(msg:str, other, *, another, req, sess):
    return Div(f'{msg} {other} {another} {req.scope["type"]}', id='out', hx_swap_oob='true')

serve()
