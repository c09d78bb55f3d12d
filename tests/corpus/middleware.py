"ASGI middleware and `BaseHTTPMiddleware` around an app with a socket; the first writes into the scope of both."
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from fasthtml.common import *

class Stamp:
    def __init__(self, app, name): self.app, self.name = app, name
    async def __call__(self, scope, receive, send):
        if scope['type'] in ('http', 'websocket'): scope['stamp'] = f'{self.name} {scope["type"]}'
        await self.app(scope, receive, send)

class Header(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers['x-seen'] = 'yes'
        return response

app, rt = fast_app(exts='ws', middleware=[Middleware(Stamp, name='stamped'), Middleware(Header)])

@rt
def index(req):
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled(req.scope['stamp'], Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
async def ws(msg:str, scope): return Div(f'{msg}: {scope["stamp"]}', id='out', hx_swap_oob='true')

serve()
