"The page of FastHTML's guide to htmx 4: an element that sends when it is clicked, and is named by `hx_source`."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    sends = P('Click me', hx_ws_send=True, id='textid', name='textname', hx_ws_connect='/ws')
    return Div(sends, P('nothing yet', id='out'))

@app.ws('/ws')
async def ws(ws, send, hx_source:str): return Div(f'trigger: {hx_source}', id='out', hx_swap_oob=True)

serve()
