"""A chat with MonsterUI. Its `fast_app` is FastHTML's own: with fasthtml_ws the app gets its sockets by one more line,
`Hub(app)`, as the documentation says. That is the only line besides the import that differs."""
from fasthtml.common import *
from monsterui.all import *

app, rt = fast_app(exts='ws', hdrs=Theme.blue.headers())
# Hub(app)
messages, users = [], []

def bubble(i): return Card(P(messages[i], cls=TextPresets.muted_sm), id=f'm{i}')

@rt
def index():
    form = Form(LabelInput('Message', id='msg'), Button('Send', cls=ButtonT.primary), id='form', ws_send=True)
    return Title('Chat'), Container(H2('Chat'), Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

def on_connect(send): users.append(send)

@app.ws('/ws', conn=on_connect)
async def ws(msg:str, send):
    messages.append(msg)
    for u in users: await u(Div(bubble(len(messages)-1), id='out', hx_swap_oob='beforeend'))
    await send(Input(id='msg', value='', hx_swap_oob='true'))

serve()
