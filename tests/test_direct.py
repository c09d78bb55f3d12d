"""Connections that the server calls, with no task of their own: only where nothing stands around the route that would notice, and with the same story as in a task.

Under uvicorn's own class everything runs in a task. So each case here runs under both, and what the client gets, what the handlers see and in which order it happens has to be the same.
"""
import asyncio, contextvars, gc, re, threading, time, weakref

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount, Router

from fasthtml_ws.server import Cork
from tests.kit import *
from tests.test_frames import TEXT, client_frame

ours,theirs = 'fasthtml_ws.server:WebSocketProtocol','websockets-sansio'
var = contextvars.ContextVar('var', default='unset')
story:list[str] = [] # of the case that runs


class Around:
    "ASGI middleware"
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send): await self.app(scope, receive, send)

class HasFinally(Around):
    async def __call__(self, scope, receive, send):
        try: await self.app(scope, receive, send)
        finally:
            if scope['type']=='websocket': story.append('finally')

class SetsVar(Around):
    async def __call__(self, scope, receive, send):
        token = var.set('of the middleware')
        try: await self.app(scope, receive, send)
        finally: var.reset(token)

class WrapsSend(Around):
    async def __call__(self, scope, receive, send):
        async def loud(m): await send(m | {'text':m['text'].upper()} if m.get('text') else m)
        await self.app(scope, receive, loud if scope['type']=='websocket' else send)

class WrapsReceive(Around):
    async def __call__(self, scope, receive, send):
        async def heard():
            m = await receive()
            if 'text' in m: story.append('heard')
            return m
        await self.app(scope, heard if scope['type']=='websocket' else receive, send)

class Subclass(SessionMiddleware):
    async def __call__(self, scope, receive, send):
        await super().__call__(scope, receive, send)
        if scope['type']=='websocket': story.append('after')

class Hides:
    "Keeps what it wraps where nobody looks"
    def __init__(self, app): self.inner = app
    async def __call__(self, scope, receive, send):
        await self.inner(scope, receive, send)
        if scope['type']=='websocket': story.append('after')

class Dispatches(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next): return await call_next(request)


def app_of(web, middleware=(), route=()):
    "An app whose route is the same in all cases"
    async def ws(msg:str, send):
        story.append(f'{msg} {var.get()}')
        await send(f'<p>{msg} of {var.get()}</p>')
    app = web.lib.FastHTML(secret_key='x', middleware=[Middleware(o, **kw) for o,kw in middleware])
    app.ws('/ws', conn=lambda send: send('<p>welcome</p>'), disconn=lambda: story.append('disconn'), middleware=[Middleware(o) for o in route] or None)(ws)
    return app

def mounted(app, path='', **kw): return Starlette(routes=[Mount(path or '/', app=app)], lifespan=app.router.lifespan_context, **kw)

cases = {
    'nothing': (True, lambda w: app_of(w)),
    "Starlette's": (True, lambda w: app_of(w, [(CORSMiddleware, {}), (GZipMiddleware, {}), (TrustedHostMiddleware, dict(allowed_hosts=['*'])), (Dispatches, {})])),
    'mounted': (True, lambda w: mounted(app_of(w))),
    'a finally': (False, lambda w: app_of(w, [(HasFinally, {})])),
    'a contextvar': (False, lambda w: app_of(w, [(SetsVar, {})])),
    'send is wrapped': (False, lambda w: app_of(w, [(WrapsSend, {})])),
    'receive is wrapped': (False, lambda w: app_of(w, [(WrapsReceive, {})])),
    'a subclass of a known one': (False, lambda w: app_of(w, [(Subclass, dict(secret_key='y'))])),
    'one that hides what it wraps': (False, lambda w: app_of(w, [(Hides, {})])),
    'around the route': (False, lambda w: app_of(w, route=[HasFinally])),
    'around the app': (False, lambda w: HasFinally(app_of(w))),
    'around a mount': (False, lambda w: Starlette(routes=[Mount('/', app=HasFinally(a := app_of(w)))], lifespan=a.router.lifespan_context)),
    'a router with middleware': (False, lambda w: Starlette(routes=[Mount('/', app=Router(routes=(a := app_of(w)).routes, middleware=[Middleware(HasFinally)]))], lifespan=a.router.lifespan_context)),
    'a function': (False, lambda w: _in_function(app_of(w))),
}

def _in_function(app):
    async def asgi(scope, receive, send):
        await app(scope, receive, send)
        if scope['type']=='websocket': story.append('after')
    return asgi


@pytest.mark.parametrize('case', cases)
def test_same_story(web, case):
    "Middleware that does anything while the socket is open, or after it, is there all the time"
    direct,make = cases[case]
    told = {}
    for cls in (ours, theirs):
        story.clear()
        web.serve(make(web), ws=cls)
        c = web.connect()
        for m in 'one','two': c.send(msg=m)
        got = [c.recv() for _ in range(3)]
        tasks = [o for o in web.servers[-1].run(_running()) if 'run_asgi' in o]
        assert bool(tasks)==(cls==theirs or not direct)
        c.leave()
        until(lambda: 'disconn' in story and (direct or len(story)>2))
        web.stop()
        told[cls] = got,list(story)
        web.clients.clear(); web.servers.clear()
    assert told[ours]==told[theirs]

async def _running(): return [o.get_coro().__qualname__ for o in asyncio.all_tasks()]


def direct(web, **kw):
    "An app with one route, under our class"
    app = web.app(**kw.pop('policy', {}))
    web.serve(app, ws=ours, **kw)
    return app


def test_a_way_with_middleware_counts_for_all(web):
    "One app reached in two ways, one of them with a finally: nobody can know by which a client came"
    story.clear()
    app = app_of(web)
    web.serve(Starlette(routes=[Mount('/a', app=HasFinally(app)), Mount('/b', app=app)], lifespan=app.router.lifespan_context), ws=ours)
    for path in '/a/ws','/b/ws':
        c = web.connect(path)
        c.send(msg='hi'); c.recv(); c.recv()
        c.leave()
    until(lambda: story.count('disconn')==2 and 'finally' in story)


def test_an_idle_connection_has_no_task(web):
    app = direct(web)
    app.ws('/ws', conn=lambda ws: ws.subscribe('room'))(_quiet)
    s = web.servers[-1]
    for _ in range(20): web.connect()
    until(lambda: len(app.hub.members('room'))==20)
    until(lambda: s.run(_count())<=len(s.before)+2)
    s.run(_publish(app.hub))
    assert [c.recv() for c in web.clients]==['news']*20
    assert s.run(_count())<=len(s.before)+2

def _quiet(msg:str): pass
async def _count(): return len(asyncio.all_tasks())
async def _publish(hub): hub.publish('room', 'news')


@pytest.mark.parametrize('pieces', [1, 7, 4096])
def test_a_burst_in_order(web, pieces):
    "Hundreds of messages at once, cut anywhere: each is handled once, in order, and others get their turns meanwhile"
    app,got = direct(web),[]
    async def ws(n:int): got.append(n)
    app.ws('/ws')(ws)
    a,b = web.connect(),web.connect()
    data = b''.join(client_frame(TEXT, b'{"n":%d}' % i) for i in range(400))
    size = max(1, len(data)//pieces)
    for i in range(0, len(data), size): a.sock.sendall(data[i:i+size])
    until(lambda: len(got)==400)
    assert got==list(range(400))
    b.send(n=-1)
    until(lambda: got[-1]==-1)


def test_held_back_while_a_handler_is_slow(web):
    "What does not fit into the inbox stays in the kernel; when there is room again, it comes, and nothing is lost"
    app = direct(web, policy=dict(inbox_messages=3))
    gate,got = Gate(),[]
    async def ws(n:int):
        await gate.passed()
        got.append(n)
    app.ws('/ws')(ws)
    c = web.connect()
    for i in range(50): c.send(n=i)
    conn = until(lambda: next(iter(app.hub.connections), None))
    until(lambda: conn._early is not None and len(conn._jobs)==3)
    assert conn.received==5 # one is handled, three wait, one has come too early
    gate.set()
    until(lambda: len(got)==50)
    assert got==list(range(50))


def test_leaving_in_the_middle_of_a_burst(web):
    "What came before the goodbye is handled, then `disconn` runs, once"
    app,got = direct(web, policy=dict(inbox_messages=2)),[]
    async def ws(n:int):
        await asyncio.sleep(.001)
        got.append(n)
    app.ws('/ws', disconn=lambda: got.append('disconn'))(ws)
    c = web.connect()
    for i in range(30): c.send(n=i)
    c.leave()
    until(lambda: 'disconn' in got)
    assert got==[*range(30),'disconn']


def test_closing_in_the_middle_of_a_burst(web):
    "The rest of the burst is read and dropped, so that the client's answer is seen"
    app,got = direct(web),[]
    async def ws(n:int, ws):
        got.append(n)
        if n==1: ws.close(4000)
    app.ws('/ws')(ws)
    c = web.connect()
    c.sock.sendall(b''.join(client_frame(TEXT, b'{"n":%d}' % i) for i in range(50)))
    assert c.closed().code==4000
    until(lambda: not web.servers[0].connections, 'the end of the line', 3)
    assert got==[0,1]


def test_the_server_waits_for_disconn(web):
    "A shutdown while `disconn` runs: it ends by itself, and the server after it"
    app,got,gate = direct(web),[],Gate()
    async def disconn():
        got.append('begins')
        await gate.passed()
        got.append('ends')
    app.ws('/ws', disconn=disconn)(_quiet)
    c = web.connect()
    until(lambda: app.hub.connections)
    c.leave()
    until(lambda: got)
    s = web.servers[-1]
    s.stop()
    s.thread.join(.3)
    assert s.thread.is_alive()
    gate.set()
    s.join()
    assert got==['begins','ends']


def test_nothing_is_left_of_it(web):
    "When the client has gone, the connection and the server's end go without the garbage collector"
    app,refs = direct(web),[]
    app.ws('/ws', conn=lambda ws: refs.append(weakref.ref(ws)))(_echo)
    c = web.connect()
    c.send(msg='hi'); c.recv()
    gc.collect(); gc.disable()
    try:
        c.leave()
        until(lambda: refs[0]() is None, 'the end of the connection')
    finally: gc.enable()

async def _echo(msg:str, send): await send(f'<p>{msg}</p>')


def test_what_waits_for_the_same_client_is_written_in_one_go(web, monkeypatch):
    "Five small publications at once to more clients than one slice has, and a large one, which goes alone; all in order"
    from fasthtml_ws.server import WebSocketProtocol
    write,sizes = WebSocketProtocol.write_frames,[]
    monkeypatch.setattr(WebSocketProtocol, 'write_frames', lambda p,data: (sizes.append(len(re.findall(rb'>\d\.<|x{5000}', data))), write(p, data))[1])
    app = direct(web)
    app.ws('/ws', conn=lambda ws: ws.subscribe('room'))(_quiet)
    for _ in range(150): web.connect(headers={'Origin':web.servers[0].url})
    until(lambda: len(app.hub.members('room'))==150)
    async def publish():
        for i in range(5): app.hub.publish('room', f'{i}.')
        app.hub.publish('room', 'x'*5000)
    sizes.clear()
    web.servers[0].run(publish())
    for c in web.clients:
        got = [c.recv() for _ in range(6)]
        assert [re.search(r'>(\d)\.<', o)[1] for o in got[:5]]==list('01234') and 'x'*5000 in got[5]
    assert sum(sizes)==900 and len(sizes)<700


def at_once(web, say):
    "Have the server find what all clients have said in one turn of its loop"
    held,go = threading.Event(),threading.Event()
    def hold(): held.set(); go.wait(wait_s)
    web.servers[-1].loop.call_soon_threadsafe(hold)
    assert held.wait(wait_s)
    for c in web.clients: say(c)
    go.set()

def test_answers_to_many_go_out_at_the_end_of_the_turn(web, monkeypatch):
    "In the order of the calls for each; several to one client in one write"
    flush,seen = Cork.flush,[]
    monkeypatch.setattr(Cork, 'longest', wait_s)
    monkeypatch.setattr(Cork, 'flush', lambda c: (seen.append((len(c.held), c._n)), flush(c))[1])
    app = direct(web)
    @app.ws('/ws')
    async def recv(msg:str, send): await send(f'<p>{msg} 1</p>'); await send(f'<p>{msg} 2</p>')
    for i in range(20): web.connect()
    for _ in range(5): # a handler that runs in a task, and a first answer that finds itself alone, are not held back
        seen.clear()
        at_once(web, lambda c: c.send(msg=str(id(c))))
        for c in web.clients: assert [c.recv() for _ in range(2)]==[f'<p>{id(c)} 1</p>', f'<p>{id(c)} 2</p>']
    assert max(seen)==(20, 40)


def test_no_answer_waits_for_the_slow_handlers_of_others(web, monkeypatch):
    "But for one: what the next will take is known to nobody"
    flush,seen = Cork.flush,[]
    monkeypatch.setattr(Cork, 'flush', lambda c: (seen.append(len(c.held)), flush(c))[1])
    app = direct(web)
    @app.ws('/ws')
    async def recv(secs:float): time.sleep(secs); return 'done'
    for i in range(20): web.connect()
    longest = Cork.longest
    def go(secs, longest):
        monkeypatch.setattr(Cork, 'longest', longest)
        seen.clear()
        at_once(web, lambda c: c.send(secs=secs))
        for c in web.clients: assert 'done' in c.recv()
        return max(seen, default=0)
    for _ in range(5): go(0, wait_s)
    assert go(.003, wait_s)==20
    assert go(.003, longest)<=2


def test_what_is_not_held_back_comes_behind_what_is(web):
    "Bytes, what is large, and a goodbye"
    app = direct(web)
    @app.ws('/ws')
    async def recv(msg:str, ws):
        ws.send_text('1')
        ws.send_bytes(b'2')
        ws.send_text('3')
        ws.send_text('4'*50_000)
        ws.send_text('5')
        if msg=='leave': ws.close(4000, 'six')
    for _ in range(10): web.connect()
    def say(c):
        for _ in range(3): c.send(msg='stay')
        c.send(msg='leave')
    at_once(web, say)
    for c in web.clients:
        for _ in range(4): assert [c.recv() for _ in range(5)]==['1', b'2', '3', '4'*50_000, '5']
        assert (c.closed().code, c.closed().reason)==(4000, 'six')


def test_little_is_held_back(web, monkeypatch):
    write,most = Cork.write,[0]
    def watch(c, *args):
        write(c, *args)
        most[0] = max(most[0], sum(map(len, c.held.values())))
    monkeypatch.setattr(Cork, 'write', watch)
    monkeypatch.setattr(Cork, 'longest', wait_s)
    app = direct(web)
    @app.ws('/ws')
    async def recv(msg:str, send):
        for i in range(1_000 if msg=='many' else 1): send(f'<p>{i} {"x"*100}</p>')
    for _ in range(3): web.connect()
    for _ in range(5):
        at_once(web, lambda c: c.send(msg='one'))
        for c in web.clients: c.recv()
    at_once(web, lambda c: c.send(msg='many'))
    for c in web.clients: assert [int(c.recv()[3:].split()[0]) for _ in range(1_000)]==list(range(1_000))
    assert 1_000 < most[0] <= Cork.most_bytes


@pytest.mark.parametrize('work', [0, .001])
def test_messages_that_come_together_share_a_turn_while_they_are_quick(web, work):
    "Past a fifth of a millisecond the others have theirs"
    app,seen = direct(web),[]
    @app.ws('/ws')
    async def recv(n:int):
        seen.append('message')
        asyncio.get_running_loop().call_soon(seen.append, 'turn')
        if work: time.sleep(work)
        if n: return 'last'
    c = web.connect()
    c.sock.sendall(b''.join(client_frame(TEXT, b'{"n":%d}' % (i==99)) for i in range(100)))
    assert c.recv().strip()=='last' and seen.count('message')==100
    rows = [len(o) for o in ' '.join(seen).replace('turn', '|').replace('message', 'm').replace(' ', '').split('|') if o]
    assert max(rows[2:])==1 and max(rows)<=3 if work else max(rows)>1, rows # the first few end what a task has begun


def test_thousands_may_hang_up_at_once(web, monkeypatch):
    "Their lines are let go some in each turn of the loop, though the server hears of all in one"
    from fasthtml_ws.server import WebSocketProtocol
    lost,seen = WebSocketProtocol.connection_lost,[]
    monkeypatch.setattr(WebSocketProtocol, 'connection_lost', lambda p,e: (seen.append('lost'), lost(p, e))[1])
    app = direct(web)
    app.ws('/ws')(_quiet)
    clients = [web.connect() for _ in range(120)]
    until(lambda: len(app.hub.connections)==120)
    s = web.servers[0]
    def tick():
        seen.append('turn')
        if app.hub.connections: s.loop.call_soon(tick)
    def all_leave():
        for c in clients: c.sock.close()
        time.sleep(.05)
        tick()
    s.call(all_leave)
    until(lambda: not app.hub.connections)
    together = [len(o) for o in ' '.join(seen).replace('turn', '|').replace('lost', 'l').replace(' ', '').split('|')]
    assert seen.count('lost')==120 and max(together)<=50
