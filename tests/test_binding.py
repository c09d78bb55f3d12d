"Which argument gets what: names, annotations, reserved words, where a value is looked for, and what is refused when a handler is decorated."
import asyncio, collections.abc, logging, typing, warnings
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from functools import partial, update_wrapper, wraps
from inspect import signature
from types import SimpleNamespace
from typing import Any, NamedTuple, Optional, TypedDict
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as st
from starlette.applications import Starlette
from starlette.datastructures import Headers, QueryParams, State, UploadFile
from starlette.requests import HTTPConnection, Request
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

import fasthtml.common as stock_common, fasthtml_ws.common as our_common
from fasthtml.common import ApiReturn, FastHTML as StockFastHTML, HtmxHeaders, NotStr, Safe
from fasthtml_ws.binding import compile_plan, func_name
from fasthtml_ws.errors import BindingError, ConfigError
from fasthtml_ws.payload import Payload, parse_payload
from fasthtml_ws.routes import reserved
from tests import future
from tests.memory import *


def conn(path=None, query='', cookies=None, headers=None, **scope):
    "What a plan asks of a connection"
    app = SimpleNamespace(state='the state')
    scope = {'app': app, 'session': {'name': 'Ann'}, 'auth': 'ann'} | scope
    c = SimpleNamespace(path_params=path or {}, query_params=QueryParams(query), cookies=cookies or {}, headers=Headers(headers or {}), scope=scope,
                        sender='the send', route=SimpleNamespace(hub='the hub'))
    c.ws = c
    return c

def bind(f, /, c=None, **msg):
    "Arguments of `f` for the message `msg`"
    return compile_plan(f, reserved)(c or conn(), Payload(msg, {}))

def ready(f, c=None, **msg):
    "The same when some have to be awaited"
    plan = compile_plan(f, reserved)
    return asyncio.run(plan.ready(plan(c or conn(), Payload(msg, {}))))


# Where a value is looked for

places = ['path', 'payload', 'query', 'cookie', 'header', 'default']

def spread(names):
    "A connection and a message that say at each of `names` where they are"
    c = conn({'x': 'path'} if 'path' in names else {}, 'x=query' if 'query' in names else '', {'x': 'cookie'} if 'cookie' in names else {}, {'x': 'header'} if 'header' in names else {})
    return c, {'x': 'payload'} if 'payload' in names else {}

@given(st.sets(st.sampled_from(places[:-1])))
def test_precedence(names):
    def f(x:str = 'default'): ...
    c,msg = spread(names)
    assert bind(f, c=c, **msg) == {'x': next(p for p in places if p in names or p == 'default')}


@given(st.sets(st.sampled_from(places[:-1])))
def test_precedence_without_default(names):
    def f(x:str): ...
    c,msg = spread(names)
    if names: assert bind(f, c=c, **msg) == {'x': next(p for p in places if p in names)}
    else:
        with pytest.raises(BindingError, match='x: missing'): bind(f, c=c, **msg)


def test_wrong_value_is_not_looked_over():
    "What was sent is what is meant; a cookie does not step in for a typing error"
    def f(n:int = 5): ...
    with pytest.raises(BindingError, match='expected a whole number, got "a"'): bind(f, c=conn(query='n=1', cookies={'n': '2'}), n='a')


def test_names_with_hyphens():
    def f(first_name:str): ...
    assert bind(f, **{'first-name': 'Ann'}) == bind(f, c=conn(query='first-name=Ann')) == bind(f, c=conn(headers={'first-name': 'Ann'})) == {'first_name': 'Ann'}
    assert bind(f, **{'first-name': 'Ann', 'first_name': 'Bob'}) == {'first_name': 'Bob'}
    def g(user_agent:str, hx_target:str): ...
    assert compile_plan(g, reserved)(conn(headers={'User-Agent': 'me'}), Payload({}, {'hx-target': 'log'})) == {'user_agent': 'me', 'hx_target': 'log'}


def test_many_values_of_the_query():
    def f(tags:list[str], n:int): ...
    assert bind(f, c=conn(query='tags=a&tags=b&n=1&n=2')) == {'tags': ['a','b'], 'n': 2}


def test_nested_values():
    def f(msg:str, n:int): ...
    assert bind(f, values={'msg': 'in', 'n': '1'}, msg='out') == {'msg': 'out', 'n': 1}


@pytest.mark.parametrize('t,v', [(int, 5), (float, 1.5), (str, 'a'), (UUID, UUID('8f14e45f-ceea-467f-a0e6-b1f2f3a4b5c6')), (date, date(2026,1,31)), (Optional[UUID], UUID(int=1))], ids=str)
def test_path_parameters_that_are_converted_already(t, v):
    "`{id:uuid}` gives a UUID"
    def f(id): ...
    f.__annotations__ = {'id': t}
    assert bind(f, c=conn({'id': v})) == {'id': v}


# Defaults and null

def test_defaults():
    def f(a:int = 1, b:Optional[str] = None, c:date = '2026-01-31', d:list[int] = [1], e:str = '', g:int|None = 5): ...
    assert bind(f) == {'a': 1, 'b': None, 'c': date(2026,1,31), 'd': [1], 'e': '', 'g': 5}
    assert bind(f, a=None, b=None, g=None) | {'c': 0} == bind(f) | {'c': 0}


def test_null_without_default():
    def f(a:Optional[str]): ...
    assert bind(f, a=None) == {'a': None}
    def g(a:str): ...
    with pytest.raises(BindingError, match='a: expected text, got null'): bind(g, a=None)


def test_a_default_is_nobodys_to_keep():
    "What one message does to a default list is not seen by the next; on an HTTP route it is a new list too"
    def f(tags:list[str] = [], seen:dict[str,int] = {}): ...
    plan = compile_plan(f, reserved)
    a = plan(conn(), Payload())
    a['tags'].append('mine'); a['seen']['mine'] = 1
    assert plan(conn(), Payload()) == {'tags': [], 'seen': {}}


def test_bad_default_is_kept_as_it_is(caplog):
    "Stock says so to each client that leaves the field out; what comes is converted"
    def f(n:int = 'many'): ...
    assert bind(f) == {'n': 'many'} and bind(f, n='1') == {'n': 1} and 'default does not fit' in caplog.text
    with pytest.raises(ConfigError, match='n'): compile_plan(f, reserved.at(strict=True))


def test_kept_at_hand():
    "No annotation and a default: not for a message to change"
    seen = []
    def f(msg:str, seen=seen, limit=5, *args, **kw): ...
    assert bind(f, msg='a', seen='x', limit=9, kw={'a':1}, args=[1]) == {'msg': 'a'}


def test_star_arguments_stay_empty():
    def f(*args:int, msg:str, **kw:str): ...
    assert bind(f, msg='a', args=[1], kw={'b':1}, other='c') == {'msg': 'a'}


# Reserved names

class Session(dict): "An annotation of the app's own"

def test_reserved_without_annotation():
    def f(send, ws, data, session, scope, app, state, auth, htmx, request, hub, api): ...
    c = conn()
    got = bind(f, c=c, send='x', ws='x', session='x', app='x', auth='x')
    assert got['send'] == 'the send' and got['ws'] is got['request'] is c and got['session'] is c.scope['session'] and got['scope'] is c.scope
    assert got['app'] is c.scope['app'] and got['state'] == 'the state' and got['auth'] == 'ann' and got['hub'] == 'the hub' and isinstance(got['htmx'], HtmxHeaders)
    assert got['data'] == dict(send='x', ws='x', session='x', app='x', auth='x') and isinstance(got['api'], ApiReturn)


@pytest.mark.parametrize('name,whose', [('sess','session'), ('ses','session'), ('s','session'), ('req','request'), ('r','request'), ('SEND','send'), ('Session','session'), ('WS','ws')])
def test_shorter_forms(name, whose):
    c = conn()
    f = eval(f'lambda {name}: 0')
    got = bind(f, c=c, **{name: 'x'})[name]
    assert got is {'session': c.scope['session'], 'request': c, 'ws': c, 'send': c.sender}[whose]


@pytest.mark.parametrize('name,t', [('send',typing.Callable), ('send',collections.abc.Callable), ('send',callable), ('send',typing.Callable[[str],Any]), ('send',collections.abc.Callable[...,Any]),
    ('ws',WebSocket), ('socket',WebSocket), ('conn',HTTPConnection), ('req',Request), ('data',dict), ('session',dict), ('sess',dict), ('scope',dict), ('app',StockFastHTML), ('me',Starlette), ('state',State), ('s',State),
    ('htmx',HtmxHeaders), ('h',HtmxHeaders), ('auth',str), ('auth',dict), ('auth',Session), ('auth',Optional[str]), ('Auth',int)], ids=str)
def test_reserved_with_their_own_type(name, t):
    f = eval(f'lambda {name}: 0')
    f.__annotations__ = {name: t}
    c = conn()
    assert compile_plan(f, reserved)(c, Payload({name: 'typed'}, {})) == compile_plan(f, reserved)(c, Payload({name: 'other'}, {})) or name == 'data'


@pytest.mark.parametrize('name', ['send', 'data', 'ws', 'session', 'sess', 'scope', 'app', 'state', 'htmx', 'request', 'conn', 'hub', 'req', 's', 'body', 'resp', 'hdrs'])
def test_with_another_type_it_is_a_field(name):
    f = eval(f'lambda {name}: 0')
    f.__annotations__ = {name: str}
    assert bind(f, **{name: 'typed'}) == {name: 'typed'}
    with pytest.raises(BindingError, match=f'{name}: missing'): bind(f)


@pytest.mark.parametrize('t', [None, str, int, Optional[str], list[str], dict, Any], ids=str)
def test_auth_is_never_what_was_typed(t):
    f = eval('lambda auth: 0')
    if t: f.__annotations__ = {'auth': t}
    for c in (conn(), conn(auth=None), conn({'auth': 'mallory'}, 'auth=mallory', {'auth': 'mallory'}, {'auth': 'mallory'})):
        assert bind(f, c=c, auth='mallory', values={'auth': 'mallory'}) == {'auth': c.scope['auth']}


def test_whole_message_in_a_dict():
    def f(d:dict, n:int): ...
    assert bind(f, n='1', a=[2]) == {'d': {'n': '1', 'a': [2]}, 'n': 1}


def test_htmx_headers():
    def f(htmx): ...
    p = parse_payload('{"HEADERS":{"HX-Trigger":"form","HX-Current-URL":"/x"}}')
    got = compile_plan(f, reserved)(conn(headers={'hx-trigger': 'of the handshake'}), p)['htmx']
    assert got.trigger == 'form' and got.current_url == '/x' and got.target is None


# Whole messages

@dataclass
class Item: title:str; count:int = 1; tags:list[str] = field(default_factory=list)
class Typed(TypedDict): title:str; count:int
class Named(NamedTuple): title:str; count:int = 1

@pytest.mark.parametrize('t', [Item, Typed, Named, SimpleNamespace, dict], ids=lambda t: t.__name__)
def test_path_and_query_belong_to_a_whole_message(t):
    "Path before message before query, as for a single field"
    def f(x): ...
    f.__annotations__ = {'x': t}
    def get(o, k): return o[k] if isinstance(o, dict) else getattr(o, k)
    x = bind(f, c=conn({'title': 'path'}), title='typed', count=1)['x']
    assert get(x, 'title') == 'path'
    x = bind(f, c=conn(query='count=7&title=query'), title='typed')['x']
    assert get(x, 'title') == 'typed' and int(get(x, 'count')) == 7


def test_several_whole_messages_and_fields():
    def f(item:Item, typed:Typed, title:str, rest:dict): ...
    assert bind(f, title='a', count='2') == {'item': Item('a', 2), 'typed': {'title': 'a', 'count': 2}, 'title': 'a', 'rest': {'title': 'a', 'count': '2'}}


def test_field_of_a_whole_message_is_named():
    def f(item:Item): ...
    with pytest.raises(BindingError) as e: bind(f, title='a', count='x')
    assert e.value.field == 'count'
    def g(items:list[Item]): ...
    with pytest.raises(BindingError) as e: bind(g, items=[{'title': True}])
    assert e.value.field.startswith('items') and e.value.field.endswith('title')


class Plain:
    def __init__(self, msg, name): self.msg,self.name = msg,name
    @classmethod
    def __from_request__(cls, msg:str, session): return cls(msg, session['name'])
class Later:
    def __init__(self, msg): self.msg = msg
    @classmethod
    async def __from_request__(cls, msg:str):
        await asyncio.sleep(0)
        return cls(msg)
class Nested:
    def __init__(self, a, b): self.a,self.b = a,b
    @classmethod
    def __from_request__(cls, a:Later, b:Plain): return cls(a, b)
class NestedLater(Nested):
    @classmethod
    async def __from_request__(cls, a:Later, b:Plain): return cls(a, b)

@pytest.mark.parametrize('t', [Plain, Later])
def test_from_request(t):
    def f(x:t): ...
    assert ready(f, msg='a')['x'].msg == 'a'
    with pytest.raises(BindingError, match='msg: missing'): ready(f)


@pytest.mark.parametrize('t', [Nested, NestedLater])
def test_from_request_of_one_that_has_to_be_awaited(t):
    def f(x:t): ...
    x = ready(f, msg='a')['x']
    assert isinstance(x.a, Later) and x.a.msg == x.b.msg == 'a'


def test_from_request_that_cannot_be_filled(caplog):
    class Bad:
        def __init__(self, nothing): self.nothing = nothing
        @classmethod
        def __from_request__(cls, nothing): return cls(nothing)
    def f(x:Bad): ...
    assert bind(f)['x'].nothing is None and 'nothing can fill `nothing`' in caplog.text
    with pytest.raises(ConfigError, match='nothing can fill `nothing`'): compile_plan(f, reserved.at(strict=True))


# Kinds of callables

class Room:
    name:int # of the class, not of a message
    def __init__(self, name): self.name = name
    def on_msg(self, msg:str, n:int = 1): return self.name, msg, n
    @classmethod
    def of_class(cls, msg:str): return cls.__name__, msg
    @staticmethod
    def static(msg:str): return msg
    def __call__(self, msg:str, name:str = ''): return self.name, msg, name
    async def later(self, msg:str): return msg

def plain(msg:str, n:int = 1, *, sep:str = '-'): return msg, n, sep
def wrapped(f):
    @wraps(f)
    def g(*args, **kw): return f(*args, **kw)
    return g

room = Room('tea')
@pytest.mark.parametrize('f,msg,res', [
    (room.on_msg, {'n':'2'}, ('tea','a',2)), (Room.of_class, {}, ('Room','a')), (Room.static, {}, 'a'), (room, {'name':'b'}, ('tea','a','b')), (partial(plain, n=5), {'n':'7'}, ('a',5,'-')), (partial(plain, 'first'), {'n':'2'}, ('first',2,'-')),
    (partial(partial(plain, n=5), sep='+'), {}, ('a',5,'+')), (partial(room.on_msg, n=3), {}, ('tea','a',3)), (partial(room, name='x'), {}, ('tea','a','x')), (lambda data: data['msg'], {}, 'a'), (wrapped(plain), {'sep':'/'}, ('a',1,'/')),
    (wrapped(wrapped(room.on_msg)), {'n':4}, ('tea','a',4)), (partial(wrapped(plain), sep='.'), {}, ('a',1,'.')), (lambda: 'none', {}, 'none'),
], ids=lambda o: getattr(o, '__qualname__', str(o))[:30])
def test_callables(f, msg, res):
    assert f(**bind(f, msg='a', **msg)) == res
    assert func_name(f)


def test_names_in_errors():
    assert func_name(partial(room.on_msg, n=1)) == 'Room.on_msg' and func_name(room) == 'Room' and func_name(partial(partial(plain))) == 'plain'


# Annotations that are texts

def test_texts_as_annotations():
    assert future.fields(**{k:v for k,v in bind(future.fields, n='1', day='2026-01-31', tags='a').items() if k not in ('send','session')} | {'send': 0, 'session': 0}) == (1, date(2026,1,31), ['a'])
    assert bind(future.entry, title='a', sub={'title': 'b'}) == {'e': future.Entry('a', sub=future.Entry('b'))}
    assert bind(future.row, n='1') == {'r': {'n': 1}}
    c = conn()
    assert bind(future.reserved, c=c, state='x', auth='mallory') == {'ws': c, 'auth': 'ann', 'state': 'x', 'data': {'state': 'x', 'auth': 'mallory'}}
    assert bind(future.Room().on_msg, msg='a', n='2') == {'msg': 'a', 'n': 2} and bind(future.Room(), msg='a', title='2') == {'msg': 'a', 'title': 2}


def test_text_that_names_a_class_of_a_function(caplog):
    "Names that only the function around a handler knows cannot be found, and that is said"
    f,Here = future.local()
    assert bind(f, msg='a', n='1') == {'msg': 'a', 'here': None}
    assert '`here`' in caplog.text and '`Here`' in caplog.text and '`msg`' not in caplog.text
    with pytest.raises(ConfigError, match='`Here` names nothing'): compile_plan(f, reserved.at(strict=True))


def test_text_that_names_nothing(caplog):
    assert bind(future.unresolvable, n='1') == {'n': 1, 'who': None} and '`who`' in caplog.text and 'Nobody' in caplog.text


def test_reserved_with_a_text_that_names_nothing(caplog):
    "`ws:'WebSocket'` with an import that only type checkers see"
    c = conn()
    assert bind(future.unseen, c=c, msg='a') == {'ws': c, 'send': 'the send', 'msg': 'a'} and not caplog.text


# What nothing can fill: said when a handler is decorated, and None, or its default; an error where the policy is strict

def no_annotation(mgs): ...
def positional(msg, /): ...
def upload(f:UploadFile): ...
def uploads(f:list[UploadFile]): ...
def maybe_upload(f:Optional[UploadFile]): ...
def http_only(resp): ...
def http_body(body): ...
def no_annotation_to_speak_of(x:5): ...
def a_type_variable(x:typing.TypeVar('T')): ...

cannot = [(no_annotation, ['nothing can fill `mgs`', 'mgs:str', 'Reserved names', 'send']), (positional, ['positional-only', '`/`']), (upload, ['`f`', 'HTTP route']), (uploads, ['`f`', 'HTTP route']),
          (maybe_upload, ['`f`', 'HTTP route']), (http_only, ['`resp`', 'HTTP response']), (http_body, ['`body`', 'HTTP response']), (no_annotation_to_speak_of, ['`x`', '5 is not an annotation']),
          (a_type_variable, ['`x`', 'is not an annotation']), (partial(no_annotation), ['no_annotation', '`mgs`'])]

@pytest.mark.parametrize('f,says', cannot, ids=lambda o: getattr(o, '__name__', ''))
def test_cannot_be_filled(f, says, caplog):
    name, = signature(f).parameters
    assert bind(f, **{name: 'typed'}) == {name: None}
    assert len(caplog.records) == 1 and caplog.records[0].levelno == logging.WARNING and all(o in caplog.text for o in [func_name(f), *says]), caplog.text
    with pytest.raises(ConfigError) as e: compile_plan(f, reserved.at(strict=True))
    assert all(o in str(e.value) for o in [func_name(f), *says]), str(e.value)


@pytest.mark.parametrize('t', [UploadFile, Optional[UploadFile], 5, typing.TypeVar('T')], ids=str)
def test_default_of_what_cannot_be_filled(t, caplog):
    def f(x = 'mine'): return x
    f.__annotations__ = {'x': t}
    assert f(**bind(f, x='typed')) == 'mine' and len(caplog.records) == 1


@pytest.mark.parametrize('name', ['self', 'SELF', 'Self'])
def test_self_is_none_without_a_word(name, caplog):
    "As on stock: a function that was written as a method"
    f = eval(f'lambda {name}: 0')
    assert bind(f, **{name: 'typed'}) == {name: None} and compile_plan(f, reserved.at(strict=True)) and not caplog.text


def test_websocket_is_the_connection():
    c = conn()
    def f(websocket, WebSocket): ...
    assert bind(f, c=c, websocket='typed') == {'websocket': c, 'WebSocket': c}
    def g(websocket:str): ...
    assert bind(g, websocket='typed') == {'websocket': 'typed'}


def test_names_of_the_path(caplog):
    "Their values without an annotation; a default does not hide them, a reserved name does"
    def f(room, n, send, state, limit=5, room2='mine', *, last): ...
    c = conn({'room': 'tea', 'n': 7, 'state': 'path', 'room2': 'b', 'last': 'z'})
    plan = compile_plan(f, reserved.at(['room', 'n', 'state', 'room2', 'last']))
    assert plan(c, Payload(dict(room='typed', n='typed', limit=9, room2='typed'))) == {'room': 'tea', 'n': 7, 'send': 'the send', 'state': 'the state', 'room2': 'b', 'last': 'z'}
    assert not caplog.text and not reserved.path


# Each decision beside what stock does with the same handler and message

missing = object()
failed = 'an error'

def gets(common, name, anno, default, sent, path='/ws', url=None):
    "What the argument `name` is when `sent` comes: its value, or `failed`; decorating never fails"
    got,glb = [],{'A': anno, 'D': default}
    exec(f"def h({name}{':A' if anno is not missing else ''}{'=D' if default is not missing else ''}): got.append({name}); return 'ok'", glb | {'got': got}, loc := {})
    app = common.FastHTML(secret_key='x')
    app.ws(path)(loc['h'])
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            with TestClient(app).websocket_connect(url or path) as c:
                c.send_json(sent)
                c.receive_text()
        except Exception: pass # stock's connections die with whatever was raised
    return got[0] if got else failed

class Count(int): "A type of the app's own"
T = typing.TypeVar('T')
any_ = object() # nothing to compare

decisions = [ # argument, annotation, default, what is sent; what it is on stock, and here; why they differ
    ('self', missing, missing, {}, None, None),
    ('mgs', missing, missing, {'mgs': 'a'}, None, None),
    ('websocket', missing, missing, {}, None, any_), # the connection, as its name says
    ('body', missing, missing, {'body': 'a'}, failed, None), ('hdrs', missing, missing, {}, failed, None), ('resp', missing, missing, {'resp': 'a'}, None, None),
    ('x', missing, 'mine', {'x': 'a'}, None, 'mine'), # what is at hand is not for a message to change, nor to lose
    ('x', list, missing, {'x': ['a', 'b']}, None, ['a', 'b']), ('x', list, missing, {'x': 'a'}, None, ['a']), ('x', list, missing, {'x': [1, {'b': [2]}]}, None, [1, {'b': [2]}]), # what was sent, where stock ignores it
    ('x', list, missing, {}, None, None), ('x', list, None, {}, None, None), ('x', tuple, missing, {}, None, None), ('x', list, [7], {}, None, [7]),
    ('x', list, None, {'x': ['a']}, None, ['a']), ('x', tuple, missing, {'x': ['a', 'b']}, None, ('a', 'b')),
    ('x', set, missing, {'x': ['ab', 'ab']}, {'a', 'b'}, {'ab'}), ('x', frozenset, missing, {'x': 'ab'}, frozenset('ab'), frozenset(['ab'])), # stock makes a set of letters
    ('x', set, missing, {}, failed, failed), ('x', set, missing, {'x': [{}]}, set(), failed), ('x', typing.Set, None, {}, None, None), ('x', typing.List, missing, {}, failed, []), ('x', typing.List, None, {}, [], []), ('x', list[str], None, {}, [], []), ('x', Optional[list[int]], None, {}, [], []), ('x', tuple[str,...], None, {}, None, None), ('x', list[str], missing, {}, failed, failed),
    ('x', typing.List, missing, {'x': ['a', 'b']}, failed, ['a', 'b']), ('x', typing.Tuple, missing, {'x': 'a'}, failed, ('a',)), ('x', typing.FrozenSet, missing, {'x': 'a'}, failed, frozenset('a')), ('x', Optional[list], None, {}, None, None),
    ('x', Optional[list], missing, {'x': 'a'}, None, ['a']), ('x', list|None, None, {'x': ['a']}, None, ['a']), ('x', tuple[int,str], missing, {'x': ['1', '2']}, ('2',), (1, '2')), ('x', typing.Sequence, None, {'x': 'a'}, failed, ['a']),
    ('x', typing.Iterable[int], missing, {'x': ['1']}, failed, [1]), ('x', typing.Dict, missing, {'x': {'a': 1}}, {'a': 1}, {'a': 1}), ('x', typing.Mapping, None, {}, None, None),
    ('send', typing.Callable, None, {}, None, any_), ('send', Optional[typing.Callable], None, {}, None, any_), ('send', typing.Callable|None, None, {}, None, any_), ('send', Optional[typing.Callable[[str], Any]], missing, {}, failed, any_),
    ('send', collections.abc.Callable|None, None, {}, None, any_), ('cb', Optional[typing.Callable], None, {}, None, None), ('cb', typing.Callable, None, {'cb': 'a'}, failed, None),
    ('ws', Optional[WebSocket], None, {}, None, any_), ('data', Optional[dict], None, {'data': {'a': 1}}, {'a': 1}, {'a': 1}), ('session', dict|None, None, {}, None, None),
    ('x', bytes, missing, {'x': 'a'}, failed, b'a'), ('x', bytearray, None, {'x': 'a'}, failed, bytearray(b'a')), ('x', bytes, None, {}, None, None),
    ('x', UploadFile, missing, {'x': {}}, {}, None), ('x', UploadFile, None, {'x': {}}, {}, None), ('x', list[UploadFile], None, {}, [], None), # what htmx sends for a file is no file
    ('x', NotStr, missing, {'x': '<b>'}, '<b>', '<b>'), ('x', Safe, missing, {'x': '<b>'}, '<b>', '<b>'),
    ('x', int, 'many', {'x': '1'}, 1, 1), ('x', int, 'many', {}, failed, 'many'), ('x', date, '', {}, None, ''), ('x', 'Nowhere', missing, {'x': 'a'}, failed, None), ('x', 5, None, {}, None, None), ('x', 5, None, {'x': 'a'}, failed, None), ('x', T, None, {}, None, None), ('x', [int], None, {}, failed, None),
    ('x', str, missing, {'x': 3}, 3, '3'), ('x', str, missing, {'x': 2.5}, 2.5, '2.5'), ('x', str, missing, {'x': [1, 2]}, '2', failed), ('x', str, missing, {'x': True}, True, failed), # 'False' would be true
    ('x', bool, missing, {'x': 1}, 1, True), ('x', bool, missing, {'x': 0}, 0, False), ('x', bool, missing, {'x': 2}, 2, failed), ('x', int, missing, {'x': 2.0}, 2, 2), ('x', int, missing, {'x': 2.5}, 2.5, failed), ('x', int, missing, {'x': True}, True, failed),
    ('x', Count, missing, {'x': 3}, 3, Count(3)), ('x', int|str, missing, {'x': 'a'}, failed, 'a'), ('x', str|int, missing, {'x': 5}, 5, 5), ('x', str|int, missing, {'x': '5'}, '5', '5'),
]

def in_words(o):
    "The same in every process: the order of a set is not"
    return '-' if o in (missing, any_) else str(sorted(o) if isinstance(o, (set,frozenset)) else o)[:40]

@pytest.mark.parametrize('name,anno,default,sent,stock,ours', decisions, ids=in_words)
def test_decision(name, anno, default, sent, stock, ours, tmp_path, monkeypatch):
    there = gets(stock_common, name, anno, default, sent)
    assert there == stock, 'what stock does has changed'
    here = gets(our_common, name, anno, default, sent)
    if ours is any_: assert here is not failed and here is not None
    else: assert here == ours and type(here) is type(ours)


def test_data_has_the_query():
    "What was typed wins; on stock the query does"
    assert gets(stock_common, 'data', missing, missing, {'a': 'typed'}, url='/ws?a=query&b=2&b=3') == {'a': 'query', 'b': '3'}
    assert gets(our_common, 'data', missing, missing, {'a': 'typed'}, url='/ws?a=query&b=2&b=3') == {'a': 'typed', 'b': '3'}
    assert gets(our_common, 'data', dict, missing, {'a': 'typed'}, '/{room}', url='/tea?b=2') == {'a': 'typed', 'b': '2'}
    p = Payload({'a': 1})
    def f(data): ...
    assert compile_plan(f, reserved)(conn(), p)['data'] is p.values


@pytest.mark.parametrize('t', [NotStr, Safe, list[Safe], Optional[NotStr]], ids=str)
def test_html_of_a_client_is_text(t, caplog):
    "Markup that one client types must not run in the pages of others, so it is a text, which is escaped where it is shown"
    def f(x): ...
    f.__annotations__ = {'x': t}
    x, = [bind(f, x='<b>')['x']]
    assert type(x[0] if isinstance(x, list) else x) is str and 'not escaped' in caplog.text and len(caplog.records) == 1
    with pytest.raises(ConfigError, match='not escaped'): compile_plan(f, reserved.at(strict=True))


@dataclass
class Odd: title:str; call:typing.Callable|None = None; who:'Nobody' = None; html:Safe = ''

def test_field_that_nothing_can_fill(caplog):
    "The rest of an object is taken, as on stock"
    def f(o:Odd): ...
    assert bind(f, title='a', html='<b>') == {'o': Odd('a', html='<b>')} and 'not escaped' in caplog.text
    with pytest.raises(BindingError, match='call'): bind(f, title='a', call='b')


# Whatever is sent

leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=5))
anything = st.recursive(leaves, lambda o: st.one_of(st.lists(o, max_size=3), st.dictionaries(st.sampled_from(['title','count','tags','values']), o, max_size=3)), max_leaves=6)
class Color(Enum): red = 'red'

@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(['a','b','c','d','e','values','title','count','tags','first-name']), anything, max_size=6))
def test_arguments_or_a_binding_error(msg):
    def f(ws, a:str, b:int|None = None, c:list[float] = [], d:Color = Color.red, e:Optional[Item] = None, first_name:str = ''): ...
    def g(item:Item, typed:Typed, named:Named, ns:SimpleNamespace, d:dict): ...
    for h in (f, g):
        try: kw = compile_plan(h, reserved)(conn(), Payload(msg, {}))
        except BindingError as e: assert e.args[0]
        else: signature(h).bind(**kw)


# More of the same kind, found by reading

def test_hyphens_in_the_query_of_a_whole_message():
    def f(ns:SimpleNamespace): ...
    assert bind(f, c=conn(query='first-name=Ann&tag=a&tag=b'))['ns'] == SimpleNamespace(first_name='Ann', tag=['a','b'])
    def g(d:dict): ...
    assert bind(g, c=conn(query='first-name=Ann')) == {'d': {'first-name': 'Ann'}}


class Wrapper:
    "An object that stands for a function, as FastHTML's route functions do"
    def __init__(self, f): update_wrapper(self, f); self.f = f
    def __call__(self, *args, **kw): return self.f(*args, **kw)

def test_object_that_wraps_a_function():
    w = Wrapper(future.row)
    assert w(**bind(w, n='1')) == {'n': 1}
    assert bind(Wrapper(plain), msg='a', n='2') == {'msg': 'a', 'n': 2, 'sep': '-'}


def test_arguments_may_be_called_what_the_written_call_uses_itself():
    def h(f:int, p:int, conn:int, get0:int, get1:int=5): return f,p,conn,get0,get1
    assert compile_plan(h, reserved).caller(h)(conn(), Payload({'f': 1, 'p': 2, 'conn': 3, 'get0': 4})) == (1, 2, 3, 4, 5)
    with pytest.raises(BindingError, match='p: '): compile_plan(h, reserved).caller(h)(conn(), Payload({'f': 1, 'p': 'x'}))
