"What an annotation makes of one JSON value: every annotation on the list, with what it takes, what it refuses, and in which words."
import json, math
from collections import namedtuple
from dataclasses import dataclass, field
from datetime import date, datetime, time, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import (AbstractSet, Annotated, Any, Callable, ClassVar, Collection, Dict, FrozenSet, Iterable, List, Literal, Mapping, MutableMapping, MutableSet, NamedTuple, NewType,
                    NotRequired, Optional, Required, Sequence, Set, Tuple, TypedDict, TypeVar, Union)
from uuid import UUID

import pytest
from hypothesis import given, settings, strategies as st
from fasthtml.common import NotStr, Safe
from pydantic import BaseModel, BeforeValidator, Field, field_validator

from fasthtml_ws.convert import Mismatch, converter, is_body, shown
from fasthtml_ws.errors import ConfigError
from tests.memory import *


class Color(Enum): red = 'red'; blue = 'blue'
class Size(StrEnum): small = 's'; large = 'l'
class Level(IntEnum): low = 1; high = 2
class Mixed(Enum): text = '1'; number = 1; none = None
class Bits(Flag): a = 1; b = 2
class Loose(Enum):
    yes = 'yes'
    @classmethod
    def _missing_(cls, v): return cls.yes if v == 'YES' else None
class Count(int): "A type of the app's own"
UserId = NewType('UserId', int)
uid = UUID('8f14e45f-ceea-467f-a0e6-b1f2f3a4b5c6')

takes = [ # annotation, what was sent, what it becomes
    (str, 'a', 'a'), (str, '', ''), (str, ['a','b'], 'b'), (str, 5, '5'), (str, 0, '0'), (str, -2.5, '-2.5'), (str, [1,'a'], 'a'), (str, 10**100, str(10**100)), (bytes, 'ä', 'ä'.encode()), (bytes, 5, b'5'), (bytearray, 'a', bytearray(b'a')),
    (int, 5, 5), (int, '5', 5), (int, ' -5 ', -5), (int, '', 0), (int, 'on', 1), (int, 'off', 0), (int, 'None', 0), (int, ['1','2'], 2), (int, 10**100, 10**100), (int, 2.0, 2), (int, -0.0, 0), (int, 2.0**53-1, 2**53-1),
    (float, 1.5, 1.5), (float, 2, 2.0), (float, '1.5', 1.5), (float, '1e3', 1000.0), (float, 'inf', math.inf),
    (bool, True, True), (bool, False, False), (bool, 'on', True), (bool, 'No', False), (bool, '', False), (bool, '1', True), (bool, 'T', True), (bool, 1, True), (bool, 0, False), (bool, [0,1], True),
    (date, '2026-01-31', date(2026,1,31)), (datetime, '2026-01-31T12:00', datetime(2026,1,31,12)), (datetime, '2026-01-31', datetime(2026,1,31)),
    (datetime, '2026-01-31T12:00:00Z', datetime(2026,1,31,12,tzinfo=timezone.utc)), (time, '12:30', time(12,30)), (time, '12:30:01.5', time(12,30,1,500000)),
    (Decimal, '1.50', Decimal('1.50')), (Decimal, 3, Decimal(3)), (Decimal, 1.5, Decimal('1.5')), (Decimal, 0.1, Decimal('0.1')), (UUID, str(uid), uid), (UUID, uid.hex, uid),
    (Color, 'red', Color.red), (Size, 's', Size.small), (Level, 1, Level.low), (Level, '2', Level.high), (Mixed, '1', Mixed.text), (Mixed, 1, Mixed.number), (Loose, 'YES', Loose.yes),
    (Literal['a','b'], 'b', 'b'), (Literal[1,2], 2, 2), (Literal[1,2], '2', 2), (Literal[1,'1'], '1', '1'), (Literal[1,'1'], 1, 1), (Literal[True,1], 1, 1), (Literal[True,1], True, True),
    (Literal[Color.red], 'red', Color.red),
    (Optional[int], None, None), (Optional[int], '5', 5), (int|None, '', 0), (Optional[str], '', ''), (Optional[date], '', None), (Optional[Color], '', None), (Optional[UUID], '', None),
    (int|str, 'a', 'a'), (int|str, '5', '5'), (int|str, 5, 5), (str|int, [5], 5), (str|int, 2.0, 2), (str|int, 2.5, '2.5'), (str|float, 5, 5.0), (str|list[str], ['a','b'], ['a','b']), (str|list[str], 'a', 'a'), (list[int]|str, 'a', 'a'), (bool|int, 1, 1), (int|bool, True, True), (str|bool, True, True), (str|bool, 1, '1'), (str|UUID, uid, uid), (str|Literal[5], 5, 5), (str|Level, 1, Level.low), (float|Literal[1], 1, 1), (str|Literal['a'], 'a', 'a'), (Literal['a']|str, 'b', 'b'), (int|Color, 'red', Color.red), (Optional[int|str], None, None), (str|Any, [1], [1]), (str|dict, {'a':1}, {'a':1}), (Union[int,'NoSuchName'], '5', 5), (str|int, '5', '5'), (str|int, 5, 5), (Union[date,int], '2026-01-31', date(2026,1,31)), (Union[date,int], 7, 7), (float|int, 7, 7),
    (bool|str, 'x', 'x'), (Union[list[int],None], None, None),
    (list[int], ['1','2'], [1,2]), (list[int], '1', [1]), (list[int], [], []), (list[str], 'a', ['a']), (list[str], [1,True,'a'], ['1','True','a']), (list[Optional[int]], [None,'1'], [None,1]),
    (list[Color], 'red', [Color.red]), (list[list[int]], [['1'],['2']], [[1],[2]]), (set[int], ['1',1], {1}), (frozenset[str], 'a', frozenset('a')), (tuple[int,...], ['1','2'], (1,2)), (tuple[int,str], ['1',2], (1,'2')), (tuple[int], '1', (1,)), (list, ['a',1,[2],{}], ['a',1,[2],{}]), (list, 'a', ['a']), (tuple, 'a', ('a',)), (set, ['a','a'], {'a'}), (frozenset, [1], frozenset([1])), (List, [], []), (Tuple, 'a', ('a',)), (Set, 'ab', {'ab'}), (FrozenSet, 'ab', frozenset(['ab'])), (Sequence, 'a', ['a']), (Iterable[int], '1', [1]), (Collection[int], ['1'], [1]), (AbstractSet[int], ['1'], frozenset([1])), (MutableSet[int], ['1'], {1}), (list[Any], [[1],'a'], [[1],'a']),
    (dict[str,int], {'a':'1'}, {'a':1}), (dict[int,bool], {'1':'on'}, {1:True}), (dict[str,list[int]], {'a':'1'}, {'a':[1]}), (dict, {'a':1}, {'a':1}), (Dict, {'a':[1]}, {'a':[1]}), (Mapping[str,int], {'a':'1'}, {'a':1}), (MutableMapping, {}, {}),
    (Any, {'a':[1]}, {'a':[1]}), (object, None, None), (Annotated[int,'x'], '5', 5), (Optional[Annotated[int,'x']], '5', 5), (UserId, '5', 5), (list[UserId], '5', [5]),
    (Fraction, '1/2', Fraction(1,2)), (IPv4Address, '127.0.0.1', IPv4Address('127.0.0.1')), (PurePosixPath, '/a/b', PurePosixPath('/a/b')), (complex, '1j', 1j), (Fraction, 5, Fraction(5)), (Count, 5, Count(5)), (Count, '5', Count(5)), (Safe, '<b>', '<b>'), (NotStr, '<b>', '<b>'), (list[Safe], '<b>', ['<b>']),
]

@pytest.mark.parametrize('t,sent,becomes', takes, ids=lambda o: str(o)[:30])
def test_takes(t, sent, becomes):
    got = converter(t)(sent)
    assert type(got) is type(becomes) and repr(got) == repr(becomes)


refuses = [ # annotation, what was sent, the words for it
    (str, float('inf'), 'expected text'), (str, None, 'expected text, got null'), (str, True, 'expected text, got true'), (str, {}, 'expected text, got an object'), (str, [], 'expected text, got a list'),
    (str, [5], 'expected text, got 5'), (bytes, [5], 'expected text, got 5'), (int, 'two', 'expected a whole number, got "two"'), (int, 1.5, 'expected a whole number, got 1.5'), (int, 2.0**53, 'expected a whole number'), (int, 1e300, 'expected a whole number'), (int, float('inf'), 'expected a whole number'), (int, float('nan'), 'expected a whole number'), (int, True, 'expected a whole number, got true'),
    (int, '1.0', 'expected a whole number'), (int, '9'*5000, 'expected a whole number'), (int, {'a':1}, 'got an object'), (float, 'a', 'expected a number, got "a"'), (float, False, 'expected a number'),
    (float, 10**400, 'expected a number'), (bool, 'maybe', 'expected yes or no, got "maybe"'), (bool, 2, 'expected yes or no, got 2'), (bool, -1, 'expected yes or no'), (bool, 1.0, 'expected yes or no'), (bool, None, 'expected yes or no, got null'),
    (date, '2026-02-30', 'expected a date such as 2026-01-31'), (date, '', 'expected a date'), (date, 5, 'expected a date'), (date, '2026-01-31T12:00', 'expected a date'), (datetime, '', 'expected a date and time'),
    (datetime, 'now', 'expected a date and time'), (time, '25:00', 'expected a time such as 12:00'), (time, '', 'expected a time'), (Decimal, 'a', 'expected a decimal number'), (Decimal, '', 'expected a decimal number'),
    (Decimal, True, 'expected a decimal number'), (UUID, 'a', 'expected a UUID'), (UUID, '', 'expected a UUID'), (Color, 'green', 'expected one of red, blue, got "green"'),
    (Color, None, 'expected one of red, blue'), (Color, ['x'], 'expected one of red, blue'), (Color, {'a':1}, 'expected one of red, blue'), (Level, True, 'expected one of 1, 2'), (Level, 1.0, 'expected one of 1, 2'), (Level, 'low', 'expected one of 1, 2'),
    (Literal['a','b'], 'c', 'expected one of a, b, got "c"'), (Literal[1], True, 'expected one of 1, got true'), (Literal[0], False, 'expected one of 0'), (Optional[int], 'a', 'expected a whole number'),
    (int|float, 'a', 'expected a whole number'), (type(None), 5, 'nothing is allowed here, got 5'), (list[int], ['1','a'], 'expected a whole number, got "a"'), (list[int], None, 'expected a whole number, got null'),
    (list[int], [[1]], 'got a list'), (list[str], [None], 'expected text, got null'), (list[str], [{}], 'expected text'), (tuple[int,...], 'a', 'expected a whole number'), (dict[str,int], 'a', 'expected an object, got "a"'),
    (dict[str,int], [], 'expected an object, got a list'), (dict[str,int], {'a':'b'}, 'expected a whole number'), (dict[int,int], {'a':1}, 'expected a whole number'), (dict, 'a', 'expected an object'), (Dict, 'a', 'expected an object'), (set, [{}], 'expected single values'), (tuple[int,str], ['1'], 'expected 2 values, got 1'), (tuple[int,str], ['a','b'], 'expected a whole number'),
    (Fraction, '1/0', 'expected Fraction'), (Fraction, True, 'expected Fraction'), (Count, 'a', 'expected Count'), (IPv4Address, 'x', 'expected IPv4Address'), (UserId, 'a', 'expected a whole number'),
]

@pytest.mark.parametrize('t,sent,says', refuses, ids=lambda o: str(o)[:30])
def test_refuses(t, sent, says):
    with pytest.raises(Mismatch) as e: converter(t)(sent)
    assert says in str(e.value) and len(str(e.value)) < 200


@pytest.mark.parametrize('t', ['NoSuchName', 5, [int], Optional['NoSuchName'], list['NoSuchName'], Callable, TypeVar('T')], ids=str)
def test_no_annotation_to_convert_to(t):
    "A handler that has one is decorated all the same, see test_binding"
    with pytest.raises(ConfigError): converter(t)


# Classes that take an object

@dataclass
class Inner: n:int; flag:bool = False
@dataclass
class Item: title:str; count:int = 1; tags:list[str] = field(default_factory=list); inner:Inner|None = None; made:str = field(default='here', init=False)
@dataclass
class Sub(Item): more:int = 0
@dataclass
class Tree: name:str; kids:'list[Tree]' = field(default_factory=list)
@dataclass
class Picky:
    n:int
    def __post_init__(self):
        if self.n < 0: raise ValueError('secret detail')
@dataclass
class Counted: n:int; total:ClassVar[int] = 0
class Typed(TypedDict): title:str; count:int
class Open(TypedDict, total=False): title:str; count:int
class Part(TypedDict): title:str; count:NotRequired[int]
class Need(TypedDict, total=False): title:Required[str]; count:int
class Named(NamedTuple): title:str; count:int = 3
Bare = namedtuple('Bare', 'title count', defaults=['none'])
class Deep(BaseModel): n:int
class Model(BaseModel): title:str; count:int = 1; tags:list[str] = []; deep:Deep|None = None; price:float|None = None; day:date|None = None; color:Color = Color.red
class Aliased(BaseModel): name:str = Field(alias='full-name'); age:int = 0
class SubModel(Model): more:int = 0
class Plain:
    title:str; count:int
    def __init__(self, title, count=2): self.title,self.count = title,count
    def __repr__(self): return f'Plain({self.title!r}, {self.count!r})'
class Limits:
    most:ClassVar[int] = 3
    n:int
    def __init__(self, n): self.n = n
    def __repr__(self): return f'Limits({self.n})'

builds = [
    (Item, {'title':'a'}, Item('a')), (Item, {'title':'a','count':'5','tags':'x','extra':1}, Item('a',5,['x'])), (Item, {'title':'a','inner':{'n':'1','flag':'on'}}, Item('a',1,[],Inner(1,True))),
    (Item, {'title':'a','count':None,'inner':None}, Item('a')), (Item, {'title':'a','made':'there'}, Item('a')), (Sub, {'title':'a','more':'1'}, Sub('a',more=1)),
    (Tree, {'name':'a','kids':[{'name':'b','kids':[{'name':'c'}]}]}, Tree('a',[Tree('b',[Tree('c')])])), (Picky, {'n':'1'}, Picky(1)), (Counted, {'n':1,'total':5}, Counted(1)),
    (Typed, {'title':'a','count':'5','x':1}, {'title':'a','count':5}), (Open, {}, {}), (Open, {'count':'1'}, {'count':1}), (Part, {'title':'a'}, {'title':'a'}), (Part, {'title':'a','count':'1'}, {'title':'a','count':1}),
    (Need, {'title':'a'}, {'title':'a'}), (Named, {'title':'a'}, Named('a')), (Named, {'title':'a','count':'5'}, Named('a',5)), (Bare, {'title':'a','count':'5'}, Bare('a','5')), (Bare, {'title':'a'}, Bare('a')),
    (SimpleNamespace, {'a':1,'b':[2]}, SimpleNamespace(a=1,b=[2])), (SimpleNamespace, {'first-name':'a'}, SimpleNamespace(first_name='a')), (Plain, {'title':'a','count':'5'}, Plain('a',5)), (Plain, {'title':'a'}, Plain('a')),
    (Limits, {'n':'1'}, Limits(1)), (Model, {'title':'a','count':'5'}, Model(title='a',count=5)), (Model, {'title':'a','tags':'x'}, Model(title='a',tags=['x'])), (Model, {'title':'a','tags':['x','y']}, Model(title='a',tags=['x','y'])),
    (Model, {'title':'a','deep':{'n':1}}, Model(title='a',deep=Deep(n=1))), (Model, {'title':'a','price':''}, None), (Model, {'title':'a','day':''}, Model(title='a')), (Model, {'title':'a','color':'blue'}, Model(title='a',color=Color.blue)),
    (Model, {'title':'a','price':'1.5','day':'2026-01-31'}, Model(title='a',price=1.5,day=date(2026,1,31))), (Model, {'title':'a','count':''}, Model(title='a',count=0)), (Model, {'title':5,'count':2.0}, Model(title='5',count=2)), (Item, {'title':5,'count':2.0,'inner':{'n':1,'flag':1}}, Item('5',2,[],Inner(1,True))), (SubModel, {'title':'a','more':'2'}, SubModel(title='a',more=2)),
    (Aliased, {'full-name':'a'}, Aliased(**{'full-name':'a'})), (dict, {'a':{'b':1}}, {'a':{'b':1}}),
]
builds = [o for o in builds if o[2] is not None]

@pytest.mark.parametrize('t,sent,becomes', builds, ids=lambda o: str(o)[:40])
def test_builds(t, sent, becomes):
    assert is_body(t)
    before = json.dumps(sent)
    got = converter(t)(sent)
    assert type(got) is type(becomes) and repr(got) == repr(becomes)
    assert json.dumps(sent) == before


@pytest.mark.parametrize('t', [Item, Typed, Named, Bare, Model, Plain], ids=lambda t: t.__name__)
def test_hyphens_are_underscores_and_exact_names_win(t):
    T = dataclass(type('T', (), {'__annotations__': {'first_name': str}})) if t is Item else None
    if T: assert converter(T)({'first-name':'a'}).first_name == 'a' and converter(T)({'first-name':'a','first_name':'b'}).first_name == 'b'
    assert converter(t)({'title':'a', 'count':'1', 'co-unt':'x'}) is not None


fails = [
    (Item, {}, 'title', 'missing'), (Item, {'title':True}, 'title', 'expected text, got true'), (Item, {'title':'a','count':'b'}, 'count', 'expected a whole number'), (Item, {'title':'a','inner':{'n':'x'}}, 'inner.n', 'expected a whole number'),
    (Item, {'title':'a','inner':5}, 'inner', 'expected an object, got 5'), (Item, {'title':None}, 'title', 'missing'), (Tree, {'name':'a','kids':[{'name':True}]}, 'kids', 'expected text'), (Picky, {'n':-1}, '', 'not a valid Picky'),
    (Typed, {'title':'a'}, 'count', 'missing'), (Need, {}, 'title', 'missing'), (Part, {'title':'a','count':'x'}, 'count', 'expected a whole number'), (Named, {'count':1}, 'title', 'missing'), (Bare, {}, 'title', 'missing'),
    (Plain, {}, 'title', 'missing'), (Model, {}, 'title', 'Field required'), (Model, {'title':'a','count':'x'}, 'count', 'expected a whole number'), (Model, {'title':'a','deep':{'n':'x'}}, 'deep.n', 'integer'), (Model, {'title':'a','color':'x'}, 'color', ''),
]

@pytest.mark.parametrize('t,sent,where,says', fails, ids=lambda o: str(o)[:40])
def test_build_fails(t, sent, where, says):
    with pytest.raises(Mismatch) as e: converter(t)(sent)
    assert (says in e.value.args[0]) and 'secret' not in str(e.value)
    assert e.value.field.startswith(where) if where in ('kids','') else e.value.field == where


class Split(BaseModel):
    "Reads a text itself, before anybody makes a list of it"
    tags:Annotated[list[str], BeforeValidator(lambda v: v.split(',') if isinstance(v, str) else [*v, 'came as a list'])]
    sizes:list[int] = []
    @field_validator('sizes', mode='before')
    @classmethod
    def of_text(cls, v): return v.split('x') if isinstance(v, str) else [*v, 0]

def test_validators_of_a_model_see_what_was_sent():
    assert converter(Split)({'tags': 'a,b', 'sizes': '1x2'}) == Split.model_construct(tags=['a', 'b'], sizes=[1, 2])


# Whatever is sent

leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=5), st.sampled_from(['5', 'on', 'red', 'a', '2026-01-31', '12:00', str(uid)]))
anything = st.recursive(leaves, lambda o: st.one_of(st.lists(o, max_size=3), st.dictionaries(st.sampled_from(['title','count','n','tags','inner','name','kids','a','full-name']), o, max_size=3)), max_leaves=6)
all_types = list({repr(t): t for t,*_ in takes + builds}.values())

@pytest.mark.parametrize('t', all_types, ids=lambda t: getattr(t, '__name__', str(t))[:40])
def test_a_value_or_a_mismatch(t):
    "Nothing but `Mismatch` is raised, and what was sent is not changed"
    conv = converter(t)
    @settings(max_examples=60)
    @given(anything)
    def go(v):
        before = repr(v)
        try: conv(v)
        except Mismatch as e: assert e.args[0]
        assert repr(v) == before
    go()


@given(anything)
def test_shown_is_short(v): assert len(shown(v)) <= 42


def test_lists_are_new():
    "What a handler does to a list does not reach another one"
    sent = ['a']
    got = converter(list[str])(sent)
    got.append('b')
    assert sent == ['a']
