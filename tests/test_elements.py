"Our elements and FastHTML's: the same arguments, and everything that can be seen of what comes out."
import copy, pickle, re
from contextlib import contextmanager
from functools import partial
from inspect import signature
from itertools import count

import fasthtml.common as stock
import fasthtml.components as components
import pytest
from fastcore.basics import NotStr
from fastcore.foundation import L
from fastcore.xml import FT, Safe
from hypothesis import given, settings, strategies as st

import fasthtml_ws.common as ours
from fasthtml_ws import elements
from fasthtml_ws.elements import ft_hx

tags = sorted(set(elements.__all__) - {'ft_hx'})


@contextmanager
def cfg(**kw):
    "FastHTML's settings changed, for FastHTML and for us, and unique ids that come again"
    old,make = dict(components.fh_cfg),components.unqid
    components.fh_cfg.update(kw)
    try: yield
    finally: components.fh_cfg.update(old); components.unqid = make


def still(o): return re.sub(' at 0x[0-9a-f]+', '', str(o))


def outcome(f, args, kw):
    "What `f` makes of what `args` and `kw` make, all of it, or how it fails"
    ids = count()
    components.unqid = lambda: f'_u{next(ids)}'
    try: o = f(*[a() for a in args], **{k: v() for k,v in kw.items()})
    except Exception as e: return type(e), still(e)
    try: html = [still(stock.to_xml(o)), still(stock.to_xml(o, indent=False))]
    except Exception as e: html = type(e), still(e)
    return type(o), seen(o), html


def seen(o):
    "`o` as plain values, with the order of its attributes and the types of everything"
    if isinstance(o, FT): return type(o), [(k, seen(v)) for k,v in vars(o).items()]
    if isinstance(o, (tuple,list)): return type(o), list(map(seen, o))
    if isinstance(o, dict): return type(o), [(k, seen(v)) for k,v in o.items()]
    return type(o), still(o)


# Arguments, as functions that make them anew: a generator can be read once

class Special(FT): pass
class Text(str): pass
class Letters:
    def __init__(self): self.left = iter('ab')
    def __iter__(self): return self.left
    def __str__(self): return 'letters'
class Shown:
    def __ft__(self): return FT('b', ('shown',), {})
    def __str__(self): return 'a Shown'

def just(*vs): return st.sampled_from([lambda v=v: copy.deepcopy(v) for v in vs])

def failing():
    yield 'a'
    raise ValueError('in the generator')

children = just('', 'a < b', 5, 1.5, True, None, b'x', Safe('<b>'), NotStr('<i>'), Text('t'), Shown(), ('a', 'b'), (), ('a', ('b',)), [], ['a', ('b',)], {'a'}, L('a', 'b'), range(2), FT('p', ('x',), {'id':'y'}),
                Special('p', (), {}), stock.Fragment('a'), {'title':'of a dict'}, {'id':'i', 'data_x':1}, {'cls':['a']}, {'void_':1}, {'tag':'x'}, {5:'x'}, ({'title':'in a tuple'},)) | st.sampled_from(
    [lambda: (o for o in 'ab'), lambda: map(str, range(3)), lambda: filter(None, ['a', '', ('b','c')]), Letters, lambda: ({'a':1} for _ in 'a'), failing])
values = just(None, '', 'x', 'a "b" & c', 0, 5, 1.5, True, False, Safe('<b>'), Text('t'), b'x', ['a', 'b'], [], ('a',), {'a'}, {'color':'red', 'top':1}, {}, L('a', 'b'), FT('p', (), {'id':'of an element'}), FT('p', (), {}), Special('p', (), {'id':'s'}), NotStr('n'), Shown(), slice(1), object)
names = st.sampled_from('''id cls class klass _class fr _for htmlFor title style name value hx_get hx_swap_oob hx_vals hx_target target_id data_x dataX _at_click @click :key x-on:click _ __ a_
    hx_on__after_request attrmap valmap ft_cls void_ tag ID Name CLS c Title cs attrs self'''.split()) | st.text(max_size=3)
odd_maps = dict(attrmap=lambda k: k.upper(), valmap=str, ft_cls=Special)
attrs = st.dictionaries(names, values, max_size=5).map(lambda d: {k: (lambda k=k: odd_maps[k]) if k in odd_maps and i%2 else v for i,(k,v) in enumerate(d.items())})
configs = st.fixed_dictionaries({}, optional=dict(auto_id=st.sampled_from([True, False, 1]), auto_name=st.booleans(), ft_cls=st.just(Special), attrmap=st.sampled_from([str.upper, components.attrmap_x]), valmap=st.just(str)))
plain = st.just({}) | configs


@settings(max_examples=2000)
@given(st.sampled_from(tags), st.lists(children, max_size=3), attrs, plain)
def test_elements_are_those_of_fasthtml(tag, args, kw, settings):
    with cfg(**settings): assert outcome(getattr(ours, tag), args, kw) == outcome(getattr(stock, tag), args, kw)


usual = st.dictionaries(st.sampled_from('id cls title style name value hx_get hx_swap_oob hx_vals hx_target target_id data_x _at_click'.split()), just(None, '', 'x', 'a b', 0, 5, True, False, ['a'], {'a':1}, FT('p', (), {'id':'x'})), max_size=5)

@settings(max_examples=1000)
@given(st.sampled_from(['Div', 'Input', 'Button', 'Br', 'Li', 'Meta', 'Option', 'HxPartial']), st.lists(just('a', 5, None, FT('p', (), {}), ('a', 'b'), ['a']), max_size=3), usual, plain)
def test_usual_elements_are_those_of_fasthtml(tag, args, kw, settings):
    with cfg(**settings): assert outcome(getattr(ours, tag), args, kw) == outcome(getattr(stock, tag), args, kw)


@settings(max_examples=500)
@given(st.sampled_from(['div', 'DIV', 'Input', 'my-tag', 'svg', 'clipPath', '', '!doctype', None, 5]), st.lists(children, max_size=2), attrs)
def test_any_tag(tag, args, kw):
    with cfg(): assert outcome(partial(ft_hx, tag), args, kw) == outcome(partial(stock.ft_hx, tag), args, kw)


def test_the_short_way_is_taken(monkeypatch):
    "What the tests above compare is not FastHTML with itself"
    def no(*args, **kw): raise AssertionError('handed to FastHTML')
    monkeypatch.setattr(stock, 'ft_html', no)
    ours.Div('a', ours.P('b'), ('c',), [ours.B()], 5, None, id='x', cls=['a','b'], hx_vals={'a':1}, hx_target=ours.P(id='y'), style={'top':0}, hidden=True)
    ours.Ul(ours.Li(o) for o in 'ab')
    ours.Input(id='n')
    for args,kw in [(({'a':1},), {}), ((), dict(id=True)), ((), dict(ft_cls=FT))]:
        with pytest.raises(AssertionError, match='handed'): ours.Div(*args, **kw)


def test_an_ft_that_we_do_not_know(monkeypatch):
    "With an `FT` of other parts all elements are FastHTML's"
    monkeypatch.setattr(elements, '_knows_ft', False)
    monkeypatch.setattr(stock, 'ft_html', lambda *args, **kw: 'theirs')
    assert ours.Div() == 'theirs'


# What is done with an element afterwards

def form(lib): return lib.Form(lib.Input(id='n', type='text'), lib.Input(name='c', type='checkbox', value='1'), lib.Textarea('old', id='t'), lib.Select(lib.Option('a', value='a'), lib.Option('b', value='b'), name='s'), id='f')

def changed(lib):
    d,seen = lib.Div('a', id='x'),[]
    d.on(lambda o: seen.append(dict(o.attrs)))
    d.id,d.hx_get,d.children,d.void_ = 'y','/z',('b',),True
    d[0] = 'c'
    d('d', cls='k')
    return [d, seen, d.id, d.title, d.get('nothing', 5), list(d), d[0], repr(d), str(d), hash(d)]

uses = dict(call=lambda lib: lib.Div(id='x')('child', lib.P('b'), cls='k'), set=lambda lib: lib.Div('a', id='x', title='t').set('b', cls='k'), changed=changed, copy=lambda lib: copy.copy(lib.Div('a', lib.P('b'), id='x')), deepcopy=lambda lib: copy.deepcopy(lib.Div('a', lib.P('b'), id='x')),
            pickle=lambda lib: pickle.loads(pickle.dumps(lib.Div('a', lib.P('b'), id='x'))), fill_form=lambda lib: lib.fill_form(form(lib), dict(n='5', c=True, t='new', s='b')), find=lambda lib: lib.find_inputs(form(lib), ['input','select'], name='s'),
            html2ft=lambda lib: eval(lib.html2ft('<form id="f"><input name="a" checked><p class="a b">x &lt; <b>y</b></p></form>'), vars(lib)), html=lambda lib: [lib.Div('a < b', id='x').__html__(), f'{lib.P("a")} {lib.P(id="i")}', 'a'+lib.P('b'), lib.P('b')+'c'],
            titled=lambda lib: lib.Titled('T', lib.P('x')), response=lambda lib: lib.to_xml((lib.Title('t'), lib.Div(lib.Button('b', id='x')))))

@pytest.mark.parametrize('use', uses)
def test_elements_are_used_alike(use):
    a,b = (uses[use](lib) for lib in (ours, stock))
    assert seen(a) == seen(b)


def test_deepcopy_shares_nothing():
    d = ours.Div(['a'], id='x')
    c = copy.deepcopy(d)
    c.children[0].append('b'); c.id = 'y'
    assert d.children == (['a'],) and d.id == 'x'


def test_calls_share_nothing():
    a,b = ours.Div(id='x'),ours.Div(id='x')
    assert a == b and a.attrs is not b.attrs and a.listeners_ is not b.listeners_
    kw = dict(cls='a')
    ours.Div(**kw).cls = 'b'
    assert kw == dict(cls='a')


# The names

def test_the_tags_are_the_plain_ones_of_fasthtml():
    theirs = {k: o for k,o in vars(stock).items() if isinstance(o, partial) and o.func is stock.ft_hx}
    assert sorted(theirs) == tags and {'Div', 'P', 'HxPartial', 'Input', 'Var'} <= theirs.keys()
    for k,o in theirs.items(): assert (getattr(ours, k).func, getattr(ours, k).args, getattr(ours, k).keywords) == (ft_hx, o.args, o.keywords)
    assert signature(ours.Div) == signature(stock.Div)


def test_fasthtml_keeps_its_own():
    assert stock.Div.func is stock.ft_hx is components.ft_hx and stock.ft_hx.__module__ == components.__name__ and FT.__init__.__module__ == 'fastcore.xml'
