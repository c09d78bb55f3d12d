"Decorators around handlers: `functools.wraps`, a `partial`, a callable object."
from functools import partial, wraps
from fasthtml.common import *

app, rt = fast_app(exts='ws')
calls = []

@rt
def index():
    def form(o): return Form(Input(name='msg', id=f'msg_{o}'), ws_send=True, hx_ext='ws', ws_connect=f'/{o}')
    forms = map(form, ('wrapped', 'partial', 'object'))
    return Titled('Wrapped', Div(*[Div(id=o) for o in ('a', 'b', 'c')], id='out'), *forms)

def logged(f):
    @wraps(f)
    async def inner(*args, **kwargs):
        calls.append(f.__name__)
        return await f(*args, **kwargs)
    return inner

@app.ws('/wrapped')
@logged
async def handle(msg:str, send): await send(Div(f'{msg} after {calls}', id='a', hx_swap_oob='true'))

async def greet(greeting:str, msg:str): return Div(f'{greeting} {msg}', id='b', hx_swap_oob='true')
app.ws('/partial')(partial(greet, greeting='hello'))

class Counter:
    def __init__(self): self.n = 0
    async def __call__(self, msg:str, send):
        self.n += 1
        await send(Div(f'{msg} is number {self.n}', id='c', hx_swap_oob='true'))
app.ws('/object')(Counter())

serve()
