"`HxPartial` over the socket, on htmx 4."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', hx_ws_send=True)
    out = Div(Div(id='side'), Div(id='main'), id='out')
    return Titled('Partial', Div(out, form, hx_ws_connect='/ws', hx_swap='none'))

@app.ws('/ws')
async def ws(msg:str):
    return HxPartial(B(f'main {msg}'), hx_target='#main'), HxPartial(I(f'side {msg}'), hx_target='#side')

serve()
