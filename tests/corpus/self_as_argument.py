"As in FastHTML's own notebook: a plain function with `self`, an annotated `ws` and an unannotated session."
from fasthtml.common import *
from starlette.websockets import WebSocket

app, rt = fast_app(exts='ws')

@rt
def index(session):
    session['user'] = 'bob'
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Self', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
def ws(self, msg:str, ws:WebSocket, session):
    return Div(f'{self} {msg} {session["user"]} {isinstance(ws, WebSocket)}', id='out', hx_swap_oob='true')

serve()
