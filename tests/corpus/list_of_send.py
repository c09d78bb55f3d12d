"A game: a list of `send`, which an `except` prunes, and a page that counts it."
from fasthtml.common import *

app, rt = fast_app(exts='ws')
life, players = dict(generation=0), []

def board(): return Div(f'generation {life["generation"]}', id='out', hx_swap_oob='true')

@rt
def index():
    step = Button('Step', id='step', hx_put='/step', hx_swap='none')
    return Title('Life'), Main(board(), step, hx_ext='ws', ws_connect='/life')

@rt
def count():
    return Div(f'{len(players)} in the list', id='out', hx_get='/count', hx_trigger='every 50ms', hx_swap='outerHTML')

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
