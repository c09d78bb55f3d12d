"""The servers that are examined: `python -m tests.conformance.echo APP WS FD` serves an app on a socket that listens already.

A route of ours takes JSON objects, and Autobahn sends any text. So a middleware of the route puts a name before what a text frame holds; all
that comes after it is what every app has: payload, binding, handler, outbox, writer. A binary frame goes to `/` as it came.
"""
import json, socket, sys
from base64 import b64decode, b64encode

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from fasthtml_ws.common import FastHTML, Policy


class Named:
    "Middleware of a route: a text frame becomes the field `text`, and with `binary` a binary frame the field `b64`"
    def __init__(self, app, binary=False): self.app,self.binary = app,binary

    async def __call__(self, scope, receive, send):
        async def named():
            m = await receive()
            if (text := m.get('text')) is not None: return m | {'text': json.dumps({'text':text}, ensure_ascii=False)}
            if self.binary and (data := m.get('bytes')) is not None: return {'type':m['type'], 'text':json.dumps({'b64':b64encode(data).decode()})}
            return m
        await self.app(scope, named, send)


def ours():
    "Text is echoed at `/`; at `/bytes` binary frames are, which a route does not take without that middleware"
    app = FastHTML(secret_key='x', policy=Policy(max_message=2**26)) # Autobahn's largest message has 16 MiB, and is not what is examined

    @app.ws('/', middleware=[Middleware(Named)])
    async def echo(text:str, ws): ws.send_text(text)

    @app.ws('/bytes', middleware=[Middleware(Named, binary=True)])
    async def echo_bytes(b64:str, ws): ws.send_bytes(b64decode(b64))

    return app


def starlette():
    "The control: the least that echoes"
    async def echo(ws):
        await ws.accept()
        try:
            while (m := await ws.receive())['type']=='websocket.receive': await ws.send(m | {'type':'websocket.send'})
        except WebSocketDisconnect: pass # it left before it had its answer
    return Starlette(routes=[WebSocketRoute('/', echo)])


def main(app:str, ws:str, fd:str):
    "uvicorn as it comes, with one of its websocket classes"
    config = uvicorn.Config({'ours':ours, 'starlette':starlette}[app](), ws=ws, log_level='warning')
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(fd))])


if __name__ == '__main__': main(*sys.argv[1:])
