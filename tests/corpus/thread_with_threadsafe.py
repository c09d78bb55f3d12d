"A worker thread that sends on the server's loop: `asyncio.run_coroutine_threadsafe(send(...), loop)`."
import asyncio, threading
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Worker', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

def work(msg, send, loop):
    for s in ('started', 'done'):
        asyncio.run_coroutine_threadsafe(send(Div(f'{msg}: {s}', id='out', hx_swap_oob='true')), loop).result(5)

@app.ws('/ws')
async def ws(msg:str, send):
    threading.Thread(target=work, args=(msg, send, asyncio.get_running_loop()), daemon=True).start()

serve()
