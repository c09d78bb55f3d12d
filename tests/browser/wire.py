"""A server that speaks the wire of recovery as a test tells it to: it holds sockets, sends frames, drops lines, and remembers what it was sent.

Its pages carry a policy without 'unsafe-inline' and without 'unsafe-eval', so every test with it is a test of that too."""
import asyncio, json
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote

from fasthtml.core import htmx4src, htmx_exts, htmxsrc
from fasthtml.common import to_xml

from .kit import here, until

source = (here.parent.parent/'fasthtml_ws'/'client.js').read_text()
script = '/app/fasthtml_ws/client.0123abcd.js'
csp = "default-src 'self'; script-src 'self' https://cdn.jsdelivr.net; img-src data:; object-src 'none'; base-uri 'none'"


@dataclass
class Line:
    "One connection of a page, as the server sees it"
    server:object
    scope:dict
    out:asyncio.Queue = field(default_factory=asyncio.Queue)
    got:list = field(default_factory=list) # Text frames that came
    code:int|None = None # Set when the connection has ended
    peer:object = None # Its transport

    @property
    def query(self): return parse_qs(self.scope['query_string'].decode())

    @property
    def path(self): return self.scope['path']

    @property
    def at(self):
        "CLIENT, POSITION and TOKEN that the page named"
        found = [o for o in self.scope['query_string'].decode().split('&') if o.startswith('ws-at=')]
        return unquote(found[-1][6:]).split('~') if found else None

    def put(self, msg): self.server.loop.call_soon_threadsafe(self.out.put_nowait, msg)
    def send(self, text): self.put({'type': 'websocket.send', 'text': text})
    def say(self, **kw): self.send(f'<!--ws {json.dumps(kw)}-->')
    def hello(self, **kw): self.say(**(dict(hello=1, beat=self.server.beat, acked=0, recovered=None) | kw))
    def close(self, code, reason=''): self.put({'type': 'websocket.close', 'code': code, 'reason': reason})

    def cut(self):
        "End the connection with no close frame"
        ports = {c.transport.get_extra_info('peername')[1]: c for c in self.server.conns()}
        self.server.loop.call_soon_threadsafe(ports[self.scope['client'][1]].transport.abort)

    def wait(self, n):
        "Wait until `n` messages have come, and return them"
        until(lambda: len(self.got)>=n, f'{n} messages')
        return self.got

    @property
    def open(self): return self.code is None


class Wire:
    "Serves one page, the script, and sockets below `/ws`"
    def __init__(self, web, body='', cursor='first', auto=True, beat=18, head='', late=''):
        self.htmx, self.body, self.auto, self.head, self.late = web.htmx, body or owner(cursor=cursor), auto, head, late
        self.beat, self.lines, self.posts, self.gets, self.down = beat, [], [], 0, False
        self.headers, self.pages = {}, {}
        self.url = web.serve(self.app, interface='asgi3')
        self.uvicorn = web.servers[-1].server

    def conns(self): return [o for o in self.uvicorn.server_state.connections if o.transport]

    def line(self, n, who=None):
        "The `n`th connection (from 1), of those to the path `who` if given, as soon as there is one"
        mine = lambda: [o for o in self.lines if who is None or o.path==who]
        until(lambda: len(mine())>=n, f'connection {n}')
        return mine()[n-1]

    def page(self, body):
        ext = htmx_exts['ws4' if self.htmx==4 else 'ws']
        conf = dict(metaCharacter='-', includeIndicatorCSS=False) if self.htmx==4 else dict(includeIndicatorStyles=False, historyCacheSize=10)
        return f'''<!doctype html><html><head><title>Wire</title><link rel="icon" href="data:,">
            <meta name="htmx-config" content='{json.dumps(conf)}'>{to_xml(htmx4src if self.htmx==4 else htmxsrc)}
            {self.head}<script src="{script}"></script><script src="{ext}"></script>{self.late}</head>{body if body.startswith('<body') else f'<body>{body}</body>'}</html>'''

    async def app(self, scope, receive, send):
        if scope['type']=='lifespan': return await self.lifespan(receive, send)
        self.loop = asyncio.get_running_loop()
        await (self.http if scope['type']=='http' else self.socket)(scope, receive, send)

    async def lifespan(self, receive, send):
        while (kind := (await receive())['type'])!='lifespan.shutdown': await send({'type': kind+'.complete'})
        await send({'type': 'lifespan.shutdown.complete'})

    async def http(self, scope, receive, send):
        path,kind,status,headers = scope['path'],'text/html',200,{}
        if path==script: body,kind = source,'text/javascript'
        elif path=='/app/fasthtml_ws/session':
            sent = (await receive())['body'].decode()
            self.posts.append((scope['method'], sent))
            body = 'ok'
        elif path in self.pages: body = self.pages[path]
        elif path=='/':
            self.gets += 1
            res = self.body(self.gets) if callable(self.body) else self.body
            status,body = (res,'') if isinstance(res, int) else (200,self.page(res))
            headers = self.headers
        else: status,body = 404,''
        headers = {'content-type': kind+'; charset=utf-8', 'content-security-policy': csp} | headers
        await send({'type': 'http.response.start', 'status': status, 'headers': [(k.encode(), v.encode()) for k,v in headers.items()]})
        await send({'type': 'http.response.body', 'body': body.encode()})

    async def socket(self, scope, receive, send):
        await receive()
        if self.down: return await send({'type': 'websocket.close'})
        await send({'type': 'websocket.accept'})
        line = Line(self, scope)
        self.lines.append(line)
        if self.auto: line.hello()
        async def write():
            while True:
                msg = await line.out.get()
                await send(msg)
                if msg['type']=='websocket.close': return
        writer = asyncio.create_task(write())
        while (msg := await receive())['type']=='websocket.receive': line.got.append(msg['text'])
        line.code = msg.get('code', 1005)
        writer.cancel()


def owner(inner='', url='/ws', cursor='first', id='owner', attrs=''):
    "An owner of both versions of htmx, with a form that sends, and a log"
    ident = f' id="{id}"' if id else ''
    mark = f' ws-cursor="{cursor}"' if cursor else ''
    return f'''<div{ident} hx-ext="ws" ws-connect="{url}"{mark} {attrs}>{inner or form()}</div>'''


def form(id='form'): return f'<div id="log"></div><form id="{id}" ws-send><input id="msg" name="msg"></form>'


def frame(text, position, id='log', swap='beforeend'): return f'<div hx-swap-oob="{swap}:#{id}">{text}</div><!--ws {position}-->'
