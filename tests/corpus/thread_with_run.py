"A worker thread, with a loop of its own for each thing that it sends: `asyncio.run(send(...))`."
import asyncio, threading
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Worker', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

def work(msg, send):
    async def report(s): await send(Div(s, id='out', hx_swap_oob='true'))
    for i in range(3): asyncio.run(report(f'{msg}: step {i}'))
    asyncio.run(send(Div(f'{msg}: done', id='out', hx_swap_oob='true')))

@app.ws('/ws')
async def ws(msg:str, send): threading.Thread(target=work, args=(msg, send)).start()

serve()
