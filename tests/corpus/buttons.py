"Elements that send by themselves: buttons, an input on `keyup`, one on `load`; `HtmxHeaders` names the element."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    buttons = [Button(o, id=o, name='move', value=o, ws_send=True) for o in ('left', 'right')]
    loads = Div('loaded', ws_send=True, hx_trigger='load', hx_vals='{"move": "load"}', id='loads')
    typed = Input(id='typed', name='move', ws_send=True, hx_trigger='keyup changed delay:20ms')
    return Titled('Buttons', Div(Div(id='out'), *buttons, typed, loads, hx_ext='ws', ws_connect='/ws'))

moves = []

@app.ws('/ws')
async def ws(move:str, htmx:HtmxHeaders):
    moves.append(f'{move} by {(htmx.trigger or htmx.source).split("#")[-1]}')
    return Div(', '.join(moves), id='out', hx_swap_oob='true')

serve()
