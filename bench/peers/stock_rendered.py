"Stock FastHTML with the loop of its page, HTML that is made once per broadcast, and sockets in place of `send`, which would render it again"
from fasthtml.common import Div, FastHTML, to_xml

from bench.peers.kit import uvicorn

app = FastHTML(secret_key='x')
users = {}
async def on_conn(ws): users[str(id(ws))] = ws
async def on_disconn(ws): users.pop(str(id(ws)), None)

@app.ws('/ws', conn=on_conn, disconn=on_disconn)
async def ws(msg:str):
    shown = to_xml(Div(msg, id='notifications'))
    for u in users.values(): await u.send_text(shown)

uvicorn(app)
