"htmx 4's own JSON envelope: `target`, `swap` and the HTML as `content` (or `payload`, its old name)."
import json
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', hx_ws_send=True)
    return Titled('Envelope', Div(Div(Ul(id='items'), Div(id='status'), id='out'), form, hx_ws_connect='/ws'))

@app.ws('/ws')
async def ws(msg:str, send):
    await send(json.dumps(dict(target='#items', swap='beforeend', content=f'<li>{msg} by content</li>')))
    await send(json.dumps(dict(target='#items', swap='beforeend', payload=to_xml(Li(f'{msg} by payload')))))
    await send(json.dumps(dict(target='#status', swap='innerHTML', content='<b>two items</b>')))

serve()
