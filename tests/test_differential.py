"""What an annotation means: the same function as an HTTP route of FastHTML and as a socket, over generated annotations and values.

Where the HTTP route gives a value that is what the annotation says, the socket gives an equal one of the same type. Where HTTP fails, or
lets a wrong type through, the socket gives an error or a value of the right type. The connection lives on either way.
"""
import json
from collections import namedtuple
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum
from types import NoneType, SimpleNamespace, UnionType
from typing import Literal, NamedTuple, Optional, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import BaseModel

from fasthtml.common import FastHTML as StockFastHTML
from tests.memory import *


# Annotations

class Color(Enum): red = 'red'; blue = 'blue'

class Loose(Enum):
    yes = 'yes'; no = 'no'
    @classmethod
    def _missing_(cls, v): return cls(v.lower()) if isinstance(v, str) and v != v.lower() else None

class Level(IntEnum): low = 1; high = 2

@dataclass
class Inner: n:int; flag:bool = False

@dataclass
class Item: title:str; count:int = 1; price:float|None = None; tags:list[str] = field(default_factory=list); day:Optional[date] = None

@dataclass
class Outer: name:str; inner:Inner|None = None; color:Color = Color.red

class Typed(TypedDict): title:str; count:int
class Partial(TypedDict, total=False): title:str; count:int
class Named(NamedTuple): title:str; count:int = 3
Bare = namedtuple('Bare', 'title count')
class Model(BaseModel): title:str; count:int = 1; tags:list[str] = []; price:float|None = None
class Plain:
    title:str; count:int
    def __init__(self, title, count=2): self.title,self.count = title,count
    def __repr__(self): return f'Plain({self.title!r}, {self.count!r})'

scalars = [str, int, float, bool, date, datetime, time, Decimal, UUID, Color, Loose, Level, Literal['a','b'], Literal[1,2]]
bodies = [Item, Outer, Typed, Partial, Named, Bare, SimpleNamespace, Model, Plain, dict]
scalar = st.sampled_from(scalars)
fields_ = st.one_of(scalar, scalar.map(lambda t: Optional[t]), scalar.map(lambda t: list[t]), scalar.map(lambda t: Optional[list[t]]),
                    st.tuples(scalar, scalar).filter(lambda ts: ts[0] != ts[1]).map(lambda ts: Union[ts]),
                    st.sampled_from([dict[str,int], dict[str,str], list[Inner]]))


# Values

texts = ['', ' ', 'a', 'b', 'red', 'RED', 'yes', 'Yes', 'no', 'on', 'off', 'true', 'False', 'none', 'null', '0', '1', '2', '-3', ' 4 ', '5.0', '1.5', '1e3', 'nan',
         'inf', '1_000', '\u0661', '2026-01-31', '2026-02-30', '2026-01-31T12:00', '2026-01-31T12:00:00Z', '12:00', '24:00', '9'*400, '1e400',
         '8f14e45f-ceea-467f-a0e6-b1f2f3a4b5c6', '8f14e45fceea467fa0e6b1f2f3a4b5c6', '<b>', "o'hara", 'a,b', '\x00', '\u2603', '[1]', '{"n":1}']
text = st.one_of(st.sampled_from(texts), st.text(st.characters(codec='utf-8'), max_size=6))
number = st.one_of(st.integers(-5, 5), st.sampled_from([10**30, 10**400, -0.0, 0.5, 1e300]), st.floats(allow_nan=False, allow_infinity=False))
single = st.one_of(text, number, st.booleans(), st.none())
value = st.one_of(single, st.lists(single, max_size=3), st.dictionaries(st.sampled_from(['n','flag','a']), single, max_size=2),
                  st.lists(st.lists(single, max_size=2), max_size=2), st.lists(st.fixed_dictionaries({'n': single}), max_size=2))
keys = ['title', 'count', 'price', 'tags', 'day', 'name', 'inner', 'color', 'extra', 'first-name', 'values']
body = st.dictionaries(st.sampled_from(keys), value, max_size=5)
form_value = st.one_of(text, st.lists(text, min_size=2, max_size=3))
form_body = st.dictionaries(st.sampled_from(keys[:-1]), form_value, max_size=5)


# What is right

def is_a(v, t)->bool:
    "Is `v` exactly what the annotation `t` says, all the way down? A `True` is no whole number here, and a 1 no fraction"
    o,args = get_origin(t),get_args(t)
    if o in (Union, UnionType): return any(is_a(v, a) for a in args)
    if o is Literal: return any(type(v) is type(a) and v == a for a in args)
    if o is list: return type(v) is list and all(is_a(x, args[0]) for x in v)
    if o is dict: return type(v) is dict and all(is_a(k, args[0]) and is_a(x, args[1]) for k,x in v.items())
    if is_typeddict(t): return type(v) is dict and t.__required_keys__ <= v.keys() and all(is_a(x, get_type_hints(t)[k]) for k,x in v.items())
    if t in (dict, SimpleNamespace, NoneType): return type(v) is t
    if hasattr(t, '_fields'): return type(v) is t and all(is_a(x, get_type_hints(t).get(k, str)) for k,x in v._asdict().items())
    if is_dataclass(t): return type(v) is t and all(is_a(getattr(v, f.name), get_type_hints(t)[f.name]) for f in fields(t))
    if t is Model or t is Plain: return type(v) is t and all(is_a(getattr(v, k), a) for k,a in get_type_hints(t).items() if k in ('title','count','tags','price'))
    return type(v) is t


def same(a, b)->bool:
    "Equal, and of the same type all the way down; a nan is the same as another"
    if type(a) is dict: return type(b) is dict and a.keys() == b.keys() and all(same(v, b[k]) for k,v in a.items())
    return type(a) is type(b) and repr(a) == repr(b)


# What is different, and why. Whoever adds a line has a reason that a user would accept.

def _items(v): return v if isinstance(v, list) else [v]
def _last(v): return v[-1] if isinstance(v, list) and v else v
def _texts_of(t): return t if get_origin(t) is list else next((a for a in get_args(t) if get_origin(a) is list), None)

exceptions = [
    ('an empty text is no object, though Python makes an empty dict of it', lambda t,v: get_origin(t) is dict and _last(v) == ''),
    ('several values for one whole are taken as the last one; that it is empty means none only where there is one',
     lambda t,v: isinstance(v, list) and len(v) > 1 and v[-1] == '' and NoneType in get_args(t)),
    ('an attribute cannot have a hyphen in its name, so the namespace has `first_name` where HTTP sets what only getattr finds',
     lambda t,v: t is SimpleNamespace and any('-' in k for k in v)),
    ('what a message nests under `values` are its fields, for an argument that takes all of it as well; on HTTP only for one that takes a field',
     lambda t,v: t in (dict, SimpleNamespace) and isinstance(v.get('values'), dict)),
    ('a text that Python prints (`None`, `{...}`, `[...]`) is nothing that anybody typed',
     lambda t,v: _texts_of(t) and get_args(_texts_of(t))[0] is str and isinstance(v, (list,dict)) and (isinstance(v, dict) or any(o is None or isinstance(o, (list,dict)) for o in v))),
    ('HTTP calls the type with the last item of a list whatever that is (`bool([])`, `str({})`, `float(True)`, `Level(1.0)`); the socket takes it only if it fits',
     lambda t,v: t not in bodies and isinstance(v, list) and v and not isinstance(v[-1], str)),
    ('HTTP reads the items of `list[bool]`, `list[float]`, `list[Enum]` by calling the type with whatever they are; the socket takes what fits',
     lambda t,v: _texts_of(t) and (isinstance(v, dict) or any(not isinstance(o, str) for o in _items(v)))),
    ('a union takes the member whose type a value has, so that a text stays a text beside `str`; HTTP takes the first member, or fails',
     lambda t,v: get_origin(t) in (Union, UnionType) and str in get_args(t)[1:] and isinstance(_last(v), str)),
]

def _fields_of(t): return () if t in (dict, SimpleNamespace) else [(k, str) for k in t._fields] if t is Bare else get_type_hints(t).items()

def excused(t, v)->bool:
    "Does the table have a line for the value `v`, or for a field of it?"
    return any(f(t, v) for _,f in exceptions) or (t in bodies and any(excused(a, v[k]) for k,a in _fields_of(t) if k in v))


# Both sides

class Pair:
    "An HTTP app and a socket app, and one function at both for each annotation"
    def __init__(self, lib, run):
        self.run,self.paths,self.got = run,{},[]
        self.http,self.ws = StockFastHTML(secret_key='x'),lib.FastHTML(secret_key='x')

    def path(self, t):
        if (p := self.paths.get(repr(t))): return p
        p = self.paths[repr(t)] = f'/r{len(self.paths)}'
        async def f(x): self.got.append(x); return 'ok'
        f.__annotations__ = {'x': t}
        self.http.route(p, methods=['post'])(f)
        self.ws.ws(p)(f)
        return p

    def over_http(self, t, msg, form):
        self.got.clear()
        status,_ = self.run(post(self.http, self.path(t), msg, form))
        return self.got[0] if status == 200 and self.got else bad

    def over_ws(self, t, msg):
        "What the handler got; a second message shows that the connection lives"
        self.got.clear()
        with heard() as log: res = self.run(talk(self.ws, [json.dumps(msg), '?'], lambda got: len(got) >= 2, self.path(t)))
        assert not log, f'{t}: {msg} is in the log: {log[0].getMessage()} {log[0].exc_info}'
        assert res.died is None and res.closed is None and len(res.got) == 2, f'the connection ended: {res}'
        assert 'ws-error' in res.got[1]
        assert bool(self.got) != ('ws-error' in res.got[0])
        return self.got[0] if self.got else bad

    def check(self, t, v, msg, form):
        http,ws = self.over_http(t, msg, form),self.over_ws(t, msg)
        if http is not bad and is_a(http, t) and not excused(t, v):
            assert ws is not bad, f'{t}: HTTP gives {http!r} for {v!r}, the socket an error'
            assert same(ws, http), f'{t}: HTTP gives {http!r} for {v!r}, the socket {ws!r}'
        else: assert ws is bad or is_a(ws, t), f'{t}: the socket gives {ws!r} for {v!r}'

class _Bad:
    def __repr__(self): return 'an error'
bad = _Bad()


@pytest.fixture(scope='module')
def pair(lib, run): return Pair(lib, run)


# Null is a field without a value here, as on HTTP: both look further, and then say that it is missing.
given_value = value.filter(lambda v: v is not None)

@settings(max_examples=1500)
@given(t=fields_, v=given_value)
def test_field_of_json(pair, t, v): pair.check(t, v, {'x': v}, form=False)


@settings(max_examples=800)
@given(t=fields_, v=form_value)
def test_field_of_a_form(pair, t, v): pair.check(t, v, {'x': v}, form=True)


@settings(max_examples=800)
@given(t=st.sampled_from(bodies), msg=body)
def test_whole_message_of_json(pair, t, msg): pair.check(t, msg, msg, form=False)


@settings(max_examples=800)
@given(t=st.sampled_from(bodies), msg=form_body)
def test_whole_message_of_a_form(pair, t, msg): pair.check(t, msg, msg, form=True)


@pytest.mark.parametrize('t', scalars + bodies, ids=lambda t: getattr(t, '__name__', str(t)))
def test_every_annotation_takes_something(pair, t):
    "So that nothing above passes because everything is refused"
    good = {str:'a', int:'5', float:'1.5', bool:'on', date:'2026-01-31', datetime:'2026-01-31T12:00', time:'12:00', Decimal:'1.50', Color:'red', Loose:'YES', Level:'2',
            UUID:'8f14e45f-ceea-467f-a0e6-b1f2f3a4b5c6', Literal['a','b']:'b', Literal[1,2]:'2'}
    msg = {'x': good[t]} if t in good else {'title':'a', 'count':'5', 'name':'b', 'inner':{'n':'1'}, 'tags':'one'}
    assert is_a(pair.over_ws(t, msg), t)
