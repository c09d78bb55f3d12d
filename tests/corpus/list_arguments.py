"Lists of a form: `list[str]` from checkboxes of one name, `list[int]` from hidden inputs."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    boxes = [Label(Input(type='checkbox', name='tags', value=o, id=o), o) for o in ('red', 'green', 'blue')]
    numbers = [Hidden(name='n', value=str(o)) for o in (1, 2)]
    form = Form(*boxes, *numbers, Input(id='msg'), id='form', ws_send=True)
    return Titled('Lists', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
async def ws(tags:list[str], n:list[int], msg:str):
    return Div(f'{tags} {sum(n)} {msg}', id='out', hx_swap_oob='true')

serve()
