"A path parameter as an argument without an annotation."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Room', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws/lobby'))

@app.ws('/ws/{room}')
async def ws(msg:str, room, send): await send(Div(f'{msg} in {room}', id='out', hx_swap_oob='true'))

serve()
