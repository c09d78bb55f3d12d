"A dict of `send` by `send.args[0].client`, as `send` is a partial of the connection; `disconn` looks at its state."
from fasthtml.common import *
from starlette.websockets import WebSocketState

app, rt = fast_app(exts='ws')
conns, gone = {}, []

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Questions', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

async def on_connect(send): conns[send.args[0].client] = send

async def on_disconnect(send):
    ws = send.args[0]
    gone.append(ws.client_state == WebSocketState.DISCONNECTED)
    conns.pop(ws.client, None)

@app.ws('/ws', conn=on_connect, disconn=on_disconnect)
async def ws(msg:str, send):
    for o in conns.values(): await o(resp=Div(f'{msg} to {len(conns)}, gone {gone}', id='out', hx_swap_oob='true'))

serve()
