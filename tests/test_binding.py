"Which argument gets what: names, annotations, reserved words, where a value is looked for, and what is refused when a handler is decorated."
import asyncio, collections.abc, typing
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
from starlette.websockets import WebSocket

from fasthtml.common import ApiReturn, FastHTML as StockFastHTML, HtmxHeaders
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

def bind(f, *args, c=None, **msg):
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


def test_bad_default_is_found_at_decoration():
    def f(n:int = 'many'): ...
    with pytest.raises(ConfigError, match='n'): compile_plan(f, reserved)


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
    with pytest.raises(BindingError) as e: bind(g, items=[{'title': 5}])
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


def test_from_request_that_cannot_be_filled():
    class Bad:
        @classmethod
        def __from_request__(cls, nothing): ...
    def f(x:Bad): ...
    with pytest.raises(ConfigError, match='nothing can fill `nothing`'): compile_plan(f, reserved)


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


def test_text_that_names_a_class_of_a_function():
    "Names that only the function around a handler knows are found where they can be, and named where not"
    f,Here = future.local()
    try: assert bind(f, msg='a', n='1') == {'msg': 'a', 'here': Here(1)}
    except ConfigError as e: assert 'here' in str(e) and 'Here' in str(e) and '`msg`' not in str(e)


def test_text_that_names_nothing():
    with pytest.raises(ConfigError) as e: compile_plan(future.unresolvable, reserved)
    assert '`who`' in str(e.value) and 'Nobody' in str(e.value)


# What is found when a handler is decorated

def no_annotation(mgs): ...
def positional(msg, /): ...
def bare_list(tags:list): ...
def upload(f:UploadFile): ...
def uploads(f:list[UploadFile]): ...
def maybe_upload(f:Optional[UploadFile]): ...
def raw(b:bytes): ...
def http_only(resp): ...
def http_body(body): ...
def method(self, msg:str): ...

@pytest.mark.parametrize('f,says', [(no_annotation, ['nothing can fill `mgs`', 'mgs:str', 'Reserved names', 'send']), (positional, ['positional-only', '`/`']), (bare_list, ['tags', 'list[str]']), (upload, ['`f`', 'HTTP route']),
    (uploads, ['`f`', 'HTTP route']), (maybe_upload, ['`f`', 'HTTP route']), (raw, ['`b`', 'write `str`']), (http_only, ['`resp`', 'HTTP response']), (http_body, ['`body`', 'HTTP response']), (method, ['nothing can fill `self`']),
    (partial(no_annotation), ['no_annotation', '`mgs`'])], ids=lambda o: getattr(o, '__name__', ''))
def test_cannot_work(f, says):
    with pytest.raises(ConfigError) as e: compile_plan(f, reserved)
    assert all(o in str(e.value) for o in [func_name(f), *says]), str(e.value)


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
