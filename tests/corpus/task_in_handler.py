"A model answers word by word: the handler starts a task and returns at once."
import asyncio
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Model', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

def mk_inp(): return Input(id='msg', value='', hx_swap_oob='true')

async def answer(prompt, send):
    for word in ['you', 'said', prompt]:
        await send(Div(Span(word, ' '), id='out', hx_swap_oob='beforeend'))
        await asyncio.sleep(.01)

@app.ws('/ws')
async def ws(msg:str, send):
    await send(mk_inp())
    asyncio.create_task(answer(msg, send))

serve()
