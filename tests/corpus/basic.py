"FastHTML's basic example: greetings from `conn`, two answers, and a new input with the second."
from asyncio import sleep
from fasthtml.common import *

app, rt = fast_app(exts='ws')

def mk_inp(**kw): return Input(id='msg', autofocus=True, **kw)
nid = 'out'

@rt('/')
async def get(request):
    cts = Div(Div(id=nid), Form(mk_inp(), id='form', ws_send=True), hx_ext='ws', ws_connect='/ws')
    return Titled('Websocket Test', cts)

async def on_connect(send): await send(Div('Hello, you have connected', id=nid))
async def on_disconnect(ws): print('Disconnected!')

@app.ws('/ws', conn=on_connect, disconn=on_disconnect)
async def ws(msg:str, send):
    await send(Div('Hello ' + msg, id=nid))
    await sleep(.1)
    return Div('Goodbye ' + msg, id=nid), mk_inp(value='')

serve()
