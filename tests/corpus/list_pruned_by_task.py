"A background task sends to a list of `send` and removes the one that raises; a page counts the list."
import asyncio
from fasthtml.common import *

app = FastHTML(exts='ws', secret_key='for tests')
clients, state = [], dict(ticks=0)

@app.get('/')
def home(): return Title('Arena'), Main(Div(id='out'), hx_ext='ws', ws_connect='/ws')

@app.get('/count')
def count():
    return Div(f'{len(clients)} in the list', id='out', hx_get='/count', hx_trigger='every 50ms', hx_swap='outerHTML')

async def update_clients():
    state['ticks'] += 1
    for client in clients:
        try: await client(Div('fighting' if state['ticks'] > 3 else 'waiting', id='out', hx_swap_oob='true'))
        except Exception: clients.remove(client)

async def on_connect(send): clients.append(send)

@app.ws('/ws', conn=on_connect)
async def ws(msg:str, send): pass

async def background_task():
    while True:
        if clients: await update_clients()
        await asyncio.sleep(.05)

@app.on_event('startup')
async def start(): asyncio.create_task(background_task())

serve()
