"Rows of a table and items of a list that are added, replaced and deleted by the way they say themselves."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    rows = Table(Tbody(Tr(Td('one')), Tr(Td('two', id='cell')), id='rows'))
    items = Ul(Li('a', id='a'), Li('b', id='b'), id='items')
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Table', Div(Div(rows, items, id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
async def ws(msg:str, send):
    await send(Ul(Li(msg), id='items', hx_swap_oob='beforeend'))
    await send(Li(id='a', hx_swap_oob='delete'))
    await send(Ul(Li('first'), hx_swap_oob='afterbegin:#items'))
    await send(Li('B', id='b', hx_swap_oob='outerHTML'))
    await send(Div(f'{msg}!', hx_swap_oob='innerHTML:#cell'))

serve()
