"`conn` keeps its state on `ws` under names of its own choice; the handler reads them."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('State', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

names = 'user_id topics message_id is_open id route held writer line taken received history queue policy'.split()

async def on_connect(ws):
    for i,name in enumerate(names): setattr(ws, name, i)

@app.ws('/ws', conn=on_connect)
async def ws(msg:str, ws, send):
    await send(Div(msg, *[Span(f' {name}={getattr(ws, name)}') for name in names], id='out', hx_swap_oob='true'))

serve()
