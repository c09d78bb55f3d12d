"""Messages that are not HTML, with the script: text is shown as it was typed, JSON is left to the app's listeners, and no parser of HTML meets either."""
import json

import pytest
from fasthtml.common import Div, Form, Input, Titled
from fasthtml.core import iframe_scr

from .kit import expect
from .test_client import calm, only_htmx2, only_htmx4, wait
from .wire import Wire, form, frame, owner

typed = 'Ann: <img class="evil" src="x" onerror="window.pwned=1"> & <b id="log">bold</b> &amp; done'
shapes = ['{"a": "<b id=\\"log\\">x</b>"}', ' [1, "<img class=evil src=x>"]', '{}', '[]', json.dumps({'html': typed, 'oob': '<div hx-swap-oob="innerHTML:#form">evil</div>'})]

# Every message that a listener of the app gets, before and after, and what it does about it.
listen_js = '''() => {
    window.before = []; window.after = []; window.kebab = []; window.veto = () => {};
    const text = e => e.detail.message.data ?? e.detail.message;
    for (const name of ['htmx:wsBeforeMessage', 'htmx-ws-before-message-incoming'])
        document.addEventListener(name, e => { before.push(text(e)); veto(e) });
    for (const name of ['htmx:wsAfterMessage', 'htmx-ws-after-message-incoming']) document.addEventListener(name, e => after.push(text(e)));
    document.addEventListener('htmx:ws-before-message', e => kebab.push(text(e)));
}'''


def listening(web, *args, **kw):
    "A page of `Wire`, its connection, and the page's listeners"
    wire = Wire(web, *args, **kw)
    tab = calm(web, wire.url)
    line = wire.line(1)
    expect(tab('#owner')).to_have_attribute('ws-status', 'open')
    tab.page.evaluate(listen_js)
    tab.mark('#owner', '#form', '#msg', '#log')
    return wire, tab, line


def texts(tab, sel='#owner'):
    "The text nodes right in `sel`, in their order"
    return tab(sel).evaluate('e => [...e.childNodes].filter(n => n.nodeType == 3).map(n => n.data)')


def heard(tab, what): return tab.page.evaluate(what)


def settled(tab, line):
    "Wait until all that was sent is shown; `line` answers in its log"
    line.send(frame('.', 99, swap='innerHTML'))
    expect(tab('#log')).to_have_text('.')


def check_page(tab):
    "Nothing was parsed, and nothing was replaced"
    assert tab.same('#owner', '#form', '#msg', '#log') and not tab.page.evaluate('window.pwned') and tab('.evil').count()==0


def test_text_is_shown_as_it_was_typed(web):
    _,tab,line = listening(web)
    line.send(typed)
    line.send('  two\nlines <i>')
    line.send('pong<!--ws 17-->')
    wait(tab, 'after.length == 3')
    assert texts(tab)==[typed, '  two\nlines <i>', 'pong']
    assert heard(tab, 'before')==heard(tab, 'after')==[typed, '  two\nlines <i>', 'pong']
    assert heard(tab, 'kebab')==(heard(tab, 'before') if web.htmx==2 else [])
    check_page(tab)


def test_text_has_a_position(web):
    wire,tab,line = listening(web)
    line.send('one<!--ws 17-->')
    wait(tab, 'after.length == 1')
    line.close(1012)
    assert wire.line(2).at[1]=='17'


def test_text_and_html_keep_their_order(web):
    _,tab,line = listening(web, owner(f'{form()}<p id="end"></p>'))
    for o in ('one', '<p hx-swap-oob="beforeend:#owner">two</p>', 'three', '[4]', '<p hx-swap-oob="beforeend:#owner"><i>five</i></p>', 'six'): line.send(o)
    wait(tab, 'after.length == 6')
    assert tab('#owner').evaluate('e => e.textContent')=='onetwothreefivesix'
    check_page(tab)


@pytest.mark.parametrize('text', ['42', '-1.5e3', 'true', 'null', '"quoted <b>"', '{not json <b>}', '[1, <img class=evil>', '{"a":1} and more', '\ufeff<b class=evil>', '\xa0<b class=evil>', '&lt;b&gt;'])
def test_what_is_text(web, text):
    "A number, a word and a text in quotes are more often typed than sent for a listener; what only looks like JSON or like a tag is text"
    _,tab,line = listening(web)
    line.send(text)
    wait(tab, 'after.length == 1')
    assert texts(tab)==[text] and heard(tab, 'before')==heard(tab, 'after')==[text]
    check_page(tab)


@pytest.mark.parametrize('text', shapes)
def test_json_is_for_listeners(web, text):
    _,tab,line = listening(web)
    before = tab.nodes('#owner')
    line.send(text+'<!--ws 5-->')
    wait(tab, 'after.length == 1')
    assert heard(tab, 'before')==heard(tab, 'after')==[text] and tab.nodes('#owner')==before and texts(tab)==[]
    check_page(tab)


@pytest.mark.parametrize('text', [typed, shapes[0]])
def test_a_listener_cancels(web, text):
    _,tab,line = listening(web)
    tab.page.evaluate('() => veto = e => e.preventDefault()')
    line.send(text)
    wait(tab, 'before.length == 1')
    tab.page.evaluate('() => veto = () => {}')
    settled(tab, line)
    assert texts(tab)==[] and len(heard(tab, 'after'))==1
    check_page(tab)


@only_htmx4
@pytest.mark.parametrize('veto', ['e => { e.detail.cancelled = true }', 'e => e.detail.waitUntil(new Promise(done => setTimeout(done, 50)).then(() => { e.detail.cancelled = true }))',
                                  'e => { e.detail.waitUntil(Promise.resolve().then(() => e.preventDefault())); e.detail.cancelled = true; e.stopPropagation() }'])
def test_a_listener_cancels_in_the_ways_of_htmx4(web, veto):
    _,tab,line = listening(web)
    tab.page.evaluate(f'() => veto = {veto}')
    line.send(typed)
    wait(tab, 'before.length == 1')
    tab.page.evaluate('() => veto = () => {}')
    settled(tab, line)
    assert texts(tab)==[] and len(heard(tab, 'after'))==1
    check_page(tab)


@only_htmx4
def test_a_listener_of_the_owner_stops_the_event(web):
    "What the window does not hear at its end is no HTML either"
    _,tab,line = listening(web)
    tab.page.evaluate("() => document.querySelector('#owner').addEventListener('htmx-ws-before-message-incoming', e => e.stopPropagation())")
    line.send(typed)
    wait(tab, 'after.length == 1')
    assert texts(tab)==[typed] and heard(tab, 'before')==[]
    check_page(tab)


@only_htmx4
@pytest.mark.parametrize('late', [False, True])
def test_a_listener_writes_html_on_htmx4(web, late):
    _,tab,line = listening(web)
    write = "e.detail.message.data = '<p hx-swap-oob=\"beforeend:#log\">' + JSON.parse(e.detail.message.data).a + '</p>'"
    tab.page.evaluate(f"() => veto = e => {{ {f'e.detail.waitUntil(Promise.resolve().then(() => {{ {write} }}))' if late else write} }}")
    line.send('{"a": "x"}')
    expect(tab('#log')).to_have_text('x')
    check_page(tab)


@only_htmx2
def test_an_extension_writes_html_on_htmx2(web):
    "Extensions of the app come first: what they make of JSON or text is theirs"
    _,tab,line = listening(web, owner(attrs='data-x="1"').replace('hx-ext="ws"', 'hx-ext="ws,mine"'))
    tab.page.evaluate("""() => htmx.defineExtension('mine', {transformResponse: text => text[0] == '{' ? `<p hx-swap-oob="beforeend:#log">${JSON.parse(text).a}</p>` : text.toUpperCase()})""")
    line.send('{"a": "x"}')
    expect(tab('#log')).to_have_text('x')
    line.send('pong')
    wait(tab, 'after.length == 2')
    assert texts(tab)==['PONG'] and heard(tab, 'before')==['{"a": "x"}', 'pong']
    check_page(tab)


@only_htmx2
def test_extensions_that_the_page_names_stay(web):
    wire = Wire(web)
    wire.body = owner()
    page = wire.page
    wire.page = lambda body: page(body).replace('<html>', '<html data-hx-ext="mine">')
    tab = calm(web, wire.url)
    expect(tab('#owner')).to_have_attribute('ws-status', 'open')
    tab.page.evaluate("() => { window.seen = []; htmx.defineExtension('mine', {transformResponse: text => { seen.push(text); return text }}) }")
    wire.line(1).send('pong')
    wait(tab, "seen.length == 1")
    assert texts(tab)==['pong']


@only_htmx4
@pytest.mark.parametrize('field', ['content', 'payload'])
def test_an_envelope_of_htmx4(web, field):
    "The app's own server wrote the HTML in it, as for htmx 4 without the script"
    web.allow = ['json.payload is deprecated']
    _,tab,line = listening(web)
    line.send(json.dumps({field: '<b>x</b>', 'target': '#log', 'swap': 'beforeend'}))
    expect(tab('#log > b')).to_have_text(['x'])
    assert len(heard(tab, 'after'))==1
    check_page(tab)


@pytest.mark.parametrize('sort', ['form', 'body', 'ul'])
def test_owners(web, sort):
    inner = {'form':'<div id="log"></div><input id="msg" name="msg">', 'body':form('form2'), 'ul':'<li id="log"></li>'}[sort]
    wire = Wire(web, f'<{sort} id="owner" hx-ext="ws" ws-connect="/ws" {"ws-send" if sort=="form" else ""} ws-cursor="first">{inner}</{sort}>')
    tab = calm(web, wire.url)
    line = wire.line(1)
    expect(tab('#owner')).to_have_attribute('ws-status', 'open')
    tab.page.evaluate(listen_js)
    tab.mark('#owner', '#log')
    line.send(typed)
    wait(tab, 'after.length == 1')
    assert texts(tab)[-1]==typed and tab.same('#owner', '#log') and tab('.evil').count()==0


def test_a_socket_that_does_not_greet(web):
    "A server without the package: the same"
    wire = Wire(web, owner(cursor=''), auto=False)
    tab = calm(web, wire.url)
    wire.line(1)
    tab.page.evaluate(listen_js)
    wire.line(1).send(typed)
    wait(tab, 'after.length == 1')
    assert texts(tab)==[typed]


def test_a_chat_follows_its_text(web):
    "The listener after a message finds it on the page, as pages that scroll to the bottom expect"
    _,tab,line = listening(web)
    tab.page.evaluate("""() => { window.shown = []; for (const name of ['htmx:wsAfterMessage', 'htmx-ws-after-message-incoming'])
        document.addEventListener(name, e => shown.push(document.querySelector('#owner').lastChild.data)) }""")
    line.send('one'); line.send('two')
    wait(tab, 'shown.length == 2')
    assert heard(tab, 'shown')==['one', 'two']


def test_json_dumps_of_what_was_typed(web):
    "An app of ours whose handlers send `json.dumps` and text, on a page with the script"
    app = web.app()
    @app.get('/')
    def home(): return Titled('T', Div(Form(Input(id='msg', name='msg'), id='form', ws_send=True), Div(id='log'), id='owner', hx_ext='ws', ws_connect='/ws'))
    @app.ws('/ws')
    async def answer(ws, msg:str):
        ws.send_text(json.dumps({'msg': msg, msg: [msg]}))
        ws.send_text('Ann: '+msg)
    tab = web.tab(web.serve(app))
    tab.page.evaluate(listen_js)
    tab.mark('#owner', '#form', '#msg', '#log')
    tab.say(typed)
    wait(tab, 'after.length == 2')
    assert json.loads(heard(tab, 'after')[0])=={'msg': typed, typed: [typed]} and texts(tab)[-1]=='Ann: '+typed
    check_page(tab)


@pytest.mark.parametrize('what', ['text', 'html'])
def test_fasthtmls_own_script_measures_the_page(web, what):
    "In a notebook, FastHTML tells the page around it how high a page is, at every message"
    app = web.app(hdrs=(iframe_scr,))
    @app.get('/')
    def home(): return Titled('T', Div(Form(Input(id='msg', name='msg'), id='form', ws_send=True), Div(id='log'), id='owner', hx_ext='ws', ws_connect='/ws'))
    @app.ws('/ws')
    async def answer(ws, msg:str):
        if what=='html': return Div(msg, id='log')
        ws.send_text(msg)
    tab = web.tab(web.serve(app))
    expect(tab('#owner')).to_have_attribute('ws-status', 'open')
    tab.page.evaluate("() => { window.heights = []; addEventListener('message', e => e.data.height && heights.push(e.data.height)) }")
    tab.say('hello')
    expect(tab('#owner')).to_contain_text('hello')
    wait(tab, 'heights.length >= 1')
