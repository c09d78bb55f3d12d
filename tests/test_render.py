"What goes out: where the roots of a text are, and that every one of them says where it goes."
import copy, json, re
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup, Tag
from fastcore.basics import NotStr
from fastcore.foundation import L
from fastcore.xml import FT, Div, Li, P, Safe, Td, Title, Tr, to_xml
from fasthtml.common import HtmxResponseHeaders, HttpHeader, Redirect, Script, cookie
from hypothesis import given, settings, strategies as st
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from fasthtml_ws.errors import RenderError
from fasthtml_ws.render import _html, _place_simple, _target, _warn_left_out, _wrapper, _xml, error_fragment, html_roots, owner_selector, place, place_error, render
from tests.growth import steepness
from tests.memory import *

owner = owner_selector('/ws', 'x.example')

def placed(content, sel=owner): return ''.join(place(content, sel))


# HTML that knows its own roots: pairs of text and [(tag, id) of each root]

names = st.sampled_from('div span b section ul my-tag DIV p2'.split())
words = st.sampled_from(['', 'a', 'two words', ' ', '&lt;', 'x > y', 'a "quote"', "it's", '\u2603', 'a\nb'])
attr_values = st.sampled_from(['', 'a', 'a>b', '<b>', '/', 'a/', "it's", 'say &quot;', '</div>', 'x=y', '<!-- a -->', '\u00e4'])
attr_names = st.sampled_from(['class', 'data-x', 'title', 'hx-get', '@click', ':key', 'x.y'])
ids = st.one_of(st.none(), st.sampled_from(['a', 'b-1', 'x.y', '\u00e4']))

@st.composite
def start(draw, tag, end=''):
    "A start tag and its id"
    parts, id = [tag], draw(ids)
    for k in draw(st.lists(attr_names, max_size=2, unique=True)):
        q = draw(st.sampled_from('"\'')); v = draw(attr_values)
        parts.append(k if draw(st.booleans()) else f'{k}={q}{v.replace(q, "")}{q}')
    if id: parts.insert(draw(st.integers(1, len(parts))), draw(st.sampled_from([f'id="{id}"', f"id='{id}'", f'id={id}', f'ID = "{id}"'])))
    return f'<{draw(st.sampled_from([" ", chr(10)])).join(parts)}{end}>', id

def closed(inner):
    @st.composite
    def f(draw):
        tag = draw(names)
        s,id = draw(start(tag))
        return s + ''.join(h for h,_ in draw(st.lists(inner, max_size=3))) + f'</{tag}>', [(tag.lower(), id)]
    return f()

@st.composite
def void(draw):
    tag = draw(st.sampled_from(['br', 'img', 'input', 'hr', 'BR']))
    s,id = draw(start(tag, draw(st.sampled_from(['', '/', ' /']))))
    if s.endswith('=' + (id or '?') + '/>'): s = s[:-2] + ' />' # or the slash is a part of the id
    return s, [(tag.lower(), id)]

@st.composite
def raw_text(draw):
    tag = draw(st.sampled_from(['script', 'style', 'textarea', 'Script']))
    s,id = draw(start(tag))
    return s + draw(st.sampled_from(['', '"</p>"', '<b>', '<!-- <li>', 'a < b > c', '</scrip', "'"])) + f'</{tag}>', [(tag.lower(), id)]

@st.composite
def svg(draw):
    s,id = draw(start('svg'))
    inner = ''.join(draw(st.lists(st.sampled_from(['<path d="M0"/>', '<g><circle r=1 /></g>', '<use/>', '<title>a</title>', 'text']), max_size=3)))
    return f'{s}{inner}</svg>', [('svg', id)]

@st.composite
def implied(draw):
    "Elements that end where the next one begins; the last one is closed"
    tags = draw(st.sampled_from([['li','li'], ['td','th','td'], ['dt','dd','dt'], ['option','option'], ['p','p'], ['p','div'], ['p','ul'], ['p','h2'], ['p','table'], ['li','li','li']]))
    parts,roots = [],[]
    for t in tags:
        s,id = draw(start(t))
        parts.append(s + draw(words)); roots.append((t, id))
    return ''.join(parts) + f'</{tags[-1]}>', roots

@st.composite
def rows(draw):
    (a,i),(b,j) = draw(start('tr')),draw(start('tr'))
    return f'{a}<td>1<td>2{b}<th>3</tr>', [('tr', i), ('tr', j)]

nothing = st.sampled_from(['<!-- note -->', '<!-- <div> -->', '<!-->', '</b>', '</li>', '<!doctype html>', '<?xml?>', '<!---->']).map(lambda s: (s, []))
text = words.map(lambda s: (s, [('', None)]))
well_formed = st.recursive(st.one_of(text, void(), raw_text(), svg()), closed, max_leaves=6)
pieces = st.lists(st.one_of(well_formed, implied(), rows(), nothing), max_size=6)


def model(parts):
    "Roots of the joined `parts`: texts that touch are one, and blank ones none"
    res, run = [], ''
    for html,roots in parts + [('', [('', None)]), ('<!---->', [])]:
        if roots == [('', None)]: run += html; continue
        if run.strip(): res.append(('', None))
        run = ''
        res += roots
    return res


@settings(max_examples=700)
@given(pieces)
def test_roots(parts):
    if any(h == '<!-->' for h,_ in parts): parts = [p for p in parts if p[0] != '<!-->'] # see test_odd_comments
    html = ''.join(h for h,_ in parts)
    assert [(o.tag, o.attrs.get('id')) for o in html_roots(html)] == model(parts), html


def found(root, html, at):
    "Where `root` stands first in `html`: itself, or without end tags that were missing"
    own,places = root.html,[]
    while True:
        if (begin := html.find(own, at)) >= 0: places.append((begin, begin+len(own)))
        if not re.search('</[^<]*>$', own): break
        own = own[:own.rindex('</')]
    assert places, f'{root.html!r} was not there'
    return min(places, key=lambda p: (p[0], -p[1]))


@given(pieces)
def test_roots_are_cut_from_the_text(parts):
    "Nothing is changed or moved, and what is left out is blank or no element"
    html, at, out = ''.join(h for h,_ in parts), 0, []
    for o in html_roots(html):
        begin,end = found(o, html, at)
        out.append(html[at:begin])
        at = end
    out.append(html[at:])
    assert not re.sub(r'<!--.*?(-->|$)|<[!?/][^>]*>', '', ''.join(out), flags=re.S).strip()


@settings(max_examples=500)
@given(st.text(st.sampled_from('<>/!-ab ="\'& \nli'), max_size=30))
def test_roots_of_anything(html):
    "No text is too strange, and no letter appears that was not there"
    at = 0
    for o in html_roots(html): _,at = found(o, html, at)


@given(pieces)
def test_roots_stand_alone(parts):
    "Each root is one root again, whatever follows it"
    for o in html_roots(''.join(h for h,_ in parts)):
        assert [r.tag for r in html_roots(o.html + '<section></section>')] == [o.tag, 'section']


@pytest.mark.parametrize('html,tags', [
    ('', []), ('  ', []), ('a', ['']), ('<br>', ['br']), ('<br/><br />', ['br', 'br']), ('<svg/>', ['svg']), ('<svg><g/></svg><b></b>', ['svg', 'b']), ('<div/>a<b></b>', ['div']),
    ('<b>a', ['b']), ('</b>', []), ('a</b>c', ['', '']), ('<b></i></b>', ['b']), ('<i><b></i></b>a', ['i', '']), ('<script><b></script>', ['script']), ('<script>', ['script']),
    ('<textarea><b></textarea><b></b>', ['textarea', 'b']), ('<a title=">">x</a>', ['a']), ("<a title='>'>x</a>", ['a']), ('a < b', ['']), ('<3', ['']), ('<!-- <b> -->', []),
    ('<!-- open', []), ('<tbody><tr><td>1<tbody>', ['tbody', 'tbody']), ('<ul><li>a<li>b</ul><p>', ['ul', 'p']), ('<p>a<p>b', ['p', 'p']), ('<p>a<hr>b', ['p', 'hr', '']),
    ('<li><p>a<li>b', ['li', 'li']), ('<p>a<b>c</b>', ['p']), ('<p>a<table></table>', ['p', 'table']), ('<td><p>a<td>b', ['td', 'td']), ('<li><b>a<li>b', ['li', 'li']), ('<p><b>a<p>b', ['p', 'p']),
])
def test_root_tags(html, tags): assert [o.tag for o in html_roots(html)] == tags


@pytest.mark.parametrize('end', ['<i', '<i title="', "<i title='a>", '<!-- b', '</i', '<script>', '<textarea><i>', '<i><b', '<!doctype', '<i class=a b'])
def test_what_never_ends_takes_nothing_along(end):
    "A tag, comment or script that the app forgot to end does not swallow what is sent after it"
    out = top(placed((Safe('<b id=a>x</b> y' + end), Div('z', id='z'))))
    assert [o.get('id') for o in out if o.get('id')] == ['a', 'z'] and out[-1].text == 'z', placed((Safe('<b id=a>x</b> y' + end), Div('z', id='z')))


@pytest.mark.parametrize('ws,parts', [(' ', True), ('\t', True), ('\n', True), ('\f', True), ('\r', True), ('\xa0', False), ('\v', False), ('\x1c', False), ('\u2003', False), ('\u2028', False)], ids=ascii)
def test_what_parts_attributes(ws, parts):
    "What a browser takes for a space, and nothing else"
    o, = html_roots(f'<p title=a{ws}id=b>c</p>')
    assert o.attrs == (dict(title='a', id='b') if parts else dict(title=f'a{ws}id=b'))
    assert html_roots(f'<p{ws}id=b>')[0].tag == ('p' if parts else f'p{ws}id=b')


@pytest.mark.parametrize('tag', 'iframe noembed noframes xmp textarea title script style'.split())
def test_raw_text(tag): assert [(o.tag, o.attrs.get('id')) for o in html_roots(f'<{tag} id=a><b></i><!-- </{tag}><p id=b>')] == [(tag, 'a'), ('p', 'b')]


def test_first_of_two_attributes_counts():
    assert html_roots('<b id=a id=b>')[0].attrs['id'] == 'a'


def test_odd_comments():
    "`<!-->` is a whole comment for a browser"
    assert [o.tag for o in html_roots('<!--><b></b>')] == ['b'] and [o.tag for o in html_roots('<!---><b></b>')] == ['b']


# Cost

hostile = {'<': '<', '<a ': '<a ', '<a': '<a', '<!': '<!', '<!--': '<!--', '<?': '<?', 'a="': 'a="', '<a "': '<a "', "<a '": "<a '", '<b/>': '<b/>', '<li>': '<li>', '<p>': '<p>', '<td>': '<td>',
           '</b>': '</b>', '<script>': '<script>', '<b id=a>': '<b id=a>', '<br>': '<br>', 'spaces': ' ', '<svg>': '<svg>', '<li><b>': '<li><b>', '<tr><td>': '<tr><td>'}
shaped = {'one long name': lambda n: '<' + 'a'*n, 'many open, many strays': lambda n: '<a>'*(n//8) + '</b>'*(n//8), 'one tag, many quotes': lambda n: '<p ' + 'a="'*(n//3) + '>',
          'one tag, many attributes': lambda n: '<p ' + 'a=1 '*(n//4) + '>', 'one tag, spaces': lambda n: '<p a' + ' '*n + '=b>', 'open tags, slashes': lambda n: '<a>'*(n//8) + '<b/>'*(n//8),
          'oob and spaces': lambda n: '<p id=a hx-swap-oob' + ' '*n + '>', 'raw that never ends': lambda n: '<script>' + '</scrip'*(n//7)}
shaped |= {k: (lambda n, s=s: s*(n//len(s))) for k,s in hostile.items()}

@pytest.mark.parametrize('name', shaped)
def test_cost_is_linear(name):
    g = steepness(lambda s: place(s, owner), shaped[name])
    assert g < 3.2, f'twice the text costs {g:.1f} times as much'


# Where it goes

def top(html):
    "What stands outermost in `html` for a parser that is not ours"
    return [o for o in BeautifulSoup(html, 'html.parser').children if isinstance(o, Tag) or o.strip()]

def says_where(o): return isinstance(o, Tag) and (o.name in ('title', 'hx-partial') or ':' in o.get('hx-swap-oob', '') or (o.get('hx-swap-oob') and o.get('id')))

# html.parser does not know that a value may stand next to a slash, nor any implied end; well_formed has neither.
fts = st.recursive(st.one_of(words, st.none(), st.integers(), st.sampled_from([Title('t'), Tr(Td('a')), Td('b'), Li('c', hx_swap_oob='beforeend:#log'), Safe('<b>x</b>')])),
                   lambda o: st.builds(lambda t,cs,id,oob: FT(t, tuple(cs), {k:v for k,v in dict(id=id, **{'hx-swap-oob': oob}).items() if v}),
                                       st.sampled_from(['div', 'li', 'tr', 'span', 'option']), st.lists(o, max_size=3), ids, st.sampled_from([None, None, 'true', 'beforeend:#x', 'delete', ''])), max_leaves=6)

@settings(max_examples=300)
@given(st.lists(well_formed, min_size=1, max_size=4))
def test_every_root_of_a_text_says_where(parts):
    html = ''.join(h for h,_ in parts)
    out = top(placed(html))
    assert all(map(says_where, out)), placed(html)
    assert bool(out) == bool(model(parts))


@settings(max_examples=300)
@given(st.lists(pieces, min_size=1, max_size=2))
def test_every_id_is_placed_or_wrapped(lists):
    "As many roots with an id come out at the top, each with its `hx-swap-oob`, as went in"
    parts = [p for ps in lists for p in ps if p[0] != '<!-->']
    out = html_roots(placed(''.join(h for h,_ in parts)))
    assert [o.attrs['id'] for o in out if o.attrs.get('id')] == [id for _,id in model(parts) if id]
    assert all(o.attrs.get('hx-swap-oob') for o in out)


@settings(max_examples=300)
@given(st.one_of(fts, st.lists(fts, max_size=4).map(tuple)))
def test_every_root_of_ft_says_where(content):
    before = copy.deepcopy(content)
    try: html = placed(content)
    except RenderError: return # a number alone
    assert all(map(says_where, top(html))), html
    assert repr(content) == repr(before)
    assert placed(content) == html


@settings(max_examples=300)
@given(st.one_of(fts, st.lists(fts, max_size=4).map(tuple)))
def test_nothing_is_lost(content):
    "Placed, there is the same text as in what the handler wrote"
    try: html = placed(content)
    except RenderError: return
    def words(s): return ''.join(BeautifulSoup(s, 'html.parser').get_text().split())
    assert words(html) == words(render(content))


# A text that is one simple element is placed without looking for roots

@st.composite
def simple_element(draw):
    tag = draw(st.sampled_from('div p li tr td col span h1 br script title textarea svg math template select option noscript caption tbody a hx-partial Div plaintext'.split()))
    name = st.sampled_from(['id', 'class', 'hx-swap-oob', 'data-hx-swap-oob', 'ID', '@click', 'x:y.z', 'a_b', 'data-\u00e4'])
    value = st.sampled_from(['', 'a', 'true', 'beforeend:#log', 'beforeend:#log ul', 'a > b', '</div>', "it's", '<b id=', ' ', '\u00a0', 'a\nb', '&quot;', '/'])
    attrs = ''.join(f'{s}{k}="{v}"' for s,k,v in draw(st.lists(st.tuples(st.sampled_from([' ', ' ', '\n', '  ', '\u00a0', '/']), name, value), max_size=4)))
    around = st.sampled_from(['', '', '\n', '  ', '\u00a0', '\v'])
    return f'{draw(around)}<{tag}{attrs}>{draw(words)}</{tag}>{draw(around)}'

@st.composite
def mutated(draw, of):
    "One of `of` with a few letters of it left out, changed or put in"
    s = draw(of)
    for _ in range(draw(st.integers(0, 3))):
        i = draw(st.integers(0, len(s)))
        s = s[:i] + draw(st.sampled_from(['', *'<>/="\' a&-!?\0\n\u00a0X', '<!--', '</', 'id="b"', '<b>', 'hx-swap-oob'])) + s[i+draw(st.integers(0, 1)):]
    return s

@settings(max_examples=1000)
@given(mutated(simple_element() | pieces.map(lambda ps: ''.join(h for h,_ in ps)) | words))
def test_simple_texts_are_placed_as_all_are(html):
    for o in (html, Safe(html)):
        frames = place(o, owner)
        assert frames == place((Safe(html),), owner) and all(type(f) is str for f in frames)


@pytest.mark.parametrize('html', ['', 'plain > text', '<div id="notifications">hello</div>', '\n<li class="a b" hx-swap-oob="beforeend:#log">it\'s &lt;</li>\n', '<tr id="r" data-x1="&quot;"></tr>', '<p>a</p>', '<p id="a" id="b">x</p>'])
def test_simple_texts_take_the_short_way(html): assert _place_simple(html, owner) == place((Safe(html),), owner)


@pytest.mark.parametrize('name', shaped)
def test_cost_of_a_quoted_text_is_linear(name):
    "The same shapes inside of what could be a simple element"
    for before,after in (('<p ', '</p>'), ('<p a="', '">x</p>'), ('<p id="a">', '</p>'), ('<p' + ' a="b"'*50, '>x</p>')):
        g = steepness(lambda s: _place_simple(s, owner), lambda n: before + shaped[name](n) + after) # noqa: B023 it is called here
        assert g < 3.2, f'twice the text costs {g:.1f} times as much'


def test_texts_around_elements_stay_in_order():
    assert placed('one <b>two</b> three') == f"<div hx-swap-oob='beforeend:{owner}'>one <b>two</b> three</div>"


@pytest.mark.parametrize('tag,wrapper', [('tr','tbody'), ('td','tr'), ('th','tr'), ('tbody','table'), ('thead','table'), ('caption','table'), ('col','colgroup'), ('li','div'), ('option','div'), ('p','div')])
@pytest.mark.parametrize('kind', ['ft', 'text'])
def test_wrapper(tag, wrapper, kind):
    o = FT(tag, (), {}, tag == 'col')
    assert placed(o if kind == 'ft' else to_xml(o, indent=False)).startswith(f'<{wrapper} hx-swap-oob=')


@pytest.mark.parametrize('html', ['<p id=x title="a hx-swap-oob=1 b">c</p>', '<p id=x data-hx-swap-oob-note="1">c</p>', '<p id="x" title=\' hx-swap-oob="y" \'>c</p>'])
def test_other_attributes_stay(html):
    "Only the attribute itself is replaced, not a text that looks like it"
    out = html_roots(placed(html))[0].attrs
    assert out.pop('hx-swap-oob') == 'true' and out == html_roots(html)[0].attrs


@pytest.mark.parametrize('content', [{'a':1}, 5, 1.5, object(), True, {1}, (o for o in 'a'), ({'a':1},), Exception('x')], ids=lambda o: type(o).__name__)
def test_cannot_be_shown(content):
    for f in (render, lambda o: place(o, owner)):
        with pytest.raises(RenderError, match='cannot be shown'): f(content)


http_only = dict(header=(HttpHeader('X-A', 'b'), 'HttpHeader'), htmx=(HtmxResponseHeaders(push_url='/x'), 'HtmxResponseHeaders'), several=(HtmxResponseHeaders(trigger='a', reswap='none'), 'HtmxResponseHeaders'),
    cookie=(cookie('a', 'b'), 'a cookie'), task=(BackgroundTask(print), 'BackgroundTask'), tasks=(BackgroundTasks(), 'BackgroundTasks?'), redirect=(Redirect('/x'), 'Redirect'),
    response=(Response('x'), 'Response'), html=(HTMLResponse('x'), 'HTMLResponse'), json=(JSONResponse({}), 'JSONResponse'), away=(RedirectResponse('/x'), 'RedirectResponse'))

@pytest.mark.parametrize('name', http_only)
def test_what_only_a_response_carries_is_left_out(name, caplog):
    "The rest goes out as if it were alone, and there is one warning, however many messages"
    o,kind = http_only[name]
    _warn_left_out.cache_clear()
    for content in ((o, Div('a', id='x'), 'text'), (Div('a', id='x'), o, 'text'), [Div('a', id='x'), ['text', (o,)]]):
        assert placed(content)==placed((Div('a', id='x'), 'text')) and render(content)==render((Div('a', id='x'), 'text'))
    assert place((o,), owner)==[] and render((o, None))==''
    [said] = caplog.messages
    assert re.match(kind+' is left out', said) and re.search('ws.close|ws.spawn|HTTP route', said)


@pytest.mark.parametrize('name', ['header', 'htmx', 'several', 'cookie', 'task', 'redirect'])
def test_nothing_but_what_a_response_carries(name):
    assert place(http_only[name][0], owner)==[] and render(http_only[name][0])==''


@pytest.mark.parametrize('name', ['response', 'html', 'json', 'away'])
def test_a_response_alone_cannot_be_shown(name):
    for f in (render, lambda o: place(o, owner)):
        with pytest.raises(RenderError, match='cannot be shown'): f(http_only[name][0])


class Shown:
    def __ft__(self): return Div('shown', id='s')
class Html:
    def __html__(self): return '<b>html</b>'

@pytest.mark.parametrize('content,html', [(None, ''), ('', ''), ((), ''), ([], ''), ((None, ''), ''), (b'<b>x</b>', '<b>x</b>'), ('<b>', '<b>'), (('<b>',), '&lt;b&gt;'), (('a', 1, 2.5), 'a12.5'),
    (Safe('<b>'), '<b>'), ((Safe('<b>'),), '<b>'), (Shown(), '<div id="s">shown</div>'), ([Shown()], '<div id="s">shown</div>'), (Html(), '<b>html</b>'), ((P('a'), [P('b'), (P('c'),)]), '<p>a</p><p>b</p><p>c</p>')], ids=lambda o: re.sub(' at 0x[^>]*', '', str(o)))
def test_shown(content, html): assert render(content, indent=False) == html


# Selectors

paths = st.one_of(st.text(max_size=20), st.sampled_from(['/a b', '/"]', "/']<script>", '/a\\"b', '/\\', '/a\tb', '/a\nb', '/\x00', '/\u2028', '/\u3000', '/&quot;', '/&#39;', '/a,b', '/[x]', '/\U0001f600', '/%27%22', '/a?b=c d', '/x/y/ws?q=%20']))
hosts = st.one_of(st.sampled_from(['', 'x.example', 'x:80', '"]', '[::1]:80', "x' onclick='"]), st.text(max_size=8))

def unescaped(s): return re.sub(r'\\([0-9a-f]{6})', lambda m: chr(int(m[1], 16)), s)
_inside = r'[^"\'\s<>&\[\]\\,]|\\[0-9a-f]{6}'

@settings(max_examples=500)
@given(paths, hosts)
def test_selector_holds_the_path(path, host):
    "Path and full address can be read back from it, and no letter of theirs ends a string or a selector"
    sel = owner_selector(path, host)
    assert re.fullmatch(rf'(\[(hx-)?ws-connect\$?="({_inside})+"\](,(?=.)|$))*', sel), sel
    found = re.findall(rf'\[ws-connect(\$?=)"((?:{_inside})+)"\]', sel)
    read = [(op, unescaped(u)) for op,u in found]
    assert read == [(op, unescaped(u)) for op,u in re.findall(rf'\[hx-ws-connect(\$?=)"((?:{_inside})+)"\]', sel)]
    assert not path or {('=', path), ('=', unquote(path))} <= set(read)
    assert not host or ('$=', f'//{host}{path}') in read


class Attrs(HTMLParser):
    def handle_starttag(self, tag, attrs): self.seen.append((tag, attrs))

@settings(max_examples=500)
@given(paths, hosts, st.text(max_size=10), st.text(max_size=10))
def test_nothing_breaks_out(path, host, msg, name):
    "Neither a path nor what was wrong can add an element or an attribute"
    sel = owner_selector(path, host)
    for html in (placed('x', sel), place_error(error_fragment(msg, name, 'e1'), sel, again=True)):
        p = Attrs(); p.seen = []
        p.feed(html); p.close()
        wrap = [('hx-swap-oob', f'beforeend:{sel}')]
        assert p.seen[0] == ('div', wrap) or p.seen[:2] == [('i', [('id', 'e1'), ('hx-swap-oob', 'delete')]), ('div', wrap)]
        assert [t for t,_ in p.seen][-1] == 'div' and len(p.seen) <= 3


# What a client can put into a tree

class Said:
    def __init__(self, s): self.s = s
    def __repr__(self): return f'<said {self.s}>'
class SaidFT(Said):
    def __ft__(self): return FT('b', ([self.s],), {})

typed = st.one_of(st.text(max_size=20), st.text(st.sampled_from('<>"\'=&/;! abimgscript-'), max_size=20), st.sampled_from(['<img src=x>', '"><b>', "' onclick='x", '&quot;', '&lt;b&gt;', '</b><i>', '<!--', ']]>']))
holders = st.sampled_from([str, lambda s: [s], lambda s: (s,), lambda s: {s}, lambda s: {s:s}, lambda s: L([s]), ValueError, Said, SaidFT, Path, lambda s: SimpleNamespace(s=s), lambda s: [[(s,)], Said(s)], lambda s: [P(s)]])
held = st.tuples(typed, holders).map(lambda o: o[1](o[0]))

class Tree(HTMLParser):
    "Tags with the names of their attributes, and what is between them"
    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags,self.text,self.values = [],[],[]
        self.feed(html); self.close()
    def handle_starttag(self, tag, attrs): self.tags.append((tag, [k for k,_ in attrs])); self.values += [v for _,v in attrs]
    def handle_endtag(self, tag): self.tags.append('/'+tag)
    def handle_data(self, data): self.text.append(data)
    def handle_comment(self, data): self.tags.append('comment')
    handle_decl = handle_pi = unknown_decl = handle_comment

@settings(max_examples=500)
@given(typed, holders, held)
def test_a_tree_has_only_the_elements_that_were_built(s, hold, other):
    "Whatever a text is wrapped in, and wherever it stands, the tree is the one that a harmless text makes"
    def build(s):
        res = FT('div', (hold(s), FT('p', (hold(s), 'x'), {'title':s, 'data-o':hold(s) if hold not in (SaidFT,) else s}), 5), {'id':'a'})
        return [placed(res), placed((res, 'y', P(s))), render(res), render(res, indent=False)]
    for html,plain in zip(build(s), build('x')): assert Tree(html).tags == Tree(plain).tags, html


class Sub(FT): pass
class SubShown(FT):
    def __ft__(self): return FT('u', ('shown',), {})
class Text(str): pass
class HtmlText(str):
    def __html__(self): return f'<q>{self}</q>'
class HtmlMap(dict):
    def __html__(self): return 'never'
class Number(int):
    def __str__(self): return '<n>'

special = st.text(st.sampled_from('<>"\'&a ;_='), max_size=6)
simple = st.one_of(st.none(), st.booleans(), st.integers(-9, 99), st.floats(), special)
odd = st.one_of(special.map(Safe), special.map(NotStr), special.map(str.encode), special.map(Text), special.map(HtmlText), special.map(Said), special.map(SaidFT), special.map(lambda s: HtmlMap(a=s)),
                st.dictionaries(special, special, max_size=2), st.sets(special, max_size=1), st.sampled_from([Html(), Shown(), Number(3), 10**30, 1j, b'', ValueError('<b>'), Path('a<b'), range(2), Path]))
attr_name = st.sampled_from(['id', 'class', 'hx-swap-oob', 'data-hx-swap-oob', 'a_', '_', '__', '@click', 'hx-on::x', 'data-\u00e4', 'A']) | st.text(max_size=2)

def element(child):
    attrs = st.dictionaries(attr_name, simple | odd | st.builds(FT, st.just('b'), st.just(()), st.just({'id':'"'})) | st.lists(special, max_size=2), max_size=3)
    return st.builds(lambda cls,tag,cs,attrs,void: cls(tag, tuple(cs), attrs, void), st.sampled_from([FT, FT, FT, FT, Sub, SubShown]),
                     st.sampled_from(['div', 'p', 'br', 'script', 'style', 'textarea', 'tr', 'title', 'hx-partial', 'pre', '', Text('b')]), st.lists(child, max_size=3), attrs, st.sampled_from([False, False, True, 1]))

trees = element(st.recursive(simple | odd, lambda o: element(o) | st.lists(o, max_size=3) | st.lists(o, max_size=3).map(tuple) | st.lists(o, max_size=2).map(L), max_leaves=8))

def outcome(f, *args):
    try: return f(*args)
    except Exception as e: return type(e), str(e)

def by_to_xml(o):
    "The one frame of an element, written by `to_xml`"
    target = _target(o.tag, o.attrs)
    if target is None: return [_xml(o)]
    html = _xml(FT(o.tag, o.children, {k:v for k,v in o.attrs.items() if k!='hx-swap-oob'}, o.void_) if 'hx-swap-oob' in o.attrs else o)
    if target: return [f'<{o.tag} hx-swap-oob="{escape(target)}"{html[1+len(o.tag):]}']
    around = _wrapper.get(o.tag, 'div')
    return [f"<{around} hx-swap-oob='beforeend:{owner}'>{html}</{around}>"]

@settings(max_examples=1000)
@given(trees)
def test_one_pass_writes_what_to_xml_writes(o):
    "Byte for byte, and it fails in the same way"
    assert outcome(_html, o) == outcome(_xml, o) and type(outcome(_html, o)) is type(outcome(_xml, o))
    assert outcome(render, o, False) == outcome(_xml, o)
    if type(o) is not SubShown: assert outcome(place, o, owner) == outcome(by_to_xml, o)


@pytest.mark.parametrize('wrap', [lambda o: FT('b', (o,), {}), lambda o: FT('b', ('a', o), {}), lambda o: FT('b', ([o],), {}), lambda o: FT('b', ((o,),), {})], ids=['alone', 'beside', 'in a list', 'in a tuple'])
def test_deep_trees(wrap):
    "No tree is too deep for one pass that was not too deep for `to_xml`"
    def reached(write):
        o,n = FT('b', ('x',), {'id':'a'}),0
        while n<1500:
            try: write(o)
            except RecursionError: return n
            o,n = wrap(o),n+1
        return n
    assert reached(_html) >= reached(_xml) > 50


@given(typed)
def test_what_was_typed_is_seen(s):
    t = Tree(render(FT('p', ([s],), {'title':s, 'data-o':{'k':s}}), indent=False))
    assert t.values == [s, json.dumps({'k':s})] and ''.join(t.text) == s


def test_html_stays_html():
    "What says that it is HTML is not escaped, and an object that is kept is not changed"
    d = Div(Safe('<b>a</b>'), NotStr('<i>b</i>'), b'<u>c</u>', Html(), [P('<')], id='x')
    before = copy.deepcopy(d.children[:3])
    assert render(d, indent=False) == '<div id="x"><b>a</b><i>b</i><u>c</u><b>html</b><p>&lt;</p></div>'
    assert [str(o) for o in d.children[:3]] == [str(o) for o in before] and isinstance(d.children[4], list)
    assert render(Script('a < b'), indent=False) == '<script>a < b</script>'


@pytest.mark.parametrize('name', ['a b', 'a\tb', 'a>', '<a', 'a=b', 'a"', "a'", 'a/b', '', 'a\0'])
def test_names_of_attributes(name):
    for o in (FT('p', (), {name:'x'}), FT('p', (FT('b', (), {name:'x'}),), {})):
        with pytest.raises(RenderError, match='cannot be the name of an attribute'): placed(o)

@pytest.mark.parametrize('name', ['@click.prevent', ':class', 'x-on:click.away', 'hx-on::after-request', '_', 'v-slot#a', '[x]', '(y)', 'data-\u00e4'])
def test_names_that_frameworks_use(name): assert f' {name}="x"' in placed(FT('p', (), {name:'x'}))
