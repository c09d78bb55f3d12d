"""Leaving out superseded messages changes nothing: generated pages and messages on models of both clients.

What is generated is nasty on purpose: elements in elements of the same few ids, ids that are there twice or not at all, messages with several
roots, renames, moves (`hx-preserve`), appends, deletes, nested `hx-swap-oob`, selectors of other kinds, roots that do not say where they go, triggers
that fire when they arrive. The client takes some of the messages while others still come.

Each rule is also broken once, and then a page must come out wrong: a model that could not fail would prove nothing."""
import re, time
from collections import OrderedDict
from itertools import count
from random import Random

import pytest
from hypothesis import Phase, find, given, settings, strategies as st
from hypothesis.errors import NoSuchExample
from fasthtml.common import B, Div, H3, Li, Small, Ul

from fasthtml_ws.conflate import Effect, Waiting, effect_of, superseded, supersedes
from fasthtml_ws.render import place
from tests.dom import after, clients, oob, parse

ids = 'abcn'
quick = dict(derandomize=True, deadline=None, database=None)


def element(r, depth, id='', extra=''):
    "An element with others in it; `extra` stands in its tag"
    attrs = (f' id="{id}"' if id else '') + r.choice(['', '', ' class="k"', ' class="j k"']) + extra
    return f'<div{attrs}>{content(r, depth)}</div>'


def content(r, depth):
    "A text, and perhaps elements of all kinds"
    inner = [element(r, depth-1, r.choice(['', *ids])) for _ in range(r.choice([0, 1, 1, 2]))] if depth else []
    return ''.join([str(r.randrange(10)), *inner])


def page(r):
    "An owner of the socket with elements in it and elements beside it"
    tree = [element(r, 3, r.choice(ids)) for _ in range(3)]
    return f'<div id="owner" ws-connect="/ws">{"".join(tree[:2])}</div><div>{tree[2]}</div>'


def full(r, id=''):
    "A root that is a full swap"
    id = id or r.choice(ids)
    if r.randrange(4): return element(r, 2, id, f' {oob}="{r.choice(["true", "true", "outerHTML", "outerHTML:#"+id])}"')
    return element(r, 2, '', f' {oob}="innerHTML:#{id}"')


def append(r):
    "A root that is an append"
    return element(r, 2, r.choice(['', *ids]), f' {oob}="{r.choice(["beforeend", "afterbegin", "beforebegin", "afterend"])}:#{r.choice(ids)}"')


def nasty(r):
    "A root that is something else"
    kind,a,b = r.randrange(8),r.choice(ids),r.choice(ids)
    if kind==0: return f'<i id="{a}" {oob}="delete"></i>'
    if kind==1: return element(r, 1, b, f' {oob}="outerHTML:#{a}"') # perhaps a rename
    if kind==2: return element(r, 1, '', f' {oob}="{r.choice(["afterend", "innerHTML", "beforebegin"])}:.{r.choice("jk")}"')
    if kind==3: return f'<div {oob}="beforeend:[ws-connect]">{content(r, 1)}</div>'
    if kind==4: return element(r, 1) # says nothing
    swap = r.choice([f'id="{a}" {oob}="true"', f'{oob}="beforeend:#{a}"'])
    if kind==5: return f'<div {swap}><section id="{b}" {oob}="{r.choice(["true", "innerHTML", "beforeend"])}">{content(r, 1)}</section></div>'
    if kind==6: return f'<div {swap}><b hx-get="/{r.randrange(9)}" hx-trigger="load"></b></div>'
    return f'<div {swap}><div id="{b}" hx-preserve="true">{content(r, 1)}</div></div>'


def messages(r, most=9):
    "Some messages of one root or more"
    def message():
        kind = r.randrange(10)
        if kind<5: return full(r)
        if kind<7: return ''.join(full(r, o) for o in r.sample(ids[:3], r.choice([1, 2, 2, 2])))
        if kind<8: return append(r)+(full(r) if r.randrange(2) else '')
        return r.choice(['', '', full(r)])+nasty(r)+r.choice(['', '', full(r)])
    return [message() for _ in range(r.randrange(2, most))]


@st.composite
def cases(draw):
    "A page, messages, and how many of the waiting ones are taken after each"
    r = Random(draw(st.integers(0, 2**64))) # many times faster than a choice each of hypothesis
    msgs = messages(r)
    return page(r), msgs, [r.choice([0, 0, 0, 0, 1, 2]) for _ in msgs]


def deliver(msgs, takes, effect_of=effect_of, superseded=superseded):
    "What is written of `msgs` by an outbox of which the client takes `takes[i]` after message i, and all in the end"
    waiting,out = [],[]
    for msg,k in zip(msgs, takes):
        e = effect_of(msg)
        for i in superseded([o for _,o in waiting], e): del waiting[i]
        waiting.append((msg, e))
        out += [m for m,_ in waiting[:k]]
        del waiting[:k]
    return out + [m for m,_ in waiting]


def wrong(case, **kw):
    "The clients that end in another page than without conflation"
    start,msgs,takes = case
    sent = deliver(msgs, takes, **kw)
    return len(sent)<len(msgs) and [k for k,f in clients.items() if after(f, start, sent)!=after(f, start, msgs)]


left_out = []

@given(cases())
@settings(max_examples=1_500, **quick)
def test_same_page(case):
    "Any messages, any cut: the page ends up the same, and what is sent is in the order of the calls"
    start,msgs,takes = case
    sent = deliver(msgs, takes)
    rest = iter(msgs)
    assert all(o in rest for o in sent)
    left_out.append(len(msgs)-len(sent))
    assert not wrong(case)


def test_something_was_left_out():
    "The test above was about something"
    assert len(left_out)>=1_500 and sum(o>0 for o in left_out)>len(left_out)/4


# Each rule broken once: (what is told to `effect` instead of the HTML) or functions that take the place of the module's own

def unplaced(html): return ''.join(o for o in roots(html) if f' {oob}=' in o.split('>')[0])
def roots(html): return [html_of(o) for o in parse(html).kids]
def html_of(o):
    if isinstance(o, str): return o
    return f'<{o.tag}{"".join(f""" {k}="{v}" """.rstrip() for k,v in o.attrs.items())}>{"".join(map(html_of, o.kids))}</{o.tag}>'

def flat(html):
    "`html` without `hx-swap-oob` below the roots"
    top = parse(html)
    for o in top.kids:
        for n in o.all(): n.attrs.pop(oob, None)
    return ''.join(map(html_of, top.kids))

def tells(change): return dict(effect_of=lambda html: effect_of(change(html)))
def loose(later, earlier): return bool(later.targets and earlier.targets and later.targets>=earlier.targets)
def any_style(later, earlier): return bool(later.targets and earlier.targets) and {o[1] for o in later.targets}=={o[1] for o in earlier.targets}
def some_ids(later, earlier): return bool(later.targets and earlier.targets and later.targets & earlier.targets)

def walk(waiting, new, supersedes=supersedes, ends=lambda o: o.barrier):
    "`superseded` with other rules"
    res = []
    for i in range(len(waiting)-1, -1, -1):
        if ends(waiting[i]): break
        if supersedes(new, waiting[i]): res.append(i)
    return res

def at_the_earlier_place(case):
    "Is the page another one if the survivor takes the place of what it supersedes?"
    start,msgs,_ = case
    waiting = []
    for msg in msgs:
        e = effect_of(msg)
        gone = superseded([o for _,o in waiting], e)
        for i in gone[:-1]: del waiting[i]
        if gone: waiting[gone[-1]] = (msg, e)
        else: waiting.append((msg, e))
    return any(after(f, start, [m for m,_ in waiting])!=after(f, start, msgs) for f in clients.values())

broken = dict(
    load_triggers_are_inert = tells(lambda html: html.replace(' hx-trigger="load"', '')),
    preserve_is_inert = tells(lambda html: html.replace(' hx-preserve="true"', '')),
    nested_swaps_are_inert = tells(flat),
    appends_are_full_swaps = tells(lambda html: re.sub('(before|after)(begin|end):#', 'innerHTML:#', html)),
    deletes_are_full_swaps = tells(lambda html: html.replace('"delete"', '"true"')),
    renames_are_full_swaps = tells(lambda html: re.sub(r'id="\w"( class="[jk ]+")? hx-swap-oob="outerHTML:#(\w)"', r'id="\2" hx-swap-oob="true"', html)),
    classes_are_ids = tells(lambda html: re.sub(r':\.(\w)', r':#\1', html)),
    unplaced_roots_are_ignored = tells(unplaced),
    no_barriers = dict(superseded=lambda w, new: walk(w, new, ends=lambda o: False)),
    inner_supersedes_outer = dict(superseded=lambda w, new: walk(w, new, any_style)),
    one_common_id_is_enough = dict(superseded=lambda w, new: walk(w, new, some_ids)),
)

fast = settings(max_examples=20_000, phases=[Phase.generate], **quick)

@pytest.mark.parametrize('name', broken)
def test_each_rule_is_needed(name):
    "Without it a page comes out wrong"
    try: case = find(cases(), lambda o: wrong(o, **broken[name]), settings=fast)
    except NoSuchExample: pytest.fail(f'{name}: no page came out wrong')
    assert not wrong(case)


def test_the_later_place_is_needed():
    "A survivor that took the earlier place would come out wrong"
    assert at_the_earlier_place(find(cases(), at_the_earlier_place, settings=fast))


# The index, and what the rules are for

class Endless(Waiting):
    "Without the rule that a message stays after a row of others"
    __slots__ = ()
    most = 10**9


def tile(o): return Effect(frozenset({('outer', f't{o}')}), False)


@given(st.integers(0, 2**64))
@settings(max_examples=300, **quick)
def test_index(seed):
    "`Waiting` says what `superseded` says, whatever is taken out meanwhile, and forgets what no longer waits"
    r,w,waiting = Random(seed),Endless(),[]
    styles,most = ('outer','inner'),3 if seed%2 else 200
    for n in range(300):
        kind = r.randrange(20)
        e = Effect(None, kind==0) if kind<2 else Effect(frozenset((r.choice(styles), f'i{o}') for o in {r.randrange(most) for _ in range(r.choice([1, 1, 2]))}), False)
        expected = [waiting[i][0] for i in superseded([o for _,o in waiting], e)]
        assert w.put(n, e, waiting[0][0] if waiting else n)==expected
        waiting = [o for o in waiting if o[0] not in expected]+[(n, e)]
        del waiting[:r.choice([0, 0, 0, 1, 5])]


def test_nothing_waits_for_ever():
    "A client that is always behind is shown every tile again and again, whatever the order in which they change"
    for takes,shuffle in ((5,False), (25,False), (5,True)):
        r,w,queue,shown,oldest,ns = Random(1),Waiting(),OrderedDict(),[0]*50,0,count()
        for tick in range(300):
            tiles = list(range(50))
            if shuffle: r.shuffle(tiles)
            for o in tiles:
                n = next(ns)
                for k in w.put(n, tile(o), next(iter(queue), n)): del queue[k]
                queue[n] = o,tick
            for _ in range(min(takes, len(queue))):
                o,at = queue.popitem(last=False)[1]
                shown[o] = at
            assert len(queue)<=100
            if tick>60: oldest = max(oldest, tick-min(shown))
        assert oldest<=60, (takes, shuffle, oldest)


def test_index_is_small():
    "A queue that is never empty, and ids that never come again"
    w = Waiting()
    for n in range(5_000): w.put(n, Effect(frozenset({('outer', f'i{n}')}), False), n-10)
    assert len(w._swaps)<=2*11+32


def sent(*o): return place(o, '[ws-connect="/ws"]')[0]


def test_dashboard():
    "Many updates of a few tiles leave the last one of each, in the order of the calls"
    tiles = [(f't{n%50}', n) for n in range(1_000)]
    msgs = [sent(Div(H3('CPU', cls='name'), B(n, id=f'{o}-value'), Small('%'), id=o, cls='tile')) for o,n in tiles]
    assert deliver(msgs, [0]*len(msgs))==msgs[-50:]


def test_list_and_appends():
    "A list that is sent whole is superseded; what was appended to another one is not"
    msgs = [m for n in range(20) for m in (sent(Ul(*(Li(o) for o in range(n)), id='msg-list')), sent(Li(n, hx_swap_oob='beforeend:#log')))]
    assert deliver(msgs, [0]*len(msgs))==[*msgs[1:-2:2], *msgs[-2:]]


plain = ['<ul id="a" hx-swap-oob="true"><li>1<b>2</b></li><li id="x">3</li></ul>', ' <div id="a" hx-swap-oob="true">1</div>\n<!-- 7-12 -->',
    '<tr id="a" hx-swap-oob="true"><td>1</td><td><p>2</p></td></tr>', '<img id="a" hx-swap-oob="true" src="/a.png" alt=a/>',
    '<svg id="a" hx-swap-oob="true" viewBox="0 0 9 9"><g><circle r="2"/><text x="1">up</text></g></svg>',
    '<form id="a" hx-swap-oob="true" ws-send><input name="q" type="text"><button>Go</button></form>',
    '<div id="a" hx-swap-oob="true"><a href="/x" hx-get="/x" hx-trigger="click once">x</a>a &lt; b</div>']

doubtful = ['', 'text', '{"content":"a"}', '<div id="a">1</div>', '<div hx-swap-oob="true">1</div>', '<div id="a" hx-swap-oob="true">1</div>text', 'x<div id="a" hx-swap-oob="true">1</div>',
    *(f'<div id="a" hx-swap-oob="{o}">1</div>' for o in ('', 'outer', 'textContent', 'outerMorph', 'innerMorph', 'delete', 'none', 'outerHTML:#b', 'innerHTML:#b', 'innerHTML:#a b',
        'innerHTML:#a,#b', 'innerHTML:#7', 'innerHTML:.a', 'innerHTML:[id]', 'innerHTML swap:1s', 'outerHTML:body', 'beforeend:.a', 'true:#a', 'innerHTML: #a', 'innerHTML:\t#a')),
    *(f'<div id="a" hx-swap-oob="true">{o}</div>' for o in ('<b hx-swap-oob="true" id="b"></b>', '<script>1</script>', '<style>b{}</style>', '<b hx-trigger="load"></b>',
        '<b hx-trigger="revealed"></b>', '<b hx-trigger="click, intersect"></b>', '<b hx-trigger="every 1s"></b>', '<b hx-trigger="click from:body"></b>', '<b hx-trigger="l&#111;ad"></b>',
        '<b onclick="f()"></b>', '<b hx-on:click="f()"></b>', '<img src=x onerror="f()">', '<input autofocus>', '<input type="radio" checked>', '<input type="r&#97;dio">', '<input type=RADIO>',
        '<b hx-preserve id="b"></b>', '<b data-hx-preserve id="b"></b>', '<my-tile></my-tile>', '<b is="my-b"></b>', '<iframe></iframe>', '<video></video>', '<object></object>',
        '<template><b></b></template>', '<hx-partial></hx-partial>', '<title>t</title>', '<link rel="stylesheet">', '<details open></details>', '<select><b></b></select>',
        '<b ws-connect="/ws"></b>', '<b hx-ws-connect="/ws"></b>', '<b hx-ext="sse"></b>', '<b sse-connect="/"></b>', '<b x-init="f()"></b>', '<b _="on load f()"></b>', '<b data-script="x"></b>',
        '<svg><foreignObject></foreignObject></svg>', '<svg><p></p></svg>', '<svg><animate onbegin="f()"/></svg>', '<svg><use href="x"/></svg>', '<math></math>',
        '<p><div></div></p>', '<p><ul></ul></p>', '<a><b><a></a></b></a>', '<form><form></form></form>', '<table><b></b></table>', '<table>x</table>', '<table><tr>&nbsp;</tr></table>', '<table>\xa0</table>',
        '<li></li>', '<ul><li>1<li>2</ul>', '<tr></tr>', '<b><i></b></i>', '<b/>', '<br></br>', '</p>', '<div>', '</div><div>', '<B></B>', '<b ID="x"></b>', '<b id="it\'s"></b>', '<b id=""></b>',
        '<b id="a,b"></b>', '<b id="a&amp;b"></b>', '<b title="<i>"></b>', '<b\xa0id="x"></b>', '<b\vid="x"></b>', '<b id = "x"></b>', '<b id="x"class="y"></b>', '<', '< b>', '<!-- > -->', '<!doctype html>',
        '<![CDATA[x]]>', '<?x?>', '<!-->', '<b')),
    '<div id="a" id="b" hx-swap-oob="true"></div>', '<div id="a" ID="b" hx-swap-oob="true"></div>', '<div ID="a" hx-swap-oob="true"></div>', '<div id="a" data-hx-swap-oob="true"></div>',
    '<div id="a" hx-swap-oob="true" hx-swap-oob="delete"></div>', '<div id="a" hx-swap-oob="true" data-hx-swap-oob="delete"></div>', '<div id="a" hx-swap-oob="true" hx-trigger="load"></div>',
    '<div id="a" hx-swap-oob="true" hx-preserve></div>', '<div id="a" hx-swap-oob="true" autofocus></div>', '<div id="a b" hx-swap-oob="true"></div>', '<DIV id="a" hx-swap-oob="true"></DIV>',
    '<p id="a" hx-swap-oob="true"><div>1</div></p>', '<table id="a" hx-swap-oob="true"><div>1</div></table>', '<option id="a" hx-swap-oob="true">1</option>', '<circle id="a" hx-swap-oob="true"></circle>',
    '<template id="a" hx-swap-oob="true"></template>', '<style id="a" hx-swap-oob="true"></style>', '<body id="a" hx-swap-oob="true"></body>', '<head></head><div id="a" hx-swap-oob="true"></div>',
    '<div id="a" hx-swap-oob="true"></div><tr id="b" hx-swap-oob="true"></tr>', '<div id="a" hx-swap-oob="true"></div><b>1</b>', '<textarea id="a" hx-swap-oob="true"></div></textarea>']

@pytest.mark.parametrize('html', plain)
def test_plain(html): assert {o for _,o in effect_of(html).targets}=={'a'}

@pytest.mark.parametrize('html', doubtful)
def test_doubtful(html): assert effect_of(html)==Effect(None, True)


@pytest.mark.parametrize('html', ['<div id="a" hx-swap-oob="true">1</div>'*2, '<div id="a" hx-swap-oob="true">1</div><b hx-swap-oob="beforeend:#c">1</b>', '<b hx-swap-oob="beforeend:#c">1</b>'])
def test_harmless(html):
    "Never superseded, and no barrier"
    assert effect_of(html)==Effect(None, False)


@given(st.text('<>/ab "=\'!-', max_size=60))
@settings(max_examples=500, **quick)
def test_any_text(text):
    "Nothing raises, and no text without a target has one"
    assert effect_of(text).targets is None


def test_long_and_hostile():
    "The time is linear in the length: a megabyte of anything takes well under a second"
    for o in ('<div id="a" '+'x="'*300_000, '<b '+'a '*500_000, '<'*1_000_000, '<b'*500_000, '<!--'*250_000, '<b>'*300_000, '<div id="a"'+' '*1_000_000):
        t = time.perf_counter()
        assert effect_of(o).barrier
        assert time.perf_counter()-t < 2, o[:20]
