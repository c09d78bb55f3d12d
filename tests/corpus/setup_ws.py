"FastHTML's `setup_ws`: a function that sends to every open page."
from fasthtml.common import *

app = FastHTML(exts='ws', secret_key='for tests')
rt = app.route
msgs = []

@rt('/')
def home():
    return Div(hx_ext='ws', ws_connect='/ws')(
        Div(Ul(*map(Li, msgs), id='out')),
        Form(Input(id='msg'), id='form', ws_send=True))

async def ws(msg:str):
    msgs.append(msg)
    await send(Ul(*map(Li, msgs), id='out', hx_swap_oob='true'))

send = app.setup_ws(ws)

serve()
