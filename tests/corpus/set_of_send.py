"Numbers that are posted over HTTP go to a set of `send` on an object."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

class State:
    def __init__(self): self.sockets, self.numbers = set(), []

    async def broadcast(self, n):
        self.numbers.append(n)
        dead = set()
        for send in self.sockets:
            try: await send(Ul(*[Li(f'number {o}') for o in self.numbers], id='out', hx_swap_oob='true'))
            except Exception: dead.add(send)
        self.sockets -= dead

state = State()

@rt
def index():
    form = Form(Input(id='number'), id='form', hx_post='/add', hx_swap='none')
    return Titled('Numbers', form, Div(Ul(id='out'), hx_ext='ws', ws_connect='/ws'))

@rt('/add')
async def post(number:float=None): await state.broadcast(number)

async def on_connect(send): state.sockets.add(send)
async def on_disconnect(ws): state.sockets.discard(ws)

@app.ws('/ws', conn=on_connect, disconn=on_disconnect)
async def ws(msg:str, send): pass

serve()
