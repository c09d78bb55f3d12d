"""One message through payload, binding and render, ours against stock FastHTML in the same process.

Both sides get the same frame and the same handler. Each round times stock and then ours, so that a machine that slows down slows both; the
numbers are medians over the rounds, and the ratio is the median of the rounds' own ratios.
"""
import asyncio, gc, json
from statistics import median
from timeit import Timer

import fasthtml.core as stock
from fasthtml.common import Div
from starlette.websockets import WebSocket, WebSocketState

from bench import Run
from fasthtml_ws.common import FastHTML
from fasthtml_ws.payload import parse_payload

what = 'one message through payload, binding and render: stock FastHTML and ours'
at_least = 20
bar = f'binding at least {at_least} times cheaper than stock for `async def ws(msg:str, send)`, in every run'
more_is_better = True
runs = 5

text = '{"msg":"Hello, world","HEADERS":{"HX-Request":"true","HX-Trigger":"form","HX-Trigger-Name":null,"HX-Target":"form","HX-Current-URL":"http://localhost:5001/"}}'
headers = [(b'host', b'localhost:5001'), (b'origin', b'http://localhost:5001'), (b'user-agent', b'Mozilla/5.0'), (b'cookie', b'session_=eyJuYW1lIjoiQW5uIn0.x.y')]


async def ws(msg:str, send): await send(Div('Hello ' + msg, id='notifications'))

app = FastHTML(secret_key='x')
app.ws('/ws')(ws)
route = next(r for r in app.routes if r.path == '/ws').endpoint
endpoint = stock._ws_endp(ws)


def scope(app):
    return {'type': 'websocket', 'path': '/ws', 'raw_path': b'/ws', 'query_string': b'', 'headers': headers, 'path_params': {}, 'session': {}, 'app': app,
            'scheme': 'ws', 'server': ('127.0.0.1', 1), 'client': ('127.0.0.1', 2), 'subprotocols': [], 'root_path': '', 'extensions': {}}

async def nowhere(message): "Where a server would be"

def now(coro):
    "Result of a coroutine that never has to wait"
    try: coro.send(None)
    except StopIteration as e: return e.value
    raise AssertionError('it waited')


class Receive:
    "`n` messages, then a goodbye when all are answered"
    def __init__(self, n): self.n,self.sent,self.all = n,-1,asyncio.Event()
    async def __call__(self):
        self.sent += 1
        if not self.sent: return {'type': 'websocket.connect'}
        if self.sent <= self.n: return {'type': 'websocket.receive', 'text': text}
        await self.all.wait()
        return {'type': 'websocket.disconnect', 'code': 1000}
    async def send(self, message):
        if message['type'] == 'websocket.send': self.n_answers = getattr(self, 'n_answers', 0) + 1
        if getattr(self, 'n_answers', 0) == self.n: self.all.set()


def whole(asgi, n):
    "Seconds for each of `n` messages of one connection, from the server's `receive` to its `send`"
    async def main():
        r,loop = Receive(n),asyncio.get_running_loop()
        t = loop.time()
        await asgi(scope(app), r, r.send)
        assert r.n_answers == n
        return (loop.time()-t)/n
    return asyncio.run(main())


def timed(f, n): return Timer(f).timeit(n)/n

async def parts():
    "Name -> what stock does, what we do; none of them waits"
    from fasthtml_ws.connection import Connection
    conn = Connection(scope(app), nowhere, nowhere, route)
    conn.writer.status = type(conn.writer.status).open
    sock = WebSocket(scope(app), nowhere, nowhere)
    sock.client_state = sock.application_state = WebSocketState.CONNECTED
    payload,shown = parse_payload(text),Div('Hello, world', id='notifications')
    plan = route.recv.plan
    bound,expected = plan(conn, payload),now(stock._wrap_ws(sock, json.loads(text), stock._params(ws)))
    assert bound['msg'] == expected['msg'] == 'Hello, world' and bound.keys() == expected.keys()
    return {'payload': (lambda: json.loads(text), lambda: parse_payload(text)),
            'binding': (lambda: now(stock._wrap_ws(sock, dict(data), stock._params(ws))), lambda: plan(conn, payload)),
            'render': (lambda: now(stock._send_ws(sock, shown)), lambda: conn.send_html(shown))}

data = json.loads(text)


def measure(rounds=25, n=1000)->dict[str,tuple[float,float,float]]:
    "Name -> microseconds of stock, of ours, and stock/ours"
    async def main():
        # `stock` copies the message because its `_wrap_ws` may change it; the copy is 0.1 us of its time
        return {k: [(timed(a, n), timed(b, n)) for _ in range(rounds)] for k,(a,b) in (await parts()).items()}
    gc.collect(); gc.disable()
    try:
        res = asyncio.run(main())
        res['all'] = [(whole(lambda s,r,w: endpoint(s, r, w), n), whole(route, n)) for _ in range(rounds)]
    finally: gc.enable()
    return {k: (median(a for a,_ in ts)*1e6, median(b for _,b in ts)*1e6, median(a/b for a,b in ts)) for k,ts in res.items()}


def main(out):
    out(f'{"us a message":14}{"stock":>10}{"ours":>10}{"stock/ours":>12}')
    for k,(a,b,r) in measure().items(): out(f'{k:14}{a:10.2f}{b:10.2f}{r:12.1f}')
    out('\npayload: text to fields (ours checks depth, size and Unicode); binding: fields to arguments; render: FT to the server\'s `send`')
    out('(ours as htmx needs it); all: from the server\'s `receive` to its `send`, the handler and its `Div` included.')


def run(seed)->Run:
    a,b,r = measure()['binding']
    return Run(r, r >= at_least, f'binding {r:.1f} times cheaper ({a:.2f} us and {b:.2f} us)')
