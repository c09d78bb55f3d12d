"`NotStr` by itself, sent and returned."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('NotStr', Div(Div(Div(id='a'), Div(id='b'), id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
async def ws(msg:str, send):
    await send(NotStr('<div id="a" hx-swap-oob="true">sent <b>raw</b></div>'))
    return NotStr('<div id="b" hx-swap-oob="true">returned <b>raw</b></div>')

serve()
