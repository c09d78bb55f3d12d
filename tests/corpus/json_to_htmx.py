"JSON with typed text in it, sent to an htmx page that has no listener: nothing of it may run or show."
import json
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('JSON', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
async def ws(msg:str, send):
    await send(json.dumps(dict(type='note', n=len(msg))))
    await send(Div(f'{len(msg)} characters', id='out', hx_swap_oob='true'))

serve()
