"A handler that goes on reading what the form of an htmx page sends, as htmx sends it."
import json
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Quiz', Div(Div('your name?', id='out'), form, hx_ext='ws', ws_connect='/ws'))

def show(s): return Div(s, id='out', hx_swap_oob='true')

@app.ws('/ws')
async def ws(msg:str, ws, send):
    await send(show(f'{msg}, your age?'))
    answer = json.loads(await ws.receive_text())
    await send(show(f'{msg} is {answer["msg"]}, of {sorted(k for k in answer if k.lower()!="headers")}'))

serve()
