"An app with sockets that is mounted in another, whose task at start-up sends to it."
import asyncio
from fasthtml.common import *

inner, irt = fast_app(exts='ws')
sends = []

@irt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Inner', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/inner/ws'))

async def on_conn(send): sends.append(send)

@inner.ws('/ws', conn=on_conn)
async def ws(msg:str): return Div(f'{msg} inside', id='out', hx_swap_oob='true')

app, rt = fast_app(exts='ws', routes=[Mount('/inner', inner)])

@rt
def index(): return Titled('Outer', A('in', href='/inner/'))

@rt
async def all():
    for o in sends: await o(Div('from outside', id='out', hx_swap_oob='true'))

serve()
