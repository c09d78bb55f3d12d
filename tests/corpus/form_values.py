"What a form has: `hx_vals` with numbers for `str`, hidden inputs, a checkbox, a select, a number, a textarea."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    fields = (Hidden(name='kind', value='order'), Input(id='count', type='number', value='3'),
        Textarea('two lines', id='note'),
        Select(Option('small', value='s'), Option('large', value='l', selected=True), id='size'),
        CheckboxX(id='gift', value='1', checked=True, label='gift'),
        CheckboxX(id='express', value='1', label='express'))
    more = '{"ref": 42, "price": 1.5, "flag": 1}'
    form = Form(*fields, Input(id='msg'), Button('Send'), id='form', ws_send=True, hx_vals=more)
    return Titled('Order', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
async def ws(kind:str, count:int, note:str, size:str, msg:str, ref:str, price:float, flag:bool,
             gift:bool=False, express:bool=False):
    shown = [kind, count+1, note, size, msg, ref, price, bool(flag), gift, express]
    return Div(' '.join(map(str, shown)), id='out', hx_swap_oob='true')

serve()
