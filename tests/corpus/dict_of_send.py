"A chat: a dict of `send` by the id of the connection, filled by a plain `conn`."
from fasthtml.common import *

app, rt = fast_app(exts='ws')
msgs, users = [], {}

def msg_list(): return Ul(*map(Li, msgs), id='out', hx_swap_oob='true')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Chat', Div(msg_list(), form, hx_ext='ws', ws_connect='/ws'))

def on_conn(ws, send): users[str(id(ws))] = send
def on_disconn(ws): users.pop(str(id(ws)), None)

@app.ws('/ws', conn=on_conn, disconn=on_disconn)
async def ws(msg:str):
    msgs.append(msg)
    for u in users.values(): await u(msg_list())

serve()
