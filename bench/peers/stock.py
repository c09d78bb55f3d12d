"Stock FastHTML as on its page: a dict of `send` functions, and the FT built in the loop"
from fasthtml.common import Div, FastHTML

from bench.peers import uvicorn

app = FastHTML(secret_key='x')
users = {}
async def on_conn(ws, send): users[str(id(ws))] = send
async def on_disconn(ws): users.pop(str(id(ws)), None)

@app.ws('/ws', conn=on_conn, disconn=on_disconn)
async def ws(msg:str):
    for u in users.values(): await u(Div(msg, id='notifications'))

uvicorn(app)
