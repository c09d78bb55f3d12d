"A publication reaches everyone who is subscribed, once and in order, from wherever it was published; nobody else gets it."
import asyncio, re, threading
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient
from websockets.exceptions import InvalidStatus

from fasthtml_ws.broker import MemoryBroker
from fasthtml_ws.errors import State
from fasthtml_ws.outbox import Outbox, text_message
from fasthtml_ws.transport import Writer
from tests.kit import *
from tests.proofs import order

kb = 'x'*1000


def room(web, path='/ws', app=None, **policy):
    "An app that subscribes each client to the topics in its query, and the connections as they came"
    app,conns = app or web.app(**policy),[]
    def conn(ws):
        for t in ws.query_params.getlist('t'): ws.subscribe(t)
        conns.append(ws)
    app.ws(path, conn=conn)(lambda: None)
    return app,conns


def join(web, conns, *topics, path='/ws', browser=False, **kw):
    "A client that is subscribed to `topics`, and its connection"
    n = len(conns)
    c = web.connect(path+'?'+'&'.join(f't={o}' for o in topics), headers={'Origin':web.servers[-1].url} if browser else None, **kw)
    until(lambda: len(conns)>n)
    return c,conns[n]


def text(c): return re.sub('<[^>]*>', '', c.recv()).strip()
def texts(c, n): return [text(c) for _ in range(n)]


def stuck(web, app, conns, *topics, browser=False):
    "A client that reads nothing, of which something waits already"
    c,ws = join(web, conns, *topics, browser=browser, buffer=4096)
    web.servers[-1].call(lambda: [ws.send_text('fill'+'f'*20_000) for _ in range(40)])
    until(lambda: len(behind(ws).writer.outbox))
    return c,ws

def after_fill(c, n):
    "The next `n` messages after what filled the buffers"
    while (o := c.recv()).startswith('fill'): pass
    return [o]+[c.recv() for _ in range(n-1)]


# Order

@pytest.mark.parametrize('n', [3, 300])
def test_who_publishes_without_end_piles_nothing_up(web, n):
    app,conns = room(web)
    s = web.serve(app)
    for _ in range(n): web.connect('/ws?t=t')
    until(lambda: len(conns)==n)
    def publish():
        most = 0
        for i in range(500): app.hub.publish('t', str(i)); most = max(most, len(app.hub.fanout.pending))
        return most
    assert s.call(publish) <= app.hub.fanout.most
    for c in web.clients: assert texts(c, 500)==[str(i) for i in range(500)]


def test_twenty_publishers_and_two_hundred_subscribers(web):
    res = order.run(1)
    print(res)
    assert not res.problems
    assert res.published==500 and res.seen>2_000 and res.sessions>200 and res.resets>20


def test_publications_and_sends_come_in_the_order_of_the_calls(web):
    "Also for those that a fan-out in slices has not reached yet"
    app,conns = room(web)
    s = web.serve(app)
    app.hub.fanout._slice = app.hub.fanout._few = 2
    cs = [join(web, conns, 't')[0] for _ in range(7)]
    def go():
        for i in range(3):
            app.hub.publish('t', f'p{i}')
            for ws in conns: ws.send_text(f's{i}')
        app.hub.publish('t', 'end')
    s.call(go)
    for c in cs: assert texts(c, 7)==['p0','s0','p1','s1','p2','s2','end']


def test_close_comes_after_what_was_published_before(web):
    "Also where the fan-out has not come yet"
    app,conns = room(web)
    s = web.serve(app)
    app.hub.fanout._slice = app.hub.fanout._few = 1
    cs = [join(web, conns, 't')[0] for _ in range(4)]
    def go():
        app.hub.publish('t', 'last words')
        for ws in conns: ws.close(4000)
    s.call(go)
    for c in cs:
        msgs,end = c.all()
        assert ([o.strip() for o in msgs],end.code)==(['last words'], 4000)


def test_handler_that_publishes_and_returns(web):
    app = web.app()
    @app.ws('/ws')
    async def recv(ws, hub, send):
        ws.subscribe('t')
        await send('1')
        hub.publish('t', '2')
        await send('3')
        await hub.publish('t', '4')
        return '5'
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert texts(c, 5)==list('12345')


@both
def test_publish_acts_at_once_from_a_handler(web, kind):
    "Subscribed, then published: in a thread as on the loop"
    app = web.app()
    def recv(ws, hub): ws.subscribe('t'); hub.publish('t', 'mine')
    async def arecv(ws, hub): recv(ws, hub)
    app.ws('/ws')(recv if kind=='sync' else arecv)
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert text(c)=='mine'


@both
def test_publish_from_an_http_route(web, kind):
    app,conns = room(web)
    def sync(): return str(app.hub.publish('t', 'news').result(5).offset)
    async def coro(): return str((await app.hub.publish('t', 'news')).offset)
    app.get('/news')(sync if kind=='sync' else coro)
    s = web.serve(app)
    cs = [join(web, conns, 't')[0] for _ in range(3)]
    assert s.get('/news')[0]=='1'
    assert [text(c) for c in cs]==['news']*3


def test_publish_from_another_event_loop(web):
    app,conns = room(web)
    web.serve(app)
    c,_ = join(web, conns, 't')
    async def go(): return [(await app.hub.publish('t', str(i))).offset for i in range(3)]
    assert asyncio.run(go())==[1,2,3] and texts(c, 3)==list('012')


def test_publish_before_start_is_kept_and_given_a_position(web):
    app,conns = room(web)
    at = app.hub.publish('t', 'early').result(1)
    s = web.serve(app)
    c,_ = join(web, conns, 't')
    assert s.run(order_of(app, 'now'))==(at.epoch, at.offset+1) and text(c)=='now'
    assert [p.raw or p.frames for p in s.run(app.hub.broker.history('t'))[0]][0]

async def order_of(app, s): return await app.hub.publish('t', s)


def test_threads_that_publish_while_clients_come_and_go(web):
    "What reads the members of a topic is not hurt by their change"
    app,conns = room(web)
    s = web.serve(app)
    for _ in range(30): join(web, conns, 't', browser=True)
    stop,failed = Gate(),[]
    def work():
        while not stop.is_set():
            try: app.hub.publish('t', 'x'); app.hub.publish_to_all('x').result(5) # at the pace of the loop
            except Exception as e: failed.append(e); return
    async def churn():
        for _ in range(150):
            for ws in conns[::2]: ws.unsubscribe('t')
            for ws in conns[::2]: ws.subscribe('t')
            await asyncio.sleep(0)
    t = threading.Thread(target=work)
    for ws in conns: behind(ws).writer.status = State.closing # nobody needs to read what comes
    t.start()
    try: s.run(churn())
    finally: stop.set(); t.join()
    assert not failed


# Leaving

def test_nothing_after_leaving(web):
    app,conns = room(web)
    s = web.serve(app)
    c,ws = join(web, conns, 't', 'u')
    async def go(): app.hub.publish('t', '1'); ws.unsubscribe('t'); app.hub.publish('t', '2'); app.hub.publish('u', '3')
    s.run(go())
    assert texts(c, 2)==['1','3'] and c.silent()


def test_nothing_that_was_queued_comes_after_leaving(web):
    app,conns = room(web)
    s = web.serve(app, buffer=8192)
    c,ws = stuck(web, app, conns, 't', 'u')
    def go():
        for i in range(5): app.hub.publish('t', f't{i}'); app.hub.publish('u', f'u{i}'); ws.send_text(f's{i}')
        ws.unsubscribe('t')
        ws.subscribe('t')
        app.hub.publish('t', 'again')
    s.call(go)
    got = [o.strip() for o in after_fill(c, 11)]
    assert got==[f'{k}{i}' for i in range(5) for k in 'us']+['again'] and c.silent()


def test_nothing_of_a_fan_out_that_was_going_on_comes_after_leaving(web):
    app,conns = room(web)
    s = web.serve(app)
    app.hub.fanout._slice = app.hub.fanout._few = 1
    cs = [join(web, conns, 't', 'u')[0] for _ in range(4)]
    def go():
        app.hub.publish('t', 't'); app.hub.publish('u', 'u')
        for ws in conns[1:]: app.hub.unsubscribe(ws, 't')
    s.call(go)
    assert texts(cs[0], 2)==['t','u'] and [text(c) for c in cs[1:]]==['u']*3 and all(c.silent(.02) for c in cs)


def test_leaving_does_not_take_along_what_a_publication_superseded(web):
    "A swap that somebody else sent is the last that the page sees, if the one that came after it is withdrawn"
    app,conns = room(web)
    s = web.serve(app, buffer=8192)
    Div = web.lib.Div
    c,ws = stuck(web, app, conns, 'a', 'b', browser=True)
    def go():
        app.hub.publish('a', Div('from a', id='x'))
        app.hub.publish('b', Div('from b', id='x'))
        ws.unsubscribe('b')
        ws.send_text('end')
    s.call(go)
    got = []
    while (o := after_fill(c, 1)[0] if not got else c.recv())!='end': got.append(o)
    assert len(got)==1 and 'from a' in got[0]


@pytest.mark.parametrize('how', ['leave', 'reset', 'drop'])
def test_leaving_is_automatic(web, how):
    app,conns = room(web)
    web.serve(app)
    c,ws = join(web, conns, 't', 'u')
    assert app.hub.members('t')==[ws] and ws.topics==['t','u']
    getattr(c, how)()
    until(lambda: not app.hub.connections)
    assert app.hub.members('t')==[] and ws.topics==[] and not len(app.hub.topics) and not app.hub.broker._topics-{'@all','@ended'}


def test_who_has_left_cannot_join(web):
    app,conns = room(web)
    s = web.serve(app)
    c,ws = join(web, conns)
    c.leave()
    until(lambda: not app.hub.connections)
    s.call(ws.subscribe, 't')
    assert app.hub.members('t')==[]


def test_members_and_topics_are_listed_in_the_order_in_which_they_came(web):
    app,conns = room(web)
    s = web.serve(app)
    for _ in range(3): join(web, conns, 'b', 'a')
    assert app.hub.members('a')==conns and conns[0].topics==['b','a'] and app.hub.members('none')==[]
    s.call(conns[1].unsubscribe, 'b')
    assert app.hub.members('b')==[conns[0], conns[2]] and conns[1].topics==['a']
    s.call(lambda: (conns[1].subscribe('a'), conns[1].unsubscribe('never'))) # nothing happens
    assert app.hub.members('a')==conns


def test_joining_from_a_thread(web):
    app,conns = room(web)
    web.serve(app)
    c,ws = join(web, conns)
    app.hub.subscribe(ws, 't'); app.hub.publish('t', 'here')
    assert text(c)=='here'
    app.hub.unsubscribe(ws, 't'); app.hub.publish('t', 'gone')
    assert c.silent()


@pytest.mark.parametrize('topic', ['', 'a b', 'x'*201, '@all', 7])
def test_names_that_are_refused(web, topic):
    app,conns = room(web)
    web.serve(app)
    _,ws = join(web, conns)
    for f in (ws.subscribe, ws.unsubscribe, app.hub.publish, app.hub.members):
        with pytest.raises(web.lib.ConfigError, match='a topic is a text of'): f(topic)


# Who gets it

def test_exclude(web):
    app = web.app()
    @app.ws('/ws', conn=lambda ws: ws.subscribe('t'))
    async def recv(msg:str, ws, hub): hub.publish('t', msg, exclude=ws)
    web.serve(app)
    cs = [web.connect() for _ in range(3)]
    until(lambda: len(app.hub.members('t'))==3)
    cs[1].send(msg='hi')
    assert text(cs[0])==text(cs[2])=='hi' and cs[1].silent()


def auth_app(web, **policy):
    "Who one is stands in the query"
    app = web.app(**policy)
    class Auth:
        def __init__(self, app): self.app = app
        async def __call__(self, scope, receive, send):
            if scope['type']=='websocket':
                q = scope['query_string'].decode()
                scope['auth'] = int(q) if q.isdigit() else {'name':q} if q.startswith('dict') else q or None
            await self.app(scope, receive, send)
    app.add_middleware(Auth)
    app.ws('/ws')(lambda: None)
    return app


def test_users_are_known_by_auth(web):
    app = auth_app(web)
    web.serve(app)
    ann,ann2,seven,nobody = [web.connect(f'/ws?{o}') for o in ('ann','ann','7','')]
    until(lambda: len(app.hub.connections)==4)
    app.hub.publish_to_user('ann', 'to ann'); app.hub.publish_to_user(7, 'to 7'); app.hub.publish_to_user('bob', 'to bob'); app.hub.publish_to_all('all')
    assert texts(ann, 2)==texts(ann2, 2)==['to ann','all'] and texts(seven, 2)==['to 7','all'] and text(nobody)=='all'
    assert app.hub.members('t')==[] and all(o.topics==[] for o in app.hub.connections)
    first = next(iter(app.hub.connections))
    app.hub.publish_to_user('ann', 'other tabs', exclude=first)
    assert text(ann2)=='other tabs' and ann.silent()
    assert app.hub.stats().topics==0 # those that the app made


def test_user_that_cannot_be_told_from_auth_is_an_error_that_says_what_to_do(web):
    app = auth_app(web)
    web.serve(app)
    web.connect('/ws?dict')
    until(lambda: app.hub.connections)
    with pytest.raises(web.lib.ConfigError, match='Policy.user='): app.hub.publish_to_user('dict', 'x')


def test_users_are_known_by_the_policy(web):
    app = auth_app(web, user=lambda ws: ws.scope['auth']['name'])
    web.serve(app)
    c = web.connect('/ws?dict')
    until(lambda: app.hub.connections)
    app.hub.publish_to_user('dict', 'hi')
    assert text(c)=='hi'


def test_policy_user_of_a_route(web):
    app = auth_app(web)
    def conn(ws): conns.append(ws)
    conns = []
    app.ws('/guest', conn=conn, policy=web.lib.Policy(user=lambda ws: 'guest'))(lambda: None)
    web.serve(app)
    c = web.connect('/guest')
    until(lambda: conns)
    app.hub.publish_to_user('guest', 'hello')
    assert text(c)=='hello'


def test_policy_user_that_fails_costs_its_connection_and_leaves_nothing(web):
    app = auth_app(web, user=lambda ws: ws.scope['auth']['name'])
    web.serve(app)
    with pytest.raises(InvalidStatus): web.connect('/ws?7')
    ok = web.connect('/ws?dict')
    until(lambda: len(app.hub.connections)==1)
    app.hub.publish_to_user('dict', 'hi')
    assert text(ok)=='hi'
    web.stop()
    assert web.logged('TypeError')


# Rendering

def test_what_is_changed_after_publish_does_not_leak_in(web):
    app,conns = room(web)
    s = web.serve(app)
    app.hub.fanout._slice = app.hub.fanout._few = 1
    cs = [join(web, conns, 't', browser=i%2==0)[0] for i in range(4)]
    ft,data = web.lib.Div('before', id='x'),{'n':['before']}
    @app.hub.view('v')
    def v(data, ws): return data['n'][0]
    def go():
        app.hub.publish('t', ft); app.hub.publish('t', view='v', data=data)
        ft.children = ('after',); ft.attrs['id'] = 'y'; data['n'][0] = 'after'
    s.call(go)
    for c in cs: assert 'before' in (o := c.recv()) and 'id="x"' in o and text(c)=='before'


def test_one_rendering_for_all(web):
    "However many there are, of each kind"
    app,conns,made = *room(web),[]
    class Costly:
        def __ft__(self): made.append(1); return web.lib.Div('x', id='x')
    web.serve(app)
    cs = [join(web, conns, 't', browser=i%2==0)[0] for i in range(6)]
    app.hub.publish('t', Costly())
    assert [text(c) for c in cs]==['x']*6 and len(made)<=2
    assert 'hx-swap-oob' in (app.hub.publish('t', Costly()), cs[0].recv())[1] and 'hx-swap-oob' not in cs[1].recv()


def test_view_is_rendered_once_for_each_key(web):
    app,conns,made = *room(web),[]
    @app.hub.view('shared', key=lambda ws: ws.query_params['lang'])
    def shared(data, ws): made.append(ws.query_params['lang']); return f'{data["n"]} {ws.query_params["lang"]}'
    web.serve(app)
    cs = [web.connect(f'/ws?t=t&lang={o}') for o in ('de','en','de','de')]
    until(lambda: len(conns)==4)
    app.hub.publish('t', view='shared', data={'n':1})
    assert [text(c) for c in cs]==['1 de','1 en','1 de','1 de'] and made==['de','en']


def test_view_without_a_key_is_never_shared(web):
    app,conns,made = *room(web),[]
    @app.hub.view('own')
    def own(data, ws): made.append(ws); return f'{ws.id}'
    web.serve(app)
    cs = [join(web, conns, 't')[0] for _ in range(3)]
    app.hub.publish('t', view='own')
    assert [text(c) for c in cs]==[str(o.id) for o in conns] and made==conns


@pytest.mark.parametrize('n', [3, 20])
def test_view_that_publishes_does_so_after_what_it_renders(web, n):
    app,conns = room(web)
    @app.hub.view('v')
    def v(data, ws):
        if ws is conns[0]: app.hub.publish('t', 'then')
        return data
    s = web.serve(app)
    cs = [join(web, conns, 't')[0] for _ in range(n)]
    s.call(lambda: app.hub.publish('t', view='v', data='first'))
    assert [texts(c, 2) for c in cs]==[['first','then']]*n


@pytest.mark.parametrize('where', ['render', 'key'])
def test_view_that_fails_costs_only_its_viewer(web, where):
    app,conns = room(web)
    def fail(ws):
        if ws.query_params.get('bad'): raise ValueError('no')
    @app.hub.view('v', key=(lambda ws: fail(ws) or ws.id) if where=='key' else None)
    def v(data, ws): fail(ws); return data
    web.serve(app)
    cs = [web.connect(f'/ws?t=t{o}') for o in ('', '&bad=1', '')]
    until(lambda: len(conns)==3)
    app.hub.publish('t', view='v', data='hi')
    assert text(cs[0])==text(cs[2])=='hi'
    assert len(web.logged('could not be given', 'ValueError'))==1
    app.hub.publish('t', 'on')
    assert [text(c) for c in cs]==['on']*3


def test_half_a_surrogate_pair_is_refused_where_it_is_published(web):
    app,conns = room(web)
    web.serve(app)
    c,_ = join(web, conns, 't')
    with pytest.raises(UnicodeEncodeError): app.hub.publish('t', 'a file is called \udcff')
    app.hub.publish('t', 'on')
    assert text(c)=='on'


class Spoils(MemoryBroker):
    "A broker whose other processes publish what cannot be sent"
    async def publish(self, p): return await super().publish(replace(p, frames=(('\udcff',),), raw='\udcff') if p.raw=='spoil' else p)

def test_publication_that_cannot_be_sent_costs_nobody_the_others(web):
    app = web.lib.FastHTML(secret_key='for tests', broker=Spoils())
    app,conns = room(web, app=app)
    s = web.serve(app)
    cs = [join(web, conns, 't')[0] for _ in range(20)]
    s.call(lambda: [app.hub.publish('t', o) for o in ('one','spoil','two')])
    assert [texts(c, 2) for c in cs]==[['one','two']]*20
    app.hub.publish('t', 'on')
    assert [text(c) for c in cs]==['on']*20
    assert len(web.logged('could not be given', 'surrogates'))==20


def test_view_that_nobody_registered(web):
    app,_ = room(web)
    with pytest.raises(web.lib.ConfigError, match="no view is called 'w'"): app.hub.publish('t', view='w')


# Slow clients

@pytest.mark.parametrize('browser', [True, False])
def test_only_browsers_are_spared_what_is_superseded(web, browser):
    app,conns = room(web)
    s = web.serve(app, buffer=8192)
    c,ws = stuck(web, app, conns, 't', browser=browser)
    good,_ = join(web, conns, 't', browser=browser)
    async def go():
        for i in range(8): app.hub.publish('t', web.lib.Div(str(i), id='x'))
        app.hub.publish('t', 'end')
    s.run(go())
    assert texts(good, 9)==[*map(str, range(8)), 'end'] # it is not behind
    got = [re.sub('<[^>]*>', '', o).strip() for o in after_fill(c, 2 if browser else 9)]
    assert got==(['7','end'] if browser else [*map(str, range(8)), 'end'])
    assert (behind(ws).writer.outbox.superseded,app.hub.stats().superseded)==((7,7) if browser else (0,0))


def test_appends_are_never_superseded(web):
    app,conns = room(web)
    s = web.serve(app, buffer=8192)
    c,ws = stuck(web, app, conns, 't', browser=True)
    def go():
        for i in range(20): app.hub.publish('t', web.lib.Div(web.lib.P(str(i)), hx_swap_oob='beforeend:#log'))
    s.call(go)
    assert [re.sub('<[^>]*>', '', o) for o in after_fill(c, 20)]==[*map(str, range(20))]


def test_drained_waits_until_a_publication_is_taken(web):
    app,conns = room(web)
    s = web.serve(app, buffer=8192)
    c,ws = stuck(web, app, conns, 't')
    async def go():
        await app.hub.publish('t', 'end')
        return await ws.drained()
    done = asyncio.run_coroutine_threadsafe(go(), s.loop)
    assert c.recv().startswith('fill') and not done.done()
    assert after_fill(c, 1)[0].strip()=='end' and done.result(wait_s)


def test_a_peer_that_left_before_its_writer_began_is_not_taken_for_a_stalled_one():
    "What a thread publishes is written by a task; a task that is cancelled before its first step runs nothing, not even its `finally`"
    stalled = []
    async def main():
        async def send(m): pass
        w = Writer(send, Outbox(10, 1000), SimpleNamespace(unsent=lambda: 0, stalled=lambda: stalled.append(1), writer_over=lambda: None), .02)
        w.status = State.open
        def go(): w.put(text_message('x')); w.lost()
        asyncio.get_running_loop().call_soon(go)
        await asyncio.sleep(.1)
    asyncio.run(main())
    assert not stalled


def test_a_broker_that_fails_is_logged_although_nobody_awaits(web):
    from fasthtml_ws.broker import MemoryBroker
    class Down(MemoryBroker):
        async def publish(self, p): raise ConnectionError('no broker there')
    app,conns = room(web, app=web.lib.FastHTML(secret_key='x', broker=Down()))
    web.serve(app)
    join(web, conns, 't')
    with pytest.raises(ConnectionError): app.hub.publish('t', 'x').result(5)
    assert len(web.logged('publishing to', 'no broker there'))==1


# Figures

def test_stats(web):
    app,conns = room(web)
    web.serve(app)
    a,wa = join(web, conns, 't', 'u')
    b,wb = join(web, conns, 't')
    a.send('{}'); a.send('{}'); a.ping()
    app.hub.publish('t', '12345'); app.hub.publish('u', 'é')
    got = [a.recv(), a.recv(), b.recv()]
    until(lambda: app.hub.stats().sent==3)
    st = asdict(app.hub.stats())
    assert st==dict(connections=2, topics=2, received=2, sent=3, bytes=sum(len(o.encode()) for o in got), waiting=0, superseded=0, slow=0, aborted=0, throttled=0, refused=0)
    from fasthtml_ws.pubsub import stats_of
    one = stats_of(behind(wb))
    assert (one.connections,one.topics,one.received,one.sent,one.bytes)==(1, 1, 0, 1, len(got[2].encode()))
    a.leave()
    until(lambda: app.hub.stats().connections==1)
    now = asdict(app.hub.stats())
    assert now==st|dict(connections=1, topics=1) # what has been done stays done


def test_stats_of_a_client_that_is_behind(web):
    app,conns = room(web, outbox_messages=50, stall_timeout=.3)
    s = web.serve(app, buffer=8192)
    c,ws = stuck(web, app, conns, 't')
    assert app.hub.stats().waiting==len(behind(ws).writer.outbox)>0
    for i in range(60): app.hub.publish('t', kb)
    until(lambda: app.hub.stats().slow==1)
    until(lambda: s.connections==0)
    assert len(web.logged('too slowly'))==len(web.logged('aborted'))==1
    st = app.hub.stats()
    assert (st.connections,st.slow,st.aborted,st.waiting)==(0, 1, 1, 0)


# Several processes, several loops

@pytest.mark.parametrize('env', [dict(FH_PROCNUM='1', PROCS='2'), dict(FH_PROCNUM='0'), dict(WEB_CONCURRENCY='2')])
def test_several_processes_are_refused_at_start(web, monkeypatch, env):
    for k,v in env.items(): monkeypatch.setenv(k, v)
    app = web.app()
    @app.ws('/ws')
    async def recv(hub): hub.publish('t', 'x')
    with pytest.raises(web.lib.ConfigError, match=r'processes.*islands=True'): asyncio.run(app.hub.start())


def test_several_processes_are_refused_at_the_first_use_where_no_handler_names_the_hub(web, monkeypatch):
    monkeypatch.setenv('WEB_CONCURRENCY', '2')
    app,conns = web.app(),[]
    app.ws('/ws', conn=lambda ws: conns.append(ws))(lambda: None)
    web.serve(app)
    web.connect()
    until(lambda: conns)
    for f in (lambda: app.hub.publish('t', 'x'), lambda: app.hub.publish_to_all('x'), lambda: app.hub.publish_to_user('u', 'x'), lambda: conns[0].subscribe('t')):
        with pytest.raises(web.lib.ConfigError, match='islands'): f()


def test_sockets_without_topics_run_in_several_processes(web, monkeypatch):
    monkeypatch.setenv('WEB_CONCURRENCY', '4')
    app = web.app()
    @app.ws('/ws')
    async def recv(msg:str): return msg
    web.serve(app)
    c = web.connect()
    c.send(msg='hi')
    assert text(c)=='hi'


def test_islands(web, monkeypatch):
    monkeypatch.setenv('WEB_CONCURRENCY', '2')
    app,conns = room(web, islands=True)
    web.serve(app)
    c,_ = join(web, conns, 't')
    app.hub.publish('t', 'here')
    assert text(c)=='here'


def test_one_worker_is_one_process(web, monkeypatch):
    monkeypatch.setenv('WEB_CONCURRENCY', '1')
    app,conns = room(web)
    web.serve(app)
    c,_ = join(web, conns, 't')
    app.hub.publish('t', 'here')
    assert text(c)=='here'


def test_two_apps_have_nothing_in_common(web):
    (a,ca),(b,cb) = room(web),room(web)
    web.serve(a); x,_ = join(web, ca, 't')
    web.serve(b); y,_ = join(web, cb, 't')
    a.hub.publish('t', 'a'); b.hub.publish('t', 'b'); a.hub.publish_to_all('all')
    assert texts(x, 2)==['a','all'] and text(y)=='b' and y.silent()


def test_app_is_served_again(web):
    "As a reload or a test does"
    app,conns = room(web)
    for i in range(2):
        s = web.serve(app)
        c,ws = join(web, conns, 't')
        app.hub.publish('t', str(i))
        assert text(c)==str(i)
        c.leave(); s.stop(); s.join()


def test_clients_of_starlettes_test_client_one_after_the_other(web):
    "Each has a loop of its own, and no lifespan"
    app = web.app()
    @app.ws('/ws')
    async def recv(msg:str, ws, hub): await ws.subscribe('t'); await hub.publish('t', msg)
    for o in 'ab':
        with TestClient(app).websocket_connect('/ws') as c:
            c.send_json({'msg':o})
            assert c.receive_text().strip()==o
