"A clock that `on_startup` starts and that sends to all."
import asyncio
from fasthtml.common import *

sends, ticks = {}, []

async def clock():
    while True:
        ticks.append(1)
        now = 'running' if len(ticks) > 3 else 'starting'
        for o in list(sends.values()): await o(Div(now, id='out', hx_swap_oob='true'))
        await asyncio.sleep(.02)

async def start(): asyncio.create_task(clock())

app, rt = fast_app(exts='ws', on_startup=[start])

@rt
def index(): return Titled('Clock', Div(Div(id='out'), hx_ext='ws', ws_connect='/ws'))

def on_conn(ws, send): sends[id(ws)] = send
def on_disconn(ws): sends.pop(id(ws), None)

@app.ws('/ws', conn=on_conn, disconn=on_disconn)
def ws(): pass

serve()
