"Messages wait, with their `send`, in an `asyncio.Queue`; a task made at start-up answers them."
import asyncio
from fasthtml.common import *

app, rt = fast_app(exts='ws')
jobs, done = asyncio.Queue(), []

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Jobs', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

async def worker():
    while True:
        msg, send = await jobs.get()
        done.append(msg.upper())
        await send(Div(', '.join(done), id='out', hx_swap_oob='true'))
        jobs.task_done()

@app.on_event('startup')
async def start(): asyncio.create_task(worker())

@app.ws('/ws')
async def ws(msg:str, send): await jobs.put((msg, send))

serve()
