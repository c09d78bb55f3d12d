"What a handler returns: a tuple, HTML as a string, `NotStr` in an element, nothing."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    outs = [Div(id=o) for o in 'a b c d'.split()]
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Returned', Div(Div(*outs, id='out'), form, hx_ext='ws', ws_connect='/ws'))

def at(id, *c): return Div(*c, id=id, hx_swap_oob='true')

@app.ws('/ws')
def ws(msg:str):
    if msg=='tuple': return at('a', 'first of two'), at('b', 'second of two')
    if msg=='string': return '<div id="c" hx-swap-oob="true">a <b>string</b></div>'
    if msg=='notstr': return at('d', NotStr('<i>NotStr</i>'))

serve()
