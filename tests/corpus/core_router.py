"The router of `fasthtml.core`, which is not in the import line, in an app of the import line's `fast_app`."
from fasthtml.common import *
from fasthtml.core import APIRouter

rt = APIRouter()

@rt('/')
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Core', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

@rt.ws('/ws')
async def ws(msg:str, send): await send(Div(f'{msg} by a router', id='out', hx_swap_oob='true'))

app, _ = fast_app(exts='ws')
rt.to_app(app)

serve()
