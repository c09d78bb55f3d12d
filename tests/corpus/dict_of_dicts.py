"A shared room: what is known of each visitor, its `send` among it, and an id that `conn` sets on `ws`."
from fasthtml.common import *

app, rt = fast_app(exts='ws')
users, counter = {}, iter(range(1, 100))

def positions():
    return Ul(*[Li(f'{k} ({u["color"]}) at {u["position"]}') for k,u in users.items()], id='out', hx_swap_oob='true')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Room', Div(Ul(id='out'), form, hx_ext='ws', ws_connect='/ws'))

async def broadcast(x):
    for u in list(users.values()): await u['send'](x)

async def on_connect(ws, send):
    ws.client_id = f'visitor {next(counter)}'
    ws.color = 'red'
    users[ws.client_id] = dict(send=send, position=0, color=ws.color)
    await broadcast(positions())

async def on_disconnect(ws):
    users.pop(ws.client_id, None)
    await broadcast(positions())

@app.ws('/ws', conn=on_connect, disconn=on_disconnect)
async def ws(msg:str, ws):
    users[ws.client_id]['position'] = msg
    await broadcast(positions())

serve()
