"MonsterUI before the import line, whose `fast_app` is the one in use then."
from monsterui.all import *
from fasthtml.common import *

app, rt = fast_app(exts='ws', pico=False, hdrs=Theme.blue.headers())

@rt
def index():
    form = Form(Input(id='msg', cls='uk-input'), id='form', ws_send=True)
    return Title('First'), Container(Card(Div(id='out')), form, hx_ext='ws', ws_connect='/ws')

@app.ws('/ws')
async def ws(msg:str): return DivLAligned(f'bot: {msg}', id='out', hx_swap_oob='true')

serve()
