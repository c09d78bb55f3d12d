"An endpoint class runs as Starlette's does, behind the same gate and limits as a handler, and says once what it lacks."
import json, time

import pytest
from starlette.endpoints import WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import fasthtml.common as stock_common
from tests.kit import *

servers = pytest.mark.parametrize('ws', ['auto', 'wsproto', 'fasthtml_ws.server:WebSocketProtocol'], ids=['uvicorn', 'wsproto', 'ours'])
lacks = 'an endpoint class sends and receives by itself'


def make(seen, base=WebSocketEndpoint, **attrs):
    "A class that notes what happens, and answers"
    class Echo(base):
        encoding = 'text'
        async def on_connect(self, websocket):
            seen.append(('connect', websocket.scope.get('auth')))
            await websocket.accept()
        async def on_receive(self, websocket, data): await websocket.send_text(f'got {data!r}')
        async def on_disconnect(self, websocket, close_code): seen.append(('disconnect', close_code))
    for k,v in attrs.items(): setattr(Echo, k, v)
    return Echo

class LooksLike:
    "Not a subclass: awaitable, made of scope, receive and send"
    def __init__(self, scope, receive, send): self.scope,self.receive,self.send = scope,receive,send
    def __await__(self): return self.dispatch().__await__()
    async def dispatch(self):
        ws = WebSocket(self.scope, self.receive, self.send)
        await ws.accept()
        try:
            while True: await ws.send_text('looks like it: ' + await ws.receive_text())
        except WebSocketDisconnect: pass


def app_with(web, cls, path='/ws', before=(), policy=None, **kw):
    app = web.lib.FastHTML(secret_key='for tests', before=before, policy=web.lib.Policy(**(policy or {})))
    app.add_websocket_route(path, cls, **kw)
    assert len(web.logged(lacks)) == 1
    return app

def seen_last(seen, what):
    until(lambda: seen and seen[-1][0] == what, what)
    return seen[-1][1]


# As on Starlette

ways = {
    'add_websocket_route': lambda web, app, cls: app.add_websocket_route('/ws', cls),
    'ws': lambda web, app, cls: app.ws('/ws')(cls),
    'router': lambda web, app, cls: (ar := web.lib.APIRouter(), ar.ws('/ws')(cls), ar.to_app(app)),
    'stock router': lambda web, app, cls: (ar := stock_common.APIRouter(), ar.ws('/ws')(cls), ar.to_app(app)),
}

@pytest.mark.parametrize('way', ways.values(), ids=ways)
def test_every_way_in(web, way):
    seen,app = [],web.app()
    way(web, app, make(seen))
    assert len(web.logged('WARNING', lacks, '/ws', 'Echo', 'app.ws')) == 1
    web.serve(app)
    c = web.connect()
    c.send('not JSON')
    assert c.recv() == "got 'not JSON'"
    c.leave(1001)
    assert seen_last(seen, 'disconnect') == 1001 and seen == [('connect', None), ('disconnect', 1001)]


def test_a_stock_app_that_gets_a_hub(web):
    seen,app = [],stock_common.FastHTML(secret_key='for tests')
    app.add_websocket_route('/ws', make(seen))
    web.lib.Hub(app)
    assert len(web.logged(lacks)) == 1
    web.serve(app)
    with web.connect() as c:
        c.send('a')
        assert c.recv() == "got 'a'"
    assert seen_last(seen, 'disconnect')


@servers
@pytest.mark.parametrize('encoding,sent,got', [('text', 'a', "got 'a'"), ('json', '{"a":[1]}', "got {'a': [1]}"), ('bytes', b'\x00\xff', "got b'\\x00\\xff'"), (None, 'a', "got 'a'"), (None, b'a', "got b'a'")], ids=str)
def test_encodings(web, ws, encoding, sent, got):
    "Binary ones too"
    web.options['ws'] = ws
    web.serve(app_with(web, make([], encoding=encoding)))
    c = web.connect()
    c.send(sent)
    assert c.recv() == got


def test_looks_like_one(web):
    web.serve(app_with(web, LooksLike))
    c = web.connect()
    c.send('a')
    assert c.recv() == 'looks like it: a'


def test_other_classes_handle_messages(web):
    "As on stock: one is made for each message"
    app = web.app()
    class Made:
        def __init__(self, msg:str): self.msg = msg
        def __ft__(self): return web.lib.P(self.msg)
    app.ws('/ws')(Made)
    web.serve(app)
    c = web.connect()
    c.send(msg='hi')
    assert '<p>hi</p>' in c.recv()


def test_name_path_and_middleware(web):
    class Tag:
        def __init__(self, app): self.app = app
        async def __call__(self, scope, receive, send):
            scope['tag'] = 'tagged'
            await self.app(scope, receive, send)
    async def on_receive(self, ws, data): await ws.send_json([ws.path_params, ws.scope['tag'], ws.query_params['q'], ws.headers['x-mine'], ws.url.path])
    app = app_with(web, make([], on_receive=on_receive), '/{room}/{n:int}', name='talk', middleware=[Middleware(Tag)])
    assert app.url_path_for('talk', room='tea', n=7) == '/tea/7'
    web.serve(app)
    c = web.connect('/tea/7?q=x', headers={'X-Mine': 'y'})
    c.send('a')
    assert json.loads(c.recv()) == [{'room': 'tea', 'n': 7}, 'tagged', 'x', 'y', '/tea/7']


def test_other_handlers_are_named(web):
    "`conn` and the like belong to functions; a class has methods of its own"
    app = web.app()
    app.ws('/ws', conn=lambda ws: 1, error=lambda error: 2)(make([]))
    assert len(web.logged(lacks, '`conn` and `error`')) == 1


def test_unknown_keyword(web):
    with pytest.raises(TypeError): web.app().ws('/ws', polcy=None)(make([]))


@servers
def test_a_class_that_fails(web, ws):
    "Logged by the server, closed, and counted no more"
    web.options['ws'] = ws
    seen = []
    async def on_receive(self, ws, data): raise RuntimeError('oops')
    web.serve(app_with(web, make(seen, on_receive=on_receive), policy=dict(connections=1)))
    for _ in range(2):
        c = web.connect()
        c.send('a')
        assert c.closed().code in (1000, 1006, 1011)
        until(lambda: web.logged('oops'), 'the log')
        assert seen_last(seen, 'disconnect') == 1011


# The gate

def attempt(web, **headers):
    "How it ends: None if it is open, or status or close code"
    try: c = web.connect(headers=headers)
    except InvalidStatus as e: return e.response.status_code
    try: c.ping()
    except Closed as e: return e.code
    return None

def test_origin(web):
    seen = []
    s = web.serve(app_with(web, make(seen)))
    assert attempt(web, Origin='http://evil.example') == 4403 and not seen and web.logged('4403')
    assert attempt(web, Origin=s.url) is None and seen == [('connect', None)]


def test_origins_of_the_policy(web):
    app,seen = web.app(),[]
    app.ws('/ws', policy=web.lib.Policy(origins=['https://friend.example']))(make(seen))
    assert web.logged(lacks)
    web.serve(app)
    assert attempt(web, Origin='https://friend.example') is None and seen


def test_before(web):
    "Asked before anything of the class runs; what it leaves in the scope is there"
    seen = []
    def check(req, sess):
        req.scope['auth'] = req.headers.get('x-user')
        if not req.scope['auth']: return stock_common.RedirectResponse('/login', 303)
    s = web.serve(app_with(web, make(seen), before=check))
    assert attempt(web) == 303 and attempt(web, Origin=s.url) == 4401 and not seen
    assert attempt(web, **{'X-User': 'ann'}) is None and seen == [('connect', 'ann')]


def test_before_of_the_route(web):
    app,seen = web.app(),[]
    app.ws('/ws', before=lambda: 'no')(make(seen))
    assert web.logged(lacks)
    web.serve(app)
    assert attempt(web) == 200 and not seen


def test_cookie_of_the_session(web):
    "What `before` wrote goes out with the answer to the handshake"
    def check(sess): sess['n'] = 1
    s = web.serve(app_with(web, make([]), before=check))
    with connect(s.url.replace('http', 'ws')+'/ws') as c: assert 'session_=' in c.response.headers['set-cookie']


@pytest.mark.parametrize('policy,status', [(dict(connections=2), 503), (dict(connections_per_user=2), 429), (dict(connections_per_address=2), 429)], ids=str)
def test_connection_limits(web, policy, status):
    "They count with those of handlers, and come back when one leaves"
    seen = []
    def check(req): req.scope['auth'] = 'ann'
    app = app_with(web, make(seen), before=check, policy=policy)
    app.ws('/other')(lambda: None)
    web.serve(app)
    a,b = web.connect(),web.connect('/other')
    a.ping(), b.ping()
    assert attempt(web) == status and web.logged('no room')
    a.leave()
    seen_last(seen, 'disconnect')
    until(lambda: len(app.hub.census) < 3 or app.hub.census['all',] == 1, 'a free place')
    assert attempt(web) is None


def test_user_of_the_policy(web):
    app = app_with(web, make([]), policy=dict(user=lambda ws: ws.query_params['name'], connections_per_user=1))
    web.serve(app)
    web.connect('/ws?name=a').ping()
    web.connect('/ws?name=b').ping()
    with pytest.raises(InvalidStatus): web.connect('/ws?name=a')
    assert web.logged('no room')


@servers
@pytest.mark.parametrize('sent', ['x'*101, 'ä'*51, b'x'*101], ids=['text', 'text of two bytes each', 'bytes'])
def test_max_message(web, ws, sent):
    web.options['ws'] = ws
    seen = []
    web.serve(app_with(web, make(seen, encoding=None), policy=dict(max_message=100)))
    c = web.connect()
    c.send(sent[:40])
    c.recv()
    c.send(sent)
    assert c.closed().code == 1009 and seen_last(seen, 'disconnect') == 1009


def test_rate_closes(web):
    seen = []
    web.serve(app_with(web, make(seen), policy=dict(rate=.001, burst=3, too_fast='close')))
    c = web.connect()
    for _ in range(5): c.send('a')
    msgs,end = c.all()
    assert len(msgs) == 3 and end.code == 1008 and seen_last(seen, 'disconnect') == 1008


def test_rate_throttles(web):
    web.serve(app_with(web, make([]), policy=dict(rate=50, burst=1)))
    c,t = web.connect(),time.monotonic()
    for _ in range(11): c.send('a')
    for _ in range(11): c.recv()
    assert time.monotonic()-t > .15


def test_held_back_for_too_long(web):
    seen = []
    web.serve(app_with(web, make(seen), policy=dict(rate=5, burst=1, throttle_timeout=.5)))
    c = web.connect()
    for _ in range(50): c.send('a')
    msgs,end = c.all()
    assert len(msgs) < 10 and end.code == 1013 and web.logged('sent more than is read') and seen_last(seen, 'disconnect') == 1013


@servers
def test_login_that_expires(web, ws):
    web.options['ws'] = ws
    seen = []
    def check(req): req.scope['expires'] = time.time() + .3
    web.serve(app_with(web, make(seen), before=check))
    c = web.connect()
    c.send('a')
    assert c.recv() == "got 'a'" and c.closed().code == 4401
    seen_last(seen, 'disconnect')


@servers
@pytest.mark.parametrize('how', ['user', 'session', 'thread'])
def test_hub_close(web, ws, how):
    "Whoever is logged out does not stay"
    web.options['ws'] = ws
    seen = []
    def check(req, sess): sess['n'] = 1; req.scope['auth'] = req.headers['x-user']; sessions[req.headers['x-user']] = sess
    sessions = {}
    app = app_with(web, make(seen), before=check)
    s = web.serve(app)
    a,b = [web.connect(headers={'X-User': o}) for o in 'ab']
    a.ping(), b.ping()
    if how == 'thread': app.hub.close(user='a')
    else: s.call(lambda: app.hub.close(user='a') if how == 'user' else app.hub.close(session=sessions['a']))
    assert a.closed().code == 4401
    b.send('still here')
    assert b.recv() == "got 'still here'"


def test_sends_after_we_closed(web):
    "They raise as on a server whose client has left"
    raised = []
    async def on_disconnect(self, ws, code):
        try: await ws.send_text('too late')
        except Exception as e: raised.append(type(e))
    web.serve(app_with(web, make([], on_disconnect=on_disconnect), policy=dict(max_message=5)))
    c = web.connect()
    c.send('too long')
    assert c.closed().code == 1009
    assert until(lambda: raised)[0] in (WebSocketDisconnect, RuntimeError)


def test_a_refusal_of_its_own(web):
    async def on_connect(self, ws): await ws.close(4001)
    web.serve(app_with(web, make([], on_connect=on_connect)))
    assert attempt(web) == 403


def test_the_client_script_is_told_to_speak_plainly(web):
    "It says who it is as it connects, and would number its messages and wait for an answer"
    web.serve(app_with(web, make([])))
    c = web.connect('/ws?ws-at=an-id-of-22-characters~~')
    assert c.recv() == '<!--ws-->'
    c.send('a')
    assert c.recv() == "got 'a'"


@pytest.mark.parametrize('first', [True, False], ids=['hub last', 'hub first'])
def test_no_warning_at_the_start(web, first):
    "What a hub has taken over is behind the gate, so there is nothing to warn of"
    app = stock_common.FastHTML(secret_key='for tests')
    def add(): app.ws('/ws')(lambda: 'hi'); app.add_websocket_route('/cls', make([]))
    if first: add()
    web.lib.Hub(app)
    if not first: add()
    assert len(web.logged(lacks)) == 1
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert c.recv() == 'hi'
