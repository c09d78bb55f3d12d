"`app.ws(..., middleware=)`: middleware around one socket, which wraps what it sends too."
from starlette.middleware import Middleware
from fasthtml.common import *

class Loud:
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        async def loud(message):
            if message.get('text'): message['text'] = message['text'].replace('quiet', 'LOUD')
            await send(message)
        scope['loud'] = 'on'
        await self.app(scope, receive, loud)

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Loud', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws', middleware=[Middleware(Loud)])
async def ws(msg:str, ws): return Div(f'{msg} quiet {ws.scope["loud"]}', id='out', hx_swap_oob='true')

serve()
