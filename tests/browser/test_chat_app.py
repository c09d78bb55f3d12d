"The package's own chat, as its users have it: names, rooms, history, keyboard, phone and screen reader."
import importlib, re
import pytest

from .kit import expect, until

# Where things are, in the words of the page; the only place that knows them.
lobby = '/room/lobby'
def name_box(tab): return tab.page.get_by_role('textbox', name='Your name')
def message_box(tab): return tab.page.get_by_role('textbox', name='Message', exact=True)
def messages(tab): return tab.page.get_by_role('log').get_by_role('listitem')
def people(tab): return tab.page.get_by_role('list', name='People here').get_by_role('listitem')
def scroller(tab): return tab.page.get_by_role('log').locator('..')


@pytest.fixture
def chat(web, stock):
    "The module of the chat app"
    if stock: pytest.skip('stock FastHTML has no chat app; run without --stock')
    return importlib.import_module('fasthtml_ws.chat')


@pytest.fixture
def app(web, chat): return chat.make_app(htmx4=web.htmx==4, secret_key='not-a-secret')


def people_in(app, room): return app.state.people.get(room, {})


def join(web, name, room=lobby, **kw):
    "A tab in which `name` has come into `room`"
    tab = web.tab(web.servers[-1].url+room, **kw)
    name_box(tab).fill(name)
    name_box(tab).press('Enter')
    expect(people(tab).get_by_text(name, exact=True)).to_be_visible()
    return tab


def say(tab, text):
    message_box(tab).fill(text)
    message_box(tab).press('Enter')


def fill_room(app, chat, n=60):
    "Many messages, so that the list is longer than the window"
    for i in range(n): chat.say_in(app.hub, 'lobby', chat.said('Ann', f'message {i}'))


def gap(tab):
    "Pixels by which the newest message is below the visible part of the list"
    return scroller(tab).evaluate('e => e.querySelector("li:last-child").getBoundingClientRect().bottom - e.getBoundingClientRect().bottom')


def test_two_people_chat(web, app):
    "What one says the other sees, with name and time, in order"
    web.serve(app)
    ann, bob = join(web, 'Ann'), join(web, 'Bob')
    say(ann, 'hello'); expect(messages(bob)).to_have_text([re.compile(r'^Ann\s*\d\d:\d\d\s*hello$')])
    say(bob, 'hi Ann')
    for t in (ann, bob): expect(messages(t)).to_have_text([re.compile('hello$'), re.compile(r'^Bob\s*\d\d:\d\d\s*hi Ann$')])


def test_a_tab_is_told_its_own_message_once(web, app):
    web.serve(app)
    ann = join(web, 'Ann')
    for i in range(3): say(ann, f'number {i}')
    expect(messages(ann)).to_have_text([re.compile(f'number {i}$') for i in range(3)])


def test_session_keeps_the_name(web, app):
    web.serve(app)
    ann = join(web, 'Ann')
    ann.page.reload()
    expect(people(ann)).to_have_text(['Ann'])
    expect(name_box(ann)).to_have_count(0)


def test_who_is_here(web, app):
    web.serve(app)
    ann, bob = join(web, 'Ann'), join(web, 'Bob')
    for t in (ann, bob): expect(people(t)).to_have_text(['Ann', 'Bob'])
    bob.close()
    expect(people(ann)).to_have_text(['Ann'])


def test_closed_tabs_leave_nothing(web, app):
    web.serve(app)
    tabs = [join(web, 'Ann'), join(web, 'Bob')]
    assert len(people_in(app, 'lobby'))==2
    for t in tabs: t.close()
    until(lambda: not people_in(app, 'lobby'), 'an empty room')


def test_late_joiner_sees_the_history(web, app):
    web.serve(app)
    ann = join(web, 'Ann')
    say(ann, 'first'); say(ann, 'second'); expect(messages(ann)).to_have_count(2)
    bob = join(web, 'Bob')
    expect(messages(bob)).to_have_text([re.compile(r'first\s*$'), re.compile(r'second\s*$')])


def test_history_is_bounded(web, app, chat):
    fill_room(app, chat, 1000)
    assert len(app.hub.history('room:lobby').result().items) < 1000
    web.serve(app)
    expect(messages(join(web, 'Bob')).last).to_contain_text('message 999')


def test_rooms_are_apart(web, app):
    web.serve(app)
    ann, bob = join(web, 'Ann'), join(web, 'Bob', '/room/tea')
    say(ann, 'in the lobby'); expect(messages(ann)).to_have_count(1)
    say(bob, 'in the tea room'); expect(messages(bob)).to_have_text([re.compile('in the tea room$')])
    expect(messages(ann)).to_have_text([re.compile('in the lobby$')])
    expect(people(bob)).to_have_text(['Bob'])


def test_front_page_leads_to_a_room(web, app):
    web.serve(app)
    ann = join(web, 'Ann', '/')
    say(ann, 'hello'); expect(messages(ann)).to_have_count(1)


def test_input_is_cleared_and_focused(web, app):
    "After sending with the button, too"
    web.serve(app)
    ann = join(web, 'Ann')
    message_box(ann).fill('hello')
    ann.page.get_by_role('button', name='Send').click()
    expect(message_box(ann)).to_have_value('')
    expect(message_box(ann)).to_be_focused()
    expect(messages(ann)).to_have_text([re.compile('hello$')])


def test_others_do_not_touch_what_is_being_typed(web, app):
    web.serve(app)
    ann, bob = join(web, 'Ann'), join(web, 'Bob')
    message_box(bob).fill('half a sent')
    say(ann, 'hello'); expect(messages(bob)).to_have_count(1)
    expect(message_box(bob)).to_have_value('half a sent')
    expect(message_box(bob)).to_be_focused()


def test_empty_message_is_not_sent(web, app):
    web.serve(app)
    ann = join(web, 'Ann')
    say(ann, '   ')
    say(ann, 'hello'); expect(messages(ann)).to_have_text([re.compile('hello$')])


def test_list_follows_the_newest(web, app, chat):
    fill_room(app, chat)
    web.serve(app)
    ann = join(web, 'Ann')
    expect(messages(ann).last).to_be_in_viewport()
    assert gap(ann) <= 1
    say(ann, 'the newest'); expect(messages(ann).last).to_contain_text('the newest')
    expect(messages(ann).last).to_be_in_viewport()
    assert gap(ann) <= 1


def test_list_stays_where_the_reader_scrolled(web, app, chat):
    fill_room(app, chat)
    web.serve(app)
    ann, bob = join(web, 'Ann'), join(web, 'Bob')
    old = messages(ann).filter(has_text='message 20')
    old.scroll_into_view_if_needed()
    before = old.bounding_box()
    for i in range(5): say(bob, f'new {i}')
    expect(messages(ann).last).to_contain_text('new 4')
    assert abs(old.bounding_box()['y']-before['y']) <= 1
    expect(messages(ann).last).not_to_be_in_viewport()


def test_phone(web, app):
    "Nothing is wider than a phone, long words included, and the input is in view"
    web.serve(app)
    ann = join(web, 'Ann', viewport=dict(width=360, height=640), is_mobile=True, has_touch=True)
    say(ann, 'a'*300); expect(messages(ann)).to_have_count(1)
    assert ann.page.evaluate('document.documentElement.scrollWidth') <= 360
    assert scroller(ann).evaluate('e => e.scrollWidth - e.clientWidth') <= 0
    expect(message_box(ann)).to_be_in_viewport(ratio=1)
    expect(ann.page.get_by_role('button', name='Send')).to_be_in_viewport(ratio=1)


def test_keyboard_only(web, app):
    "From the front page to a sent message without a mouse, and every control within reach of Tab"
    tab = web.tab(web.serve(app))
    keys = tab.page.keyboard
    expect(name_box(tab)).to_be_focused()
    keys.type('Ann'); keys.press('Enter')
    expect(people(tab)).to_have_text(['Ann'])
    expect(message_box(tab)).to_be_focused()
    keys.type('hello'); keys.press('Enter')
    expect(messages(tab)).to_have_count(1)
    keys.press('Tab'); expect(tab.page.get_by_role('button', name='Send')).to_be_focused()
    keys.press('Shift+Tab'); keys.press('Shift+Tab'); expect(scroller(tab)).to_be_focused()


def test_screen_reader(web, app):
    "Every control has a name, the list is announced as it grows, and the page says its language and title"
    web.serve(app)
    ann = join(web, 'Ann')
    log = ann.page.get_by_role('log')
    expect(log).to_have_accessible_name('Messages')
    expect(message_box(ann)).to_have_count(1)
    expect(ann.page.get_by_role('heading', level=1)).to_have_count(1)
    expect(ann('html')).to_have_attribute('lang', 'en')
    assert ann.page.title()
    log.evaluate('e => e.wasHere = true')
    say(ann, 'hello'); expect(messages(ann)).to_have_count(1)
    assert log.evaluate('e => e.wasHere'), 'a live region that is replaced is not announced'


def test_markup_in_names_and_messages_is_text(web, app):
    web.serve(app)
    bad = '<b class=evil>x</b>'
    ann, bob = join(web, bad), join(web, 'Bob')
    say(ann, '<img class=evil src=/none onerror="window.pwned=1"><script>window.pwned=1</script>')
    for t in (ann, bob):
        expect(messages(t)).to_contain_text([f'{bad}'])
        expect(messages(t)).to_contain_text(['<img class=evil src=/none onerror="window.pwned=1"><script>'])
        expect(people(t).get_by_text(bad, exact=True)).to_be_visible()
        expect(t('.evil')).to_have_count(0)
        assert not t.page.evaluate('window.pwned')


def test_long_name_and_message_are_cut(web, app):
    "What a script sends past the limits of the form is cut, and costs nobody anything"
    web.serve(app)
    ann, bob = join(web, 'Ann'), join(web, 'Bob')
    message_box(ann).evaluate('e => e.removeAttribute("maxlength")')
    say(ann, 'x'*5000)
    expect(messages(bob)).to_have_count(1)
    assert len(messages(bob).inner_text()) < 3000
    say(bob, 'fine'); expect(messages(ann)).to_have_count(2)


def test_two_tabs_of_one_person(web, app):
    "One name in the list for both; closing one keeps the other"
    web.serve(app)
    ann = join(web, 'Ann')
    second = ann.ctx.new_page()
    second.goto(web.servers[-1].url+lobby)
    until(lambda: len(people_in(app, 'lobby'))==2, 'both tabs in the room')
    expect(people(ann)).to_have_text(['Ann'])
    second.close()
    until(lambda: len(people_in(app, 'lobby'))==1, 'one tab left')
    say(ann, 'hello'); expect(messages(ann)).to_have_count(1)
    expect(people(ann)).to_have_text(['Ann'])
