"Sockets on an `APIRouter` with a prefix, added to the app at the end."
from fasthtml.common import *

ar = APIRouter(prefix='/video')

@ar('/')
def page():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Video', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/video/ws'))

async def on_conn(send): await send(Div('connected', id='out', hx_swap_oob='true'))

@ar.ws('/ws', conn=on_conn)
async def ws(sess, data, msg:str): return Div(f'{msg} by a router', id='out', hx_swap_oob='true')

app, rt = fast_app(exts='ws')
ar.to_app(app)

serve()
