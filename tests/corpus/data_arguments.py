"The whole message: `data`, `data:dict`, a dataclass, with the query of the socket's address."
from dataclasses import dataclass
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@dataclass
class Person: name:str; age:int; member:bool=False

@rt
def index():
    outs = Div(*[Div(id=o) for o in 'a b c'.split()], id='out')
    member = CheckboxX(id='member', checked=True, label='member')
    fields = Input(id='name', value='Ann'), Input(id='age', value='7'), member
    form = Form(*fields, Input(id='msg'), Button('Send'), id='form', ws_send=True)
    return Titled('Data', outs, Div(form, hx_ext='ws', ws_connect='/ws?room=red'))

@app.ws('/ws')
async def ws(data, d:dict, who:Person, send):
    fields = data.get('values') or data # htmx 4 has them there
    await send(Div(f'{fields["msg"]} {data["room"]} {d is data or d == data}', id='a', hx_swap_oob='true'))
    await send(Div(f'{who.name} {who.age + 1} {who.member}', id='b', hx_swap_oob='true'))

serve()
