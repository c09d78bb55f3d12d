"`conn` leaves its `send` in `app.state`, and an HTTP route sends with it."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    go = Button('Go', id='go', hx_get='/go', hx_swap='none')
    return Titled('Remote', go, Div(Div(id='out'), hx_ext='ws', ws_connect='/ws'))

async def on_conn(send): app.state.send = send

@app.ws('/ws', conn=on_conn)
async def ws(data): pass

@rt
async def go(): await app.state.send(Div('sent by HTTP', id='out', hx_swap_oob='true'))

serve()
