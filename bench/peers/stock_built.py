"Stock FastHTML with the loop of its page, and the FT built once per broadcast"
from fasthtml.common import Div, FastHTML

from bench.peers.kit import uvicorn

app = FastHTML(secret_key='x')
users = {}
async def on_conn(ws, send): users[str(id(ws))] = send
async def on_disconn(ws): users.pop(str(id(ws)), None)

@app.ws('/ws', conn=on_conn, disconn=on_disconn)
async def ws(msg:str):
    shown = Div(msg, id='notifications')
    for u in users.values(): await u(shown)

uvicorn(app)
