"A task that `conn` starts and nothing cancels: it ends when `send` raises, and a page counts those that ended."
import asyncio
from fasthtml.common import *

app, rt = fast_app(exts='ws')
ended = []

@rt
def index(): return Titled('Stream', Div(Div(id='out'), hx_ext='ws', ws_connect='/ws'))

@rt
def count(): return Div(f'{len(ended)} ended', id='out', hx_get='/count', hx_trigger='every 50ms', hx_swap='outerHTML')

async def stream(send):
    while True:
        try: await send(Div('streaming', id='out', hx_swap_oob='true'))
        except Exception:
            ended.append(1)
            break
        await asyncio.sleep(.02)

async def on_conn(send): asyncio.create_task(stream(send))

@app.ws('/ws', conn=on_conn)
async def ws(msg:str): pass

serve()
