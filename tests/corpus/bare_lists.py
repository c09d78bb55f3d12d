"A bare `list` and `tuple` as arguments, which FastHTML leaves alone, and a `list` with a default."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Lists', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
async def ws(msg:str, tags:list, pair:tuple, more:list=None):
    return Div(f'{msg} {tags} {pair} {more}', id='out', hx_swap_oob='true')

serve()
