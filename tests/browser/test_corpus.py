"""Programs in the shapes of public FastHTML code: each shows with our import line what it shows on stock.

The programs are in `tests/corpus`. A function here is what is done with the program of its name, and `@shape` says what
each page shows at the end. Each program runs on stock and on ours. Both have to show the expected text, so that two
empty pages are no success, and then the same on the whole page; ours may not make the browser complain where stock does not.
Where stock cannot run a program, `why` says what was seen, and ours alone has to show the text.
"""
import json
from pathlib import Path

import pytest

from .kit import Tab, Web, expect, until

corpus = Path(__file__).parent.parent/'corpus'
both = 2, 4 # versions of htmx
shapes = []


class Visit:
    "One run of a program: its module, its address and the pages that are open"
    def __init__(self, web, mod):
        self.web, self.mod, self.url, self.pages, self.said = web, mod, web.serve(mod.app), [], []

    def open(self, path='/'):
        "A page of a client without cookies"
        idle = self.web.chrome.idle
        self.pages.append(idle.pop() if idle else Tab(self.web.chrome.browser))
        return self.pages[-1].goto(self.url+path)

    def leave(self, tab):
        "The client of `tab` leaves; its page does not count any more"
        self.pages.remove(tab)
        self.said += tab.trouble()
        tab.goto('about:blank')
        tab.ctx.clear_cookies()
        self.web.chrome.idle.append(tab)

    def until(self, cond): return until(lambda: cond(self.mod), 'what the module holds')

    def close(self):
        for o in list(self.pages): self.leave(o)


class Shape:
    "What to do with a program, and what is seen then"
    def __init__(self, steps,
        texts, # What each page shows at the end
        show, # The element whose text counts
        htmx, # Versions of htmx
        page, # The element whose text has to be the same on both
        why, # Why stock is not run, as it was seen; '' if it is
        swap, # Parts of the program to replace: `stock` or `ours` -> (old, new)
    ):
        self.steps, self.texts, self.show, self.htmx = steps, texts, show, htmx
        self.page, self.why, self.swap = page, why, swap
        self.name = steps.__name__

    def code(self, stock):
        "The program, with what is to be replaced for stock or for ours"
        code = (corpus/f'{self.name}.py').read_text()
        for old,new in [self.swap[k] for k in [('ours', 'stock')[stock]] if k in self.swap]:
            assert old in code, f'{self.name} has no {old!r}'
            code = code.replace(old, new)
        return code

    def run(self, chrome, htmx, stock, folder):
        "What is shown at the end, what went wrong before, and what the browser complained about"
        folder.mkdir()
        web = Web(chrome, htmx, stock, folder)
        visit = None
        try:
            visit = Visit(web, web.module(self.code(stock)))
            self.steps(visit)
            for tab,text in zip(visit.pages, self.texts, strict=True):
                expect(tab(self.show)).to_have_text(text, use_inner_text=True)
            why = ''
        except (Exception, pytest.fail.Exception) as e: why = f'{type(e).__name__}: {e}'
        seen = [o.text(self.page) for o in visit.pages] if visit else []
        if visit: visit.close()
        web.close()
        return seen, why, visit.said if visit else []


def shape(*texts, show='#out', htmx=(2,), page='body', why='', **swap):
    "Register a function as the steps of the program of its name"
    def f(steps):
        shapes.append(Shape(steps, texts, show, htmx, page, why, swap))
        return steps
    return f


# Collections of `send`

@shape('one two', 'one two', htmx=both)
def dict_of_send(v):
    ann, bob = v.open(), v.open()
    v.until(lambda m: len(m.users)==2)
    ann.say('one'); bob.shows('one')
    bob.say('two')


@shape('generation 2', '1 in the list', htmx=both)
def list_of_send(v):
    ann, bob = v.open(), v.open()
    v.until(lambda m: len(m.players)==2)
    bob('#step').click(); bob.shows('generation 1'); ann.shows('generation 1')
    v.leave(bob)
    ann('#step').click(); ann.shows('generation 2')
    v.open('/count')


@shape('fighting', '1 in the list')
def list_pruned_by_task(v):
    ann, bob = v.open(), v.open()
    for o in (ann, bob): o.shows('fighting')
    v.leave(bob)
    v.open('/count')


@shape('you said three to 1')
def list_removed_in_disconn(v):
    ann = v.open()
    v.until(lambda m: m.users) # the first in the list, since a list that is pruned in a loop skips the next
    bob = v.open()
    v.until(lambda m: len(m.users)==2)
    ann.say('one'); bob.shows('you said one to 2')
    v.leave(bob)
    ann.say('two'); ann.shows('you said two')
    ann.say('three')


@shape('number 1.5 number 2.0', 'number 1.5 number 2.0')
def set_of_send(v):
    ann, bob = v.open(), v.open()
    v.until(lambda m: len(m.state.sockets)==2)
    ann.say('1.5', '#number'); bob.shows('number 1.5')
    bob.say('2', '#number')


@shape('A, B', 'A, B, C', htmx=both)
def queue_of_send(v):
    ann, bob = v.open(), v.open()
    ann.say('a'); ann.shows('A')
    ann.say('b'); ann.shows('A, B')
    bob.say('c')


@shape('news for 1')
def queue_per_client(v):
    ann, bob = v.open(), v.open()
    v.until(lambda m: len(m.queues)==2)
    ann('#publish').click()
    for o in (ann, bob): o.shows('news for 2')
    v.leave(bob)
    v.until(lambda m: len(m.queues)==1)
    ann('#publish').click()


@shape('visitor 1 (red) at 4', htmx=both)
def dict_of_dicts(v):
    ann = v.open()
    ann.shows('visitor 1 (red) at 0')
    bob = v.open()
    bob.shows('visitor 2 (red) at 0')
    ann.say('4'); bob.shows('visitor 1 (red) at 4')
    v.leave(bob)


@shape('hi user_id=0 topics=1 message_id=2 is_open=3 id=4 route=5 held=6 writer=7 line=8 taken=9 received=10 '
       'history=11 queue=12 policy=13')
def names_on_ws(v): v.open().say('hi')


@shape('hi in abc: same', htmx=both)
def scope_of_ws(v):
    tab = v.open()
    tab.shows('ready')
    tab.say('hi')


@shape('again to 1, gone [True]')
def connections_by_client(v):
    ann, bob = v.open(), v.open()
    v.until(lambda m: len(m.conns)==2)
    ann.say('hi'); bob.shows('hi to 2, gone []')
    v.leave(bob)
    v.until(lambda m: m.gone)
    ann.say('again')


@shape('sent by HTTP')
def send_kept_in_state(v):
    tab = v.open()
    v.until(lambda m: getattr(m.app.state, 'send', None))
    tab('#go').click()


@shape('a: hi b: hi c: hi d: hi e: hi', htmx=both)
def awaitables(v): v.open().say('hi')


# Tasks and threads

@shape('running')
def task_at_startup(v): v.open()


@shape('1 ended')
def task_in_conn(v):
    tab = v.open()
    tab.shows('streaming')
    v.leave(tab)
    v.open('/count')


@shape('1 ended')
def task_ends_by_itself(v):
    tab = v.open()
    tab.shows('streaming')
    v.leave(tab)
    v.open('/count')


@shape('you said hi', htmx=both)
def task_in_handler(v): v.open().say('hi')


@shape('hi: done')
def thread_with_run(v): v.open().say('hi')


@shape('hi: done')
def thread_with_threadsafe(v): v.open().say('hi')


@shape('welcome got hi', htmx=both)
def plain_conn_anyio(v): v.open().say('hi')


@shape('welcome got hi')
def plain_conn_run(v): v.open().say('hi')


@shape('started hi')
def plain_conn_blocks(v): v.open().say('hi')


# Endpoint classes, and FastHTML's own ways

@shape('welcome;1 one;2 {"two": 2};',
       stock=("app.add_websocket_route('/echo', Echo)", "app.router.routes.insert(0, WebSocketRoute('/echo', Echo))"))
def endpoint_class(v): v.open()


@shape('{"length":4} {"upper":"FOUR"}')
def endpoint_in_routes(v): v.open()


@shape('hi', why="its `conn` ends with AttributeError: 'dict' object has no attribute 'client' (`scope.client`)")
def setup_ws(v): v.open().say('hi')


# JavaScript of the page's own

@shape('{"cmd":"add","sum":42} {"ok":true,"none":null}')
def js_json(v): v.open()


@shape('<p class="m">a < b & "c" &amp; <b>bold</b></p>')
def js_json_tags(v):
    tab = v.open()
    tab('#msg').fill('a < b & "c"')
    tab('#go').click()


@shape('[["<i>",1],["b",2.5]] "quoted <i>"')
def js_array(v): v.open()


@shape('data:image/png;base64,iVD/Ag==')
def js_base64(v): expect(v.open()('#size')).to_have_text('640')


@shape('PIXELS|<none>|true|0.5')
def js_camera_up(v): v.open()


@shape(json.dumps('pong')+json.dumps('and returned'))
def js_plain(v): v.open()


@shape(r'"\r\n\u001b[32mready\u001b[0m $ ""80x24""ls\r\n  a.txt <DIR> & b\t\r\n"')
def js_terminal(v): v.open()


@shape('FT: a < b string: bold NotStr in FT returned')
def js_html(v): v.open()


@shape('0,1,2;1,2,3;2,3,4;that was all;')
def js_bytes(v): v.open()


@shape('one two said two', htmx=both)
def js_listener(v): v.open().say('one two')


@shape('hi by content hi by payload two items', htmx=(4,))
def htmx4_envelope(v): v.open().say('hi')


@shape('trigger: p#textid', htmx=(4,))
def htmx4_source(v): v.open()('#textid').click()


@shape('You said: hi', htmx=(4,))
def htmx4_names(v): v.open().say('hi')


@shape('side hi main hi', htmx=(4,))
def htmx4_partial(v): v.open().say('hi')


# Reading in the handler

@shape('16000: [1, 2, 3] and 5 bytes')
def binary_receive(v): v.open()


@shape('1 ended')
def binary_loop(v):
    tab = v.open()
    tab.shows('text more; a.wav: 1024 bytes;')
    v.leave(tab)
    v.open('/count')


@shape('1 ended')
def receive_text_in_handler(v):
    tab = v.open()
    tab.shows('[plain] [{"json": 1}]')
    v.leave(tab)
    v.open('/count')


@shape('name? hello Ann Ann: how are you')
def receive_text_in_conn(v): v.open()


@shape('<one> <two>')
def receive_loop_in_conn(v): v.open()


@shape('ann a ann b stopped')
def receive_json_and_iter(v): v.open()


@shape("ann is 7, of ['msg']", htmx=both)
def receive_on_htmx_page(v):
    tab = v.open()
    tab.say('ann'); tab.shows('ann, your age?')
    tab.say('7')


# with ours the limit of a handshake is shorter than its 10 s, so that the test sees what comes after it
@shape('old', ours=("fast_app(exts='ws')", "fast_app(exts='ws', policy=Policy(handshake_timeout=1))"), htmx=both)
def conn_loop(v): v.open()


@shape('abc ended')
def handler_loop(v):
    tab = v.open()
    tab('#run').click(); tab.shows('abc True much')
    tab('#stop').click(); tab.shows('stopped', '#state')


# What stands around

@shape('saved hi over the socket', htmx=both)
def toasts(v):
    tab = v.open()
    tab.say('hi'); tab.shows('hi over the socket')
    tab('#save').click(); tab.shows('It is saved', '.fh-toast')


@shape('one two', 'one two', ours=('# Hub(app)', 'Hub(app)'))
def monsterui_chat(v):
    ann, bob = v.open(), v.open()
    v.until(lambda m: len(m.users)==2)
    ann.say('one'); bob.shows('one')
    expect(ann('#msg')).to_have_value('')
    bob.say('two')


@shape('bot: ready you: hi bot: HI', ours=('# Hub(app)', 'Hub(app)'))
def monsterui_router(v):
    tab = v.open()
    tab.shows('ready')
    tab.say('hi')


@shape('bot: hi')
def monsterui_first(v): v.open().say('hi')


@shape('event for 2', 'event for 2')
def fh_prefix(v): v.open(), v.open()


@shape('hi: stamped websocket')
def middleware(v): v.open().say('hi')


@shape('hi LOUD on')
def route_middleware(v): v.open().say('hi')


@shape('ann: hi')
def before_and_session(v):
    tab = v.open()
    tab('#name').fill('ann'); tab('#go').click()
    expect(tab('h1')).to_have_text('For ann')
    tab.say('hi')


@shape('Ann: one (to Ann) Anonymous: two (to Ann)', 'Ann: one (to Anonymous) Anonymous: two (to Anonymous)', htmx=both)
def session_in_conn(v):
    ann, bob = v.open('/join?name=Ann'), v.open()
    v.until(lambda m: len(m.users)==2)
    ann.say('one'); bob.shows('one')
    bob.say('two')


@shape('hi red 3 ann u1 websocket red /ws 127.0.0.1 websocket')
def session_of_ws(v): v.open().say('hi')


# Handlers and their arguments

@shape("one after ['handle'] hello two three is number 1")
def wrapped_handlers(v):
    tab = v.open()
    for o,s in dict(wrapped='one', partial='two', object='three').items(): tab.say(s, f'#msg_{o}')


@shape('lobby: one two', 'lobby: one two')
def bound_methods(v):
    ann, bob = v.open(), v.open()
    v.until(lambda m: len(m.room.members)==2)
    ann.say('one'); bob.shows('one')
    bob.say('two')


@shape('None hi bob True', htmx=both)
def self_as_argument(v): v.open().say('hi')


@shape('hi None None websocket')
def unannotated_arguments(v):
    tab = v.open()
    tab.shows('None at first')
    tab.say('hi')


@shape('hi in abc')
def websocket_as_argument(v): v.open('/chat/abc').say('hi')


@shape('red, seat 2: two', 'red, seat 2: two', 'blue, seat 1: three')
def path_parameters(v):
    ann, bob, eve = (v.open(f'/room/{o}') for o in ('red/1', 'red/2', 'blue/1'))
    v.until(lambda m: len(m.rooms['red'])==2)
    ann.say('one'); bob.shows('red, seat 1: one')
    bob.say('two'); eve.say('three')


@shape('hi in lobby', why='without an annotation it is None: the page shows "hi in None"')
def path_parameter_by_name(v): v.open().say('hi')


@shape("['red', 'blue'] 3 hi")
def list_arguments(v):
    tab = v.open()
    for o in ('red', 'blue'): tab(f'#{o}').check()
    tab.say('hi')


@shape('hi None None None')
def bare_lists(v): v.open().say('hi')


@shape('hi red True Ann 8 True')
def data_arguments(v): v.open().say('hi')


@shape('typed hi', why='`send:Callable` is looked for in the message: conn ends with TypeError (its `send` is None)')
def callable_send(v):
    tab = v.open()
    tab.shows('connected')
    tab.say('hi')


@shape('first of two second of two a string NotStr', htmx=both)
def returned(v):
    tab = v.open()
    for o,id in dict(tuple='b', string='c', notstr='d').items():
        tab.say(o); expect(tab(f'#{id}')).not_to_be_empty()


@shape('hi with headers') # on htmx 4 stock's text of the header takes the place of all that the owner holds
def returned_headers(v): v.open().say('hi')


@shape('order 4 two lines l now 42 1.5 True True False', htmx=both)
def form_values(v): v.open().say('now')


@shape('load by loads, left by left, right by right, typed by typed', htmx=both)
def buttons(v):
    tab = v.open()
    tab.shows('load by loads')
    tab('#left').click(); tab.shows('left by left')
    tab('#right').click(); tab.shows('right by right')
    tab('#typed').fill('typed'); tab('#typed').press('Shift')


@shape("one: [('one', 'o')] two: [('one', 'o'), ('two', 't')] three: [('one', 'o'), ('three', 't'), ('two', 't')]",
       htmx=both)
def several_sockets(v):
    tab = v.open()
    for o in ('one', 'two', 'three'): tab.say(o[0], f'#{o}-msg'); tab.shows(f"('{o}', '{o[0]}')", f'#{o}-out')


@shape('hi by a router', htmx=both)
def router(v):
    tab = v.open('/video/')
    tab.shows('connected')
    tab.say('hi')


@shape('hi by a router')
def core_router(v): v.open().say('hi')


@shape('from outside')
def mounted(v):
    tab = v.open('/inner/')
    tab.say('hi'); tab.shows('hi inside')
    v.open('/all'); v.leave(v.pages[-1])


# The page's content

@shape('sent raw returned raw', why='`to_xml(NotStr(...))` ends with TypeError: expected str instance, NotStr found')
def notstr(v): v.open().say('hi')


@shape('Goodbye Ann')
def basic(v):
    tab = v.open()
    tab.shows('Hello, you have connected')
    tab.say('Ann'); tab.shows('Hello Ann')
    expect(tab('#msg')).to_have_value('')


@shape('user hi assistant I heard hi', htmx=both)
def streaming_chat(v): v.open().say('hi')


@shape('one new! first B new', htmx=both)
def table_rows(v): v.open().say('new')


@shape('you said bye, closed 4000 enough true')
def closing(v): v.open()


# Ours shows text that names no place in the element that owns the socket. On stock htmx 2 drops it, and on htmx 4 it
# takes the place of all that the owner holds, so that there is no form any more to go on with.
@shape('asked hi', page='#out')
def text_to_htmx(v): v.open().say('hi')


@shape('noted hi', htmx=both)
def json_to_htmx(v): v.open().say('hi')


cases = [pytest.param(s, v, id=f'{s.name}-htmx{v}') for s in shapes for v in s.htmx]


@pytest.mark.parametrize('shape,htmx', cases)
def test_shape(chrome, shape, htmx, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stock, said = shape.texts, []
    if not shape.why:
        stock, wrong, said = chrome.run(shape.run, chrome, htmx, True, tmp_path/'stock')
        assert not wrong, f'on stock, which shows {stock}: {wrong}'
    ours, wrong, ours_said = chrome.run(shape.run, chrome, htmx, False, tmp_path/'ours')
    assert not wrong, f'on ours, which shows {ours} in place of {stock}: {wrong}'
    assert shape.why or ours == stock
    assert not (more := set(ours_said)-set(said)), f'the browser complains on ours alone: {more}'


def test_every_program_is_run():
    assert {o.stem for o in corpus.glob('*.py')} == {o.name for o in shapes} and len(shapes) >= 32
