"Three sockets on a page: each form sends on the nearest, and they share a dict."
from fasthtml.common import *

app, rt = fast_app(exts='ws')
values = {}

def part(name):
    form = Form(Input(name='msg', id=f'{name}-msg'), ws_send=True)
    return Div(Div(id=f'{name}-out'), form, hx_ext='ws', ws_connect=f'/{name}')

@rt
def index(): return Titled('Three', Div(*map(part, ('one', 'two', 'three')), id='out'))

def add(name):
    @app.ws(f'/{name}')
    async def ws(msg:str, send):
        values[name] = msg
        await send(Div(f'{name}: {sorted(values.items())}', id=f'{name}-out', hx_swap_oob='true'))

for o in ('one', 'two', 'three'): add(o)

serve()
