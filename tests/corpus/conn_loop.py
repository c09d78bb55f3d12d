"A `conn` that never returns: a clock that sends every 100 ms."
from asyncio import sleep
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index(): return Titled('Clock', Div(Div('?', id='out'), hx_ext='ws', ws_connect='/ws'))

async def on_conn(send):
    ticks = 0
    while True:
        ticks += 1
        await send(Div('old' if ticks > 15 else 'young', id='out', hx_swap_oob='true'))
        await sleep(.1)

@app.ws('/ws', conn=on_conn)
async def ws(data): pass

serve()
