"Every example of FastHTML's page on WebSockets, only its import line changed, in a browser."
from . import page_examples as ex
from .kit import expect, until

owner = '[ws-connect="/ws"]'
note = '#notifications'
with_conn = ex.client + ex.on_conn + ex.on_disconn


def open_page(web, code, path='/'):
    "Serve the module made of `code` and open `path` of it"
    mod = web.module(code)
    return mod, web.tab(web.serve(mod.app)+path)


def test_hello_goodbye(web):
    _, tab = open_page(web, with_conn+ex.hello_goodbye)
    tab.watch(note)
    tab.say('Ann')
    expect(tab(note)).to_have_text('Goodbye Ann')
    assert tab.page.evaluate('seen') == ['', 'Hello Ann', 'Goodbye Ann']


def test_greeting_is_shown(web):
    "What `on_conn` sends, without saying where, shows up in the element that owns the connection"
    _, tab = open_page(web, with_conn+ex.hello_goodbye)
    expect(tab(owner).get_by_text('Hello, world!', exact=True)).to_have_count(1)


def test_greeting_keeps_page(web):
    _, tab = open_page(web, with_conn+ex.hello_goodbye)
    tab.say('Ann')
    expect(tab(note)).to_have_text('Goodbye Ann')
    expect(tab(f'{owner} form#form #msg')).to_have_count(1)
    expect(tab('h1')).to_have_text('Websocket Test')


def test_disconn_once_per_tab(web):
    mod, tab = open_page(web, with_conn+ex.hello_goodbye)
    tab.say('Ann')
    expect(tab(note)).to_have_text('Goodbye Ann')
    assert mod.left == []
    tab.close()
    until(lambda: mod.left, 'on_disconn')
    assert len(mod.left)==1


def test_you_said(web):
    _, tab = open_page(web, with_conn+ex.you_said)
    tab.say('good morning')
    expect(tab(note)).to_have_text('You said: good morning')
    tab.say('and again')
    expect(tab(note)).to_have_text('You said: and again')


def test_putting_together(web):
    _, tab = open_page(web, ex.putting_together)
    tab.mark(owner, '#form')
    tab.say('Ann')
    expect(tab(note)).to_have_text('Hello Ann')
    assert tab.same(owner, '#form')
    expect(tab('#msg')).to_have_value('Ann')


def test_session(web):
    _, tab = open_page(web, ex.session+ex.home, '/login')
    expect(tab('body')).to_have_text('ok')
    tab.goto(web.servers[-1].url)
    tab.say('!')
    expect(tab(note)).to_have_text('Hello Bob!')


def test_session_of_a_stranger(web):
    _, tab = open_page(web, ex.session+ex.home)
    tab.say('!')
    expect(tab(note)).to_have_text('Hello None!')


def test_chat_two_tabs(web):
    mod, ann = open_page(web, ex.chat)
    bob = web.tab(web.servers[-1].url)
    until(lambda: len(mod.users)==2, 'both connections')
    bob('#msg').fill('half a sent')
    ann.say('one'); expect(bob('#msg-list li')).to_have_text(['one'])
    ann.say('two'); expect(bob('#msg-list li')).to_have_text(['one', 'two'])
    expect(bob('#msg')).to_have_value('half a sent')
    bob.say('three'); expect(ann('#msg-list li')).to_have_text(['one', 'two', 'three'])
    for t in (ann, bob): expect(t('#form #msg')).to_have_count(1)


def test_chat_history_for_a_late_joiner(web):
    mod, ann = open_page(web, ex.chat)
    ann.say('one'); expect(ann('#msg-list li')).to_have_text(['one'])
    bob = web.tab(web.servers[-1].url)
    expect(bob('#msg-list li')).to_have_text(['one'])


def test_chat_shows_markup_as_text(web):
    mod, ann = open_page(web, ex.chat)
    ann.say('<b>bold</b>')
    expect(ann('#msg-list li')).to_have_text(['<b>bold</b>'])
    expect(ann('#msg-list b')).to_have_count(0)


def test_chat_closed_tab_leaves_nothing(web):
    mod, ann = open_page(web, ex.chat)
    bob = web.tab(web.servers[-1].url)
    until(lambda: len(mod.users)==2, 'both connections')
    bob.close()
    until(lambda: len(mod.users)==1, 'departure of one')
    ann.say('alone'); expect(ann('#msg-list li')).to_have_text(['alone'])
    ann.close()
    until(lambda: not mod.users, 'departure of the other')


def test_chat_in_a_process_of_its_own(web):
    url = web.serve(web.script(ex.chat))
    ann, bob = web.tab(url), web.tab(url)
    for t in (ann, bob): t.say('hi'); expect(t('#msg-list li').first).to_have_text('hi')
    expect(ann('#msg-list li')).to_have_text(['hi', 'hi'])
