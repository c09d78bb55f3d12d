"MonsterUI and the router of `fasthtml.core`. With fasthtml_ws the app gets its sockets by one more line, `Hub(app)`."
from fasthtml.common import *
from fasthtml.core import APIRouter
from monsterui.all import *

rt = APIRouter()

@rt('/')
def index():
    form = Form(Input(id='msg', cls='flex-1', required=True, autofocus=True), id='form', ws_send=True)
    return Title('Void'), Main(Card(CardBody(Div(id='out')), footer=form), hx_ext='ws', ws_connect='/ws')

def said(by, content): return Div(P(by, ': ', content, cls='p-4 rounded-lg'), id='out', hx_swap_oob='beforeend')

async def on_connect(send): await send(said('bot', 'ready'))
async def on_disconnect(): print('Client disconnected')

@rt.ws('/ws', conn=on_connect, disconn=on_disconnect)
async def websocket_endpoint(msg:str, send):
    await send(said('you', msg))
    await send(said('bot', msg.upper()))

app = FastHTML(exts='ws', hdrs=Theme.slate.headers())
# Hub(app)
rt.to_app(app)

serve()
