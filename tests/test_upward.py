"What a page sends is handled once and in order, whatever happens to the line; and what the server keeps of it is bounded."
import asyncio, json, random, signal, socket, subprocess, sys, textwrap, time
from collections import deque

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from fasthtml_ws.inbox import Inbox, Line, Verdict
from tests.kit import *
from tests.memory import profile
from tests.script import *


# The model: one client, its connections, and a server that may be killed

class Conn:
    def __init__(self, line, before):
        self.line,self.before = line,before
        self.wire,self.jobs,self.running,self.deaf = deque(),deque(),None,False

    @property
    def busy(self): return self.running is not None or bool(self.jobs) or bool(self.before and self.before.busy)


class Upward(RuleBasedStateMachine):
    "A client that keeps what was not acknowledged, and a server that decides by `Inbox` alone"
    @initialize(durable=st.booleans())
    def start(self, durable):
        self.durable,self.box,self.disk = durable,Inbox(),0
        self.n,self.kept,self.did,self.conns,self.now,self.killed = 0,[],[],[],None,False

    def client(self): return self.box.get('c')
    def some(self, data, cond):
        found = [c for c in self.conns if cond(c)]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(k=st.integers(1, 6))
    def say(self, k):
        for _ in range(k):
            self.n += 1
            self.kept.append(self.n)
            if self.now: self.now.wire.append(self.n)

    @rule()
    def connect(self):
        known = self.client()
        conn = Conn(None, None)
        client,old = self.box.enter('c', conn, self.disk)
        assert not known or client is known
        conn.line,conn.before = Line(client),old
        if old: old.deaf = True
        self.conns.append(conn)
        self.now = conn
        self.acknowledged(client)
        conn.wire.extend(self.kept)

    def acknowledged(self, client): self.kept = [n for n in self.kept if n>client.marked]

    @rule(data=st.data(), k=st.integers(1, 6))
    def arrive(self, data, k):
        if not (c := self.some(data, lambda c: c.wire and not c.deaf)): return
        for _ in range(min(k, len(c.wire))):
            n = c.wire.popleft()
            v = c.line.comes(n)
            assert v is not Verdict.gap
            if v is Verdict.new: c.jobs.append(n)

    @rule(data=st.data(), k=st.integers(1, 6))
    def work(self, data, k):
        "Several messages, one after the other"
        for _ in range(k): self.begin(data); self.end(data, True, 'done')

    @rule(data=st.data())
    def begin(self, data):
        if not (c := next((c for c in self.conns if c.jobs and c.running is None and not (c.before and c.before.busy)), None)): return
        n = c.jobs.popleft()
        v = c.line.begins(n)
        assert v is not Verdict.gap
        if v is Verdict.new: c.running = n

    @rule(data=st.data(), published=st.booleans(), end=st.sampled_from(['done','done','cancelled']))
    def end(self, data, published, end):
        if not (c := next((c for c in self.conns if c.running is not None), None)): return
        n,c.running = c.running,None
        if published or end=='done':
            self.did.append(n)
            c.line.client.done(n)
            if self.durable: self.disk = max(self.disk, n) # in the transaction of the publication
        if end=='cancelled': c.jobs.clear(); c.deaf = True

    @rule()
    def mark(self):
        if not (c := self.client()): return
        c.mark(c.handled)
        if self.durable: self.disk = max(self.disk, c.handled)

    @rule()
    def acknowledge(self):
        if self.now and not self.now.deaf: self.acknowledged(self.now.line.client)

    @rule(data=st.data())
    def over(self, data):
        "An old connection has ended"
        c = self.some(data, lambda c: not c.busy)
        if not c or (c is self.now and not data.draw(st.booleans())): return
        c.deaf = True
        self.conns.remove(c)
        self.box.leave(c.line.client, c)
        if c is self.now: self.now = None

    @precondition(lambda self: self.n>10 and not self.killed)
    @rule()
    def kill(self):
        self.box,self.conns,self.now,self.killed = Inbox(),[],None,True

    def teardown(self):
        if not hasattr(self, 'n'): return
        for _ in range(2):
            self.connect()
            while any(o.busy or (o.wire and not o.deaf) for o in self.conns):
                for o in self.conns:
                    if o.wire and not o.deaf:
                        v = o.line.comes(n := o.wire.popleft())
                        if v is Verdict.new: o.jobs.append(n)
                    if o.running is not None: self.did.append(o.running); o.line.client.done(o.running); o.running = None
                    elif o.jobs and not (o.before and o.before.busy) and o.line.begins(n := o.jobs.popleft()) is Verdict.new: o.running = n
            self.mark()
            self.acknowledge()
        assert self.kept==[]
        first = list(dict.fromkeys(self.did))
        assert first==[*range(1, self.n+1)], 'all of them, in order'
        if self.durable or not self.killed: assert self.did==first, 'none twice'

Upward.TestCase.settings = settings(**profile, max_examples=400, stateful_step_count=40)
test_model = Upward.TestCase


class _Draw:
    "For the same rules, chosen by a plain generator of random numbers: thousands of lives in a second"
    def __init__(self, r): self.r = r
    def draw(self, strategy): return self.r.random()<.5


def live(seed:int):
    r,m = random.Random(seed),Upward()
    d = _Draw(r)
    m.some = lambda data, cond: r.choice(found) if (found := [c for c in m.conns if cond(c)]) else None
    m.start(seed%2==0)
    steps = [lambda: m.say(r.randint(1, 6)), m.connect, lambda: m.arrive(d, r.randint(1, 6)), lambda: m.work(d, r.randint(1, 6)), lambda: m.begin(d),
             lambda: m.end(d, r.random()<.5, r.choice(['done','cancelled'])), m.mark, m.acknowledge, lambda: m.over(d)]
    for _ in range(40): r.choice(steps)()
    if seed%3==0: m.kill()
    for _ in range(10): r.choice(steps)()
    m.teardown()


def test_many_lives():
    for seed in range(3_000):
        try: live(seed)
        except AssertionError as e: raise AssertionError(f'seed {seed}: {e}') from e


def test_clients_that_are_gone_are_forgotten_in_order_and_those_that_are_here_are_not():
    box = Inbox(most=50)
    here = [box.enter(f'here {i}', i)[0] for i in range(100)]
    for i in range(1_000):
        c,_ = box.enter(f'gone {i}', 'x')
        c.done(1)
        box.leave(c, 'x')
    assert len(box)==150 and all(box.get(f'here {i}') is c for i,c in enumerate(here))
    assert box.get('gone 949') is None and box.get('gone 950').handled==1
    for i in range(1_000): box.leave(box.enter(f'idle {i}', 'x')[0], 'x')
    assert len(box)==150 and box.get('gone 950'), 'whoever said nothing takes no room'


# Over a socket

def app_of(web, log, **policy):
    app = web.app(**policy)
    async def conn(ws): ws.subscribe('room')
    async def say(ws, msg:str):
        log.append((msg, ws.message_id))
        app.hub.publish('room', web.lib.Div(msg, id=f'm{len(log)}'))
    app.ws('/ws', conn=conn)(say)
    return app

def texts(log): return [m for m,_ in log]


def test_numbered_messages_are_handled_and_acknowledged_together(web):
    log = []
    web.serve(app_of(web, log))
    s = Script(web).open()
    assert s.hello['acked']==0 and s.hello['beat']==18
    for i in range(20): s.say(msg=f'{i}')
    s.acks(20)
    assert texts(log)==[*map(str, range(20))] and len([o for o in s.told if 'ack' in o])<=3
    assert [m for _,m in log]==[f'{s.id}:{i+1}' for i in range(20)] and not s.kept
    s.drop()
    s.open()
    assert s.hello['acked']==20


def test_without_ws_at_nothing_changes(web):
    log = []
    web.serve(app_of(web, log))
    c = web.connect()
    c.send(msg='hi')
    c.send('5 {"msg":"numbered"}')
    assert 'hi' in c.recv() and 'ws-error' in c.recv()
    c.ping()
    assert log==[('hi', None)] and not c.got


@pytest.mark.parametrize('how', ['drop','reset','dead'])
def test_what_was_not_acknowledged_comes_again_and_is_handled_once(web, how):
    "Also when the old line is dead and the server has not noticed"
    log = []
    web.serve(app_of(web, log))
    s = Script(web).open()
    dead = []
    for round in range(10):
        for i in range(3): s.say(msg=f'{round}.{i}')
        if how=='reset': s.c.reset()
        if how=='dead': dead.append(s.lose())
        else: s.drop()
        s.say(msg=f'{round}.offline')
        s.open()
    s.acks(s.n)
    assert texts(log)==[f'{r}.{i}' for r in range(10) for i in (0,1,2,'offline')]
    for o in dead: assert o.all()[1].code in (1000, 1006)
    assert len(web.servers[0].app.hub.connections)<=11


def test_a_gap_and_what_has_no_number_close(web):
    log = []
    web.serve(app_of(web, log))
    for frame in ['{"msg":"x"}', '0 {"msg":"x"}', '-1 {"msg":"x"}', '01 {"msg":"x"}', '+1 {"msg":"x"}', '1e0 {"msg":"x"}', '1\t{"msg":"x"}', '1', '', ' 1 {}', '٣ {}', '１ {}', '1'+'0'*30+' {}', '1'*4_400+' {}']:
        s = Script(web).open()
        s.c.send(frame)
        end = s.c.all()[1]
        assert (end.code, end.reason)==(1008, 'messages are numbered'), frame
    s = Script(web).open()
    s.put(1, '{"msg":"a"}'); s.put(3, '{"msg":"c"}')
    assert s.c.all()[1].code==1008
    until(lambda: not web.servers[0].app.hub.connections)
    assert texts(log)==['a'], 'what was accepted is handled'
    s.open(resend=False)
    s.put(3, '{"msg":"c"}') # the server knows of 1
    assert s.c.all()[1].code==1008 and texts(log)==['a']


def test_the_first_number_of_an_unknown_client_is_believed(web):
    log = []
    web.serve(app_of(web, log))
    s = Script(web)
    s.n = 999_999_999_999_990
    s.open()
    for i in range(9): s.say(msg=str(i))
    s.acks(s.n)
    assert texts(log)==[*map(str, range(9))]
    s.put(10**15, '{"msg":"x"}')
    assert s.c.all()[1].code==1008


def test_a_flood_of_copies_is_dropped_and_acknowledged_seldom(web):
    log = []
    web.serve(app_of(web, log))
    s = Script(web).open()
    s.say(msg='a')
    s.acks(1)
    n = len(s.told)
    for _ in range(2_000): s.put(1, '{"msg":"a"}')
    s.drain()
    time.sleep(.1)
    s.drain()
    assert texts(log)==['a'] and 1<=len(s.told)-n<40
    s.say(msg='b')
    s.acks(2)
    assert texts(log)==['a','b']


@both
def test_what_raises_or_cannot_be_read_is_answered_and_handled(web, kind):
    app,ran = web.app(),[]
    def work(n:int): ran.append(n); 1/0
    async def awork(n:int): work(n)
    app.ws('/ws')(work if kind=='sync' else awork)
    web.serve(app)
    s = Script(web).open()
    s.say(n=1); s.say(n='no number'); s.say(n=3)
    s.n += 1; s.put(s.n, 'not json')
    s.acks(4)
    assert ran==[1,3] and len(s.html)==4
    s.drop(); s.open()
    assert s.hello['acked']==4
    s.put(1, '{"n":1}'); s.put(2, '{"n":2}')
    s.drain()
    assert ran==[1,3] and len(web.logged('failed'))==2


@both
def test_messages_of_a_new_line_wait_for_the_old_ones_handler_and_conn_does_not(web, kind):
    app,go,log = web.app(),Gate(),[]
    async def conn(send): send('hello')
    def slow(n:int):
        log.append(f'begin {n}')
        go.wait()
        log.append(f'end {n}')
    async def aslow(n:int):
        log.append(f'begin {n}')
        await go.passed()
        log.append(f'end {n}')
    app.ws('/ws', conn=conn)(slow if kind=='sync' else aslow)
    web.serve(app)
    s = Script(web).open()
    s.say(n=1); s.say(n=2)
    until(lambda: log==['begin 1'])
    old = s.lose()
    s.say(n=3)
    s.html.clear()
    s.open()
    while not s.html: s.read()
    assert s.html==['hello'] and log==['begin 1'] and s.hello['acked']==0
    assert old.all()[1].code in (1000, 1006)
    third = s.lose() # and once more: the turn is passed on
    s.say(n=4)
    s.open()
    s.drain()
    assert log==['begin 1']
    go.set()
    s.acks(4)
    assert log==[f'{o} {n}' for n in (1,2,3,4) for o in ('begin','end')]
    assert third.all()[1].code in (1000, 1006)


@pytest.mark.parametrize('published', [False, True])
def test_a_handler_that_is_cancelled_was_not_handled_unless_it_has_published(web, published):
    app,go,ran = web.app(),Gate(),[]
    async def work(n:int):
        if published: app.hub.publish('t', 'x')
        ran.append(n)
        await go.passed()
    app.ws('/ws', cancel=True)(work)
    web.serve(app)
    s = Script(web).open()
    s.say(n=1)
    until(lambda: ran)
    s.drop()
    until(lambda: not app.hub.connections)
    go.set()
    s.open()
    s.acks(1)
    assert ran==([1] if published else [1,1]) and s.hello['acked']==int(published)


def test_what_the_app_drops_by_closing_comes_again(web):
    app,log = web.app(),[]
    async def work(ws, n:int):
        log.append(n)
        await asyncio.sleep(.02)
        if n==2 and log.count(2)==1: ws.close(1013, 'later')
    app.ws('/ws')(work)
    web.serve(app)
    s = Script(web).open()
    for i in range(1, 6): s.say(n=i)
    try:
        while True: s.read()
    except Closed as e: assert e.code==1013
    s.open()
    s.acks(5)
    assert log==[1,2,3,4,5]


def test_limits_are_those_of_the_data(web):
    app,got,go = web.app(max_message=100, inbox_messages=4, throttle_timeout=.3),[],Gate()
    async def work(data:dict): await go.passed(); got.append(len(json.dumps(data)))
    app.ws('/ws')(work)
    web.serve(app)
    s = Script(web).open()
    s.n = 999
    s.say(x='y'*91) # 100 bytes, and a number in front
    go.set()
    s.acks(1_000)
    assert got==[100]
    s.say(x='y'*92)
    assert s.c.all()[1].code==1009
    go.clear()
    s = Script(web).open()
    for i in range(20): s.say(i=i)
    assert s.c.all()[1].code==1013 and web.logged('sent more than')
    go.set()
    s.open()
    s.acks(20)
    assert len(got)==21


def test_a_stranger_with_the_number_of_a_client_gets_nowhere(web):
    "Another session is another client: it ends nobody's connection, and takes nobody's place"
    log = []
    app = app_of(web, log)
    @app.get('/login')
    def login(sess, name:str): sess['name'] = name; return 'hi'
    srv = web.serve(app)
    cookies = [srv.get(f'/login?name={o}')[1]['set-cookie'].split(';')[0] for o in ('ann','eve')]
    a = Script(web, headers={'Cookie':cookies[0]}).open()
    a.say(msg='a1')
    a.acks(1)
    e = Script(web, headers={'Cookie':cookies[1]}, id=a.id).open()
    assert e.hello['acked']==0
    e.n = 70
    e.say(msg='e')
    e.acks(71)
    a.say(msg='a2')
    a.acks(2)
    assert texts(log)==['a1','e','a2']


def test_publications_carry_their_cause_and_what_goes_on_does_not(web):
    app,seen = web.app(),[]
    publish = app.hub.broker.publish
    async def noted(p):
        if p.topic[0]!='@': seen.append((''.join(p.frames[0]), p.cause and p.cause[1]))
        return await publish(p)
    app.hub.broker.publish = noted
    async def later(go):
        await go.wait()
        app.hub.publish('t', 'late')
    @app.ws('/async')
    async def a(ws, n:int):
        go = asyncio.Event()
        ws.spawn(later(go))
        await app.hub.publish('t', f'a{n}')
        asyncio.get_running_loop().call_later(.05, go.set)
    @app.ws('/sync')
    def b(n:int): app.hub.publish('t', f'b{n}')
    @app.ws('/stream')
    async def c(n:int):
        app.hub.publish('t', f'c{n}')
        yield 'x'
    web.serve(app)
    for path in ('/async','/sync','/stream'):
        s = Script(web, path).open()
        s.say(n=7)
        s.acks(1)
        if path=='/async': until(lambda: len(seen)==2)
    assert [(next(o for o in ('a7','late','b7','c7') if o in t), n) for t,n in seen]==[('a7',1), ('late',None), ('b7',1), ('c7',1)]


def test_a_broker_that_cannot_note_it_is_asked_again_and_nothing_is_acknowledged(web):
    log = []
    app = app_of(web, log)
    works = []
    real = app.hub.broker.handled
    async def handled(client, n):
        if not works: raise OSError('disk full')
        await real(client, n)
    app.hub.broker.handled = handled
    web.serve(app)
    s = Script(web).open()
    s.say(msg='a')
    until(lambda: web.logged('could not be noted'))
    s.drain()
    assert not [o for o in s.told if 'ack' in o] and s.kept
    works.append(1)
    s.drop()
    s.open()
    s.acks(1)
    assert texts(log)==['a']


def test_what_is_noted_late_is_acknowledged_where_the_client_is_now(web):
    log,go = [],Gate()
    app = app_of(web, log)
    real = app.hub.broker.handled
    async def handled(client, n):
        await go.passed()
        await real(client, n)
    app.hub.broker.handled = handled
    web.serve(app)
    s = Script(web).open()
    s.say(msg='a')
    until(lambda: log)
    s.lose()
    s.open(resend=False)
    assert s.hello['acked']==0
    go.set()
    s.acks(1)
    assert texts(log)==['a']


def test_a_broker_that_hangs_does_not_keep_a_connection_from_ending(web):
    app,ended,go = web.app(),[],Gate()
    async def handled(client, n): await go.passed()
    app.hub.broker.handled = handled
    app.ws('/ws', disconn=lambda: ended.append(1))(lambda: None)
    web.serve(app)
    s = Script(web).open()
    s.say()
    s.drain()
    s.drop()
    until(lambda: ended and not app.hub.connections)
    go.set()


def test_the_goodbye_of_a_server_that_goes_down_comes_after_the_acknowledgement(web):
    log = []
    web.serve(app_of(web, log), ws='fasthtml_ws.server:WebSocketProtocol')
    s = Script(web).open()
    s.say(msg='a')
    until(lambda: log)
    web.servers[0].stop()
    with pytest.raises(Closed) as e:
        while True: s.read()
    assert e.value.code==1012 and s.acked==1 and not s.kept


# SIGKILL

served = '''
    import asyncio, os, sys, uvicorn
    from fasthtml_ws.common import *
    from fasthtml_ws.policy import Keep
    app = FastHTML(secret_key='x', policy=Policy(history=sys.argv[2], keep={'room': Keep(messages=100_000)}))
    async def say(ws, msg:str):
        app.hub.publish('room', Div(msg), data=msg)
        if os.urandom(1)[0]<40: await asyncio.sleep(.002)
    app.ws('/ws')(say)
    @app.get('/all')
    async def all_of_it(): return JSONResponse([p.data for p in (await app.hub.history('room')).items])
    @app.get('/die')
    def die(): os.kill(os.getpid(), 9)
    uvicorn.run(app, port=int(sys.argv[1]), log_level='warning', ws='fasthtml_ws.server:WebSocketProtocol')
'''

class Killable:
    def __init__(self, tmp_path):
        with socket.socket() as s: s.bind(('127.0.0.1', 0)); self.port = s.getsockname()[1]
        (tmp_path/'served.py').write_text(textwrap.dedent(served))
        self.cmd = [sys.executable, str(tmp_path/'served.py'), str(self.port), str(tmp_path/'h.db')]
        self.folder = tmp_path
        self.start()

    def start(self):
        self.proc = subprocess.Popen(self.cmd, cwd=self.folder)
        until(self.up, 'start of the server')

    def up(self):
        assert self.proc.poll() is None
        try: socket.create_connection(('127.0.0.1', self.port), 1).close(); return True
        except OSError: return False

    def kill(self):
        self.proc.send_signal(signal.SIGKILL)
        self.proc.wait()

    def get(self, path):
        with socket.create_connection(('127.0.0.1', self.port), wait_s) as s:
            s.sendall(f'GET {path} HTTP/1.0\r\nHost: x\r\n\r\n'.encode())
            raw = b''.join(iter(lambda: s.recv(65536), b''))
        return json.loads(raw.partition(b'\r\n\r\n')[2])


@pytest.mark.skipif(sys.platform=='win32', reason='there is no SIGKILL')
def test_killed_at_any_moment_every_message_is_published_once(tmp_path):
    server = Killable(tmp_path)
    try:
        s = Script(None)
        s.web = type('W', (), {'connect': staticmethod(lambda path, **kw: Client(server.port, path, **kw))})
        for round in range(8):
            s.open()
            for i in range(30): s.say(msg=f'{round}.{i}')
            end = time.monotonic() + .004*round
            try:
                while time.monotonic()<end:
                    if s.c.silent(.001): continue
            except Exception: pass
            server.kill()
            s.lose().drop()
            server.start()
        s.open()
        s.acks(s.n)
        assert server.get('/all')==[f'{r}.{i}' for r in range(8) for i in range(30)]
    finally: server.kill()
