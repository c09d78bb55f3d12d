"What each way to fail leaves of a page: all that was published, once and in order, and what the user typed. `python -m bench.accept recovery` does all of it at once, and for longer."
import json, signal, time, urllib.request
from pathlib import Path

import pytest

from tests.line import Net
from .kit import Window, until

ours = 'fasthtml_ws.server:WebSocketProtocol'
patience = 30 # seconds that a page has to come right

code = '''
import secrets
from fasthtml.common import *
app = FastHTML(exts='ws', secret_key='not-a-secret', policy=Policy(POLICY))

def entry(topic, key, text): return Li(text, id=f'{topic}-{key}')
async def all_of(topic): return [o.data for o in (await app.hub.history(topic)).items]
async def publish(topic, text):
    key = secrets.token_hex(4)
    await app.hub.publish(topic, Ol(entry(topic, key, text), hx_swap_oob=f'beforeend:#{topic}'), B(text, id=f'newest-{topic}'), data=[key,text])

async def owner(topic):
    kept = await all_of(topic)
    return Div(B(kept[-1][1] if kept else '', id=f'newest-{topic}'), Ol(*[entry(topic, *o) for o in kept], id=topic),
        Form(Input(name='msg', id=f'msg-{topic}'), Input(name='draft', id=f'draft-{topic}'), Button('Say'), id=f'form-{topic}', ws_send=True),
        id=f'owner-{topic}', hx_ext='ws', ws_connect=f'/ws?topic={topic}')

@app.get('/')
async def home(): return Titled('Board', await owner('news'), await owner('talk'))

async def said(msg:str): await publish('talk', msg)
app.ws('/ws', conn=lambda ws: ws.subscribe(ws.query_params['topic']))(said)

@app.get('/more')
async def more(texts:str):
    for o in texts.split(','): await publish('news', o)
    return 'published'

@app.get('/truth')
async def truth(): return JSONResponse({o: [text for _,text in await all_of(o)] for o in ('news','talk')})

@app.get('/slow')
async def slow(): return str(app.hub.stats().slow)
'''

shown_js = '''() => Object.fromEntries(['news', 'talk'].map(t => [t, [...document.querySelectorAll(`#${t} > li`)].map(o => o.textContent)]))'''


class Board:
    "A server, a line to it, and a page with two owners of one path in the tab of somebody who is writing something"
    def __init__(self, web, net, tab=None, hold=0., policy='', **kw):
        if web.stock: pytest.fail('stock FastHTML has nothing of the kind')
        web.allow = ['WebSocket connection to', 'htmx:wsError', 'htmx:ws:error', '^Event$', 'ERR_CONNECTION_'] # nobody is there for a while
        self.web,source,self.n,self.typed = web,code.replace('POLICY', policy),0,[]
        self.url = web.serve(web.script(source), args=('--ws', ours)) if kw.get('process') else web.serve(web.module(source).app, ws=ours)
        self.server = web.servers[-1]
        self.line = net.line(int(self.url.rpartition(':')[2]), buffer=kw.get('buffer', 0))
        self.line.hold = hold
        self.tab = tab.goto(self.at) if tab else web.tab(self.at)
        self.tab('#draft-news').fill('half a sentence')
        self.tab.page.evaluate("window.gone = 0; addEventListener('ws:status', e => { if (e.detail.status == 'offline') gone++ })")

    @property
    def at(self): return f'http://127.0.0.1:{self.line.port}'

    def get(self, path):
        with urllib.request.urlopen(self.url+path, timeout=patience) as r: return r.read().decode()

    def publish(self, n=3, text=''):
        texts = [f'{text}{self.n+i}' for i in range(n)]
        self.n += n
        self.get('/more?texts='+','.join(texts))

    def say(self, text):
        self.typed.append(text)
        self.tab.say(text, '#msg-talk')

    def open(self):
        "Wait until both sockets are open"
        self.tab.page.wait_for_selector('#owner-news[ws-status=open]', timeout=patience*1000)
        self.tab.page.wait_for_selector('#owner-talk[ws-status=open]', timeout=patience*1000)
        self.gone = self.tab.page.evaluate('gone')

    def offline(self):
        "Wait until both know that they are not any more; they may be again"
        self.tab.page.wait_for_function('n => gone >= n', arg=self.gone+2, timeout=patience*1000)

    def online(self):
        "Have the page try again at once"
        self.tab.page.evaluate("dispatchEvent(new Event('online'))")

    def is_right(self, *tabs):
        "Wait until the page shows what the server has, and what was typed is stored once"
        end = time.monotonic()+patience
        while True:
            truth = json.loads(self.get('/truth'))
            shown = [o.page.evaluate(shown_js) for o in (tabs or [self.tab])]
            if all(o==truth for o in shown) and truth['talk']==self.typed: break
            assert time.monotonic()<end, f'the page shows {shown!s:.500}, the server has {truth!s:.500}, and {self.typed} was typed'
            self.tab.page.wait_for_timeout(50)
        for o in (tabs or [self.tab]): assert o('#newest-news').inner_text()==(truth['news'] or [''])[-1]
        assert self.tab('#draft-news').input_value()=='half a sentence'


@pytest.fixture
def net():
    n = Net()
    yield n
    n.close()


def test_between_render_and_open(web, net):
    "What is published after the page was made and before its sockets open"
    b = Board(web, net, hold=.5)
    b.publish()
    b.is_right()
    b.publish()
    b.is_right()


def test_breaks(web, net):
    "Reset, half closed either way, cut in the middle of a frame; with a message typed into each"
    b = Board(web, net)
    for i,fault in enumerate((b.line.reset, lambda: b.line.half_close(True), lambda: b.line.half_close(False), b.line.cut)):
        b.open()
        fault()
        b.publish()
        b.say(f'message {i}')
        b.offline()
        b.online()
        b.is_right()


def test_silent_line(web, net):
    "Nothing gets through and nobody is told: found out by the missing heartbeat; a message typed into the dead line is handled once"
    b = Board(web, net, policy='heartbeat=.5')
    b.open()
    b.line.swallow()
    b.publish()
    b.say('into the dead line')
    b.say('and one more')
    b.is_right()


def test_hidden_tab(web, net):
    "htmx 4 closes the socket of a hidden tab; htmx 2 does not, and the line dies meanwhile"
    with Window(web.chrome.play) as window:
        b = Board(web, net, window.tab, policy='heartbeat=.5')
        for dead in (False, True):
            b.open()
            window.hide()
            b.publish()
            if dead: b.line.swallow()
            b.publish()
            window.hide(False)
            b.is_right()


@pytest.mark.parametrize('sig', [signal.SIGKILL, signal.SIGTERM], ids=['SIGKILL', 'SIGTERM'])
def test_server_ends(web, net, tmp_path, sig):
    "It comes back at the same port, with its history in a file"
    b = Board(web, net, policy=f'history={str(tmp_path/"history.db")!r}', process=True)
    b.open()
    b.publish()
    b.say('before')
    b.is_right()
    b.say('at the last moment')
    b.server.proc.send_signal(sig)
    b.server.proc.wait(patience)
    b.offline()
    b.say('while nobody is there')
    web.servers.remove(b.server)
    web.serve(Path(web.folder, f'example_{web.count}.py'), port=b.server.port, args=('--ws', ours))
    b.publish()
    b.is_right()


def test_slow_client(web, net):
    "The server closes what does not keep up, and it catches up at its own pace"
    b = Board(web, net, policy='outbox_bytes=20_000, keep={"*": Keep(messages=10_000, bytes=10_000_000)}', buffer=4096)
    b.open()
    b.line.rate = 1_000
    end = time.monotonic()+patience
    while b.get('/slow')=='0':
        assert time.monotonic()<end, 'the server never closed'
        b.publish(20, 'x'*1_000)
    b.line.rate = 0
    b.publish()
    b.is_right()


def test_two_tabs(web, net):
    "Both are right"
    b = Board(web, net)
    other = web.tab(b.at)
    b.open()
    b.line.reset()
    b.publish()
    b.is_right(b.tab, other)


def test_history_does_not_reach_back(web, net):
    "The page loads its content anew, and what the user typed stays, focus and caret too"
    b = Board(web, net, policy='keep={"*": Keep(messages=3)}')
    b.open()
    b.tab('#draft-news').focus()
    b.tab.page.evaluate("document.getElementById('draft-news').setSelectionRange(2, 5)")
    b.line.refuse = True
    b.line.reset()
    b.offline()
    b.publish(10)
    b.line.refuse = False
    b.is_right()
    assert b.tab.page.evaluate("[document.activeElement.id, document.activeElement.selectionStart, document.activeElement.selectionEnd]")==['draft-news', 2, 5]
    # and goes on from there
    b.line.reset()
    b.publish(1)
    until(lambda: b.tab.page.evaluate(shown_js)['news'][-1]=='10', 'the next publication')
