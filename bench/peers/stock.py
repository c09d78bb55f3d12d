"Stock FastHTML as on its page: a dict of `send` functions, and the FT built in the loop"
from fastcore.xml import Safe
from fasthtml.common import Div, FastHTML

from bench.peers.kit import said, settings, uvicorn

app = FastHTML(secret_key='x')
ready = bool(settings['texts']) # is the HTML made already?
users = {}
async def on_conn(ws, send): users[str(id(ws))] = send
async def on_disconn(ws): users.pop(str(id(ws)), None)

@app.ws('/ws', conn=on_conn, disconn=on_disconn)
async def ws(msg:str):
    text = Safe(said()) if ready else None
    for u in users.values(): await u(text or Div(msg, id='notifications'))

@app.ws('/echo')
async def echo(msg:str, send): await send(Div(msg, id='notifications'))

uvicorn(app)
