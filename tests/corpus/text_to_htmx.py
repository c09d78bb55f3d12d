"Plain text, as a status report, sent to an htmx page before and after an element with a place of its own."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Status', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

async def on_conn(send): await send('session configured')

@app.ws('/ws', conn=on_conn)
async def ws(msg:str, send):
    await send(Div(f'asked {msg}', id='out', hx_swap_oob='true'))
    await send('sent')

serve()
