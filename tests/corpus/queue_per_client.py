"Each connection has a queue by its `ws` and a task that sends what is in it; HTTP fills the queues."
import asyncio
from fasthtml.common import *

app, rt = fast_app(exts='ws')
queues, tasks = {}, {}

@rt
def index():
    publish = Button('Publish', id='publish', hx_post='/publish', hx_swap='none')
    return Titled('News', publish, Div(Div(id='out'), hx_ext='ws', ws_connect='/ws'))

async def pump(q, send):
    while True: await send(await q.get())

async def on_conn(ws, send):
    queues[ws] = asyncio.Queue()
    tasks[ws] = asyncio.create_task(pump(queues[ws], send))

async def on_disconn(ws):
    queues.pop(ws)
    tasks.pop(ws).cancel()

@app.ws('/ws', conn=on_conn, disconn=on_disconn)
async def ws(msg:str): pass

@rt('/publish')
async def post():
    for q in queues.values(): q.put_nowait(Div(f'news for {len(queues)}', id='out', hx_swap_oob='true'))

serve()
