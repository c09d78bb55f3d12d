"""Hostile input: tens of thousands of generated frames against every kind of handler, in memory, and a smaller number over real sockets.

After every bad frame a good one is answered; nothing of ours is in the log; nothing that was sent comes back as live HTML.
"""
import itertools, json, re, socket, struct
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Literal, NamedTuple, Optional, TypedDict, get_args
from uuid import UUID

import pytest
from fasthtml.common import Div, Li, P
from hypothesis import Phase, given, settings, strategies as st
from pydantic import BaseModel

from tests.kit import *
from tests.memory import *


# What handlers ask for

class Color(Enum): red = 'red'; blue = 'blue'
class Level(IntEnum): low = 1; high = 2
@dataclass
class Inner: n:int; note:str = ''
@dataclass
class Item: title:str; count:int = 0; tags:list[str] = field(default_factory=list); inner:Inner|None = None; tok:str = ''
class Model(BaseModel): title:str; count:int = 0; tags:list[str] = []; tok:str = ''
class Typed(TypedDict): title:str; count:int; tok:str
class Named(NamedTuple): title:str; count:int; tok:str = ''
class Made:
    @classmethod
    async def __from_request__(cls, data, title:str): return SimpleNamespace(title=title, n=len(data), tok=data.get('tok'))

class Boom(Exception): "Raised by handlers of the app, so it may be in the log"


def shown(v, tok): return Div(Li(repr(v)), P(str(v)), id='out', data_tok=str(tok), title=str(v))

def field_kinds(t, name='x'):
    "A handler of each kind for one field of type `t`"
    async def coro(x:t, tok:str=''): return shown(x, tok)
    def plain(x:t, send, tok:str=''): send(shown(x, tok))
    def gen(x:t, tok:str=''): yield P(str(x)); yield shown(x, tok)
    async def agen(x:t, tok:str=''): yield str(P(str(x))); yield shown(x, tok)
    return [coro, plain, gen, agen]


def whole(t):
    "A handler for a whole message that is a `t`"
    async def coro(x:t): return shown(x, x['tok'] if isinstance(x, dict) and 'tok' in x else getattr(x, 'tok', ''))
    return coro


good_values = {str: 'a', int: 7, float: 1.5, bool: True, date: '2026-01-31', datetime: '2026-01-31T12:00', Decimal: '1.5', Color: 'red', Level: 2, Optional[int]: 3,
               UUID: '8f14e45f-ceea-467f-a0e6-b1f2f3a4b5c6', Literal['a','b']: 'b', list[str]: ['a'], list[int]: [1,2], dict[str,int]: {'a': 1}, int|date: '2026-01-31',
               list[Inner]: [{'n': 1}], str|None: 'b', tuple[int,...]: [1], set[str]: ['a']}
message = {'title': 'a', 'count': 1, 'tags': ['b']}
whole_types = [Item, Model, Typed, Named, SimpleNamespace, Made, dict]


async def with_data(data): return shown(data, data['tok']) if 'tok' in data else ''
async def fails(x:str, tok:str=''):
    if not tok: raise Boom(x)
    return shown(x, tok)
def fails_in_thread(x:str, send, tok:str=''):
    send(P(x))
    if not tok: raise Boom(x)
    send(shown(x, tok))
async def fails_between(x:str, tok:str=''):
    yield P(x)
    if not tok: raise Boom(x)
    yield shown(x, tok)
async def cannot_be_shown(x:str, tok:str=''): return shown(x, tok) if tok else {'x': x}

def show_error(error): return P(str(error), cls='mine')
def show_more(error, x:str): return P(str(error), x, cls='mine')
async def error_fails(error): raise Boom(str(error))


def routes():
    "Name -> handler, a good message without its token, and keywords for `app.ws`"
    for t,v in good_values.items():
        for f in field_kinds(t): yield f'{t.__name__ if isinstance(t, type) and not get_args(t) else t}, {f.__name__}', f, {'x': v}, {}
    for t in whole_types: yield f'message as {t.__name__}', whole(t), message, {}
    for f in (with_data, fails, fails_in_thread, fails_between, cannot_be_shown): yield f.__name__, f, {'x': 'a'}, {}
    for e in (show_error, show_more, error_fails): yield e.__name__, field_kinds(int)[0], {'x': 5}, {'error': e}


# Frames

marks = ['<img src=x onerror=alert(1)>', '"><script>alert(1)</script>', "' onfocus=alert(1) '", '" onfocus="alert(1)', '</div><svg onload=alert(1)>', "]'><script>",
         '<!--<script>', '&lt;b&gt;', '\\"><img src=x>', '\x00', '\u2028', '\ufffe', '\u202e', '\ud83d\ude00'.encode('utf-16', 'surrogatepass').decode('utf-16')]
texts = st.one_of(st.sampled_from(marks), st.sampled_from(['', ' ', '1', 'on', 'none', 'null', '1e400', '9'*5000, '2026-13-01', 'red', 'x', 'tok']), st.text(max_size=8))
numbers = st.one_of(st.integers(-2**70, 2**70), st.sampled_from([10**400, -1, 0, 1.5, 1e308, float('inf'), float('nan')]), st.floats())
leaves = st.one_of(texts, numbers, st.booleans(), st.none())
names = st.one_of(st.sampled_from(['x', 'title', 'count', 'tags', 'inner', 'n', 'HEADERS', 'headers', 'values', 'HX-Request', 'HX-Trigger', 'send', 'ws', 'auth', 'session', 'X']), texts)
values = st.recursive(leaves, lambda o: st.one_of(st.lists(o, max_size=4), st.dictionaries(names, o, max_size=4)), max_leaves=6)

headers = st.one_of(values, st.dictionaries(st.sampled_from(['HX-Request', 'HX-Trigger', 'hx-target', 'Cookie', 'HX-Current-URL']), texts, max_size=3))

raw = st.one_of(texts, st.text(max_size=30), st.sampled_from([
    '', '{', '}', '[]', '[1]', '"a"', 'null', '1', 'true', 'NaN', '{"x":NaN}', '{"x":-Infinity}', '{"x":1e999}', '{"x":' + '9'*5000 + '}', '{"x":"\\ud800"}', '{"\\ud800":1}',
    '{"HEADERS":{"HX-A":"\\udfff"}}', '[' * 5000, '{"x":' * 5000, '{"x":' + '['*31 + ']'*31 + '}', '{"x":' + '['*99 + ']'*99 + '}', '{"x":"' + '['*99 + '"}', '\ufeff{}', ' {} ', '{"x":1}{"x":2}',
    '{"x":1,"x":"<script>"}', json.dumps({str(i): i for i in range(1001)}), json.dumps({'x': [{'n': i} for i in range(1001)]}), '{"x":"' + '\\"'*2000, '['*40 + '"' + '\\"'*500]))
same = object()

@st.composite
def frame(draw, base):
    "A frame that begins as a good message, and mostly ends as something else"
    how = draw(st.integers(0, 9))
    if how == 0: return draw(raw)
    msg = dict(base)
    if how == 1: msg.pop(draw(st.sampled_from(sorted(msg))))
    elif how == 2: msg[draw(names)] = draw(values)
    elif how == 3: msg[draw(st.sampled_from(['HEADERS', 'headers']))] = draw(headers)
    elif how == 4: msg = {'values': draw(values), **({} if draw(st.booleans()) else msg)}
    elif how == 5: msg = draw(st.dictionaries(names, values, max_size=5))
    else: msg[draw(st.sampled_from(sorted(msg)))] = draw(values)
    text = json.dumps(msg, ensure_ascii=draw(st.booleans()))
    if how == 9:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(texts) + text[at + draw(st.integers(0, 3)):]
    return text


def utf8(s:str)->str: return s.encode(errors='replace').decode() # a text frame cannot hold half a surrogate pair


# What must hold

class _Live(HTMLParser):
    "What of a piece of HTML would run"
    def __init__(self): super().__init__(); self.live = []
    def handle_starttag(self, tag, attrs): self.live += [tag] if tag in ('img','script','svg') else [k for k,_ in attrs if k.startswith('on')]


def live(html)->list[str]:
    p = _Live()
    p.feed(html); p.close()
    return p.live


_tokens = itertools.count(1)
ran = {'frames': 0, 'answered': 0}

def fuzz(app, run, path, base, frames, headers=None, patience=wait_s):
    "Send `frames`, each followed by a good message; if that goes wrong, do it again with one at a time, to name the frame"
    try: _fuzz(app, run, path, base, frames, headers, patience)
    except AssertionError:
        for f in frames if patience == wait_s else ():
            try: _fuzz(app, run, path, base, [f], headers, patience)
            except AssertionError as e: raise AssertionError(f'{f[:300]!r}: {e}') from None
        raise


def _fuzz(app, run, path, base, frames, headers, patience):
    "Every good message is answered, and nothing else happens"
    toks = [f'good-{next(_tokens)}' for _ in frames]
    sent = [o for f,tok in zip(frames, toks) for o in (utf8(f), json.dumps(base|{'tok': tok}))]
    with heard() as log: res = run(talk(app, sent, lambda got: any(toks[-1] in (o or '') for o in got[-3:]), path, headers=headers, patience=patience))
    assert res.died is None and res.closed is None, f'the connection ended after {len(res.got)} answers: {res.died!r} {res.closed}'
    answers = '\0'.join(res.got)
    assert [o for o in re.findall('data-tok="(.*?)"', answers) if o.startswith('good-')] == toks
    for o in res.got: assert not live(o), f'{live(o)} would run: {o[:300]}'
    for o in log:
        exc = o.exc_info and o.exc_info[0]
        assert exc is Boom or (exc and exc.__name__ == 'RenderError' and 'cannot_be_shown' in o.getMessage()), f'in the log: {o.getMessage()} {o.exc_info and repr(o.exc_info[1])}'
    ran['frames'] += len(frames)
    ran['answered'] += len(res.got)


class App:
    "All routes on one app"
    def __init__(self, lib):
        self.app,self.routes = lib.FastHTML(secret_key='x'),{}
        self.patience = wait_s if hasattr(lib, 'Hub') else .2 # stock leaves good messages without an answer, and nobody wants to wait for that
        for i,(name,f,base,kw) in enumerate(routes()):
            self.app.ws(f'/{i}', **kw)(f)
            assert name not in self.routes
            self.routes[name] = f'/{i}',base


@pytest.fixture(scope='module')
def fuzzed(lib, request):
    yield App(lib)
    capture = request.config.pluginmanager.getplugin('capturemanager')
    with capture.global_and_fixture_disabled(): print(f'\n{ran["frames"]} generated frames, as many good ones, {ran["answered"]} answers')


per_connection = 25 # Generated frames of one connection
connections = 9 # Connections to each route

def a_run(base): return st.lists(frame(base), min_size=per_connection, max_size=per_connection)

@pytest.mark.parametrize('name', [o[0] for o in routes()])
def test_frames(fuzzed, run, name):
    path,base = fuzzed.routes[name]
    @settings(max_examples=connections, phases=[Phase.generate])
    @given(a_run(base), st.sampled_from([None, {'origin': 'http://x'}]))
    def go(frames, headers): fuzz(fuzzed.app, run, path, base, frames, headers, fuzzed.patience)
    before = ran['frames']
    go()
    assert ran['frames']-before >= per_connection*connections


def test_marks_would_be_noticed():
    "Every mark that is live HTML is found when nobody escapes it"
    assert [o for o in marks if live(f'<p title="{o}">{o}</p>')] == [marks[i] for i in (0, 1, 3, 4, 5, 8)]


def test_enough_frames(): assert len(list(routes()))*per_connection*connections >= 20_000


# Over a real socket

@pytest.fixture(params=['websockets', 'websockets-sansio'])
def chat(request, web):
    "A server of each kind, an echo at /ws and a neighbour who must not notice anything"
    app = web.app(max_message=1000)
    @app.ws('/ws')
    async def on_msg(msg:str): return P(msg)
    web.serve(app, ws=request.param, ws_max_size=100_000) # bytes; small enough for the buffers of the kernel
    neighbour = web.connect()
    yield web
    neighbour.send(msg='still here')
    assert 'still here' in neighbour.recv()


@settings(max_examples=15, phases=[Phase.generate])
@given(st.lists(frame({'msg': 'a'}), min_size=40, max_size=40))
def bad_frames(client, frames):
    for i,f in enumerate(frames):
        text = utf8(f)
        if len(text.encode()) > 1000: continue
        client.send(text)
        client.send(msg=f'good-{i}')
        while f'good-{i}' not in (got := client.recv()): assert not live(got)
        ran['real'] = ran.get('real', 0) + 1

def test_bad_frames_over_a_socket(chat):
    bad_frames(chat.connect())
    assert ran['real'] > 400


def test_binary_closes_with_1003(chat):
    c = chat.connect()
    c.send(msg='first')
    assert 'first' in c.recv()
    c.send(b'{"msg":"a"}')
    got,end = c.all()
    assert not got and end.code == 1003


@pytest.mark.parametrize('n,code', [(1001, 1009), (5000, 1009), (150_000, 1009)])
def test_too_big_closes_with_1009(chat, n, code):
    "Past our limit as well as past the server's own"
    c = chat.connect()
    c.send('{"msg":"' + 'a'*(n-10) + '"}')
    assert c.closed().code == code


def test_just_small_enough(chat):
    c = chat.connect()
    c.send('{"msg":"' + 'a'*(1000-10) + '"}')
    assert 'a'*990 in c.recv()
    c.send('{"msg":"' + '\u20ac'*330 + '"}')
    assert '\u20ac'*330 in c.recv()
    c.send('{"msg":"' + '\u20ac'*331 + '"}')
    assert c.closed().code == 1009


# Frames as RFC 6455 (section 5.2) would not have them, byte by byte

def raw_frame(payload=b'', op=1, fin=True, mask=True, rsv=0, length=None):
    head = bytes([(0x80 if fin else 0) | rsv << 4 | op])
    n = len(payload) if length is None else length
    head += bytes([(0x80 if mask else 0) | n]) if n < 126 else struct.pack('!BH', (0x80 if mask else 0) | 126, n) if n < 65536 else struct.pack('!BQ', (0x80 if mask else 0) | 127, n)
    return head + (b'\0\0\0\0' if mask else b'') + payload

broken = {
    'invalid UTF-8': (raw_frame(b'{"msg":"\xff"}'), 1007), 'half a letter': (raw_frame(b'{"msg":"\xe2\x82"}'), 1007), 'a surrogate': (raw_frame(b'{"msg":"\xed\xa0\x80"}'), 1007), 'too long a spelling': (raw_frame(b'\xc0\x80'), 1007),
    'invalid UTF-8 in a second fragment': (raw_frame(b'{"msg":"', fin=False) + raw_frame(b'\xff"}', op=0), 1007), 'not masked': (raw_frame(b'{"msg":"a"}', mask=False), 1002), 'reserved bit': (raw_frame(b'{}', rsv=1), 1002),
    'unknown opcode': (raw_frame(b'{}', op=3), 1002), 'a fragment of nothing': (raw_frame(b'{}', op=0), 1002), 'a fragmented ping': (raw_frame(b'', op=9, fin=False), 1002), 'a long ping': (raw_frame(b'a'*126, op=9), 1002),
    'text inside a fragmented text': (raw_frame(b'{', fin=False) + raw_frame(b'{}'), 1002), 'a close code that is none': (raw_frame(struct.pack('!H', 999), op=8), 1002), 'half a close code': (raw_frame(b'\x03', op=8), 1002),
    'a length of 2**62': (raw_frame(b'', length=2**62), 1009), 'fragments that add up': (b''.join(raw_frame(b'a'*50_000, op=0 if i else 1, fin=False) for i in range(3)), 1009), 'binary fragments': (raw_frame(b'{}', op=2, fin=False) + raw_frame(b'', op=0), 1003),
}

def speak(port, data):
    "Bytes that come back for `data` after a handshake, until the server hangs up"
    with socket.create_connection(('127.0.0.1', port), wait_s) as s:
        s.sendall(b'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ' + b64encode(b'0'*16) + b'\r\n\r\n')
        got = b''
        while b'\r\n\r\n' not in got: got += s.recv(65536)
        got = got.partition(b'\r\n\r\n')[2]
        try:
            s.sendall(data)
            while b := s.recv(65536):
                got += b
                if got[:1] == b'\x88' and len(got) >= 4: s.sendall(raw_frame(got[2:4], op=8)) # the answer to a goodbye
        except ConnectionError: pass
        return got


@pytest.mark.parametrize('name', broken)
def test_broken_frames(chat, name):
    data,code = broken[name]
    got = speak(chat.servers[-1].port, data)
    assert got[:1] == b'\x88' and int.from_bytes(got[2:4], 'big') == code, got[:40]
    if code == 1007: chat.logged('uvicorn.error: Invalid UTF-8') # one of uvicorn's classes says so itself


@settings(max_examples=150, phases=[Phase.generate])
@given(st.binary(min_size=1, max_size=60))
def noise(port, data): speak(port, data + raw_frame(struct.pack('!H', 1000), op=8) + b'\0'*200)

def test_noise(chat): noise(chat.servers[-1].port)
