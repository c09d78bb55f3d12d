"""The app of test_foreign_servers.py, the same under each server. It prints who comes and goes, which can be read when its process has ended as well."""
import asyncio
from dataclasses import asdict

from starlette.responses import PlainTextResponse

from fasthtml_ws.common import *

policy = Policy(stall_timeout=.5, outbox_messages=100, max_message=2_000_000)
app = FastHTML(secret_key='for tests', policy=policy)
ends,tasks = [],set()

def note(what, ws):
    ends.append((what, ws.query_params.get('who', '')))
    print(*ends[-1], flush=True)

def conn(ws):
    note('came', ws)
    if 't' in ws.query_params: ws.subscribe(ws.query_params['t'])

async def disconn(ws):
    await asyncio.sleep(0)
    note('left', ws)

def guard(req, session):
    if 'stranger' in req.query_params: return PlainTextResponse('who are you?', 401)
    if 'renew' in req.query_params: session['name'] = 'renewed'

@app.ws('/ws', conn=conn, disconn=disconn, before=guard)
async def ws(msg:str, ws, session):
    if msg=='who am I': return session.get('name', 'nobody')
    if msg=='where am I': return ws.client.host
    if msg=='go away': return ws.close(4321, 'because é')
    return Div(msg, id='said')

app.ws('/idle', policy=Policy(idle_timeout=.3))(lambda: None)

@app.get('/login')
def login(session, name:str): session['name'] = name; return name

@app.get('/seen')
async def seen(): return JSONResponse(dict(ends=ends, stats=asdict(app.hub.stats()), places=app.hub.census[('all',)]))

async def talk(t, n, size):
    for i in range(n):
        app.hub.publish(t, Div(f'{i} ', 'x'*size, hx_swap_oob='beforeend:#log'))
        await asyncio.sleep(.001)

@app.get('/publish')
async def publish(t:str, n:int, size:int=0):
    tasks.add(o := asyncio.create_task(talk(t, n, size)))
    o.add_done_callback(tasks.discard)
    return 'begun'
