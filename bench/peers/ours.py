"Ours, under uvicorn as it comes"
from bench.peers import uvicorn
from fasthtml_ws.common import Div, FastHTML

app = FastHTML(secret_key='x')
def on_conn(ws): ws.subscribe('room')

@app.ws('/ws', conn=on_conn)
async def ws(msg:str, hub): hub.publish('room', Div(msg, id='notifications'))

uvicorn(app)
