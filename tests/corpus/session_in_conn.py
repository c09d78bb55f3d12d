"`conn` and the handler take names from the session; a dict keeps `send` and name together."
from fasthtml.common import *

app, rt = fast_app(exts='ws')
msgs, users = [], {}

@rt
def join(name:str, session):
    session['username'] = name
    return RedirectResponse('/')

@rt
def index(session):
    chat = Div(Ul(id='out'), Form(Input(id='msg'), id='form', ws_send=True), hx_ext='ws', ws_connect='/ws')
    return Titled(f'Chat as {session.get("username", "nobody")}', chat)

def on_connect(ws, send, sess): users[str(id(ws))] = send, sess.get('username', 'Anonymous')
def on_disconnect(ws): users.pop(str(id(ws)), None)

@app.ws('/ws', conn=on_connect, disconn=on_disconnect)
async def ws(msg:str, send, session):
    msgs.append((session.get('username', 'Anonymous'), msg))
    for u,name in users.values():
        await u(Ul(*[Li(f'{k}: {v} (to {name})') for k,v in msgs], id='out', hx_swap_oob='true'))
    return Input(id='msg', hx_swap_oob='true')

serve()
