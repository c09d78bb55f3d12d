"Path parameters by name and annotation, in `conn`, handler and `ws.path_params`; a dict of rooms."
from collections import defaultdict
from fasthtml.common import *

app, rt = fast_app(exts='ws')
rooms = defaultdict(dict)

@rt('/room/{room}/{seat:int}')
def page(room:str, seat:int):
    connect = f'/ws/{room}/{seat}'
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled(f'{room} {seat}', Div(Div(id='out'), form, hx_ext='ws', ws_connect=connect))

def on_conn(ws, send, room:str, seat:int): rooms[room][seat] = send
def on_disconn(ws): rooms[ws.path_params['room']].pop(ws.path_params['seat'], None)

@app.ws('/ws/{room}/{seat:int}', conn=on_conn, disconn=on_disconn)
async def ws(msg:str, room:str, seat:int):
    for o in rooms[room].values(): await o(Div(f'{room}, seat {seat+0}: {msg}', id='out', hx_swap_oob='true'))

serve()
