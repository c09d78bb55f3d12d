"`conn` starts a task that streams to its client, and `disconn` cancels it."
import asyncio
from fasthtml.common import *

app, rt = fast_app(exts='ws')
tasks, ended = {}, []

@rt
def index(): return Titled('Stream', Div(Div(id='out'), hx_ext='ws', ws_connect='/ws'))

@rt
def count(): return Div(f'{len(ended)} ended', id='out', hx_get='/count', hx_trigger='every 50ms', hx_swap='outerHTML')

async def stream(send):
    n = 0
    try:
        while True:
            n += 1
            await send(Div('streaming' if n > 3 else 'starting', id='out', hx_swap_oob='true'))
            await asyncio.sleep(.02)
    except asyncio.CancelledError: ended.append(n)

async def on_conn(ws, send): tasks[ws] = asyncio.create_task(stream(send))
async def on_disconn(ws): tasks.pop(ws).cancel()

@app.ws('/ws', conn=on_conn, disconn=on_disconn)
async def ws(msg:str): pass

serve()
