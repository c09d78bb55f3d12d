"A game: a list of `send`, which an `except` would prune."
from fasthtml.common import *

app, rt = fast_app(exts='ws')
life, players = dict(generation=0), []

def board(): return Div(f'generation {life["generation"]}', id='out', hx_swap_oob='true')

@rt
def index():
    step = Button('Step', id='step', hx_put='/step', hx_swap='none')
    return Title('Life'), Main(board(), step, hx_ext='ws', ws_connect='/life')

async def update():
    for i,player in enumerate(players):
        try: await player(board())
        except: players.pop(i)

async def on_connect(send): players.append(send)
async def on_disconnect(send): await update()

@app.ws('/life', conn=on_connect, disconn=on_disconnect)
async def ws(msg:str, send): pass

@rt('/step')
async def put():
    life['generation'] += 1
    await update()

serve()
