"What stars after ours replace: a stock app with sockets is named, once, with what to do; other programs hear nothing."
import pytest

from fasthtml_ws.routes import stock_apps, warn_of_stock
from tests.kit import *
from tests.test_serve import Process, free_ports

warned = 'is an app of stock FastHTML'
ours,monster = 'from fasthtml_ws.common import *\n','from monsterui.all import *\n'
make = "app,rt = fast_app(secret_key='for tests', hdrs=Theme.blue.headers())\n"
socket = "@app.ws('/ws')\nasync def ws(msg:str, send): await send(msg)\n"
serve = 'serve(port={port}, reload=False)\n'

programs = { # name -> program, and the apps that are named
    'replaced': (ours+monster+make+socket, ['app']),
    'FastHTML of monsterui': (ours+monster+"app = FastHTML(secret_key='for tests')\n"+socket, ['app']),
    'FastHTML of stock': (ours+'from fasthtml.common import *\napp = FastHTML(secret_key="for tests")\n'+socket, ['app']),
    'two': (ours+monster+make+socket+"other,_ = fast_app(secret_key='for tests')\nother.add_websocket_route('/x', ws)\nthird,_ = fast_app(secret_key='for tests')\n", ['app','other']),
    'an endpoint class': (ours+monster+make+"from starlette.endpoints import WebSocketEndpoint\napp.add_websocket_route('/ws', WebSocketEndpoint)\n", ['app']),
    'ours last': (monster+ours+make+socket, []),
    'with a hub': (ours+monster+make+socket+'hub = Hub(app)\n', []),
    'with a hub first': (ours+monster+make+'hub = Hub(app)\n'+socket, []),
    'no sockets': (ours+monster+make, []),
    'live reload only': (ours+monster+make.replace('fast_app(', 'fast_app(live=True, '), []),
    'no star of ours': ('import fasthtml_ws.common as fw\n'+monster+make+socket, []),
    'some names of ours': ('from fasthtml_ws.common import FastHTML as Ours, Hub, Policy, serve\n'+monster+make+socket, []),
    'stock on purpose': ('import fasthtml.common as stock, fasthtml_ws.common\napp = stock.FastHTML(secret_key="for tests")\n'+socket, []),
    'ours alone': (ours+"app = FastHTML(secret_key='for tests')\n"+socket, []),
}

@pytest.mark.parametrize('code,apps', programs.values(), ids=programs)
def test_what_is_named(code, apps, caplog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(code, glb := {})
    assert stock_apps(glb) == apps
    caplog.clear()
    warn_of_stock(glb)
    assert [o.levelname for o in caplog.records] == ['WARNING']*len(apps) and caplog.text.count(warned) == len(apps) and all(f'`Hub({o})`' in caplog.text for o in apps)


# In processes of their own, as they are started

@pytest.fixture
def start(tmp_path):
    started = []
    def start(code, *args, n=1):
        port = free_ports(n)
        (tmp_path/'app.py').write_text(code.format(port=port))
        started.append(Process(tmp_path, args or ('app.py',), port))
        return started[-1]
    yield start
    for o in started: o.kill()


@pytest.mark.parametrize('code,times', [(ours+monster+make+socket+serve, 1), (ours+monster+make+socket+'serve(port={port})\n', 1), (monster+ours+make+socket+serve, 0)], ids=['replaced', 'with reload', 'ours last'])
def test_script(start, code, times):
    s = start(code)
    assert 'hello' in s.echo() and s.said().count(warned) == times, s.said()


uvicorn = '-m','uvicorn','app:app','--port','{port}'

@pytest.mark.parametrize('end,args,times', [('serve()\n', [], 1), ('', ['--reload'], 1), ('serve()\n', ['--reload'], 1), ('hub = Hub(app)\nserve()\n', ['--reload'], 0)], ids=['serve', 'loop', 'serve and loop', 'with a hub'])
def test_under_uvicorn(start, end, args, times):
    "`serve` does nothing else where a server imports the app; with `--reload` it is imported while the loop runs"
    s = start(ours+monster+make+socket+end, *uvicorn, *args)
    assert 'hello' in s.echo() and s.said().count(warned) == times, s.said()


def test_stock_on_purpose(web):
    "Both in one process, in modules of their own"
    import fasthtml.common as stock
    a,b = web.app(),stock.FastHTML(secret_key='for tests')
    for o in (a, b): o.ws('/ws')(lambda data: 'hi')
    for o in (a, b):
        web.serve(o)
        c = web.connect()
        c.send('{}')
        assert c.recv() == 'hi'
