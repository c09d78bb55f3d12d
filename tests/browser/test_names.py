"""The names of htmx 2, `ws-connect` and `ws-send`, on a page with htmx 4: it works by its own names and has nothing to complain of, and selectors of the app find the old ones."""
import re

from fasthtml.common import Button, Div, Form, Input, Script, Titled
from fasthtml.core import htmx4src

from .kit import expect, legacy, until

ours_js = "() => ['ws-connect', 'hx-ws-connect', 'ws-send', 'hx-ws-send', 'data-hx-ws-connect', 'data-hx-ws-send'].map(n => document.querySelectorAll(`[${n}]`).length)"


def block(i, **kw): return Div(Form(Input(id=f'msg{i}', name='msg'), id=f'form{i}', ws_send=True), Div(id=f'log{i}'), id=f'owner{i}', hx_ext='ws', **kw)


def make_app(web, *hdrs, **kw):
    "A page with an owner, one that comes by HTTP and one with htmx 4's own names; each answer brings a new form"
    app = web.app(hdrs=hdrs, **kw)
    @app.get('/')
    def home(): return Titled('Names', block(1, ws_connect='/ws/1'), Button('more', id='more', hx_get='/more', hx_target='#more', hx_swap='outerHTML'))
    @app.get('/more')
    def more(): return block(2, ws_connect='/ws/2')
    @app.ws('/ws/{i}')
    def answer(i:int, msg:str): return Div(msg, id=f'log{i}'), Form(Input(id=f'msg{i}', name='msg'), id=f'form{i}', ws_send=True, cls='new')
    return app


def talk(tab, i):
    "The form and then the one that came over the socket"
    for msg in ('one', 'two'):
        tab.say(msg, f'#msg{i}')
        expect(tab(f'#log{i}')).to_have_text(msg)
        expect(tab(f'#form{i}')).to_have_class(re.compile('new'))


def test_pages_fragments_and_messages(web):
    tab = web.tab(web.serve(make_app(web)))
    talk(tab, 1)
    tab('#more').click()
    talk(tab, 2)
    until(lambda: len(tab.sockets)==2, 'two connections')
    assert tab.page.evaluate(ours_js)==([2, 0, 2, 0, 2, 2] if web.htmx==4 else [2, 0, 2, 0, 0, 0])
    assert tab.page.evaluate("() => ['ws-connect', 'id'].map(n => document.querySelector('#owner1').hasAttribute(n))")==[True, True]
    assert not tab.console


def test_the_same_attributes_as_without_the_script(web):
    "A morph compares those of htmx 4, and connects anew where one has changed"
    web.allow = [legacy]
    def attrs(app):
        tab = web.tab(web.serve(app))
        talk(tab, 1)
        return [tab(o).evaluate("e => Object.fromEntries([...e.attributes].filter(a => !['ws-cursor', 'ws-status'].includes(a.name)).map(a => [a.name, a.value]))") for o in ('#owner1', '#form1')]
    plain = make_app(web)
    plain.hdrs[:] = [o for o in plain.hdrs if 'fasthtml_ws' not in o.attrs.get('src', '')]
    assert attrs(make_app(web))==attrs(plain)


def test_selectors_of_the_app(web):
    "They work as soon as the page is read, while htmx processes it, and after"
    listen = '''window.seen = []; const look = () => seen.push(document.querySelectorAll('[ws-connect] form[ws-send]').length);
        for (const name of ['DOMContentLoaded', 'htmx-before-process', 'htmx-after-process', 'htmx-ws-before-connection', 'htmx:load', 'htmx:wsConnecting']) document.addEventListener(name, look, true)'''
    tab = web.tab(web.serve(make_app(web, Script(listen))))
    talk(tab, 1)
    assert set(tab.page.evaluate('seen'))=={1} and len(tab.page.evaluate('seen'))>=3


def test_names_that_the_app_wrote(web):
    "Both of them, or htmx 4's own alone: they stay as they are"
    if web.htmx==2: return test_pages_fragments_and_messages(web)
    app = web.app()
    @app.get('/')
    def home(): return Titled('Names', block(1, ws_connect='/nowhere', hx_ws_connect='/ws/1'), block(2, hx_ws_connect='/ws/2'))
    @app.ws('/ws/{i}')
    def answer(i:int, msg:str): return Div(msg, id=f'log{i}')
    tab = web.tab(web.serve(app))
    for i in (1, 2):
        tab.say('hello', f'#msg{i}')
        expect(tab(f'#log{i}')).to_have_text('hello')
    assert tab.page.evaluate(ours_js)==[1, 2, 2, 0, 0, 2] and not tab.console


def test_colons(web):
    "An app with headers of its own has htmx 4's default, a colon"
    if web.htmx==2: return test_pages_fragments_and_messages(web)
    app = make_app(web, htmx4src, default_hdrs=False)
    tab = web.tab(web.serve(app))
    talk(tab, 1)
    assert tab.page.evaluate("() => ['ws-connect', 'data-hx-ws:connect', 'data-hx-ws-connect'].map(n => document.querySelector('#owner1').getAttribute(n))")==['/ws/1', '/ws/1', None]
    assert not tab.console


def test_without_the_script_it_complains(web):
    "The proof that an empty console means something"
    web.allow = [legacy]
    app = make_app(web)
    app.hdrs[:] = [o for o in app.hdrs if 'fasthtml_ws' not in o.attrs.get('src', '')]
    tab = web.tab(web.serve(app))
    talk(tab, 1)
    assert any(re.search(legacy, o) for o in tab.console)==(web.htmx==4)
