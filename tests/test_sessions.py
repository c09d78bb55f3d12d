"What a socket handler writes to `session` reaches the cookie of the browser it belongs to, and nobody else's."
import json, threading

import pytest

from tests.kit import *
from tests.script import *

address = '/fasthtml_ws/session'


class Browser:
    "Cookies of one browser, and pages in it"
    def __init__(self, web, srv):
        self.web,self.srv,self.cookie = web,srv,''

    def get(self, path)->str:
        body,headers = self.srv.get(path, self.cookie)
        self._keep(headers)
        return body

    def session(self)->dict: return json.loads(self.get('/who'))

    def page(self, path='/ws')->Script: return Script(self.web, path, headers={'Cookie':self.cookie} if self.cookie else {})

    def fetch(self, token, **kw)->int:
        status,headers = post(self.srv.port, address, {'token':token}, cookie=self.cookie, **kw)
        self._keep(headers)
        return status

    def _keep(self, headers):
        if 'set-cookie' in headers: self.cookie = '' if 'expires=Thu, 01 Jan 1970' in headers['set-cookie'] else headers['set-cookie'].split(';')[0]


def routes(app):
    @app.get('/who')
    def who(sess): return json.dumps({k:v for k,v in sess.items() if k!='ws_id'})
    @app.get('/login')
    def login(sess, name:str): sess['name'] = name; return 'hi'
    @app.get('/logout')
    def logout(sess): sess.clear(); return 'bye'
    @app.get('/set')
    def set(sess, k:str, v:str): sess[k] = v; return 'ok'
    def write(session, data):
        if data.get('do'): session.update(data['do'])
        for k in data.get('drop', []): session.pop(k, None)
    app.ws('/ws')(write)

def guard(req, sess):
    req.scope['auth'] = sess.get('name')
    if not sess.get('name') and req.url.path not in ('/login','/logout','/who','/set'): return 'no'

@pytest.fixture
def b(web): return made(web)

def made(web, before=(), **policy):
    app = web.lib.FastHTML(secret_key='for tests', before=before, policy=web.lib.Policy(**policy))
    routes(app)
    return Browser(web, web.serve(app))

def written(s:Script, **kw)->str: # The token
    s.say(**kw)
    return s.until('session')


def test_a_write_reaches_the_cookie(b):
    b.get('/login?name=Ann')
    s = b.page().open()
    token = written(s, do={'theme':'dark', 'cart':[1,{'n':None}]})
    assert len(token)>=32 and 'dark' not in token
    assert b.session()=={'name':'Ann'}
    assert b.fetch(token)==204
    assert b.session()=={'name':'Ann', 'theme':'dark', 'cart':[1,{'n':None}]}
    assert b.fetch(token)==410 and b.web.logged('(410)')


def test_only_what_was_written_travels(b):
    "What HTTP writes to other keys meanwhile stays, and what the socket has not touched comes from the browser"
    for p in ('/login?name=Ann', '/set?k=a&v=1', '/set?k=b&v=1', '/set?k=c&v=1'): b.get(p)
    s = b.page().open()
    b.get('/set?k=a&v=2')
    b.get('/set?k=new&v=x')
    token = written(s, do={'b':'socket', 'c':'1'}, drop=['c'])
    b.get('/set?k=d&v=late')
    assert b.fetch(token)==204
    assert b.session()=={'name':'Ann', 'a':'2', 'b':'socket', 'new':'x', 'd':'late'}


def test_writing_what_is_there_already_sends_nothing(b):
    b.get('/login?name=Ann')
    s = b.page().open()
    s.say(do={'name':'Ann'})
    s.say(do={}, drop=['other'])
    s.acks(2)
    assert not [o for o in s.told if 'session' in o]


def test_two_writes_before_the_first_is_fetched_go_together(b):
    b.get('/login?name=Ann')
    s = b.page().open()
    token = written(s, do={'a':1, 'b':1})
    s.say(do={'b':2, 'c':3}, drop=['a'])
    s.acks(2)
    assert b.fetch(token)==204 and b.session()=={'name':'Ann', 'b':2, 'c':3}
    second = written(s, do={'d':4})
    assert second!=token and b.fetch(second)==204 and b.session()=={'name':'Ann', 'b':2, 'c':3, 'd':4}


def test_a_visitor_gets_a_session_and_the_socket_learns_its_name(b):
    s = b.page().open()
    assert b.fetch(written(s, do={'a':1}))==204 and b.session()=={'a':1}
    assert b.fetch(written(s, do={'b':2}))==204 and b.session()=={'a':1, 'b':2}
    hub = b.srv.app.hub
    conn, = hub.connections
    name = dict(conn.scope['session'])['ws_id']
    assert conn in hub.members('x') or [t for t in hub.topics.topics(conn) if t==f'@session:{name}']
    s.drop()
    s.headers = {'Cookie':b.cookie}
    s.open()
    assert s.hello['acked']==2, 'still the same client'
    b.srv.call(lambda: hub.close(session={'ws_id':name}))
    with pytest.raises(Closed) as e:
        while True: s.read()
    assert e.value.code==4401


def test_clearing_the_session_in_a_socket_logs_out(web):
    app = web.app()
    routes(app)
    app.ws('/out')(lambda session: session.clear())
    b = Browser(web, web.serve(app))
    b.get('/login?name=Ann')
    s = b.page('/out').open()
    assert b.fetch(written(s))==204 and b.session()=={} and not b.cookie


@pytest.mark.parametrize('before', [(), guard])
def test_logging_out_elsewhere_wins(web, before):
    b = made(web, before)
    b.get('/login?name=Ann')
    s = b.page().open()
    b.get('/logout')
    assert b.fetch(written(s, do={'theme':'dark'}))==403
    assert b.session()=={} and not b.cookie and web.logged('not the one of the socket')


def test_logging_out_by_one_key_wins_where_before_looks_at_it(web):
    b = made(web, guard)
    @b.srv.app.get('/leave')
    def leave(sess): del sess['name']; return 'bye'
    b.get('/login?name=Ann')
    s = b.page().open()
    b.get('/leave')
    assert b.fetch(written(s, do={'theme':'dark'}))==403
    assert b.session()=={} and web.logged('does not let it pass')


def test_somebody_else_logged_in_is_refused(web):
    b = made(web, guard)
    b.get('/login?name=Ann')
    s = b.page().open()
    token = written(s, do={'theme':'dark'})
    b.get('/login?name=Bob') # in the same session
    assert b.fetch(token)==403 and b.session()=={'name':'Bob'} and web.logged('somebody else')


def test_a_stolen_token_opens_nothing(web):
    b = made(web)
    b.get('/login?name=Ann')
    thief = Browser(web, b.srv)
    thief.get('/login?name=Eve')
    s = b.page().open()
    token = written(s, do={'admin':True})
    assert thief.fetch(token)==403 and thief.session()=={'name':'Eve'}
    assert b.fetch(token)==410, 'it is used up'
    stranger = Browser(web, b.srv)
    assert stranger.fetch(written(s, do={'admin':1}))==403 and stranger.cookie==''
    web.logged('session')


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', 'http://', None])
def test_other_origins_get_nothing(b, origin):
    b.get('/login?name=Ann')
    s = b.page().open()
    token = written(s, do={'a':1})
    assert b.fetch(token, origin=origin)==403 and b.web.logged('(403)')
    assert b.fetch(token)==204, 'and do not use it up'


def test_a_page_that_hides_its_origin_is_believed_by_its_browser(b):
    s = b.page().open()
    assert b.fetch(written(s, do={'a':1}), origin=None, Sec_Fetch_Site='same-origin')==204
    assert b.fetch(written(s, do={'a':2}), origin=None, Sec_Fetch_Site='cross-site')==403 and b.web.logged('(403)')
    b.web.stop()
    assert b.web.logged('not fetched'), 'a server that ends says what is lost'


def test_only_a_post_with_a_small_form(b):
    b.get('/login?name=Ann')
    s = b.page().open()
    token = written(s, do={'a':1})
    def send(body=None, **kw): return post(b.srv.port, address, {'token':token}, b.cookie, body=body, **kw)[0]
    for m in ('GET','PUT','DELETE','HEAD'): assert send(method=m)==405
    for t in ('', 'x', token[:-1], token+'x', '\0', 'é'): assert b.fetch(t)==410
    assert send(b'token='+b'x'*5_000)==413 and send(b'')==410 and send(b'x'*100)==410 and send(b'\xff\xfe=%')==410
    assert send(b'--x\r\ncontent-disposition: form-data; name="token"\r\n\r\n' + token.encode() + b'\r\n--x--\r\n', Content_Type='multipart/form-data; boundary=x')==204
    assert send(b'rubbish', Content_Type='multipart/form-data')==400
    assert send(b'[]', Content_Type='application/json')==410
    b.web.logged('was not merged')


def test_the_login_page_does_not_stand_in_front_of_the_address(web):
    "`before` that turns everything away for HTTP would be asked with the path of the socket"
    asked = []
    def check(req):
        asked.append(req.url.path)
        if req.url.path!='/ws': return web.lib.Redirect('/login')
    app = web.lib.FastHTML(secret_key='for tests', before=check)
    routes(app)
    b = Browser(web, web.serve(app))
    s = b.page().open()
    assert b.fetch(written(s, do={'a':1}))==204 and set(asked)=={'/ws'}


def test_before_of_the_route_is_asked_too_and_may_fail(web):
    app,ok = web.app(),[True]
    routes(app)
    def check(req):
        if not ok[0]: 1/0
        req.scope['auth'] = 'x'
    @app.ws('/mine', before=check)
    def write(session, data): session.update(data['do'])
    b = Browser(web, web.serve(app))
    s = b.page('/mine').open()
    assert b.fetch(written(s, do={'a':1}))==204
    token = written(s, do={'a':2})
    ok[0] = False
    assert b.fetch(token)==403 and b.session()=={'a':1} and web.logged('failed') and web.logged('(403)')


def test_auth_that_cannot_be_compared(web):
    class User:
        def __init__(self, name): self.name = name
    def check(req, sess): req.scope['auth'] = User(sess.get('name'))
    b = made(web, check, user=lambda ws: ws.scope['auth'].name or 'nobody')
    b.get('/login?name=Ann')
    s = b.page().open()
    assert b.fetch(written(s, do={'a':1}))==204
    token = written(s, do={'a':2})
    b.get('/login?name=Bob')
    assert b.fetch(token)==403 and web.logged('somebody else')


def test_in_conn_and_in_disconn(web):
    app = web.app()
    routes(app)
    def conn(session): session['seen'] = 1
    def disconn(session): session['left'] = 1
    app.ws('/cd', conn=conn, disconn=disconn)(lambda: None)
    b = Browser(web, web.serve(app))
    s = b.page('/cd').open()
    assert b.fetch(s.until('session'))==204 and b.session()=={'seen':1}
    s.c.leave()
    until(lambda: web.logged('/cd', 'session'))


def test_a_write_of_a_handler_whose_line_is_dead_comes_with_the_next(web):
    app,go = web.app(),Gate()
    routes(app)
    async def slow(session): await go.passed(); session['slow'] = 1
    app.ws('/slow')(slow)
    b = Browser(web, web.serve(app))
    s = b.page('/slow').open()
    s.say()
    s.drain()
    s.lose()
    s.open()
    go.set()
    assert b.fetch(s.until('session'))==204 and b.session()=={'slow':1}
    # and a token that was on its way when the line broke
    go.clear()
    s.say()
    s.drain()
    conn = max(app.hub.connections, key=lambda c: c.id)
    conn.scope['session']['other'] = 2
    go.set()
    until(lambda: len(app.hub.session_writes)==1)
    s.drop()
    s.headers = {'Cookie':b.cookie}
    s.open()
    assert b.fetch(s.until('session'))==204 and b.session()=={'slow':1, 'other':2}


def test_what_nobody_fetches_is_lost_and_logged(web):
    b = made(web)
    b.srv.app.hub.session_writes.seconds = .1
    s = b.page().open()
    token = written(s, do={'a':1})
    until(lambda: web.logged('not fetched'))
    assert not len(b.srv.app.hub.session_writes) and b.fetch(token)==410 and web.logged('(410)')


def test_they_are_bounded(web):
    b = made(web)
    w = b.srv.app.hub.session_writes
    w.most = 3
    pages = [b.page().open() for _ in range(5)]
    tokens = [written(s, do={'a':i}) for i,s in enumerate(pages)]
    until(lambda: len(w)==3)
    assert len(web.logged('not fetched'))==2
    assert [b.fetch(tokens[0]), b.fetch(tokens[1]), b.fetch(tokens[4])]==[410, 410, 204]
    web.stop()
    web.logged('session')


def test_what_is_no_json_is_an_error_in_the_log(web):
    app = web.app()
    def write(session, msg:str): session['x'] = object()
    app.ws('/ws')(write)
    web.serve(app)
    s = Script(web).open()
    s.say(msg='a')
    s.acks(1)
    assert web.logged('JSON') and not [o for o in s.told if 'session' in o]


def test_without_a_script_the_log_warns(web):
    made(web)
    c = web.connect()
    c.send(do={'a':1})
    until(lambda: web.logged('/ws', 'changed `session`'))
    assert not c.got


def test_switched_off(web):
    b = made(web, session_writes=False)
    s = b.page().open()
    s.say(do={'a':1})
    s.acks(1)
    assert web.logged('/ws', 'changed `session`') and not [o for o in s.told if 'session' in o]
    assert b.fetch('x')==404


def test_a_session_class_of_the_apps_own_is_left_alone(web):
    class Mine:
        def __init__(self, app, **kw): self.app = app
        async def __call__(self, scope, receive, send): scope['session'] = {}; await self.app(scope, receive, send)
    app = web.lib.FastHTML(secret_key='x', sess_cls=Mine)
    @app.ws('/ws')
    def write(session, data): session.update(data['do'])
    web.serve(app)
    s = Script(web).open()
    s.say(do={'a':1})
    s.acks(1)
    assert not [o for o in s.told if 'session' in o]


def test_behind_a_prefix(web):
    from starlette.applications import Starlette
    from starlette.routing import Mount
    app = web.app()
    routes(app)
    outer = Starlette(routes=[Mount('/app', app)])
    b = Browser(web, web.serve(outer))
    s = b.page('/app/ws').open()
    token = written(s, do={'a':1})
    status,headers = post(b.srv.port, '/app'+address, {'token':token})
    b._keep(headers)
    assert status==204 and json.loads(b.get('/app/who'))=={'a':1}


def test_several_processes(lib_of, monkeypatch):
    lib = lib_of
    def app(**policy):
        app = lib.FastHTML(secret_key='x', policy=lib.Policy(**policy))
        app.ws('/ws')(lambda session: None)
        return app
    def start(app):
        import asyncio
        async def go():
            await app.hub.start()
            await app.hub.stop()
        asyncio.run(go())
    start(app())
    monkeypatch.setenv('FASTHTML_WS_WORKERS', '4')
    with pytest.raises(lib.ConfigError, match='session_writes=False'): start(app())
    start(app(session_writes=False))
    start(app(islands=True))
    plain = lib.FastHTML(secret_key='x')
    plain.ws('/ws')(lambda: None)
    start(plain)


@pytest.fixture
def lib_of():
    lib = library(False)
    from fasthtml_ws.errors import ConfigError
    lib.ConfigError = ConfigError
    return lib


def test_sync_handlers_of_many_clients_at_once(web):
    b = made(web)
    pages = [Browser(web, b.srv) for _ in range(20)]
    scripts = [p.page().open() for p in pages]
    for i,s in enumerate(scripts): s.say(do={'n':i})
    def one(p, s): assert p.fetch(s.until('session'))==204
    ts = [threading.Thread(target=one, args=o) for o in zip(pages, scripts)]
    for t in ts: t.start()
    for t in ts: t.join()
    assert [p.session()['n'] for p in pages]==[*range(20)]
