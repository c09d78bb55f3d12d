"JSON that is sent to an htmx page without a listener, as for another kind of client: nothing of it shows."
import json
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('JSON', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
async def ws(msg:str, send):
    await send(json.dumps(dict(type='note', text=msg)))
    await send(Div(f'noted {msg}', id='out', hx_swap_oob='true'))

serve()
