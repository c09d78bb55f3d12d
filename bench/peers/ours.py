"Ours, under uvicorn as it comes or with the settings of `serve()`"
import asyncio, os

from bench.peers.kit import does, said, settings, uvicorn
from fasthtml_ws.common import Div, FastHTML, Policy
from fasthtml_ws.routes import serve_defaults, served

app = FastHTML(secret_key='x', policy=Policy(connections=100_000, topics=1_000_000)) # the limits of a larger machine
ready = bool(settings['texts']) # is the HTML made already?
left = 0

def on_conn(ws): ws.subscribe('room')
def on_disconn(ws):
    global left
    left += 1

@app.ws('/ws', conn=on_conn, disconn=on_disconn)
async def ws(msg:str, hub): hub.publish('room', said() if ready else Div(msg, id='notifications'))

@app.ws('/echo')
async def echo(msg:str, send): await send(Div(msg, id='notifications'))

@app.ws('/text')
async def as_str(msg:str, send): await send(f'<div id="notifications">{msg}</div>')

@app.ws('/aside', conn=lambda ws: ws.subscribe(f'aside{ws.id}'))
async def aside(msg:str): "Somebody who listens to something else"

def tell():
    "The way by which its frames go"
    wires = [bool(c.writer.wire) for c in app.hub.connections]
    return {'how': 'ready frames' if wires and all(wires) else 'ASGI send'}

async def publish(topic, n):
    for i in range(n):
        app.hub.publish(topic, Div(i, id=f'item{i}')) # of one id, a newer one would supersede what waits for a slow client
        await asyncio.sleep(0)

async def more_topics(n):
    "Have somebody who is not in the room subscribe to `n` topics more"
    one = next(c for c in app.hub.connections if 'room' not in c.topics)
    for i in range(n):
        one.subscribe(f'topic{i}')
        if i%1000 == 0: await asyncio.sleep(0)

does.update(tell=tell, publish=publish, more_topics=more_topics)
if settings['serve']: os.environ[served] = '1'
uvicorn(app, **({'ws': serve_defaults['ws']} if settings['serve'] else {}))
