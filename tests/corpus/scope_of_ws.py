"`conn` puts an id into `ws.scope` and into a hidden input of the page; the handler gets both."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Hidden(name='session_id', id='session-id', value='none'), Input(id='msg'), id='form', ws_send=True)
    return Titled('Bot', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

async def on_connect(ws, send):
    ws.scope['session_id'] = 'abc'
    await send(Hidden(name='session_id', id='session-id', value='abc', hx_swap_oob='true'))
    await send(Div('ready', id='out', hx_swap_oob='true'))

@app.ws('/ws', conn=on_connect)
async def ws(msg:str, session_id:str, ws, send):
    same = 'same' if ws.scope['session_id']==session_id else 'different'
    await send(Div(f'{msg} in {session_id}: {same}', id='out', hx_swap_oob='true'))

serve()
