"What a client missed it gets when it comes back: all of it, once, in order, and nothing that is not its own."
import json, re, secrets, threading, time

import pytest
from fasthtml.common import Li, Ol

from fasthtml_ws.cursor import Cursor, Signer
from fasthtml_ws.policy import Keep
from tests.kit import *

_position = re.compile(r'<!--ws (\d+)(?:-(\d+))?-->$')


class Page:
    "As much of a page and its script as recovery needs: it remembers its cursor and its position, and what it was shown"
    def __init__(self, web, path='/ws', cursor='', cookie='', at='', client=''):
        self.web,self.path,self.cursor,self.at,self.cookie = web,path,cursor,at,cookie
        self.client = client or secrets.token_urlsafe(16)
        self.shown,self.said,self.conn = [],[],None

    def open(self):
        "Connect, and read up to the cursor that ends the beginning"
        sep = '&' if '?' in self.path else '?'
        port = self.web.servers[-1].port
        headers = {'Origin':f'http://127.0.0.1:{port}'} | ({'Cookie':self.cookie} if self.cookie else {})
        self.conn = self.web.connect(f'{self.path}{sep}ws-at={self.client}~{self.at}~{self.cursor}', headers=headers)
        self.said.clear()
        self.until(lambda: any('at' in o for o in self.said))
        assert self.said[0]['hello']==1, 'the first thing is a hello'
        return self

    def read(self):
        "Take one frame"
        text = self.conn.recv()
        if m := re.fullmatch(r'<!--ws ?(.*)-->', text):
            if re.fullmatch(r'\d+(-\d+)?', m[1]): self.at = m[1]
            else:
                said = json.loads(m[1] or '{}')
                assert not set('<>') & set(m[1])
                self.said.append(said)
                if 'cursor' in said: self.cursor,self.at = said['cursor'],said.get('at', self.at)
            return
        if m := _position.search(text):
            at = (int(m[1]), int(m[2] or 1<<30))
            if not self.at or at>self._now(): self.at = m[0][7:-3]
        self.shown.append(re.sub(r'\s*<[^>]*>\s*', '', text))

    def _now(self): a,_,b = self.at.partition('-'); return int(a),int(b or 1<<30)

    def until(self, cond):
        while not cond(): self.read()

    def see(self, *texts):
        "Read until all of `texts` have been shown, and nothing else"
        self.until(lambda: len(self.shown)>=len(texts))
        res,self.shown = self.shown,[]
        assert res==[*texts]

    def drop(self): self.conn.drop(); return self

    @property
    def missed(self): return next((o['missed'] for o in self.said if 'missed' in o), None)
    @property
    def recovered(self): return self.said[0]['recovered']


def app_of(web, conn=None, **policy):
    "An app whose page subscribes to t and u"
    app,seen = web.app(**policy),[]
    def subscribe(ws, recovered:bool|None):
        seen.append(recovered)
        for t in ('t','u'): ws.subscribe(t)
    app.ws('/ws', conn=conn or subscribe)(lambda: None)
    app.get('/')(lambda: web.lib.Div('page', ws_connect='/ws'))
    app.seen = seen
    return app

def gone(app): until(lambda: not app.hub.connections, 'the end of the connections')

def li(i, topic='t'): return Ol(Li(f'{topic}{i}', id=f'{topic}{i}'), hx_swap_oob='beforeend:#log')

def publish(app, *ns, topic='t', **kw):
    for i in ns: app.hub.publish(topic, li(i, topic), **kw).result(wait_s)

def page_of(web, path='/', cookie=''):
    "The page, as a client that has its cursor"
    html,headers = web.servers[-1].get(path, cookie)
    cookie = cookie or headers.get('set-cookie', '').split(';')[0]
    return Page(web, re.search('ws-connect="([^"]*)"', html)[1], re.search('ws-cursor="([^"]*)"', html)[1], cookie)


def test_between_render_and_connect(web):
    app = app_of(web)
    web.serve(app)
    publish(app, 1)
    page = page_of(web)
    publish(app, 2, 3)
    publish(app, 4, topic='u')
    page.open()
    publish(app, 5)
    page.see('t2', 't3', 'u4', 't5')
    assert page.recovered is None and page.missed is None and app.seen==[None]


def test_after_a_drop(web):
    app = app_of(web)
    web.serve(app)
    page = page_of(web).open()
    publish(app, 1)
    page.see('t1')
    page.drop(); gone(app)
    publish(app, 2); publish(app, 3, topic='u'); publish(app, 4)
    page.open()
    publish(app, 5)
    page.see('t2', 'u3', 't4', 't5')
    assert page.recovered is True and page.missed is None and app.seen==[None, True]


def test_what_came_twice_over_two_lines_is_sent_once(web):
    "The first line is dead, and the server does not know yet"
    app = app_of(web)
    web.serve(app)
    page = page_of(web).open()
    old = page.conn
    publish(app, 1, 2)
    page.open() # nothing was read
    page.see('t1', 't2')
    old.drop()


def test_a_topic_that_is_new_at_a_reconnect(web):
    "It is in a cursor before anything of it comes, and comes in one order with the rest: wherever the line breaks, what follows is not lost"
    gate,topics = Gate(),['t']
    async def conn(ws):
        for t in topics: ws.subscribe(t)
        await gate.passed()
    app = app_of(web, conn)
    s = web.serve(app)
    gate.set()
    page = page_of(web).open().drop(); gone(app)
    topics.append('u'); gate.clear()
    publish(app, 0, topic='u') # it is no member yet
    publish(app, 1)
    page.conn = web.connect(f'{page.path}?ws-at={page.client}~{page.at}~{page.cursor}', headers={'Origin':s.url})
    until(lambda: app.hub.members('u'))
    publish(app, 2, topic='u'); publish(app, 3); publish(app, 4, topic='u')
    gate.set()
    page.said.clear()
    page.until(lambda: len(page.shown)==2) # no more of it arrives: not the second cursor, and not the rest
    assert page.shown==['t1','u2'] and [o.keys() for o in page.said if 'cursor' in o]==[{'cursor'}]
    page.shown.clear()
    page.drop(); gone(app)
    publish(app, 5, topic='u')
    page.open()
    publish(app, 6, topic='u')
    page.see('t3', 'u4', 'u5', 'u6')
    assert page.recovered is True and page.missed is None


def test_a_new_topic_with_no_history_comes_live(web):
    gate,topics = Gate(),['t']
    async def conn(ws):
        for t in topics: ws.subscribe(t)
        await gate.passed()
    app = app_of(web, conn, keep={'u': Keep(messages=0)})
    s = web.serve(app)
    gate.set()
    page = page_of(web).open().drop(); gone(app)
    topics.append('u'); gate.clear()
    page.conn = web.connect(f'{page.path}?ws-at={page.client}~{page.at}~{page.cursor}', headers={'Origin':s.url})
    until(lambda: app.hub.members('u'))
    publish(app, 1, topic='u'); publish(app, 2)
    gate.set()
    page.said.clear()
    page.until(lambda: any('at' in o for o in page.said))
    page.see('t2', 'u1')
    assert page.recovered is True and page.missed is None


def test_what_conn_sends_comes_after_the_replay(web):
    def conn(ws, send): ws.subscribe('t'); send('from conn')
    app = app_of(web, conn)
    web.serve(app)
    page = page_of(web)
    publish(app, 1)
    page.open()
    page.see('t1', 'from conn')


def test_what_is_published_while_conn_runs(web):
    gate = Gate()
    async def conn(ws): ws.subscribe('t'); await gate.passed()
    app = app_of(web, conn)
    web.serve(app)
    page = page_of(web)
    publish(app, 1)
    t = threading.Thread(target=page.open)
    t.start()
    until(lambda: app.hub.members('t'))
    publish(app, 2, 3)
    gate.set(); t.join()
    publish(app, 4)
    page.see('t1', 't2', 't3', 't4')


def test_a_conn_that_is_a_stream(web):
    gate = Gate()
    async def conn(ws):
        ws.subscribe('t')
        yield 'one'
        await gate.passed()
        yield 'two'
    app = app_of(web, conn)
    web.serve(app)
    page = page_of(web)
    publish(app, 1)
    page.open()
    publish(app, 2)
    page.see('t1', 'one', 't2')
    gate.set()
    page.see('two')


def test_a_publication_in_two_frames_of_which_one_arrived(web):
    app = app_of(web)
    web.serve(app)
    page = page_of(web).open()
    rows = web.lib.Div(id='a', hx_swap_oob='true'), web.lib.Tr(web.lib.Td('row'), id='r', hx_swap_oob='true')
    app.hub.publish('t', *rows).result(wait_s)
    page.read()
    assert '-1' in page.at
    first, = page.shown
    page.drop(); gone(app)
    page.open()
    page.until(lambda: len(page.shown)==2)
    assert page.shown[1].strip()!=first.strip()


def test_exclude_is_kept(web):
    app = app_of(web)
    @app.ws('/say', conn=lambda ws: ws.subscribe('t'))
    def say(msg:str, ws, hub): hub.publish('t', li(msg), exclude=ws)
    web.serve(app)
    page = Page(web, '/say').open()
    other = Page(web, '/say').open()
    page.conn.send('1 {"msg":"1"}')
    other.see('t1')
    publish(app, 2)
    for o in (page, other): o.drop()
    gone(app)
    for o in (page, other): o.at = '0'; o.open()
    page.see('t2'); other.see('t1', 't2')


@pytest.mark.parametrize('history', [False, True], ids=['memory','file'])
def test_across_a_restart(web, tmp_path, history):
    kw = dict(history=str(tmp_path/'h.db')) if history else {}
    app = app_of(web, **kw)
    server = web.serve(app)
    page = page_of(web).open()
    publish(app, 1)
    page.see('t1')
    page.drop(); gone(app)
    publish(app, 2)
    server.stop(); server.join()
    app = app_of(web, **kw)
    web.serve(app)
    publish(app, 3)
    page.open()
    publish(app, 4)
    page.see(*(['t2', 't3', 't4'] if history else ['t4']))
    assert (page.recovered, page.missed)==((True, None) if history else (False, 'page'))
    assert app.seen==[history]


def test_history_that_does_not_reach_back(web):
    app = app_of(web, keep={'t': web.lib.Keep(messages=3)}, heal=False)
    web.serve(app)
    page = page_of(web).open()
    page.drop(); gone(app)
    publish(app, *range(5))
    page.open()
    publish(app, 5)
    page.see('t5')
    assert page.recovered is False and page.missed=='event'


def test_a_page_that_waited_too_long(web):
    app = app_of(web, page_cursor=.001)
    web.serve(app)
    page = page_of(web)
    time.sleep(1.1) # it counts whole seconds
    page.open()
    assert page.recovered is False and page.missed=='page'


def test_a_page_made_of_history_goes_on_where_that_ends(web):
    app,gate,asked = app_of(web),Gate(),Gate()
    @app.get('/room')
    async def room():
        past = await app.hub.history('t')
        asked.set()
        await gate.passed()
        return web.lib.Div(*[p.data for p in past.items], ws_connect='/ws')
    web.serve(app)
    publish(app, 1, data='one')
    pages = []
    t = threading.Thread(target=lambda: pages.append(page_of(web, '/room')))
    t.start(); asked.wait()
    publish(app, 2, data='two')
    gate.set(); t.join()
    publish(app, 3)
    pages[0].open().see('t2', 't3')


# Nobody gets what is not theirs

def test_a_cursor_of_another_session_opens_nothing(web):
    app = app_of(web)
    @app.get('/in')
    def login(session, name:str): session['name'] = name; return web.lib.Div(ws_connect='/ws')
    web.serve(app)
    ann,bob = page_of(web, '/in?name=ann').open(),page_of(web, '/in?name=bob').open()
    stolen = ann.cursor,ann.client
    for o in (ann, bob): o.drop()
    gone(app)
    publish(app, 1)
    bob.cursor,bob.client = stolen
    bob.open()
    publish(app, 2)
    bob.see('t2')
    assert bob.recovered is False
    ann.open().see('t1', 't2')


@pytest.mark.parametrize('cursor', ['', 'x', '.', 'a.b.c', '~', 'A'*3000])
def test_a_forged_cursor_opens_nothing(web, cursor):
    app = app_of(web)
    web.serve(app)
    publish(app, 1)
    page = Page(web, cursor=re.sub('~', '', cursor), at='0').open()
    publish(app, 2)
    page.see('t2')
    assert page.recovered is False


def test_a_cursor_signed_by_another_app_opens_nothing(web):
    app = app_of(web)
    web.serve(app)
    publish(app, 1)
    h = app.hub
    page = Page(web, cursor=Signer('another').dump(Cursor(h.broker.epoch, 0, h.who({}), 'x'*22, ['t'])), at='0', client='x'*22).open()
    assert page.recovered is False
    publish(app, 2)
    page.see('t2')


def test_topics_that_it_was_not_a_member_of(web):
    "A cursor opens what it names, and no more of history than its holder has seen begin"
    room = ['a']
    def conn(ws):
        for t in room: ws.subscribe(t)
    app = app_of(web, conn)
    web.serve(app)
    publish(app, 1, topic='a')
    page = page_of(web).open()
    page.drop(); gone(app)
    publish(app, 2, topic='b'); publish(app, 3, topic='a')
    room.append('b')
    page.at = '0' # it asks for all there is
    page.open()
    publish(app, 4, topic='b')
    page.see('a3', 'b4')


def test_unsubscribed_and_back_again(web):
    "What was published in between is not for those who left, whichever cursor they come with"
    conns = []
    def conn(ws): conns.append(ws); ws.subscribe('t')
    app = app_of(web, conn)
    web.serve(app)
    page = page_of(web).open()
    publish(app, 1)
    page.see('t1')
    app.hub._calls[behind(conns[0])._loop].put(conns[0].unsubscribe, 't')
    until(lambda: not app.hub.members('t'))
    publish(app, 2)
    page.drop(); gone(app)
    publish(app, 3)
    page.open()
    publish(app, 4)
    page.see('t4')
    assert page.recovered is False and page.missed=='page' # it is a member again, and something is missing
    page.drop(); gone(app)
    publish(app, 5)
    page.open().see('t5')
    assert page.recovered is True


def test_banned_while_away(web):
    "`conn` does not let it in; when it does again, what was said in between stays unsaid"
    banned = []
    def conn(ws):
        if banned: ws.close(4003); return
        ws.subscribe('t')
    app = app_of(web, conn)
    web.serve(app)
    page = page_of(web).open()
    kept = page.cursor,page.at
    page.drop(); gone(app)
    banned.append(1)
    publish(app, 1)
    with pytest.raises(Closed) as e: page.open()
    assert e.value.code==4003
    gone(app)
    banned.clear()
    page.cursor,page.at = kept
    page.open()
    publish(app, 2)
    page.see('t2')
    assert page.missed=='page'


def test_put_out_by_the_app_while_away(web):
    app = app_of(web)
    app.before.append(lambda req: req.scope.__setitem__('auth', 'ann'))
    web.serve(app)
    page = page_of(web).open()
    page.drop(); gone(app)
    publish(app, 1)
    app.hub.close(user='ann')
    publish(app, 2)
    page.open()
    publish(app, 3)
    page.see('t3')
    assert page.missed=='page'
