"Who may open a socket: the page's own origin, whoever `before` lets pass, and not too many; nobody else gets as far as a handler."
import asyncio, json, socket, time
from datetime import datetime, timedelta, timezone
from itertools import product

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect, unix_connect

from tests.kit import *


def guarded(web, before=(), policy=None, **kw):
    "An app whose `before` is given, and what its handlers did"
    ran = []
    app = web.lib.FastHTML(secret_key='for tests', before=before, policy=web.lib.Policy(**(policy or {})), **kw)
    def note(name): return lambda ws: ran.append((name, ws.scope.get('auth')))
    app.ws('/ws', conn=note('conn'), disconn=note('disconn'))(note('recv'))
    return app,ran


def own(s, **more): return {'Origin': f'http://127.0.0.1:{s.port}'} | more

def attempt(web, headers=None, path='/ws'):
    "How a handshake ends: ('open', client), ('http', status, headers, body) or ('closed', code, reason, what was shown)"
    try: c = web.connect(path, headers=headers)
    except InvalidStatus as e: return 'http', e.response.status_code, e.response.headers, (e.response.body or b'').decode()
    c.send('{}')
    try: c.ping()
    except Closed as e: return 'closed', e.code, e.reason, ''.join(c.got)
    return 'open', c


# `before`

class Oops(Exception): pass
def raises(e):
    def f(): raise e
    return f

verdicts = { # name -> what `before` does, whether it lets pass, HTTP status, close code
    'none': (lambda: None, True, 0, 0),
    'empty': (lambda: '', True, 0, 0),
    'false': (lambda: False, True, 0, 0),
    'response': (lambda: Response('go away', 418), False, 418, 4401),
    'text': (lambda: 'no', False, 200, 4401),
    'dict': (lambda: {'no':1}, False, 200, 4401),
    'true': (lambda: True, False, 200, 4401),
    'redirect': (lambda: RedirectResponse('/login', 303), False, 303, 4401),
    'forbidden': (raises(HTTPException(403, 'not you')), False, 403, 4401),
    'unavailable': (raises(HTTPException(503)), False, 503, 4500),
    'error': (raises(Oops('secret')), False, 500, 4500),
    'exit': (raises(asyncio.CancelledError()), False, 500, 4500),
}
origins = { # name -> Origin for port, ok on ws, ok on wss (behind a proxy that is trusted)
    'none': (lambda p: None, True, True),
    'own': (lambda p: f'http://127.0.0.1:{p}', True, False),
    'own over https': (lambda p: f'https://127.0.0.1:{p}', True, True),
    'other port': (lambda p: 'http://127.0.0.1:1', False, False),
    'other host': (lambda p: f'http://evil.example:{p}', False, False),
    'null': (lambda p: 'null', False, False),
    'rubbish': (lambda p: 'http://', False, False),
}

@pytest.mark.parametrize('how', ['sync','async','beforeware','route'])
def test_table(web, how):
    "before x Origin x proxy, as a browser and as any other client; on the app and on the route"
    verdict = ['none']
    def check(req):
        assert req.method=='GET' and req.url.path=='/ws'
        req.scope['auth'] = 'Ann'
        return verdicts[verdict[0]][0]()
    async def acheck(req): return check(req)
    kw = dict(sync=check, beforeware=web.lib.Beforeware(check, skip=['/other'])).get(how, acheck)
    app,ran = guarded(web, () if how=='route' else kw)
    if how=='route': app.ws('/ws', conn=lambda ws: ran.append(('conn', ws.scope.get('auth'))), before=acheck)(lambda ws: ran.append(('recv', ws.scope.get('auth'))))
    s = web.serve(app, proxy_headers=True, forwarded_allow_ips='127.0.0.1')
    for (v,(_,passes,status,code)),(o,(origin,ws,wss)),proxy in product(verdicts.items(), origins.items(), (False,True)):
        verdict[0] = v
        ran.clear()
        headers = {k:x for k,x in {'Origin':origin(s.port), 'X-Forwarded-Proto':'https' if proxy else None}.items() if x}
        got,may = attempt(web, headers),wss if proxy else ws
        case = v,o,proxy,got
        if may and passes:
            assert got[0]=='open', case
            until(lambda: len(ran)==2)
            assert ran==[('conn','Ann'), ('recv','Ann')]
            got[1].leave()
            if how!='route': until(lambda: len(ran)==3)
            continue
        if not may: assert got[:2]==('closed', 4403), case
        elif 'Origin' in headers: assert got[:2]==('closed', code) and 'secret' not in got[3] and 'ws-error' in got[3], case
        else: assert got[:2]==('http', status) and 'secret' not in got[3], case
        assert not ran, case
    web.logged('Origin') or web.logged('4403')
    assert not [o for o in web.logged('before') if 'secret' not in o and 'Cancelled' not in o]


def test_redirect_is_the_reason_and_a_link(web):
    app,ran = guarded(web, lambda: web.lib.Redirect('/login?next=%2Fws'))
    s = web.serve(app)
    kind,code,reason,shown = attempt(web, own(s))
    assert (kind,code,reason)==('closed', 4401, '/login?next=%2Fws') and '<a href="/login?next=%2Fws">' in shown
    kind,status,headers,_ = attempt(web)
    assert (kind,status,headers['location'])==('http', 303, '/login?next=%2Fws')
    assert not ran


def test_first_answer_counts_and_skip_patterns_skip(web):
    asked = []
    def ask(name, res=None): return lambda: (asked.append(name), res)[1]
    app,ran = guarded(web, [web.lib.Beforeware(ask('skipped', 'no'), skip=[r'/w.']), ask('one'), ask('two', 'no'), ask('three')])
    web.serve(app)
    assert attempt(web)[:2]==('http', 200) and asked==['one','two'] and not ran


def test_before_gets_what_it_gets_on_http(web):
    "The same arguments for the same request"
    seen = []
    def check(req, sess, auth, htmx, token:str='', x_key:str='', name:str='', n:int=0):
        seen.append((req.method, req.url.path, req.url.query, sess, auth, type(htmx), token, x_key, name, n, req.headers.get('x-key'), req.cookies.get('name')))
    app,_ = guarded(web, check)
    app.get('/page')(lambda: 'x')
    s = web.serve(app)
    query,headers = '?token=t&n=5',{'X-Key':'k', 'Cookie':'name=Ann'}
    web.connect('/ws'+query, headers=headers)
    import urllib.request
    urllib.request.urlopen(urllib.request.Request(f'http://127.0.0.1:{s.port}/page{query}', headers=headers)).read()
    a,b = seen
    assert a[0]==b[0]=='GET' and a[2:]==b[2:] and a[6:10]==('t','k','Ann',5)


def test_what_before_leaves_in_the_scope_is_there_for_all_handlers(web):
    seen = []
    def check(req): req.scope['auth'] = 'Ann'; req.scope['tenant'] = 7; req.state.db = 'db'
    app = web.lib.FastHTML(secret_key='x', before=check)
    def note(ws, auth, scope): seen.append((auth, scope['tenant'], ws.state.db, ws.scope['type']))
    app.ws('/ws', conn=note, disconn=note)(note)
    web.serve(app)
    c = web.connect()
    c.send('{}'); c.ping()
    until(lambda: len(seen)==2)
    c.leave()
    until(lambda: len(seen)==3)
    assert set(seen)=={('Ann', 7, 'db', 'websocket')}


def test_exception_handler_of_the_app_makes_the_answer(web):
    app,_ = guarded(web, raises(HTTPException(403)), exception_handlers={403: lambda req, exc: PlainTextResponse('no, Sir', 403)})
    web.serve(app)
    assert attempt(web)[::3]==('http', 'no, Sir')


def test_server_without_denial_responses_says_403(web):
    class Old:
        def __init__(self, app): self.app = app
        async def __call__(self, scope, receive, send): await self.app(scope | dict(extensions={}) if scope['type']=='websocket' else scope, receive, send)
    app,ran = guarded(web, lambda: 'no')
    web.serve(Old(app))
    assert attempt(web)[:2]==('http', 403) and not ran


@pytest.mark.parametrize('kind', ['sync','async'])
def test_before_that_takes_too_long(web, kind):
    async def slow(): await asyncio.sleep(30)
    begun,done = [],[]
    def blocking(): begun.append(1); time.sleep(.3); done.append(1)
    app,ran = guarded(web, slow if kind=='async' else blocking, dict(handshake_timeout=.1))
    s = web.serve(app)
    assert attempt(web, own(s))[:2]==('closed', 1013)
    kind_,status,headers,_ = attempt(web)
    assert (kind_,status)==('http', 503) and int(headers['retry-after'])>0
    if kind=='sync': until(lambda: len(done)==len(begun)) # one that is cancelled before its thread begins never does
    assert not ran and len(web.logged('took more than 0.1 s'))==2


@pytest.mark.parametrize('ws', ['websockets-sansio','websockets','wsproto'])
def test_on_every_websocket_class_of_uvicorn(web, ws):
    app,ran = guarded(web, lambda req: None if req.headers.get('x-key')=='k' else Response('go away', 418))
    s = web.serve(app, ws=ws)
    assert attempt(web)[1::2]==(418, 'go away')
    assert attempt(web, own(s))[1]==4401
    assert attempt(web, {'Origin':'http://evil.example', 'X-Key':'k'})[1]==4403
    assert not ran and web.logged('4403')
    assert attempt(web, own(s, **{'X-Key':'k'}))[0]=='open'
test_on_every_websocket_class_of_uvicorn = pytest.mark.filterwarnings('ignore::DeprecationWarning')(test_on_every_websocket_class_of_uvicorn)


# Origin

@pytest.mark.parametrize('given,ok,bad', [
    ('https://app.example.com', ['https://app.example.com'], ['https://other.example.com', 'http://app.example.com']),
    (['https://*.example.com', 'http://localhost:*'], ['https://a.example.com', 'https://a.b.example.com', 'http://localhost:3000'], ['https://example.com', 'null']),
    ('*', ['http://evil.example', 'null'], []),
])
def test_other_origins(web, given, ok, bad):
    app,_ = guarded(web, policy=dict(origins=given))
    web.serve(app)
    assert [attempt(web, {'Origin':o})[0] for o in ok]==['open']*len(ok)
    assert [attempt(web, {'Origin':o})[1] for o in bad]==[4403]*len(bad)
    web.logged('4403')


def test_origins_of_a_route_and_a_wrong_one(web):
    app,_ = guarded(web)
    app.ws('/open', policy=web.lib.Policy(origins='*'))(lambda: None)
    web.serve(app)
    assert attempt(web, {'Origin':'http://a.example'}, '/open')[0]=='open'
    assert attempt(web, {'Origin':'http://a.example'})[1]==4403
    line, = web.logged('4403')
    assert "'http://a.example'" in line and f'127.0.0.1:{web.servers[-1].port}' in line and "Policy(origins=['http://a.example'])" in line
    with pytest.raises(web.lib.ConfigError, match="did you mean 'https://a.example'"): app.ws('/x', policy=web.lib.Policy(origins='a.example'))(lambda: None)


def test_two_origins_are_nobodys(web):
    app,ran = guarded(web)
    s = web.serve(app)
    with socket.create_connection(('127.0.0.1', s.port), wait_s) as c:
        o = f'Origin: http://127.0.0.1:{s.port}\r\n'
        c.sendall(f'GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{s.port}\r\n{o}{o}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'.encode())
        got = b''
        while b'\x88' not in got and (data := c.recv(4096)): got += data
    assert (got.startswith(b'HTTP/1.1 400') or int.from_bytes(got[got.rindex(b'\x88')+2:][:2], 'big')==4403) and not ran # uvicorn's classes say 400 themselves


# The session

def session_app(web, before, **kw):
    app = web.lib.FastHTML(secret_key='for tests', before=before, **kw)
    @app.get('/who')
    def who(sess): return json.dumps(dict(sess))
    @app.get('/login')
    def login(sess, name:str): sess['name'] = name; return 'hi'
    @app.get('/logout')
    def logout(sess): app.hub.close(session=sess); sess.clear(); return 'bye'
    app.ws('/ws')(lambda: None)
    return app

def cookie_of(headers): return headers['set-cookie'].split(';')[0]

def opened(s, **headers): return connect(f'ws://127.0.0.1:{s.port}/ws', additional_headers=headers)

@pytest.mark.parametrize('kw', [{}, dict(session_cookie='mine', same_site='strict', max_age=60)])
def test_session_that_before_changes_reaches_the_browser(web, kw):
    def check(req, sess):
        if req.url.path=='/ws': sess['seen'] = sess.get('seen', 0)+1
    s = web.serve(session_app(web, check, **kw))
    with opened(s) as c: got = c.response.headers['set-cookie']
    assert got.startswith(kw.get('session_cookie', 'session_')+'=') and f"samesite={kw.get('same_site', 'lax')}" in got and f"Max-Age={kw.get('max_age', 365*24*3600)}" in got
    body,_ = s.get('/who', cookie=got.split(';')[0])
    assert json.loads(body)['seen']==1
    with opened(s, Cookie=got.split(';')[0]) as c: again = c.response.headers['set-cookie']
    assert json.loads(s.get('/who', cookie=again.split(';')[0])[0])['seen']==2


def test_cookie_comes_with_a_refusal_too(web):
    def check(req, sess):
        if req.url.path=='/ws': sess['next'] = '/ws'; return web.lib.Redirect('/login')
    s = web.serve(session_app(web, check))
    headers = attempt(web)[2]
    assert json.loads(s.get('/who', cookie=cookie_of(headers))[0])['next']=='/ws'
    with opened(s, Origin=f'http://127.0.0.1:{s.port}') as c: assert json.loads(s.get('/who', cookie=cookie_of(c.response.headers))[0])['next']=='/ws'


def test_no_cookie_when_nothing_changed(web):
    s = web.serve(session_app(web, lambda sess: sess.get('name') and None))
    with opened(s) as c: assert 'set-cookie' not in c.response.headers
    cookie = cookie_of(s.get('/login?name=Ann')[1])
    with opened(s, Cookie=cookie) as c: assert 'set-cookie' not in c.response.headers


def test_foreign_session_class_is_warned_about_once(web):
    class Mine:
        def __init__(self, app, **kw): self.app = app
        async def __call__(self, scope, receive, send): scope['session'] = {}; await self.app(scope, receive, send)
    app = web.lib.FastHTML(secret_key='x', sess_cls=Mine, before=lambda sess: sess.update(a=1))
    app.ws('/ws')(lambda: None)
    web.serve(app)
    web.connect(); web.connect()
    assert len(web.logged('cannot set its cookie'))==1


# Closing what is open

def test_logging_out_closes_what_is_open_in_other_tabs(web):
    s = web.serve(session_app(web, ()))
    mine,other = [cookie_of(s.get(f'/login?name={o}')[1]) for o in ('Ann','Bob')]
    a,b,c = [web.connect(headers={'Cookie':o}) for o in (mine, mine, other)]
    until(lambda: s.connections==3)
    s.get('/logout', cookie=mine)
    assert [o.closed().code for o in (a, b)]==[4401]*2 and c.silent()


def test_session_gets_one_name_however_many_pages_are_opened(web):
    s = web.serve(session_app(web, ()))
    cookie = cookie_of(s.get('/login?name=Ann')[1])
    name = json.loads(s.get('/who', cookie=cookie)[0])['ws_id']
    _,headers = s.get('/login?name=Bob', cookie=cookie)
    assert json.loads(s.get('/who', cookie=cookie_of(headers))[0])=={'name':'Bob', 'ws_id':name}
    assert 'set-cookie' not in s.get('/who')[1] # a visitor who has no session gets none


@pytest.mark.parametrize('thread', [False,True])
def test_close_by_user_and_topic(web, thread):
    def check(req): req.scope['auth'] = req.query_params.get('u')
    app = web.lib.FastHTML(secret_key='x', before=check)
    conns = []
    def conn(ws): ws.subscribe(ws.query_params['t']); conns.append(ws)
    app.ws('/ws', conn=conn)(lambda: None)
    s = web.serve(app)
    c = {(u,t): web.connect(f'/ws?u={u}&t={t}') for u in ('ann','bob') for t in ('x','y')}
    until(lambda: len(conns)==4)
    do = (lambda f: f()) if thread else s.call
    do(lambda: app.hub.close(user='ann', topic='x', code=4000, reason='bye'))
    end = c['ann','x'].closed()
    assert (end.code,end.reason)==(4000, 'bye') and c['ann','y'].silent()
    do(lambda: app.hub.close(user='ann'))
    assert c['ann','y'].closed().code==4401
    do(lambda: app.hub.close(topic='y'))
    assert c['bob','y'].closed().code==4401 and c['bob','x'].silent()
    do(lambda: app.hub.close(session={})) # nobody's
    with pytest.raises(TypeError): app.hub.close()


@pytest.mark.parametrize('form', ['number','datetime'])
def test_login_that_expires(web, form):
    def check(req):
        at = datetime.now(timezone.utc)+timedelta(seconds=float(req.query_params['s']))
        req.scope['expires'] = at if form=='datetime' else at.timestamp()
    app,ran = guarded(web, check)
    web.serve(app)
    c = web.connect('/ws?s=0.2')
    end = c.closed()
    assert (end.code,end.reason)==(4401, 'expired')
    until(lambda: ran==[('conn',None), ('disconn',None)])
    assert attempt(web, path='/ws?s=-1')[:2]==('http', 401)
    d = web.connect('/ws?s=60')
    d.ping(); d.leave()


@pytest.mark.parametrize('left', ['soon', [], 10**400])
def test_expiry_that_is_none_is_refused(web, left):
    def check(req): req.scope['expires'] = left
    app,ran = guarded(web, check)
    s = web.serve(app)
    assert attempt(web)[:2]==('http', 500) and attempt(web, own(s))[:2]==('closed', 4500)
    assert not ran and len(web.logged('`before` failed'))==2


def test_answer_that_cannot_be_made_is_a_refusal(web):
    "What `before` returned is said to the client; where that fails, nobody knows what it would have said"
    class Bad:
        def __response__(self, req): raise Oops('secret')
    app,ran = guarded(web, lambda: Bad())
    s = web.serve(app)
    assert attempt(web)[:2]==('http', 500) and attempt(web, own(s))[:2]==('closed', 4500)
    assert not ran and len(web.logged('`before` failed', 'secret'))==2


# How many

def test_connections_in_all(web):
    app,ran = guarded(web, policy=dict(connections=2))
    s = web.serve(app)
    a,_ = web.connect(),web.connect()
    kind,status,headers,_ = attempt(web)
    assert (kind,status)==('http', 503) and int(headers['retry-after'])>0
    assert attempt(web, own(s))[:2]==('closed', 1013)
    a.leave()
    until(lambda: app.hub.census['all',]==1)
    assert attempt(web)[0]=='open'
    assert len(web.logged('no room'))==2 and app.hub.stats().refused==2


def test_connections_of_a_user(web):
    def check(req): req.scope['auth'] = req.query_params.get('u')
    app,_ = guarded(web, check, dict(connections_per_user=1))
    s = web.serve(app)
    web.connect('/ws?u=ann')
    assert attempt(web, path='/ws?u=ann')[:2]==('http', 429) and attempt(web, own(s), '/ws?u=ann')[1]==1013
    assert attempt(web, path='/ws?u=bob')[0]=='open'
    assert [attempt(web)[0] for _ in range(3)]==['open']*3 # nobody in particular
    assert len(web.logged('no room: user ann'))==2


def test_connections_of_an_address(web):
    app,_ = guarded(web, policy=dict(connections_per_address=1))
    web.serve(app, proxy_headers=True, forwarded_allow_ips='127.0.0.1')
    a = {'X-Forwarded-For':'192.0.2.1'}
    web.connect(headers=a)
    assert attempt(web, a)[:2]==('http', 429) and web.logged('no room: address 192.0.2.1')
    assert attempt(web, {'X-Forwarded-For':'192.0.2.2'})[0]=='open'


def test_unix_socket_has_no_address(web, tmp_path):
    app,_ = guarded(web, policy=dict(connections_per_address=1))
    web.serve(app, uds=str(tmp_path/'s'))
    with unix_connect(str(tmp_path/'s'), 'ws://localhost/ws') as a, unix_connect(str(tmp_path/'s'), 'ws://localhost/ws') as b:
        for o in (a, b): o.ping().wait(wait_s)


def test_what_was_counted_is_given_back_however_it_ended(web):
    def check(req): req.scope['auth'] = 'ann'; return req.query_params.get('no')
    app,_ = guarded(web, check, dict(connections_per_address=50))
    s = web.serve(app)
    for end in ('leave','reset','drop'): getattr(web.connect(), end)()
    attempt(web, path='/ws?no=1'); attempt(web, own(s), '/ws?no=1'); attempt(web, {'Origin':'null'})
    web.logged('4403')
    until(lambda: not len(app.hub.census))


# What goes around it

def test_raw_routes_are_named_at_start_up(web):
    async def raw(ws:WebSocket): await ws.accept()
    app,_ = guarded(web, routes=[WebSocketRoute('/raw', raw), Mount('/sub', routes=[WebSocketRoute('/deep', raw)])])
    web.serve(app)
    lines = web.logged('no Origin check')
    assert len(lines)==2 and any('/raw ' in o for o in lines) and any('/sub/deep ' in o for o in lines)
