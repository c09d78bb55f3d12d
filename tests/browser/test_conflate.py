"""The models of `tests/dom.py`, and with them conflation, against the clients themselves.

One tab a client: it is made one page after the other, gets the frames of a sequence over its socket, and what the page has become is read back. Each sequence is played
in full and as an outbox would have cut it down."""
import re
from random import Random

from fasthtml.common import Div, Titled

from fasthtml_ws.conflate import _flow, _holds, _top, _void, effect_of
from tests.dom import Node, after, clients, parse
from tests.test_conflate import deliver, messages, page
from tests.kit import behind
from .kit import until

kinds = sorted((_top | _holds.keys() | {o for v in _holds.values() for o in v} | _void) - {''})

shape_js = r'''() => {
    const odd = ['ws-cursor', 'ws-status', 'ws-next', 'data-htmx-powered', 'ws-connect', 'hx-ws-connect', 'data-hx-ws-connect', 'hx-ext'];
    const attrs = e => [...e.attributes].map(a => [a.name, a.value]).filter(([k, v]) => !odd.includes(k) && !(k == 'class' && !v))
        .sort((a, b) => a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0);
    const shape = n => n.nodeType == 3 ? n.data : [n.localName, attrs(n), [...n.childNodes].filter(o => o.nodeType == 1 || o.nodeType == 3 && o.data.trim()).map(shape)];
    document.querySelector('#stage').normalize();
    return shape(document.querySelector('#stage'))[2];
}'''


reset_js = r'''html => {
    const stage = document.querySelector('#stage'), owner = document.querySelector('#owner');
    for (const o of [...stage.childNodes]) if (o != owner) o.remove();
    const t = document.createElement('template');
    t.innerHTML = html;
    owner.innerHTML = t.content.firstElementChild.innerHTML;
    t.content.firstElementChild.remove();
    stage.append(t.content);
}'''


def safe(msg):
    "Is it without what the models only sketch? They do not wait for what is loaded, and keep elements in their own way"
    return 'hx-trigger' not in msg and 'hx-preserve' not in msg


def sequences(n):
    "Pages, messages, and what is left of these by conflation; only those of which something is left out"
    seed,res = 0,[]
    while len(res)<n:
        r,seed = Random(seed),seed+1
        start,msgs = page(r),[o for o in messages(r) if safe(o)]
        sent = deliver(msgs, [r.choice([0, 0, 0, 1]) for _ in msgs])
        if len(sent)<len(msgs): res.append((start, msgs, sent))
    return res


class Stage:
    "A tab of which the socket's owner and what stands beside it can be made any page, and the `ws` that writes to it"
    def __init__(self, web, script=False):
        app,boxes = web.app(),[]
        if not script: app.hdrs = [o for o in app.hdrs if not str(o.attrs.get('src')).startswith('/fasthtml_ws/')]

        @app.get('/')
        def home(): return Titled('Stage', Div(Div(id='owner', hx_ext='ws', ws_connect='/ws'), id='stage'), Div(id='mark'))

        def conn(ws): behind(ws).is_htmx = True; boxes.append(ws)
        app.ws('/ws', conn=conn)(lambda: None)
        self.tab,self.n = web.tab(web.serve(app)),0
        until(lambda: boxes, 'the connection')
        self.ws = boxes[0]

    def play(self, start, frames):
        "What the page `start` has become after `frames`"
        self.n += 1
        self.tab.page.evaluate(reset_js, start)
        for o in [*frames, f'<div id="mark" hx-swap-oob="true">{self.n}</div>']: self.ws.send_text(o)
        self.tab.wait("n => document.querySelector('#mark').textContent == n", self.n)
        return self.tab.page.evaluate(shape_js)


def to_lists(o):
    "A shape as JSON has it"
    if isinstance(o, str): return o
    tag,attrs,kids = o
    return [tag, [[k,v] for k,v in attrs if k!='ws-connect' and not (k=='class' and not v)], [to_lists(k) for k in kids]]


def test_sequences(web):
    "The client does what its model does, and conflation does not show"
    web.allow = ['htmx:oobErrorNoTarget']
    stage = Stage(web)
    for start,msgs,sent in sequences(60):
        whole = stage.play(start, msgs)
        assert whole==[to_lists(o) for o in after(clients[f'htmx{web.htmx}'], start, msgs)[0][2]], (start, msgs)
        assert stage.play(start, sent)==whole, (start, msgs, sent)


shelf = '<div id="owner" ws-connect="/ws"><div id="a"><p id="m1">1</p><p id="m2">2</p></div><div id="b"><p id="m3">3</p></div></div>'


def shelf_message(r, n):
    "The `n`th message to `shelf`: it sets, appends, moves or deletes something with an id that the page has once or not at all"
    box,item = r.choice('ab'),f'm{r.randint(1, 4)}'
    swap,append = f'<p id="{item}" hx-swap-oob="true">{n}</p>',f'<div hx-swap-oob="beforeend:#{box}"><p id="{item}">{n}</p></div>'
    whole,gone = f'<div id="{box}" hx-swap-oob="true"><p id="{item}">{n}</p></div>',f'<p id="{item}" hx-swap-oob="delete"></p>'
    return r.choices([swap, append, append.replace('beforeend', 'afterbegin'), whole, gone], [4, 3, 1, 2, 1])[0]


def test_sequences_with_the_script(web):
    "Where the client script makes an append of what is there a replacement or a move, conflation does not show either, if ids are ids"
    web.allow = ['htmx:oobErrorNoTarget']
    stage,seed,n = Stage(web, script=True),0,0
    while n<60:
        r,seed = Random(seed),seed+1
        msgs = [shelf_message(r, i) for i in range(r.randint(3, 9))]
        sent = deliver(msgs, [r.choice([0, 0, 0, 1]) for _ in msgs])
        if len(sent)==len(msgs): continue
        n += 1
        assert stage.play(shelf, sent)==stage.play(shelf, msgs), (msgs, sent)


def nested(r, tag, depth):
    "An element of any kind, with any in it"
    if tag in _void: return f'<{tag}>'
    kids = [nested(r, r.choice(kinds), depth-1) if r.randrange(4) else str(r.randrange(9)) for _ in range(r.choice([0, 1, 2, 3]))] if depth else []
    return f'<{tag}>{"".join(kids)}</{tag}>'


def fitting(r, tag, holds, depth):
    "An element with what `_holds` says may be in it"
    if tag in _void: return f'<{tag}>'
    inner = sorted(_holds.get(tag, holds))
    picks = [r.choice(inner) for _ in range(r.choice([0, 1, 2, 3]))] if depth and inner else []
    return f'<{tag}>{"".join(fitting(r, o, _holds.get(tag, holds), depth-1) if o else str(r.randrange(9)) for o in picks)}</{tag}>'


def outline(node): return [k for o in node.kids for k in (outline(o) if isinstance(o, Node) and o.tag=='tbody' else [outline_of(o)])] # browsers add it
def outline_of(o): return o if isinstance(o, str) else [o.tag, outline(o)]


def test_what_reads_as_plain_is_plain(web):
    "The browser sees the elements in each other as they are written, and as both clients read them"
    r,htmls = Random(1),[]
    while len(htmls)<3_000:
        make = (lambda tag: fitting(r, tag, _flow, 3)) if r.randrange(4) else (lambda tag: nested(r, tag, 2))
        html = ''.join(make(r.choice(sorted(_top))).replace('>', f' id="i{i}" hx-swap-oob="true">', 1) for i in range(r.choice([1, 1, 2])))
        if effect_of(html).targets: htmls.append(html)
    assert {t for o in htmls for t in re.findall('<([a-z0-9]+)', o)}==set(kinds)
    tab = web.tab('about:blank')
    read = tab.page.evaluate(r'''htmls => {
        const outline = n => [...n.childNodes].flatMap(o => o.nodeType == 3 ? [o.data] : o.localName == 'tbody' ? outline(o) : [[o.localName, outline(o)]]);
        return htmls.map(h => outline(new DOMParser().parseFromString(`<template>${h}</template>`, 'text/html').querySelector('template').content));
    }''', htmls)
    assert not [html for html,o in zip(htmls, read, strict=True) if o!=outline(parse(html))]
