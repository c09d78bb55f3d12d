"""Apps driven in memory, through ASGI alone: what a browser sends goes in, what it would get comes out; no server, port or thread.

Fixtures: `lib` is the import line under test (stock FastHTML's with `--stock`), `run` runs a coroutine on one event loop for the module.
"""
import asyncio, json, logging, os
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, settings

from tests.kit import library, wait_s

__all__ = ['Talk', 'header_list', 'heard', 'lib', 'only_ours', 'post', 'profile', 'run', 'talk']

profile = dict(derandomize=True, deadline=None, database=None, print_blob=False,
               suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much])
settings.register_profile('here', **profile)
settings.load_profile('here')


@pytest.fixture(scope='module')
def lib(request):
    return library(request.config.getoption('--stock', False) or os.getenv('FASTHTML_WS_STOCK') == '1')


@pytest.fixture
def only_ours(lib):
    "For tests of what stock FastHTML has no word for"
    if not hasattr(lib, 'Hub'): pytest.fail('stock FastHTML has nothing of the kind')


@pytest.fixture(scope='module')
def run():
    with asyncio.Runner() as r: yield r.run


@dataclass
class Talk:
    "What a client got on one connection"
    got:list[str] = field(default_factory=list) # Text messages
    closed:int|None = None # Code of the close frame
    died:BaseException|None = None # What the app raised
    accepted:bool = False


def header_list(headers): return [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()]


def _scope(kind, path, query, headers):
    return dict(type=kind, path=path, raw_path=path.encode(), query_string=query.encode(), headers=header_list({'host': 'x'}|(headers or {})),
                scheme='ws' if kind == 'websocket' else 'http', http_version='1.1', root_path='', client=('127.0.0.1', 1), server=('127.0.0.1', 2),
                subprotocols=[], extensions={}, asgi={'version': '3.0'})


class _Transport(asyncio.Transport):
    "One that keeps nothing back"
    def abort(self): pass
    def is_closing(self): return False
    def get_write_buffer_size(self): return 0
    def set_write_buffer_limits(self, high=None, low=None): pass


async def talk(app,
    frames, # Texts, or bytes for binary frames
    enough, # Called with what came; when it is true, the client leaves
    path='/ws', query='', headers=None,
    patience=wait_s, # Longest that it may take, seconds
)->Talk:
    "One connection: sends `frames`, and leaves when `enough`"
    res, todo, news = Talk(), [{'type': 'websocket.connect'}], asyncio.Event()
    todo += [{'type': 'websocket.receive', ('bytes' if isinstance(o, bytes) else 'text'): o} for o in frames]
    todo.reverse()

    class Server:
        transport = _Transport() # as uvicorn has one
        async def receive(self):
            if todo: return todo.pop()
            while not (res.closed or enough(res.got)):
                news.clear()
                await news.wait()
            return {'type': 'websocket.disconnect', 'code': 1000}

    async def send(m):
        if m['type'] == 'websocket.accept': res.accepted = True
        elif m['type'] == 'websocket.close': res.closed = m.get('code', 1000)
        elif m['type'] == 'websocket.send': res.got.append(m.get('text'))
        news.set()

    try: await asyncio.wait_for(app(_scope('websocket', path, query, headers), Server().receive, send), patience)
    except Exception as e: res.died = e
    return res


async def post(app,
    path,
    body, # A dict; values that are lists are sent once an item by a form
    form=False, # As a form, instead of JSON?
    query='', headers=None,
)->tuple[int,str]: # Status and body; 500 if the app raised
    "Answer to one HTTP POST"
    data = urlencode(body, doseq=True).encode() if form else json.dumps(body).encode()
    ctype = 'application/x-www-form-urlencoded' if form else 'application/json'
    scope = _scope('http', path, query, (headers or {})|{'content-type': ctype, 'content-length': str(len(data))})
    scope['method'] = 'POST'
    todo, out = [{'type': 'http.request', 'body': data}], []
    async def receive(): return todo.pop() if todo else {'type': 'http.disconnect'}
    async def send(m): out.append(m)
    try: await app(scope, receive, send)
    except Exception: return 500, ''
    return out[0]['status'], b''.join(m.get('body', b'') for m in out[1:]).decode()


class _Heard(logging.Handler):
    def __init__(self): super().__init__(logging.WARNING); self.records = []
    def emit(self, record): self.records.append(record)


@contextmanager
def heard():
    "Records of the log, warnings and above"
    h = _Heard()
    log = logging.getLogger()
    log.addHandler(h)
    try: yield h.records
    finally: log.removeHandler(h)
