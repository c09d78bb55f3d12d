"`app.ws` and everything around it takes what stock FastHTML takes, and gives what the page says; apps that share a process share nothing else."
import importlib, json
from uuid import UUID

import pytest
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

import fasthtml.common as stock_common
from fasthtml.common import Div, P, to_xml
from tests.memory import *


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch): monkeypatch.chdir(tmp_path) # an app without a secret_key writes one there


def ask(app, msg='hi', path='/ws', n=1, **kw):
    "The first `n` answers to one message"
    with app.get_testclient().websocket_connect(path, **kw) as c:
        c.send_json({'msg': msg})
        return c.receive_text() if n == 1 else [c.receive_text() for _ in range(n)]

def survives(app, path='/ws'):
    "Does the connection outlive a message that is not JSON? Ours do"
    with app.get_testclient().websocket_connect(path) as c:
        c.send_text('not JSON')
        c.receive_text()
        c.send_json({'msg': 'still here'})
        return 'still here' in c.receive_text().lower()

def echo(msg:str): return msg
async def shout(msg:str, send): await send(msg.upper())


class Tag:
    "Route middleware that leaves its name in the scope, and counts"
    def __init__(self, app, name='tag'): self.app,self.name = app,name
    async def __call__(self, scope, receive, send):
        scope['tags'] = [*scope.get('tags', []), self.name]
        await self.app(scope, receive, send)

def tags(msg:str, scope): return ','.join([*scope['tags'], msg])


# The app

def test_ws(lib):
    app = lib.FastHTML(secret_key='x')
    seen = []
    @app.ws('/ws', conn=lambda ws: seen.append('conn'), disconn=lambda ws: seen.append('disconn'))
    async def on_msg(msg:str, send): await send(Div('Hello ' + msg, id='n')); return P('Bye')
    assert ask(app, 'Ann', n=2) == [to_xml(Div('Hello Ann', id='n')), to_xml(P('Bye'))] and seen == ['conn', 'disconn']


def test_decorator_returns_the_function(lib):
    app,ar = lib.FastHTML(secret_key='x'),lib.APIRouter()
    assert app.ws('/a')(echo) is echo and app.add_websocket_route('/b', echo) is echo and ar.ws('/c')(echo) is echo


def test_survives(lib):
    app = lib.FastHTML(secret_key='x')
    app.ws('/ws')(echo)
    assert survives(app)


def test_add_websocket_route(lib):
    app,seen = lib.FastHTML(secret_key='x'),[]
    app.add_websocket_route('/ws', echo, lambda ws: seen.append(1), lambda ws: seen.append(2), 'by_name', [Middleware(Tag)])
    assert ask(app) == 'hi' and seen == [1, 2] and app.url_path_for('by_name') == '/ws'
    app.add_websocket_route('/kw', func=shout, conn=None, disconn=None, name='other', middleware=None)
    assert ask(app, path='/kw') == 'HI' and survives(app, '/kw')


def test_setup_ws(lib):
    "Fails on stock FastHTML 0.14.14"
    app = lib.FastHTML(secret_key='x')
    send = app.setup_ws()
    assert app._send is send
    @app.route('/tell', methods=['post'])
    async def tell(msg:str): await send(P(msg)); return 'told'
    c = app.get_testclient()
    with c.websocket_connect('/ws') as a, c.websocket_connect('/ws') as b:
        assert c.post('/tell', data={'msg': 'all'}).text == 'told'
        assert a.receive_text() == b.receive_text() == to_xml(P('all'))
    assert c.post('/tell', data={'msg': 'nobody'}).text == 'told'


def test_setup_ws_with_a_handler(lib):
    app = lib.FastHTML(secret_key='x')
    app.setup_ws(echo)
    assert ask(app) == 'hi'


def test_redefining_replaces(lib):
    app = lib.FastHTML(secret_key='x')
    app.ws('/ws')(echo)
    app.ws('/other')(echo)
    app.ws('/ws')(shout)
    assert ask(app) == 'HI' and ask(app, path='/other') == 'hi'
    assert sorted(r.path for r in app.router.routes if isinstance(r, WebSocketRoute) and r.path in ('/ws','/other')) == ['/other', '/ws']


def test_a_page_at_the_same_path_stays(lib):
    app = lib.FastHTML(secret_key='x')
    @app.route('/ws', methods=['get'])
    def ws(): return 'page'
    app.ws('/ws')(echo)
    assert ask(app) == 'hi' and 'page' in app.get_testclient().get('/ws').text


@pytest.mark.parametrize('name,found', [(None, 'echo'), ('chat', 'chat')])
def test_name(lib, name, found):
    app = lib.FastHTML(secret_key='x')
    app.ws('/room/{id}', name=name)(echo)
    assert app.url_path_for(found, id='tea') == '/room/tea'


def test_middleware_of_a_route(lib):
    app = lib.FastHTML(secret_key='x')
    app.ws('/ws', middleware=[Middleware(Tag, name='one'), Middleware(Tag, name='two')])(tags)
    assert ask(app) == 'one,two,hi' and survives(app)


def test_middleware_that_refuses(lib):
    class Refuse:
        def __init__(self, app): ...
        async def __call__(self, scope, receive, send): await send({'type': 'websocket.close', 'code': 4001})
    app,seen = lib.FastHTML(secret_key='x'),[]
    app.ws('/ws', conn=lambda ws: seen.append(1), disconn=lambda ws: seen.append(2), middleware=[Middleware(Refuse)])(echo)
    with pytest.raises(WebSocketDisconnect) as e: ask(app)
    assert e.value.code == 4001 and not seen


def test_path_params(lib):
    app = lib.FastHTML(secret_key='x')
    def hello(room:str, n:int, send): return P(f'{room} {n!r}')
    @app.ws('/{room}/{n:int}/{id:uuid}', conn=hello)
    def on_msg(msg:str, room:str, n:int, id:UUID): return f'{msg} {room} {n!r} {id.hex[:4]}'
    with app.get_testclient().websocket_connect('/tea/7/8f14e45f-ceea-467f-a0e6-b1f2f3a4b5c6') as c:
        assert c.receive_text() == to_xml(P('tea 7'))
        c.send_json({'msg': 'a', 'room': 'forged', 'n': 9, 'id': 'x'})
        assert c.receive_text() == 'a tea 7 8f14'


def test_unknown_path_is_refused(lib):
    app = lib.FastHTML(secret_key='x')
    app.ws('/ws')(echo)
    with pytest.raises(WebSocketDisconnect): ask(app, path='/elsewhere')


def test_mounted_app(lib):
    outer,inner = lib.FastHTML(secret_key='x'),lib.FastHTML(secret_key='y')
    @inner.ws('/{room}/ws')
    def on_msg(msg:str, room:str, app): return f'{msg} {room} {app is inner}'
    outer.mount('/sub', inner)
    outer.ws('/ws')(echo)
    assert ask(outer, path='/sub/tea/ws') == 'hi tea True' and ask(outer) == 'hi'


def test_owner_of_a_mounted_app(lib, only_ours):
    "The address that the page connects to, not the one below the mount"
    outer,inner = lib.FastHTML(secret_key='x'),lib.FastHTML(secret_key='y')
    inner.ws('/ws')(lambda: lib.Div('hi'))
    outer.mount('/sub', inner)
    assert '="/sub/ws"]' in ask(outer, path='/sub/ws', headers={'origin': 'http://testserver'})


def test_session(lib):
    app = lib.FastHTML(secret_key='x')
    @app.ws('/ws', conn=lambda session, send: None)
    def on_msg(msg:str, session, sess:dict): return f"{msg} {session['name']} {sess['name']}"
    with app.get_testclient(name='Ann').websocket_connect('/ws') as c:
        c.send_json({'msg': 'a', 'name': 'Mallory', 'session': {'name': 'Mallory'}})
        assert c.receive_text() == 'a Ann Ann'


def test_session_that_was_tampered_with_is_empty(lib):
    app = lib.FastHTML(secret_key='x')
    @app.ws('/ws')
    def on_msg(msg:str, session): return f'{msg} {dict(session)}'
    assert ask(app, headers={'cookie': 'session_=eyJuYW1lIjoiTWFsbG9yeSJ9.x.y'}) == 'hi {}'


def test_pages_still_work(lib):
    app = lib.FastHTML(secret_key='x', hdrs=(stock_common.Meta(name='mine'),))
    @app.route('/p')
    def get(n:int): return P(n)
    c = app.get_testclient()
    assert '<p>5</p>' in c.get('/p?n=5').text and 'name="mine"' in c.get('/p?n=5').text and c.get('/p').status_code == 400


# fast_app and APIRouter

def test_fast_app(lib):
    app,rt = lib.fast_app(secret_key='x')
    app.ws('/ws')(echo)
    @rt('/page')
    def get(): return stock_common.Titled('T', P('x'))
    html = app.get_testclient().get('/page').text
    assert ask(app) == 'hi' and survives(app) and 'pico' in html and '<title>T</title>' in html
    assert isinstance(app, lib.FastHTML)


def test_fast_app_takes_what_stock_takes(lib):
    app,rt = lib.fast_app(pico=False, live=True, exts='ws', htmx4=True, secret_key='x', before=lambda req: None, routes=(), title='Mine', bodykw={'class': 'c'}, htmlkw={'lang': 'de'}, debug=False)
    app.ws('/ws')(echo)
    @rt('/p')
    def get(): return P('x')
    html = app.get_testclient().get('/p').text
    assert 'pico' not in html and 'lang="de"' in html and '<title>Mine</title>' in html and 'hx-ws' in html
    assert survives(app) and any(r.path == '/live-reload' for r in app.routes) and 'live-reload' in html


def test_api_router(lib):
    app,ar = lib.FastHTML(secret_key='x'),lib.APIRouter(prefix='/room')
    @ar.ws('/ws', name='talk', middleware=[Middleware(Tag)])
    def on_msg(msg:str, scope): return on_msg.__name__ + ','.join(scope['tags']) + msg
    @ar('/page')
    def get(): return 'page'
    ar.to_app(app)
    assert ask(app, path='/room/ws') == 'on_msgtaghi' and app.url_path_for('talk') == '/room/ws' and 'page' in app.get_testclient().get('/room/page').text
    assert survives(app, '/room/ws') and on_msg('a', {'tags': []}) == 'on_msga'


def test_api_router_with_ours(lib, only_ours):
    app,ar = lib.FastHTML(secret_key='x'),lib.APIRouter()
    @ar.ws('/ws', policy=lib.Policy(max_message=50), error=lambda error: P('no', id='e'), conn=None, disconn=None, cancel=True)
    def on_msg(n:int): return str(n)
    ar.to_app(app)
    assert ask(app) == to_xml(P('no', id='e'))


def test_stock_router_on_our_app(lib):
    app,ar = lib.FastHTML(secret_key='x'),stock_common.APIRouter(prefix='/r')
    @ar.ws('/ws')
    def on_msg(msg:str): return msg
    ar.to_app(app)
    assert survives(app, '/r/ws')


def test_our_router_on_a_stock_app_with_a_hub(lib, only_ours):
    app,ar = stock_common.FastHTML(secret_key='x'),lib.APIRouter()
    ar.ws('/ws', error=lambda error: 'mine')(echo)
    lib.Hub(app)
    ar.to_app(app)
    with app.get_testclient().websocket_connect('/ws') as c:
        c.send_text('?')
        assert c.receive_text() == 'mine'


def test_our_router_on_a_plain_stock_app(lib, only_ours):
    "Without a hub there is nobody to keep what only ours promises"
    app,ar = stock_common.FastHTML(secret_key='x'),lib.APIRouter()
    ar.ws('/ws')(echo)
    ar.to_app(app)
    assert ask(app) == 'hi'


# Hub

stock_apps = {'FastHTML': lambda: stock_common.FastHTML(secret_key='x'), 'fast_app': lambda: stock_common.fast_app(secret_key='x')[0], 'live': lambda: stock_common.fast_app(secret_key='x', live=True)[0]}

@pytest.mark.parametrize('make', stock_apps.values(), ids=stock_apps)
def test_hub(lib, only_ours, make):
    app,seen = make(),[]
    app.ws('/before', conn=lambda ws: seen.append('conn'), disconn=lambda ws: seen.append('disconn'))(echo)
    app.ws('/with', name='named', middleware=[Middleware(Tag, name='one'), Middleware(Tag, name='two')])(tags)
    app.ws('/{room}/path')(lambda data, scope: scope['path_params']['room'])
    hub = lib.Hub(app)
    app.ws('/after', error=lambda error: 'mine')(echo)
    app.add_websocket_route('/added', echo)
    send = app.setup_ws(echo)
    assert app.hub is hub and app._send is send
    assert survives(app, '/before') and seen == ['conn', 'disconn']
    assert ask(app, path='/with') == 'one,two,hi' and survives(app, '/with') and app.url_path_for('named') == '/with'
    assert ask(app, path='/tea/path') == 'tea' and survives(app, '/added') and survives(app, '/ws')
    with app.get_testclient().websocket_connect('/after') as c:
        c.send_text('?')
        assert c.receive_text() == 'mine'


def test_hub_keeps_routes_of_others(lib, only_ours):
    "A socket that was not made by `app.ws` is none of its business"
    async def own(ws):
        await ws.accept()
        await ws.send_text('own')
        await ws.close()
    app = stock_common.FastHTML(secret_key='x', routes=[WebSocketRoute('/own', own)])
    lib.Hub(app)
    with app.get_testclient().websocket_connect('/own') as c: assert c.receive_text() == 'own'


def test_hub_finds_what_nothing_can_fill(lib, only_ours, caplog):
    def app():
        app = stock_common.FastHTML(secret_key='x')
        @app.ws('/ws')
        def typo(mgs): return f'{mgs}'
        return app
    lib.Hub(a := app())
    assert ask(a) == 'None' and len([o for o in caplog.records if 'nothing can fill `mgs`' in o.getMessage()]) == 1
    with pytest.raises(lib.ConfigError, match='nothing can fill `mgs`'): lib.Hub(app(), lib.Policy(strict=True))


def test_one_hub_each(lib, only_ours):
    app = lib.FastHTML(secret_key='x')
    with pytest.raises(lib.ConfigError, match='has a hub already'): lib.Hub(app)
    assert app.hub.app is app


def test_a_stock_app_stays_stock(lib, only_ours):
    "Before and after ours is imported, used and given a hub next to it"
    app = stock_common.FastHTML(secret_key='x')
    app.ws('/ws')(echo)
    lib.Hub(stock_common.FastHTML(secret_key='y'))
    lib.FastHTML(secret_key='z').ws('/ws')(echo)
    assert not hasattr(app, 'hub') and type(app).ws is stock_common.FastHTML.ws and not isinstance(app, lib.FastHTML)
    with app.get_testclient().websocket_connect('/ws') as c:
        c.send_text('not JSON')
        assert 'Expecting value' in c.receive_text()


def test_two_apps_share_nothing(lib, only_ours):
    a,b = lib.FastHTML(secret_key='x', policy=lib.Policy(max_depth=2)),lib.FastHTML(secret_key='x')
    for app in (a, b): app.ws('/ws')(echo)
    with a.get_testclient().websocket_connect('/ws') as c:
        c.send_json({'msg': 'a'})
        assert c.receive_text() == 'a' and len(a.hub.connections) == 1 and not b.hub.connections
    assert not a.hub.connections and a.hub.limiter is not b.hub.limiter and (a.hub.policy.max_depth, b.hub.policy.max_depth) == (2, 32)


# Policy

makers = {'FastHTML': lambda lib, p: lib.FastHTML(secret_key='x', policy=p), 'fast_app': lambda lib, p: lib.fast_app(secret_key='x', policy=p)[0],
          'live': lambda lib, p: lib.fast_app(secret_key='x', live=True, policy=p)[0]}

def hubbed(lib, p):
    app = stock_common.FastHTML(secret_key='x')
    lib.Hub(app, p)
    return app
makers['Hub'] = hubbed

@pytest.mark.parametrize('make', makers.values(), ids=makers)
def test_policy(lib, only_ours, make, run):
    app = make(lib, lib.Policy(max_message=50, max_depth=3))
    app.ws('/ws')(echo)
    app.ws('/route', policy=lib.Policy(max_message=200))(echo)
    long,deep = json.dumps({'msg': 'x'*60}),'{"a":[[[1]]]}'
    assert run(talk(app, [long], lambda got: False)).closed == 1009
    res = run(talk(app, [long, deep], lambda got: len(got) == 2, '/route'))
    assert res.got[0] == 'x'*60 and 'nested deeper than 3' in res.got[1]


@pytest.mark.parametrize('kw', [{'max_mesage': 1}, {'nothing_like_it': 1}, {'max_message': 0}, {'max_message': '1'}, {'max_depth': True}, {'max_depth': 1.5}, {'placement': 'browser'}, {'threads': -1}], ids=str)
def test_policy_that_cannot_be(lib, only_ours, kw):
    with pytest.raises(lib.ConfigError, match=f'Policy.*{next(iter(kw))}'): lib.Policy(**kw)


@pytest.mark.parametrize('bad', [{'max_depth': 3}, 'strict', 5, True])
def test_policy_is_a_policy(lib, only_ours, bad):
    for f in (lambda: lib.FastHTML(secret_key='x', policy=bad), lambda: lib.fast_app(secret_key='x', policy=bad), lambda: lib.Hub(stock_common.FastHTML(secret_key='x'), bad), lambda: lib.FastHTML(secret_key='x').ws('/ws', policy=bad)(echo)):
        with pytest.raises(lib.ConfigError, match=r'policy is a Policy\('): f()


@pytest.mark.parametrize('kw', [{'polcy': None}, {'max_message': 5}, {'errors': None}], ids=str)
def test_unknown_keyword_of_ws(lib, kw):
    app,ar = lib.FastHTML(secret_key='x'),lib.APIRouter()
    with pytest.raises(TypeError): app.ws('/ws', **kw)(echo)
    with pytest.raises(TypeError): app.add_websocket_route('/ws', echo, **kw)
    def route():
        ar.ws('/ws', **kw)(echo)
        ar.to_app(app)
    with pytest.raises(TypeError): route()


# The import line

def test_import_line_is_a_superset():
    from fasthtml_ws import elements
    ours,theirs = ({} for _ in 'ab')
    exec('from fasthtml_ws.common import *', ours)
    exec('from fasthtml.common import *', theirs)
    assert sorted(theirs.keys() - ours.keys()) == []
    assert sorted(k for k in theirs if k != '__builtins__' and ours[k] is not theirs[k]) == sorted(['APIRouter', 'FastHTML', 'FastHTMLWithLiveReload', 'fast_app', 'serve', *elements.__all__])
    assert {'Hub', 'Policy', 'ConfigError', 'Disconnected'} <= ours.keys()


def test_names_that_came_along_are_the_documented_ones():
    ours,theirs = importlib.import_module('fasthtml_ws.common'),{}
    exec('from fasthtml.common import *', theirs)
    assert sorted(set(ours.__all__) - theirs.keys()) == ['Broker', 'CloseCode', 'ConfigError', 'Disconnected', 'HandlerTimeout', 'Hub', 'Keep', 'MemoryBroker', 'MessageError', 'Policy', 'RenderError', 'TooManyTopics']


def test_nothing_is_patched():
    "Importing ours changes no class of theirs"
    import fasthtml.core as core
    assert core.FastHTML.ws.__module__ == core.__name__ == core.FastHTML._add_ws.__module__ == core.FastHTML.setup_ws.__module__
    assert stock_common.APIRouter.ws.__module__ == core.__name__


# Arguments that nothing can fill

def typo(mgs, msg:str=''): return f'{mgs} {msg}'

def adders(app, **kw):
    "Every way in which a handler gets into `app`"
    return [lambda: app.ws('/ws', **kw)(typo), lambda: app.ws('/ws', conn=typo, **kw)(echo), lambda: app.ws('/ws', disconn=typo, **kw)(echo), lambda: app.ws('/ws', error=typo, **kw)(echo),
            lambda: app.add_websocket_route('/ws', typo, **kw)]

def test_nothing_can_fill_it(lib, only_ours, caplog):
    "One warning when it is decorated, none for its messages, and None as on stock"
    app = lib.FastHTML(secret_key='x')
    for f in [*adders(app), lambda: app.setup_ws(typo)]:
        caplog.clear()
        f()
        assert [o.levelname for o in caplog.records] == ['WARNING'] and 'typo: nothing can fill `mgs`' in caplog.text and '`mgs:str`' in caplog.text
    caplog.clear()
    assert ask(app) == 'None hi' and 'mgs' not in caplog.text


def test_strict(lib, only_ours):
    "The app's policy counts, and the route's over it"
    app = lib.FastHTML(secret_key='x', policy=lib.Policy(strict=True))
    for f in [*adders(app), lambda: app.setup_ws(typo), *adders(lib.FastHTML(secret_key='x'), policy=lib.Policy(strict=True))]:
        with pytest.raises(lib.ConfigError, match='nothing can fill `mgs`.*mgs:str'): f()
    assert not [r for r in app.routes if getattr(r, 'path', '') == '/ws']
    app.ws('/ws', policy=lib.Policy(strict=False))(typo)
    assert ask(app) == 'None hi'


def test_path_parameters_without_annotation(lib, only_ours, caplog):
    "In every handler of the route, as Starlette has converted them; on stock they are None"
    app,seen = lib.FastHTML(secret_key='x'),[]
    def conn(room, send): send(room)
    def disconn(n): seen.append(n)
    def error(n, room, error): return f'{room} {n!r} {type(error).__name__}'
    @app.ws('/{room}/{n:int}', conn=conn, disconn=disconn, error=error)
    def on_msg(k:int, room, n, id:str='none'): return f'{k} {room} {n!r}'
    with app.get_testclient().websocket_connect('/tea/7') as c:
        assert c.receive_text() == 'tea'
        c.send_json({'k': 1, 'room': 'forged', 'n': 9})
        assert c.receive_text() == '1 tea 7'
        c.send_json({'k': 'x'})
        assert c.receive_text() == 'tea 7 BindingError'
    assert seen == [7] and not caplog.text


def test_data_has_the_query(lib, only_ours):
    "In `conn` too, as on stock; what the client script says there is not in it"
    app = lib.FastHTML(secret_key='x')
    app.ws('/ws', conn=lambda data, send: send(json.dumps(data)))(lambda data: json.dumps(data))
    with app.get_testclient().websocket_connect('/ws?room=tea&n=1') as c:
        assert json.loads(c.receive_text()) == {'room': 'tea', 'n': '1'}
        c.send_json({'n': 2})
        assert json.loads(c.receive_text()) == {'room': 'tea', 'n': 2}


def test_starlette_style_function(lib):
    "On stock too it handles each message, with the connection that is accepted already"
    app = lib.FastHTML(secret_key='x')
    async def f(websocket:WebSocket): await websocket.send_text('one message')
    app.add_websocket_route('/ws', f)
    assert ask(app, n=1) == 'one message'


def test_starlette_style_function_without_annotation(lib, only_ours):
    app = lib.FastHTML(secret_key='x')
    async def f(websocket): await websocket.send_text(websocket.path_params['room'])
    app.add_websocket_route('/{room}', f)
    assert ask(app, path='/tea') == 'tea'
