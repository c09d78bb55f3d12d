"`ws.session`, `ws.cookies`, `ws.headers`, `ws.query_params`, `ws.url` and `ws.client` as Starlette has them."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index(session):
    session['sid'] = 'ann'
    form = Form(Input(id='msg'), id='form', ws_send=True)
    page = Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws?room=red&level=3')
    return Titled('Ids', page), cookie('uid', 'u1')

@app.ws('/ws')
async def ws(msg:str, ws, room:str, level:int):
    seen = [ws.session['sid'], ws.cookies['uid'], ws.headers['upgrade'], ws.query_params['room'], ws.url.path]
    seen += [ws.client.host, ws.scope['type']]
    return Div(f'{msg} {room} {level} ', ' '.join(seen), id='out', hx_swap_oob='true')

serve()
