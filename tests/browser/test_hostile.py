"""Strings that try to run a script, in fields, sessions and broadcasts, over the ways that lead to a page.

A string is harmless if it is shown as it was typed or not at all: no dialog opens, `window.pwned` stays unset, and no
element that the string names comes to be."""
from fasthtml.common import Button, Div, Form, Input, Li, Titled, Ul

from .kit import expect

bad_strings = dict(
    script='<script>window.pwned=1</script>',
    alert='<script>alert(1)</script>',
    image='<img class=evil src=/none onerror="window.pwned=1">',
    breaks_out='"><svg class=evil onload="window.pwned=1">',
    quotes="'\"><b class=evil onmouseover=window.pwned=1>x</b>",
    closes='</div></form><img class=evil src=/none onerror="window.pwned=1">',
    takes_the_form='<form id="form"><img class=evil src=/none onerror="window.pwned=1"></form>',
    swaps='<div class=evil hx-swap-oob="innerHTML:#form"><script>window.pwned=1</script></div>',
    partial='<hx-partial hx-target="#form"><b class=evil>x</b></hx-partial>',
    fetches='<b class=evil hx-get="/evil" hx-trigger="load">x</b>',
    json='{"content":"<img class=evil src=/none onerror=window.pwned=1>","target":"#form"}',
    comment='--><img class=evil src=/none onerror="window.pwned=1"><!--',
)


def make_app(web):
    "Four ways for a string to come back: as text with an id, as text without one, in an error, and to everyone"
    app, users = web.app(), {}

    @app.get('/')
    def home(): return Titled('Hostile', Div(
        Form(Input(id='way'), Input(id='msg'), Input(id='n', value='1'), Button('Send'), id='form', ws_send=True),
        Div(id='out'), Ul(id='list'), Div(id='pulse'),
        id='owner', hx_ext='ws', ws_connect='/ws'))

    @app.get('/evil')
    def evil(): return Div('<script>window.pwned=1</script>')

    def on_conn(ws, send): users[id(ws)] = send
    def on_disconn(ws): users.pop(id(ws), None)

    @app.ws('/ws', conn=on_conn, disconn=on_disconn)
    async def answer(way:str, msg:str, n:int, session):
        if way=='id': return Div(msg, id='out')
        if way=='attr': return Div('attr', title=msg, id='out')
        if way=='no id': return Div(msg)
        if way=='value error': raise ValueError(msg)
        if way=='error': raise RuntimeError(msg)
        if way=='all':
            for u in list(users.values()): await u(Ul(Li(msg), id='list'))
        if way=='pulse': return Div(msg, id='pulse')
    return app


def open_page(web, who='ann'):
    "The page, just loaded, in the tab of `who`"
    tab = web.shared('hostile', make_app, who)
    tab.mark('#owner', '#form')
    return tab


def submit(tab, way, msg, n='1'):
    "Fill the form and send it"
    tab.page.evaluate('''([way, msg, n]) => {
        for (const [k, v] of Object.entries({way, msg, n})) document.querySelector('#' + k).value = v;
        document.querySelector('#form').requestSubmit() }''', [way, msg, n])


def check_harmless(tab):
    "Everything before has been answered by now: nothing ran, nothing came to be, form and connection are the old ones"
    tab.beat = getattr(tab, 'beat', 0)+1
    submit(tab, 'pulse', str(tab.beat))
    expect(tab('#pulse')).to_have_text(str(tab.beat))
    assert not tab.page.evaluate('window.pwned')
    expect(tab('.evil')).to_have_count(0)
    assert tab.same('#owner', '#form')
    assert len(tab.sockets)==1


def test_replies(web):
    "What comes back in an FT is shown as it was typed, in text and in an attribute"
    tab = open_page(web)
    for bad in bad_strings.values():
        submit(tab, 'id', bad)
        expect(tab('#out')).to_have_text(bad)
        submit(tab, 'attr', bad)
        expect(tab('#out')).to_have_attribute('title', bad)
        submit(tab, 'no id', bad)
        expect(tab('#owner > div').last).to_have_text(bad)
        check_harmless(tab)


def test_errors(web):
    "Neither the text of an exception nor a value of the wrong type becomes part of the page"
    tab = open_page(web)
    for bad in bad_strings.values():
        for way in ('value error', 'error'): submit(tab, way, bad)
        submit(tab, 'id', 'x', n=bad)
        expect(tab.page.get_by_role('alert')).to_have_count(1)
        check_harmless(tab)
        expect(tab('#out')).to_have_text('')


def test_broadcasts(web):
    "What one tab sends to all is text in the other"
    ann, bob = open_page(web), open_page(web, 'bob')
    check_harmless(bob)
    for bad in bad_strings.values():
        submit(ann, 'all', bad)
        for t in (ann, bob): expect(t('#list li')).to_have_text([bad]); check_harmless(t)


def test_error_is_visible(web):
    "A bad value is answered with an alert that an app can style; the form stays as it was"
    tab = open_page(web)
    submit(tab, 'id', 'x', n='three')
    alert = tab.page.get_by_role('alert')
    expect(alert).to_be_visible()
    expect(alert).to_have_class('ws-error')
    expect(alert).to_contain_text('n')
    expect(tab('#n')).to_have_value('three')
    check_harmless(tab)


def test_second_error_replaces_the_first(web):
    tab = open_page(web)
    submit(tab, 'id', 'x', n='three')
    expect(tab.page.get_by_role('alert')).to_have_count(1)
    first = tab.page.get_by_role('alert').inner_text()
    submit(tab, 'error', 'x')
    expect(tab.page.get_by_role('alert')).not_to_have_text(first)
    expect(tab.page.get_by_role('alert')).to_have_count(1)
    check_harmless(tab)


def test_exception_text_stays_in_the_log(web):
    tab = open_page(web)
    submit(tab, 'error', 'password=hunter2')
    expect(tab.page.get_by_role('alert')).to_be_visible()
    expect(tab('#owner')).not_to_contain_text('hunter2')
    check_harmless(tab)


def test_missing_field(web):
    "A field that the form does not send is named"
    tab = open_page(web)
    tab('#n').evaluate('e => e.remove()')
    tab.page.evaluate("document.querySelector('#form').requestSubmit()")
    expect(tab.page.get_by_role('alert')).to_contain_text('n')
    assert tab.same('#owner', '#form')


def test_hostile_address(web):
    "A path parameter that holds markup does not come back as markup"
    app = web.app()

    @app.get('/{room}')
    def home(room:str): return Titled('Room', Div(
        Form(Input(id='msg'), id='form', ws_send=True), Div(id='out'), id='owner', hx_ext='ws', ws_connect=f'/room/{room}'))

    @app.ws('/room/{room}')
    async def answer(msg:str, room:str): return Div(f'{room}: {msg}'), Div('done', id='out')
    tab = web.tab(web.serve(app)+'/<img class=evil onerror=window.pwned=1 src=x>'.replace('<', '%3C').replace('>', '%3E').replace(' ', '%20'))
    tab.mark('#owner', '#form')
    tab.say('hello')
    expect(tab('#out')).to_have_text('done')
    expect(tab('#owner')).to_contain_text('<img class=evil onerror=window.pwned=1 src=x>: hello')
    expect(tab('.evil')).to_have_count(0)
    assert tab.same('#owner', '#form') and not tab.page.evaluate('window.pwned')
