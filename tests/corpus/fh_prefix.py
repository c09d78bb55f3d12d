"Everything by the prefix `fh.`; the list of `send` is fed by a task that an event of the app starts."
import asyncio
from typing import Any, List
import fasthtml.common as fh

app = fh.FastHTML(exts='ws', secret_key='for tests')
player_queue: List[Any] = []

@app.get('/')
def home():
    return fh.Title('Arena'), fh.Main(fh.Div(id='out', cls='row'), cls='container', hx_ext='ws', ws_connect='/ws')

async def update_players():
    for player in player_queue:
        try: await player(fh.Div(fh.Strong('event'), f' for {len(player_queue)}', id='out', hx_swap_oob='true'))
        except Exception: player_queue.remove(player)

async def on_connect(send): player_queue.append(send)

@app.ws('/ws', conn=on_connect)
async def ws(msg:str, send): pass

async def background_task():
    while True:
        if player_queue: await update_players()
        await asyncio.sleep(.02)

@app.on_event('startup')
async def start_background_tasks(): asyncio.create_task(background_task())

fh.serve()
