"""Every way in for what a stranger typed, and every way out to a page: nothing runs, and it is seen as text.

`payloads` is what is typed, `contents` is what a handler makes of it, `out_of` is how that gets to pages. The first message is always the harmless word
`plain`; every payload must give the very elements and attributes that this word gave, with the payload as its text. The page then gets every event that a handler could wait for,
and what is on it is written as HTML and read again, as htmx 2's history does. `unsafe` is the proof that the same look at the page sees a
script that runs: HTML that the developer wrote, and all that the docs call the developer's business."""
import json
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple, Optional, TypedDict
from urllib.parse import quote
from uuid import UUID

import pytest
from fastcore.xml import ft
from fasthtml.common import A, Button, Code, Div, Form, Iframe, Input, Noscript, NotStr, P, Pre, Safe, Script, Section, Span, Style, Titled
from pydantic import BaseModel

from fasthtml_ws.common import Policy
from fasthtml_ws.errors import BindingError
from .kit import expect, until

plain = 'plain'
run = 'window.pwned=1'
payloads = dict(
    script=f'<script>{run}</script>',
    script_upper=f'<SCRIPT SRC=/evil.js></SCRIPT><ScRiPt>{run}</sCrIpT>',
    dialog='<script>alert(1)</script>',
    image=f'<img class=evil src=x onerror={run}>',
    slashes=f'<img/class="evil"/src="x"/onerror={run}//>',
    svg=f'<svg class=evil onload={run}>',
    svg_animate=f'<svg><animate class=evil onbegin={run} attributeName=x dur=1s>',
    details=f'<details class=evil open ontoggle={run}>x</details>',
    focus=f'<input class=evil autofocus onfocus={run}>',
    frame='<iframe class=evil srcdoc="<script>parent.pwned=1</script>"></iframe>',
    link=f'<a class=evil href="javascript:{run}">x</a>',
    base='<base class=evil href="//evil.example/"><meta class=evil http-equiv=refresh content="0;url=/evil">',
    double_quote=f'"><svg class=evil onload={run}>',
    single_quote=f"'><svg class=evil onload={run}>",
    both_quotes=f'\'"><svg class=evil onload={run}>"\'',
    attribute=f'" onmouseover="{run}" autofocus onfocus="{run}" x="',
    attribute_single=f"' onmouseover='{run}' x='",
    attribute_bare=f'x onmouseover={run} onclick={run}',
    entity=f'&quot; onmouseover=&quot;{run}&quot; x=&quot;&#39; onclick=&#39;{run}',
    entity_tag=f'&lt;img class=evil src=x onerror={run}&gt;',
    entity_twice=f'&amp;lt;img class=evil src=x onerror={run}&amp;gt;',
    backtick=f'`onmouseover={run}`',
    url=f'javascript:{run}',
    url_odd=f' \x01java\tscript:{run}',
    data_url=f'data:text/html,<script>{run}</script>',
    ends_textarea=f'</textarea></title></style></script></noscript></template></select></xmp><img class=evil src=x onerror={run}>',
    ends_owner=f'</div></section></form></td></tr></table><img class=evil src=x onerror={run}>',
    comment=f'--><img class=evil src=x onerror={run}><!--',
    comment_bang=f'--!><img class=evil src=x onerror={run}><!--',
    cdata=f']]><img class=evil src=x onerror={run}><![CDATA[',
    mutation_noscript=f'<noscript><p title="</noscript><img class=evil src=x onerror={run}>">',
    mutation_math=f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img class=evil src=x onerror={run}&gt;">',
    mutation_svg=f'<svg></p><style><a id="</style><img class=evil src=x onerror={run}>">',
    mutation_table=f'<table><td><img class=evil src=x onerror={run}></td><template><script>{run}</script>',
    head=f'<head></head><html><body class=evil onload={run}>',
    form='<form id="form"><input class=evil name=way></form>',
    form_bare=f'<form id=form><img class=evil src=x onerror={run}></form>',
    oob=f'<div class=evil hx-swap-oob="innerHTML:#form"><script>{run}</script></div>',
    oob_owner='<div class=evil hx-swap-oob=\'beforeend:[ws-connect="/ws"]\'>x</div>',
    partial='<hx-partial hx-target="#form"><b class=evil>x</b></hx-partial>',
    fetches='<b class=evil hx-get="/evil" hx-trigger="load">x</b>',
    hx_on=f'<b class=evil hx-on::load="{run}" hx-on:htmx:load="{run}">x</b>',
    hx_vals=f'js:{{x:{run}}}',
    hx_vals_long=f'javascript:{run}',
    json_swap=f'{{"content":"<img class=evil src=x onerror={run}>","target":"#form","swap":"innerHTML"}}',
    json_break=f'","x":"y"}}\' onclick=\'{run}',
    template='${window.pwned=1} {{constructor.constructor("window.pwned=1")()}} <%= 1 %>',
    selector='[ws-connect="/ws"],body,#form',
    token='beforeend:#form',
    null=f'<scr\0ipt>{run}</scr\0ipt><img\0 class=evil src=x onerror={run}>\0',
    wide=f'\uff1cscript\uff1e{run}\uff1c/script\uff1e \u02bascript\u02ba',
    separators=f'\u2028<img\u2028class=evil\u2029src=x\u00a0onerror={run}>\ufeff',
    reversed=f'\u202e<img class=evil src=x onerror={run}>\u2066',
    utf7=f'+ADw-script+AD4-{run}+ADw-/script+AD4-',
    long_s=f'<\u017fcript>{run}</\u017fcript>',
    controls=f'\x0b<img\x0cclass=evil\x0bsrc=x\ronerror={run}>\x1f\x7f\x85',
    astral='\U0001f600<b class=evil>\U0001f600</b>',
)
texts = [plain, *payloads.values()]
user = payloads['image'] # everyone's name


# What is bound

class Color(Enum): red = 'red'; blue = 'blue'
class Typed(TypedDict): msg:str
class Named(NamedTuple): msg:str
class Model(BaseModel): msg:str; tags:list[str] = []
class Strict(BaseModel): sums:dict[str,int] = {}
class Name:
    def __init__(self, s): self.s = s
    def __str__(self): return self.s
    __repr__ = __str__
@dataclass
class Inner: count:int = 0
@dataclass
class Item: msg:str; tags:list[str] = field(default_factory=list); inner:Optional[Inner] = None
@dataclass
class Shown:
    msg:str
    def __ft__(self): return Span([self.msg])


def got(*cs, **kw): return Section(*cs, cls='got', **kw)
def topic(m):
    "The nearest name that a topic can have"
    return ''.join(c for c in m if c.isprintable() and c!=' ')[:200]

def in_topic(ws, name):
    "What `ws` is subscribed to with `name`"
    ws.subscribe(name)
    res = ws.topics
    ws.unsubscribe(name)
    return res

def in_tag(*tags): # the text inside `tags`, the outermost first
    def f(o):
        res = o.msg
        for t in reversed(tags): res = ft(t, res)
        return res
    return f

same = lambda m: m

# What is in an element, given the handler's arguments as `o`; and what is seen, given the payload
children = dict(
    text=(lambda o: o.msg, same),
    nested=(lambda o: P(Span(Code(o.msg))), same),
    __ft__=(lambda o: Shown(o.msg), same),
    tags=(lambda o: o.tags, same),
    tags_nested=(lambda o: [[(o.tags,)], [Span(o.tags)]], lambda m: m+m),
    tags_tuple=(lambda o: tuple(o.tags), same),
    tags_set=(lambda o: set(o.tags), lambda m: repr({m})),
    optional=(lambda o: o.maybe, same),
    union=(lambda o: o.either, same),
    any=(lambda o: o.anything, same),
    default=(lambda o: o.lang, lambda m: payloads['image']),
    dataclass=(lambda o: o.item, lambda m: repr(Item(m, [m]))),
    dataclass_field=(lambda o: o.item.msg, same),
    model=(lambda o: o.model, lambda m: str(Model(msg=m, tags=[m]))),
    namespace=(lambda o: SimpleNamespace(msg=o.ns.msg), lambda m: repr(SimpleNamespace(msg=m))),
    named_tuple=(lambda o: o.named, same),
    typed_dict=(lambda o: dict(msg=o.typed['msg']), lambda m: repr({'msg':m})),
    dict_values=(lambda o: list(o.texts.values()), same),
    dict_keys=(lambda o: list(o.texts), same),
    dict=(lambda o: o.texts, lambda m: repr({m:m})),
    dict_json=(lambda o: Pre(json.dumps(o.texts)), lambda m: json.dumps({m:m})),
    own_class=(lambda o: o.name, same),
    path_object=(lambda o: PurePosixPath('a')/('b'+o.msg), lambda m: str(PurePosixPath('a')/('b'+m))),
    exception=(lambda o: ValueError(o.msg), same),
    exception_repr=(lambda o: [KeyError(o.msg)], repr),
    data=(lambda o: o.data['msg'], same),
    field_name=(lambda o: [k for k in o.data if k.startswith('?')], lambda m: '?'+m),
    headers=(lambda o: [o.htmx.trigger, o.htmx.current_url, o.htmx.target, o.htmx.prompt], lambda m: m*4),
    topics=(lambda o: in_topic(o.ws, topic(o.msg)), lambda m: 'everyone'+topic(m)),
    user=(lambda o: o.hub.user_of(o.ws), lambda m: user),
) | {t: (in_tag(*t.split()), same) for t in ('b', 'a', 'pre', 'code', 'button', 'label', 'textarea', 'table tbody tr td', 'table caption', 'select option',
    'select optgroup option', 'ul li', 'dl dd', 'svg text', 'svg title', 'svg foreignobject p', 'svg style', 'math mtext', 'details summary', 'template', 'my-element', 'fieldset legend')}

names = 'title value placeholder alt style aria-label data-x content hx-headers hx-confirm ws-x href'.split()
attrs = {k: (lambda o: o.msg, same) for k in names} | {
    'data-list': (lambda o: [o.msg], lambda m: str([m])),
    'data-dict': (lambda o: {o.msg:o.msg}, lambda m: json.dumps({m:m})),
    'data-error': (lambda o: ValueError(o.msg), same),
    'data-name': (lambda o: o.name, same),
}

def child(o):
    "An element with `o` as its child, whatever it is: FastHTML would make attributes of a `dict`"
    res = Div()
    res.children = (o,)
    return res

def with_attrs(o):
    "An element with all `attrs`, set as they are, and `hx-vals` as FastHTML makes it"
    res = got(hx_vals={'x':o.msg})
    for k,(f,_) in attrs.items(): res.attrs[k] = f(o)
    return res

# name -> (what the handler returns, what is seen)
contents = dict(
    all_children=(lambda o: got(*(child(f(o)) for f,_ in children.values()), data_all=True), lambda m: [f(m) for _,f in children.values()]),
    all_attrs=(with_attrs, lambda m: [f(m) for _,f in attrs.values()]+[json.dumps({'x':m})]),
    one=(lambda o: got(o.msg), same),
    classes=(lambda o: got(P('x', cls=f'x {o.msg}')), lambda m: 'x'),
    tuple=(lambda o: (got(o.msg),), same),
    list=(lambda o: [got(o.msg), None], same),
    by_id=(lambda o: got(o.msg, id=f'r{o.i}'), same),
    oob=(lambda o: Div(got(o.msg), hx_swap_oob='beforeend:#rows'), same),
    beside_text=(lambda o: (got(o.msg), P('salt & pepper')), same),
    dataclass=(lambda o: got(child(o.item)), lambda m: repr(Item(m, [m]))),
)


def out_of(o, content):
    "The ways that lead from a handler to pages"
    async def awaited(): await o.send(content)
    async def yields(): yield content
    def yields_in_a_thread(): yield content
    async def spawned(): o.send(content)
    def view(name): return o.hub.publish('everyone', view=name, data={'msg':o.msg})
    return dict(returned=lambda: content, sent=lambda: o.send(content) and None, awaited=awaited, yielded=yields, yielded_in_a_thread=yields_in_a_thread,
        spawned=lambda: o.ws.spawn(spawned()) and None,
        topic=lambda: o.hub.publish('everyone', content) and None, user=lambda: o.hub.publish_to_user(user, content) and None,
        all=lambda: o.hub.publish_to_all(content) and None, view=lambda: view('each') and None, view_with_key=lambda: view('shared') and None)
to_all = ('topic', 'user', 'all', 'view', 'view_with_key')
ways_out = ('sent', 'awaited', 'yielded', 'yielded_in_a_thread', 'spawned', *to_all)

# name -> (what a developer may do with what was typed, what was typed): each of these runs
unsafe = {k: (lambda o: f'<section class=got>{o.msg}</section>', payloads[k]) for k in 'script dialog image slashes svg details focus frame fetches'.split()} | dict(
    attribute=(lambda o: f'<section class=got title="{o.msg}">x</section>', payloads['attribute']),
    safe=(lambda o: got(Safe(o.msg)), payloads['image']),
    not_str=(lambda o: got(NotStr(o.msg)), payloads['image']),
    bytes=(lambda o: o.msg.encode(), payloads['image']),
    dict_as_child=(lambda o: got(o.data['more'], 'x'), payloads['image']),
    href=(lambda o: got(A('x', href=o.msg)), payloads['url']),
    hx_vals_text=(lambda o: got(Button('x', hx_get='/evil', hx_vals=o.msg)), payloads['hx_vals']),
    onclick=(lambda o: got(onclick=f'say("{o.msg}")'), f'"+({run})+"'),
    script_tag=(lambda o: got(Script(f'let name = "{o.msg}"')), f'"+({run})+"'),
    style_tag=(lambda o: got(Style(f'.x {{ color: {o.msg} }}')), f'</style>{payloads["image"]}'),
    noscript=(lambda o: got(Noscript(o.msg)), f'</noscript>{payloads["image"]}'),
    srcdoc=(lambda o: got(Iframe(srcdoc=o.msg)), '<script>top.pwned=1</script>'),
    send_text=(lambda o: o.ws.send_text(f'<section id=r0 hx-swap-oob=true>{o.msg}</section>') and None, payloads['image']),
    json_content=(lambda o: o.ws.send_json({'content':o.msg, 'target':'#r0'}) and None, payloads['image']), # htmx 4 only
)


def make_app(web, to):
    "One socket that knows all ways, one for what cannot be bound, and a page for the one at `to`"
    app = web.app(policy=Policy(user=lambda ws: user))

    @app.get('/evil')
    def evil(): return Div('evil')

    @app.get('/')
    def home(): return Titled('XSS', Div(
        Form(Input(id='msg', name='msg'), Input(type='hidden', name='way', value='one'), Input(type='hidden', name='i', value='0'), id='form', ws_send=True),
        *(Section(id=f'r{i}') for i in range(len(texts))), Div(id='rows'), Div(id='pulse'), id='owner', hx_ext='ws', ws_connect=to))

    for name,key in (('each',None), ('shared',lambda ws: 'all')):
        @app.hub.view(name, key)
        def show(data, ws): return got(data['msg'])

    def on_conn(ws): ws.subscribe('everyone')

    def on_error(error, data):
        if data.get('error')=='object': return got(child(error))
        if data.get('error')=='text': return got(str(error), data_field=getattr(error, 'field', ''))
        raise BindingError(str(error), getattr(error, 'field', '')) # which is what there is without a handler of one's own

    @app.ws('/ws', conn=on_conn, error=on_error)
    async def answer(ws, send, hub, data, htmx, way:str, i:int, item:Item, model:Model, ns:SimpleNamespace, named:Named, typed:Typed, everything:dict,
        msg:str='', tags:list[str]=(), maybe:Optional[str]=None, either:int|str=0, anything:Any=None, texts:dict[str,str]=None, name:Name=None, out:str='returned',
        lang:str=payloads['image']):
        o = SimpleNamespace(**locals())
        if way=='pulse': return Div(msg, id='pulse')
        if way=='raise': raise RuntimeError(msg)
        if way=='raise value': raise ValueError(msg)
        if way=='json': return ws.send_json({'text':msg, msg:tags}) and None
        if way=='json_dumps': return ws.send_text(json.dumps({'text':msg, msg:tags}, ensure_ascii=False)) and None
        if way=='text': return ws.send_text('Ann: '+msg) and None
        make = contents.get(way) or unsafe[way]
        res = out_of(o, make[0](o))[out]()
        return await res if hasattr(res, '__await__') else res

    @app.ws('/bad', conn=on_conn, error=on_error)
    async def bad(data, n:int=0, f:float=0, b:bool=False, day:date=None, color:Color=None, ints:list[int]=None, counts:dict[str,int]=None, u:int|bool=0,
        lit:Literal['a','b']='a', uid:UUID=None, s:str='', texts:list[str]=None, way:str='', msg:str='', inner:Inner=None, strict:Strict=None, must:str='yes'):
        return Div(msg, id='pulse') if way=='pulse' else got('bound')
    return app


# The page

page_js = r"""() => {
    window.raws = []; window.alerts = [];
    const next = () => raws.length ? raws.shift() : undefined;
    document.addEventListener('htmx:wsConfigSend', e => { const r = next(); if (r !== undefined) e.detail.messageBody = r });
    document.addEventListener('htmx-ws-before-message-outgoing', e => { const r = next(); if (r !== undefined) e.detail.message.data = r });
    window.say = messages => { for (const m of messages) { raws.push(m); document.querySelector('#form').requestSubmit() } };
    // names of elements and attributes, without what htmx adds
    window.skeleton = e => `<${e.localName} ${[...e.attributes].map(a => a.name).filter(n => !['class', 'data-htmx-powered'].includes(n)).sort()}>`
        + [...(e.content instanceof DocumentFragment ? e.content : e).children].map(skeleton).join('') + '</>';
    window.text = e => e.nodeType == 3 ? e.data : [...(e.content instanceof DocumentFragment ? e.content : e).childNodes].map(text).join('');
    window.got = attrs => [...document.querySelectorAll('.got')].map(e => [skeleton(e),
        attrs ? attrs.map(a => e.getAttribute(a)) : e.dataset.all != null ? [...e.children].map(text) : [text(e)]]);
    new MutationObserver(ms => { for (const m of ms) for (const e of m.addedNodes)
        if (e.nodeType == 1 && e.matches('[role=alert]')) alerts.push([skeleton(e), text(e), e.dataset.field]) }).observe(document, {subtree: true, childList: true});
    window.stir = () => {
        const events = 'click dblclick mouseover mouseenter pointerover focus focusin blur keydown input change toggle begin animationstart load error wheel scroll';
        const all = [...document.querySelectorAll('.got, .got *, [role=alert], [role=alert] *')];
        for (const e of all) for (const t of events.split(' ')) e.dispatchEvent(new Event(t));
        const owner = document.querySelector('#owner'), copy = document.createElement('div');
        copy.innerHTML = owner.innerHTML;
        const [a, b] = [owner, copy].map(e => [...e.children].map(skeleton).join(''));
        return a == b;
    };
    window.clear = () => document.querySelectorAll('.got').forEach(e => {
        if (!e.id) return e.remove();
        const s = document.createElement('section'); s.id = e.id; e.replaceWith(s) });
}"""
look_js = """() => [window.pwned && 'a script ran', ...[...document.querySelectorAll('.evil')].map(e => 'there is ' + e.outerHTML.slice(0, 80)),
    ...performance.getEntriesByType('resource').filter(e => e.name.includes('/evil')).map(e => 'loaded ' + e.name)].filter(o => o)"""


def open_page(web, who='ann', to='/ws'):
    "The page whose socket is `to`, just loaded, in the tab of `who`"
    tab = web.shared('xss '+to, lambda w: make_app(w, to), who)
    tab.page.evaluate(page_js)
    tab.mark('#owner', '#form')
    return tab


def message(m, way, out='returned', i=0, **kw):
    "A frame that holds `m` in everything that it can hold"
    return json.dumps(dict(way=way, out=out, i=i, msg=m, tags=[m], maybe=m, either=m, anything=[m], texts={m:m}, name=m, inner=None,
        more={'class':'evil', 'onmouseover':run}, HEADERS={k:m for k in ('HX-Trigger', 'HX-Current-URL', 'HX-Target', 'HX-Prompt')}) | {'?'+m:1} | kw, ensure_ascii=False)

def say(tab, messages): tab.page.evaluate('say(...arguments)'.replace('say(...arguments)', 'ms => say(ms)'), list(messages))

def pulse(tab):
    "Come back when all that was sent before is answered and shown"
    tab.beat = getattr(tab, 'beat', 0)+1
    say(tab, [json.dumps(dict(way='pulse', msg=str(tab.beat), i=0))])
    expect(tab('#pulse')).to_have_text(str(tab.beat))


def as_read(s):
    "`s` as an HTML parser hands it on: with its own line ends, and without what stands for nothing"
    return s.replace('\r\n', '\n').replace('\r', '\n').replace('\0', '').replace('\ufffd', '')


def troubles(tab):
    "Whatever a script, or an element that nobody asked for, has left on the page; [] on a page where all is well"
    copied = tab.page.evaluate('stir()')
    res = tab.page.evaluate(look_js)+tab.dialogs
    if not copied: res.append('written and read again it is another page')
    if not tab.same('#owner', '#form'): res.append('the form is another one')
    return res


def check(tab, what, expected, attrs=None):
    """For each of `expected`, a text or a list of them, there is one answer; it is made of the elements that the first one is made of, and shows
    the text, or has it in its `attrs`"""
    tab.page.wait_for_function('n => document.querySelectorAll(".got").length == n', arg=len(expected))
    seen = tab.page.evaluate('a => got(a)', attrs)
    for m,(skeleton,shown),want in zip(texts, seen, expected):
        assert skeleton==seen[0][0], f'{what}: {m!r} made {skeleton}'
        want = want if isinstance(want, list) else [want]
        assert len(want)==len(shown)
        for i,(a,b) in enumerate(zip(shown, want)): assert as_read(a)==as_read(b), f'{what}, {i}: {m!r} is shown as {a!r}'
    assert not (found := troubles(tab)), f'{what}: {found}'
    assert len(tab.sockets)==1
    tab.page.evaluate('clear()')


def answers(tab, way, out='returned', attrs=None, tabs=()):
    "Send everything by `way`, and look at what comes `out` of it"
    say(tab, (message(m, way, out, i) for i,m in enumerate(texts)))
    pulse(tab)
    for t in tabs or [tab]: check(t, f'{way}, {out}', [contents[way][1](m) for m in texts], attrs)


# The tests

def test_children(web):
    "A text is text wherever an element has it, whatever Python made of it on the way"
    tab = open_page(web)
    for way in contents:
        if way!='all_attrs': answers(tab, way)


def test_attributes(web):
    "An attribute has the value that was typed, and no other attribute comes of it"
    answers(open_page(web), 'all_attrs', attrs=[*attrs, 'hx-vals'])


def test_ways_out(web):
    "Returned, sent, yielded, published: the same"
    ann,bob = open_page(web), open_page(web, 'bob')
    pulse(bob)
    for out in ways_out: answers(ann, 'one', out, tabs=(ann, bob) if out in to_all else ())
    answers(ann, 'dataclass', 'topic', tabs=(ann, bob))


def test_form(web):
    "What htmx itself makes of a form"
    tab = open_page(web)
    for m in texts: tab.page.evaluate("m => { document.querySelector('#msg').value = m; document.querySelector('#form').requestSubmit() }", m)
    pulse(tab)
    check(tab, 'form', [m.replace('\r', '').replace('\n', '') for m in texts]) # an input has one line


# What cannot be bound: name of the field in the answer -> what is sent

bad_fields = dict(
    n=lambda m: {'n':m}, f=lambda m: {'f':m}, b=lambda m: {'b':m}, day=lambda m: {'day':m}, color=lambda m: {'color':m}, ints=lambda m: {'ints':[1, m]},
    counts=lambda m: {'counts':{m:m}}, u=lambda m: {'u':m}, lit=lambda m: {'lit':m}, uid=lambda m: {'uid':m}, s=lambda m: {'s':{m:m}}, texts=lambda m: {'texts':[{m:m}]},
    count=lambda m: {'count':m}, sums=lambda m: {'sums':{m:m}}, must=lambda m: {'must':[[m]]}, headers=lambda m: {'HEADERS':{'HX-'+m:5}}, not_headers=lambda m: {'HEADERS':m},
)


def alerts(tab, n):
    "The `n` alerts that were shown since the last look"
    tab.page.wait_for_function('n => alerts.length >= n', arg=n)
    res = tab.page.evaluate('alerts.splice(0)')
    assert len(res)==n
    return res


def test_errors(web):
    "The answer to a message that cannot be bound shows the value, and with some of them the name of the field, as text"
    tab = open_page(web, to='/bad')
    for name,f in bad_fields.items():
        some = texts if name in ('n', 'color', 'ints', 'sums', 'headers') else texts[::5]
        say(tab, (json.dumps(f(m), ensure_ascii=False) for m in some))
        pulse(tab)
        seen = alerts(tab, len(some))
        for m,(skeleton,text,at) in zip(some, seen):
            assert skeleton==seen[0][0]=='<div data-field,id,role></>', f'{name}: {m!r} made {skeleton}'
            if name in ('n', 'f', 'day', 'color', 'lit', 'uid', 'count'): assert as_read(m[:37]) in as_read(text), f'{name}: {m!r} is shown as {text!r}'
            if name in ('headers', 'sums'): assert as_read(m.lower()) in as_read(at).lower() and as_read(at) in as_read(text), f'{name}: {m!r} is shown as {text!r}'
            elif name!='not_headers': assert at.startswith(name), f'{name}: {m!r} is said of {at!r}'
        expect(tab.page.get_by_role('alert')).to_have_count(0) # the pulse was handled, so the last error is over
        assert not (found := troubles(tab)), f'{name}: {found}'
    assert len(tab.sockets)==1


def test_text_that_is_not_a_message(web):
    tab = open_page(web)
    say(tab, texts[1:]+[json.dumps(m) for m in texts[1:]])
    pulse(tab)
    n = len(texts)-1
    seen = alerts(tab, 2*n)
    assert {(s, t) for s,t,_ in seen} <= {('<div id,role></>', 'expected a JSON object'), ('<div data-field,id,role></>', 'way: missing')}
    assert not (found := troubles(tab)), found


def test_exceptions(web):
    "What a handler raises is for the log, whatever its text is"
    tab = open_page(web)
    for way in ('raise', 'raise value'):
        say(tab, (message(m, way, HEADERS={}) for m in texts))
        pulse(tab)
        assert {(s, t) for s,t,_ in alerts(tab, len(texts))}=={('<div id,role></>', 'Something went wrong, and the message was not handled')}
        assert not (found := troubles(tab)), found


def test_sender_that_does_not_exist(web):
    "The error is put beside the element that a message names; where the page has none, it is not shown, and nothing else happens"
    web.allow.append('htmx:oobErrorNoTarget')
    tab = open_page(web)
    say(tab, (message(m, 'raise') for m in texts))
    pulse(tab)
    assert not (found := troubles(tab)), found


def test_error_handlers(web):
    "An `error=` handler may show the exception, or its text, in an element"
    tab = open_page(web)
    for kind in ('object', 'text'):
        say(tab, (message(m, 'raise', error=kind) for m in texts))
        pulse(tab)
        check(tab, f'error={kind}', texts)
    tab = open_page(web, to='/bad')
    for kind in ('object', 'text'):
        say(tab, (json.dumps(dict(error=kind, n=m), ensure_ascii=False) for m in texts))
        pulse(tab)
        check(tab, f'error={kind}', [f'n: expected a whole number, got "{m}"' if len(m)<=40 else f'n: expected a whole number, got "{m[:37]}..."' for m in texts])


def test_addresses(web):
    "What stands in the address, the cookies, the headers and the session of the handshake; an attacker may write all of it into a link"
    app = web.app()
    bad = ' '.join(payloads[k] for k in 'script image both_quotes attribute entity comment oob_owner selector'.split())

    @app.get('/{room:path}')
    def home(room:str, q:str, session, request):
        session['name'] = q
        return Titled('XSS', Div(Form(Input(id='msg'), id='form', ws_send=True), Div(id='pulse'), id='owner', hx_ext='ws',
                                 ws_connect=f'/ws/{quote(room)}?q={quote(q)}'))

    @app.ws('/ws/{room:path}')
    async def answer(ws, session, room:str, q:str, user_agent:str, pref:str, msg:str, n:int=0):
        if msg!=plain: return Div(msg, id='pulse')
        return got(room), got(q), got(user_agent), got(pref), got(session['name']), got(ws.headers['user-agent'], ws.url.path, str(ws.cookies)), P('no owner is named')

    @app.get('/fine')
    def fine(): return 'fine'
    url = web.serve(app)
    tab = web.tab(url+'/fine', user_agent=bad)
    tab.ctx.add_cookies([dict(name='pref', value=payloads['image'], url=url)])
    tab.goto(f'{url}/{quote(bad)},body,{quote(",document,")}?q={quote(bad)}')
    tab.page.evaluate(page_js)
    tab.mark('#owner', '#form')
    say(tab, [json.dumps(dict(msg=plain)), json.dumps(dict(msg=plain, n=bad))])
    pulse(tab)
    seen = tab.page.evaluate('got()')
    assert {s for s,_ in seen}=={'<section ></>'}
    assert [t for _,[t] in seen[:5]]==[f'{bad},body,,document,', bad, bad, payloads['image'], bad]
    expect(tab('#owner > .got')).to_have_count(6) # the owner was found, and only the owner
    assert len(alerts(tab, 1))==1
    assert not (found := troubles(tab)), found
    expect(tab.page.get_by_role('alert')).to_have_count(0)


frames_js = '''() => { window.frames_ = [];
    document.addEventListener('htmx:wsBeforeMessage', e => frames_.push(e.detail.message));
    document.addEventListener('htmx-ws-before-message-incoming', e => frames_.push(e.detail.message.data)) }'''


@pytest.mark.parametrize('way', ['json', 'json_dumps'])
def test_json(web, way):
    "JSON is for scripts of the app, which see what was typed; none of it is parsed as HTML, whatever made the JSON"
    tab = open_page(web)
    tab.page.evaluate(frames_js)
    before = tab.page.evaluate("document.querySelector('#owner').innerHTML")
    say(tab, (message(m, way) for m in texts))
    pulse(tab)
    seen = tab.page.evaluate('frames_.slice(0, -1).map(JSON.parse)')
    assert seen==[{'text':m, m:[m]} for m in texts]
    assert not (found := troubles(tab)), found
    assert tab.page.evaluate("document.querySelector('#owner').innerHTML.replace(/(<div id=.pulse.*?>)\\d+/, '$1')")==before


def test_text(web):
    "A text that does not begin with a tag is shown as it came"
    tab = open_page(web)
    tab.page.evaluate(frames_js)
    say(tab, (message(m, 'text') for m in texts))
    pulse(tab)
    want = ['Ann: '+m for m in texts]
    assert tab.page.evaluate('frames_.slice(0, -1)')==want
    assert tab.page.evaluate("[...document.querySelector('#owner').childNodes].filter(n => n.nodeType == 3 && n.data.startsWith('Ann: ')).map(n => n.data)")==want
    assert not (found := troubles(tab)), found


# The proof that all this could fail

@pytest.mark.parametrize('name', unsafe)
def test_what_does_run(web, name):
    "The same look at the page sees what a developer lets run"
    web.allow = ['Failed to load resource']
    tab = open_page(web)
    say(tab, [message(unsafe[name][1], name)])
    pulse(tab)
    for e in tab('.got a, .got button').all(): e.click()
    sign = {'dialog':'1', 'fetches':'loaded'}.get(name, 'a script ran')
    if name=='json_content' and web.htmx==2: assert not troubles(tab)
    else: until(lambda: any(o.startswith(sign) for o in troubles(tab)), repr(sign))
    tab.dialogs.clear()


def test_a_way_that_is_not_safe_fails(web):
    "Nor would `check` be content with an element, an attribute or a text that is not what was typed"
    web.allow = ['Failed to load resource']
    for way,m,seen,says in (('image', payloads['image'], [plain, ''], 'made'), ('attribute', payloads['attribute'], ['x', 'x'], 'made'),
                            ('classes', payloads['url'], ['x', payloads['url']], 'is shown as')):
        tab = open_page(web)
        say(tab, [message(plain, way), message(m, way)])
        pulse(tab)
        with pytest.raises(AssertionError, match=says): check(tab, way, seen)
