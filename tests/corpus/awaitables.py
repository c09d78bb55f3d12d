"What is made of `send(...)`: `gather`, `create_task`, `wait_for`, `ensure_future`, a TaskGroup."
import asyncio
from fasthtml.common import *

app, rt = fast_app(exts='ws')
sends = []

@rt
def index():
    outs = [Div(id=o) for o in 'a b c d e'.split()]
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Many', Div(Div(*outs, id='out'), form, hx_ext='ws', ws_connect='/ws'))

async def on_conn(send): sends.append(send)

def part(id, msg): return Div(f'{id}: {msg}', id=id, hx_swap_oob='true')

@app.ws('/ws', conn=on_conn)
async def ws(msg:str, send):
    await asyncio.gather(*[o(part('a', msg)) for o in sends], return_exceptions=True)
    await asyncio.create_task(send(part('b', msg)))
    await asyncio.wait_for(send(part('c', msg)), 1)
    await asyncio.ensure_future(send(part('d', msg)))
    async with asyncio.TaskGroup() as tg: tg.create_task(send(part('e', msg)))

serve()
