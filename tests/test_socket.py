"What handlers get as `ws` and `send`: all that stock's do, and nothing that a handler does with them reaches the connection."
import asyncio, functools, gc, inspect, sys, time
from types import FunctionType, ModuleType

import anyio.from_thread, pytest
import fasthtml.common # noqa: F401, it adds a method to connections of Starlette
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from fasthtml_ws.client_socket import ClientSocket, late_sends
from tests.kit import *
from tests.kit import Web
from tests.script import *

# Names

def public(cls): return sorted(o for o in dir(cls) if not o.startswith('_'))

def settable(ws):
    "Public names of `ws` that stock's lets a handler set"
    stock = WebSocket({'type':'websocket', 'headers':[], 'path':'/'}, None, None)
    return [o for o in public(ClientSocket) if not (isinstance(getattr(WebSocket, o, None), property) and getattr(WebSocket, o).fset is None)] + [o for o in vars(stock) if not o.startswith('_')]

everything = {'scope', 'client_state', 'application_state', 'send', 'send_text', 'close', 'receive', 'topics', 'client_id', 'message_id', 'is_open', 'id', 'subscribe', 'spawn'}

def test_names_that_a_handler_sets_are_its_own(site):
    "All of them, in `conn`, and then a whole life with reconnect, topics, errors and `disconn`"
    app,seen,sockets = site.app(),[],[]
    def conn(ws, send):
        for o in settable(ws): setattr(ws, o, f'my {o}')
        for o in ('route', 'held', 'writer', 'line', 'taken', 'received', 'recovery', 'resume', 'nickname'): setattr(ws, o, f'my {o}')
        sockets.append((ws, send))
        app.hub.subscribe(ws, 'room')
        send('welcome')
    def disconn(ws, send): seen.append((ws.client_id, ws.id, ws.writer, bool(send('late'))))
    @app.ws('/ws', conn=conn, disconn=disconn)
    async def recv(n:int, ws, send, session, hub):
        session['n'] = n
        await send(f'{n} {ws.client_id} {ws.topics} {ws.line} {ws.nickname}')
        hub.publish('room', f'published {n}', exclude=ws)
        return f'answer {n}'
    site.serve(app)
    page = Script(site).open()
    other = Script(site).open()
    page.say(n=1); page.acks(1)
    page.say(n='x'); page.acks(2)
    while len(page.html)<4: page.read()
    assert page.html[:3]==['welcome', '1 my client_id my topics my line my nickname', 'answer 1'] and 'expected a whole number' in page.html[3]
    while 'published 1' not in str(other.html): other.read()
    assert everything <= set(settable(sockets[0][0]))
    page.drop()
    until(lambda: len(seen)==1)
    assert seen==[('my client_id', 'my id', 'my writer', False)]
    app.hub.publish('room', 'meanwhile')
    page.open()
    while 'meanwhile' not in str(page.html): page.read()
    assert page.hello['recovered'] is True
    page.say(n=3); page.acks(3)
    assert app.hub.members('room')==[o for o,_ in sockets[1:]]
    for o in (page, other): o.drop()
    until(lambda: len(seen)==3)
    site.stop()
    assert site.logged('session') # no page fetched its cookie here


def test_properties_that_stock_does_not_let_one_set(web):
    "Give the same AttributeError"
    ws = ClientSocket(type('Conn', (), dict(id=1, scope={'type':'websocket', 'headers':[], 'path':'/'})))
    fixed = [o for o in public(WebSocket) if isinstance(getattr(WebSocket, o), property)]
    assert {'headers', 'cookies', 'url', 'client', 'session', 'state'} <= set(fixed)
    for o in fixed:
        with pytest.raises(AttributeError): setattr(ws, o, 1)


# Starlette's WebSocket, name by name

def called(ws, name):
    "What stock's `name` does on an open connection, as far as a plain call shows it"
    v = getattr(ws, name)
    return type(v).__name__ if not callable(v) else 'method'

starlette_names = sorted({*public(WebSocket), 'scope', 'client_state', 'application_state'})
differs = {
    'accept': 'the connection is accepted before any handler runs; stock raises RuntimeError there as well',
    'send_denial_response': 'the handshake is over; a response that `before` returns refuses it',
}

def test_each_name_of_starlettes_is_there():
    "And a new one is noticed: it has to be in this list, with what it does here"
    tried = {'send':'test', 'send_text':'test', 'send_bytes':'test', 'send_json':'test', 'close':'test', 'receive':'test', 'receive_text':'test', 'receive_bytes':'test', 'receive_json':'test',
             'iter_text':'test', 'iter_bytes':'test', 'iter_json':'test', 'accept':'differs', 'send_denial_response':'differs', 'client_state':'state', 'application_state':'state',
             'scope':'scope', 'get':'mapping', 'items':'mapping', 'keys':'mapping', 'values':'mapping', 'app':'scope', 'auth':'scope', 'base_url':'scope', 'client':'scope', 'cookies':'scope', 'headers':'scope',
             'path_params':'scope', 'query_params':'scope', 'session':'scope', 'state':'scope', 'url':'scope', 'url_for':'scope', 'user':'scope', 'url_path_for':'scope'} # the last is FastHTML's
    assert starlette_names==sorted(tried) and differs.keys()=={k for k,v in tried.items() if v=='differs'}
    for o in starlette_names:
        if o in ('scope', 'client_state', 'application_state'): continue
        a,b = inspect.getattr_static(WebSocket, o),inspect.getattr_static(ClientSocket, o)
        assert type(a) is type(b)
        if inspect.isfunction(a) and o not in differs: assert list(inspect.signature(a).parameters)==list(inspect.signature(b).parameters), o


def reads(ws):
    "What the scope says, through each name that reads it"
    return {'get': ws.get('path'), 'items': 'path' in dict(ws.items()), 'keys': 'type' in list(ws.keys()), 'values': '/ws' in list(ws.values()), 'item': ws['type'], 'base_url': str(ws.base_url).partition(':')[0],
            'client': ws.client.host, 'cookies': ws.cookies.get('a'), 'headers': ws.headers['x-own'], 'path_params': ws.path_params, 'query_params': ws.query_params['q'], 'session': dict(ws.session),
            'state': bool(ws.state), 'url': ws.url.path, 'url_for': str(ws.url_for('there')).partition('/there')[1], 'app': ws.app is ws.scope['app'], 'states': (ws.client_state.name, ws.application_state.name), 'len': len(ws)>5}

def test_what_reads_the_scope_says_the_same_as_stock():
    "In `conn`, in a handler, and in `disconn`"
    def say(w, seen):
        app = w.app()
        app.get('/there', name='there')(lambda: '')
        app.ws('/ws', conn=lambda ws: seen.append(reads(ws)), disconn=lambda ws: seen.append({k:v for k,v in reads(ws).items() if k!='states'}))(lambda ws: seen.append(reads(ws)))
        w.serve(app)
        c = w.connect('/ws?q=1', headers={'Cookie':'a=b', 'X-Own':'mine'})
        c.send('{}')
        until(lambda: len(seen)==2)
        c.leave()
        until(lambda: len(seen)==3)
        w.end()
        return seen
    said = [say(Web(stock), []) for stock in (True, False)]
    assert said[0]==said[1]


@both
def test_what_sends_does_as_on_stock(kind):
    "Each in its order; `send_json` writes `<` as an escape, which is the same value"
    got = []
    for stock in (True, False):
        w = Web(stock)
        app = w.app()
        @app.ws('/ws')
        async def recv(ws, send):
            await ws.send({'type':'websocket.send', 'text':'1'})
            await ws.send({'type':'websocket.send', 'bytes':b'2'})
            await ws.send_text('3'); await ws.send_bytes(b'4'); await ws.send_json({'n':5}); await ws.send_json([6], mode='binary'); await send('7')
            for bad in ({'type':'websocket.accept'},):
                try: await ws.send(bad)
                except RuntimeError: await send('RuntimeError')
            try: await ws.send_json(1, mode='x')
            except RuntimeError: await send('RuntimeError')
            if kind=='sync': await ws.close(4001, 'bye')
            else: await ws.send({'type':'websocket.close', 'code':4001, 'reason':'bye'})
        w.serve(app)
        c = w.connect()
        c.send('{}')
        texts,end = c.all()
        got.append((texts, end.code, end.reason))
        w.end()
    assert got[0]==got[1]==(['1', b'2', '3', b'4', '{"n":5}', b'[6]', '7', 'RuntimeError', 'RuntimeError'], 4001, 'bye')


# `send`

def test_send_is_a_partial_as_on_stock(site):
    app,seen = site.app(),[]
    def conn(ws, send): seen.append((type(send), send.args==(ws,), send.keywords, inspect.signature(send).parameters.keys(), send.args[0].client.host)); send(resp='by name')
    @app.ws('/ws', conn=conn)
    async def recv(send, ws): await send(resp=f'{send.func.__name__} {send.args[0] is ws}')
    site.serve(app)
    c = site.connect()
    assert c.recv()=='by name'
    c.send('{}')
    assert c.recv()=='send_to True' and seen==[(functools.partial, True, {}, {'resp':0}.keys(), '127.0.0.1')]


def test_send_of_a_client_is_one_object(site):
    "So a set of them can be kept"
    app,sends = site.app(),set()
    app.ws('/ws', conn=lambda send: sends.add(send), disconn=lambda send: sends.remove(send))(lambda: None)
    site.serve(app)
    c = site.connect()
    until(lambda: sends)
    c.leave()
    until(lambda: not sends)


def test_plain_conn_may_wait(site):
    "In a thread, where it says that it waits; `disconn` as well"
    app,seen = site.app(),[]
    def say(send, text): anyio.from_thread.run(send, text)
    def conn(send):
        say(send, 'from a thread')
        asyncio.run(run(send))
        time.sleep(.01)
    async def run(send): await send('from another loop')
    def disconn(ws): time.sleep(.01); seen.append(anyio.from_thread.run_sync(lambda: ws.client_id))
    @app.ws('/ws', conn=conn, disconn=disconn)
    def recv(msg:str): return msg
    site.serve(app)
    c = site.connect()
    c.send(msg='a message')
    assert [c.recv() for _ in range(3)]==['from a thread', 'from another loop', 'a message']
    c.leave()
    until(lambda: seen)


# After the client has left

def test_nothing_is_rendered_for_a_client_that_left(site):
    app,sends,rendered = site.app(),[],[]
    class Board:
        def __ft__(self): rendered.append(1); return web_lib.Div('board')
    web_lib = site.lib
    app.ws('/ws', conn=lambda send: sends.append(send))(lambda: None)
    s = site.serve(app)
    c = site.connect()
    until(lambda: sends)
    assert s.call(lambda: bool(sends[0](Board()))) and rendered
    rendered.clear()
    c.leave()
    until(lambda: not app.hub.connections)
    assert not any(s.call(lambda: [bool(sends[0](Board())) for _ in range(late_sends)])) and not rendered
    assert len(site.logged('for a client that has left', 'forget its `send`'))==1


def kept_by(send):
    "Objects that `send` alone keeps: not those of the app, its routes and the modules"
    seen,todo = {},[send]
    while todo:
        o = todo.pop()
        if id(o) in seen or isinstance(o, (type, FunctionType, ModuleType)) or type(o).__name__ in ('Route', 'Hub', 'FastHTML'): continue
        seen[id(o)] = o
        todo += gc.get_referents(o)
    return seen.values()

def test_forgotten_send_keeps_little(site):
    "Whatever the connection had: headers, a session, topics"
    app,sends = site.app(),[]
    def conn(ws, send, session):
        session['long'] = 'x'*1000
        ws.subscribe(f'room:{len(sends)}')
        sends.append(send)
    @app.ws('/ws', conn=conn)
    async def recv(msg:str): return msg
    site.serve(app)
    c = site.connect('/ws?visit=1', headers={f'X-{i}':'x'*100 for i in range(20)})
    c.send(msg='hi'); c.recv()
    before = sum(map(sys.getsizeof, kept_by(sends[0])))
    c.leave()
    until(lambda: not app.hub.connections)
    site.logged('session')
    assert sum(map(sys.getsizeof, kept_by(sends[0]))) < 1_500 < 5_000 < before
    ws = sends[0].args[0]
    with pytest.raises(KeyError, match='of a connection that has ended'): ws.headers
    assert ws.client.host=='127.0.0.1' and ws.client_state is WebSocketState.DISCONNECTED and ws.topics==[] and ws.query_params['visit']=='1'


@pytest.mark.parametrize('where', ['conn', 'handler', 'thread'])
def test_task_of_a_client_ends_with_it(site, where):
    app,tasks,gate = site.app(),[],Gate()
    async def clock(send):
        await send('tick')
        await gate.passed()
        while True: await send('tick'); await asyncio.sleep(60)
    def in_thread(send):
        send('tick'); gate.wait()
        while True: send('tick'); time.sleep(60)
    async def start(send): tasks.append(asyncio.create_task(clock(send) if where!='thread' else asyncio.to_thread(in_thread, send)))
    async def recv(msg:str, send): await start(send)
    app.ws('/ws', conn=None if where=='handler' else start)(recv)
    site.serve(app)
    c = site.connect()
    if where=='handler': c.send(msg='start')
    assert c.recv()=='tick'
    c.reset()
    until(lambda: not app.hub.connections)
    gate.set()
    until(lambda: tasks[0].done())
    assert isinstance(tasks[0].exception(), site.lib.Disconnected) and issubclass(site.lib.Disconnected, WebSocketDisconnect)


def test_task_that_serves_others_goes_on(site):
    "Started by the first client, it sends to all; the answers of `send` say who has left"
    app,sends,answers,tasks,stop = site.app(),[],[],[],Gate()
    async def loop():
        while not stop.is_set():
            answers[:] = [bool(await o('tick')) for o in sends]
            await asyncio.sleep(.002)
    async def conn(send):
        sends.append(send)
        if not tasks: tasks.append(asyncio.create_task(loop()))
    app.ws('/ws', conn=conn)(lambda: None)
    site.serve(app)
    a,b = site.connect(),site.connect()
    until(lambda: answers==[True, True])
    a.reset()
    until(lambda: answers==[False, True])
    until(lambda: len(app.hub.connections)==1)
    n = len(sends)
    assert b.recv()=='tick'
    until(lambda: site.logged('for a client that has left'))
    assert not tasks[0].done() and n==2
    stop.set()
    until(lambda: tasks[0].done())


def test_handler_that_broadcasts_marks_no_task_that_it_starts(site):
    app,sends,tasks,gate = site.app(),[],[],Gate()
    async def clock(send):
        await gate.passed()
        await send('tick')
    @app.ws('/ws', conn=lambda send: sends.append(send))
    async def recv(send):
        for o in sends: await o('to all')
        tasks.append(asyncio.create_task(clock(send)))
    site.serve(app)
    a,b = site.connect(),site.connect()
    until(lambda: len(sends)==2)
    a.send('{}')
    assert a.recv()==b.recv()=='to all'
    until(lambda: tasks)
    a.reset()
    until(lambda: len(app.hub.connections)==1)
    gate.set()
    until(lambda: tasks[0].done())
    assert isinstance(tasks[0].exception(), site.lib.Disconnected)


def test_policy_names_what_is_deprecated(web):
    with pytest.warns(DeprecationWarning, match='sends_after_leave'): web.lib.Policy(sends_after_leave=7)
