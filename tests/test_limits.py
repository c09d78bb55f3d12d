"The limits of an open connection: how fast, how long, how many; on the app and on the route, and on every websocket class of uvicorn."
import asyncio, functools, importlib.util, json, socket, sys, threading, time
from fractions import Fraction
from math import inf

import pytest
from hypothesis import given, strategies as st

from fasthtml_ws import connection
from fasthtml_ws.errors import CloseCode, HandlerTimeout, TooManyTopics
from fasthtml_ws.limits import Intake, Pace
from fasthtml_ws.policy import Policy
from fasthtml_ws.transport import Eager
from tests.kit import *
from tests.proofs import flood

classes = [o for o in ('websockets-sansio','websockets','wsproto') if o!='wsproto' or importlib.util.find_spec('wsproto')]
each_class = pytest.mark.parametrize('ws', classes)
where = pytest.mark.parametrize('where', ['app','route'])
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning') # uvicorn's older class says that it is old


def limited(web, where, recv, conf=None, app_policy=None, **policy):
    "An app with `recv` at /ws, whose policy stands on the app or on the route, and its server"
    app = web.app(**(app_policy or {}), **(policy if where=='app' else {}))
    conf = conf or {}
    given = {k: conf.pop(k) for k in ('conn','disconn','error','cancel') if k in conf}
    app.ws('/ws', policy=web.lib.Policy(**policy) if where=='route' else None, **given)(recv)
    return app,web.serve(app, **conf)


# The token bucket

class Bucket:
    "A token bucket as the textbooks have it"
    def __init__(self, rate, burst): self.rate,self.burst,self.tokens,self.at = rate,burst,Fraction(burst),None
    def wait(self, now):
        if self.at is not None: self.tokens = min(self.burst, self.tokens+(now-self.at)*self.rate)
        self.at = now
        return max(0, (1-self.tokens)/self.rate)
    def take(self, now): self.wait(now); self.tokens -= 1

tokens = st.sampled_from([0, 0, 0]) | st.fractions(0, 3, max_denominator=9) # that fall into the bucket between two messages

@given(st.fractions(Fraction(1, 20), 100, max_denominator=20), st.integers(1, 6), st.lists(st.tuples(tokens, st.sampled_from(['ask','take','wait'])), max_size=60))
def test_pace_is_a_token_bucket(rate, burst, steps):
    "In exact arithmetic it gives what a bucket with a counter gives; a token may be owed"
    pace,bucket,now = Pace(rate, burst),Bucket(rate, burst),Fraction(0)
    for later,what in steps:
        now += later/rate
        secs = pace.wait(now)
        assert secs==bucket.wait(now)
        if what=='wait': now += secs
        if what!='ask': pace.take(now); bucket.take(now)

@given(st.floats(.01, 1e5), st.integers(1, 20), st.lists(st.just(0.) | st.floats(0, 3), max_size=80))
def test_no_span_of_time_sees_more_than_the_burst_and_the_rate(rate, burst, gaps):
    "With the floats of a clock, for whoever waits as long as it is told to"
    pace,now,taken = Pace(rate, burst),1e6,[]
    for later in gaps:
        now += later/rate
        while secs := pace.wait(now): now = max(now+secs, now*(1+2e-16))
        pace.take(now)
        taken.append(now)
    for i,a in enumerate(taken):
        for j in range(i, len(taken)): assert j-i+1 <= burst+(taken[j]-a)*rate+1e-3+rate*1e-9*len(taken)

def test_intake_counts_from_the_first_message_that_has_to_wait():
    i = Intake(Policy(rate=2, burst=1, inbox_messages=3, throttle_timeout=4))
    assert i.wait(0, 10.)==0 and i.left(10.) is None
    i.accept(10.)
    assert i.wait(0, 10.)==.5 and i.wait(3, 10.25)==inf and i.left(11.)==3
    assert i.wait(0, 11.)==0 and i.left(11.)==3 # one that is let in is no catching up
    i.caught_up()
    assert i.left(99.) is None


# Messages a second

@where
@each_class
def test_throttled_client_is_read_more_slowly_and_loses_nothing(web, where, ws):
    seen = []
    async def recv(n:int): seen.append((n, time.monotonic())); return f'{n}'
    app,_ = limited(web, where, recv, dict(ws=ws), rate=50, burst=5)
    c = web.connect()
    for i in range(20): c.send(n=i)
    assert [c.recv().strip() for _ in range(20)]==[str(i) for i in range(20)]
    assert [n for n,_ in seen]==list(range(20))
    at = [t-seen[0][1] for _,t in seen]
    assert all(t > (i-4)/50-.02 for i,t in enumerate(at)), at # a bucket of five, then one each 20 ms
    assert app.hub.stats().throttled==0


def test_rate_is_of_one_connection(web):
    async def recv(n:int): return f'{n}'
    limited(web, 'app', recv, rate=.01, burst=1)
    for i in range(5):
        c = web.connect()
        c.send(n=i)
        assert c.recv().strip()==str(i)


@where
@each_class
def test_too_fast_is_closed_with_1008(web, where, ws):
    gate,seen = Gate(),[]
    async def recv(n:int): await gate.passed(); seen.append(n)
    limited(web, where, recv, dict(ws=ws, disconn=lambda: seen.append('disconn')), rate=.01, burst=5, too_fast='close')
    c = web.connect()
    for i in range(20): c.send(n=i)
    end = c.closed()
    assert (end.code,end.reason)==(CloseCode.policy_violation, 'more than 0.01 messages a second')
    assert seen==[]
    gate.set()
    until(lambda: 'disconn' in seen)
    assert seen==[0, 1, 2, 3, 4, 'disconn'] # what was accepted was handled


def test_who_is_not_too_fast_is_not_closed(web):
    seen = []
    async def recv(n:int): seen.append(n); return 'ok'
    limited(web, 'app', recv, rate=20, burst=2, too_fast='close')
    c = web.connect()
    for i in range(12): c.send(n=i); c.recv(); time.sleep(.055)
    assert seen==list(range(12))


def test_what_a_slow_handler_has_held_back_is_not_too_fast(web):
    "It is read all at once when the handler is done, and nobody knows when it came"
    gate,seen = Gate(),[]
    async def recv(n:int):
        if not n: await gate.passed()
        seen.append(n)
    limited(web, 'app', recv, rate=.01, burst=4, too_fast='close', inbox_messages=2)
    c = web.connect()
    for i in range(40): c.send(n=i)
    until(lambda: web.servers[-1].app.hub.stats().received==4) # one is handled, two wait, one is held back
    gate.set()
    ws = next(iter(web.servers[-1].app.hub.connections))
    until(lambda: len(seen)==40 and ws._intake.since is None)
    c.send(n=40)
    until(lambda: len(seen)==41)
    for i in range(5): c.send(n=41+i)
    assert c.closed().code==1008 # and from now on it is judged again


# Turns

def turns(web, n=200, **conf):
    "What a flood and a counter of the loop's turns saw, in their order"
    seen = []
    async def recv(n:int):
        seen.append('message')
        asyncio.get_running_loop().call_soon(seen.append, 'turn')
        if n<0: return 'last'
    limited(web, 'app', recv, conf)
    c = web.connect()
    c.sock.sendall(b''.join(frame(f'{{"n":{-(i==n-1)}}}'.encode()) for i in range(n)))
    assert c.recv().strip()=='last'
    return seen


def frame(data): return bytes([0x81, 0x80|len(data)]) + bytes(4) + data


def between(seen): return any(a==b=='message' for a,b in zip(seen, seen[1:]))


@each_class
@pytest.mark.parametrize('loop', ['asyncio','uvloop'])
def test_others_get_a_turn_between_two_messages(web, ws, loop):
    seen = turns(web, ws=ws, loop=loop)
    assert seen.count('message')==200 and not between(seen)


@pytest.mark.parametrize('loop', ['asyncio','uvloop'])
def test_what_one_read_brings_is_bounded(web, loop):
    "Nobody else has a turn while the server takes it apart"
    def size(): return next(iter(app.hub.connections)).writer.transport.get_extra_info('socket').getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    async def recv(n:int): pass
    app,s = limited(web, 'app', recv, dict(loop=loop))
    web.connect()
    until(lambda: app.hub.connections)
    assert s.call(size)<=32_768


def eager(self, f, *args):
    "As a task of Python 3.12 does whose coroutine has nothing to wait for"
    if (rest := f(*args)) is None: return
    try: fut = rest.send(None)
    except StopIteration: return
    raise AssertionError(f'this handler has to wait, for {fut!r}')


@each_class
def test_others_get_a_turn_where_tasks_begin_at_once(web, ws, monkeypatch):
    "As they do from Python 3.12 on: the worker is done before the reader goes on"
    monkeypatch.setattr(Eager, 'run', eager)
    seen = turns(web, ws=ws)
    assert seen.count('message')==200 and not between(seen)


def test_lone_message_takes_no_turn_more(web):
    "One turn of the loop for the reader and one for the worker, as before there were limits"
    app,got = web.app(),[]
    @app.ws('/ws')
    async def recv(n:int): return f'{n}'
    s = web.serve(app)
    web.connect()
    until(lambda: app.hub.connections)
    ws = next(iter(app.hub.connections))
    async def go():
        inbox,route = asyncio.Queue(),ws.route
        async def send(m): got.append(m['type'])
        task = asyncio.create_task(connection.Connection(dict(ws.scope), inbox.get, send, route).run())
        for _ in range(10): await asyncio.sleep(0)
        for i in range(5):
            inbox.put_nowait({'type':'websocket.receive', 'text':'{"n":1}'})
            for _ in range(2): await asyncio.sleep(0) # the queue wakes the reader, the reader starts the worker
            assert len(got)==i+2
        inbox.put_nowait({'type':'websocket.disconnect'})
        await task
    s.run(go())
    assert web.logged('gives no way to abort')


def test_turns_of_what_waited_behind_a_slow_handler(web):
    gate,seen = Gate(),[]
    async def recv(n:int):
        if not n: await gate.passed()
        seen.append('message')
        asyncio.get_running_loop().call_soon(seen.append, 'turn')
    app,_ = limited(web, 'app', recv)
    c = web.connect()
    for i in range(20): c.send(n=i)
    until(lambda: app.hub.stats().received==20)
    gate.set()
    until(lambda: seen.count('message')==20)
    assert not between(seen)


@pytest.mark.skipif(sys.platform=='win32', reason='the server is ended with a signal')
@pytest.mark.parametrize('how', flood.kinds)
def test_flood_is_handled_and_the_others_are_answered(how):
    "Plain uvicorn in a process of its own; how long the others wait is measured by the bench"
    res = flood.run(how, frames=1500, others=5, pause=.02, seconds=.3)
    print(res)
    assert not res.problems and res.handled>=1500 and len(res.flooded)>5


# Held back for too long

@where
@each_class
def test_full_inbox_ends_with_1013_and_what_was_accepted_is_handled(web, where, ws):
    gate,seen = Gate(),[]
    async def recv(n:int, send): await gate.passed(); seen.append((n, bool(send('answer'))))
    app,_ = limited(web, where, recv, dict(ws=ws, disconn=lambda: seen.append('disconn')), inbox_messages=4, throttle_timeout=.2)
    c = web.connect()
    begun = time.monotonic()
    for i in range(40): c.send(n=i)
    end = c.closed()
    assert (end.code,end.reason)==(CloseCode.try_again_later, 'too much at once') and time.monotonic()-begun > .2
    assert seen==[] and app.hub.stats().throttled==1
    gate.set()
    until(lambda: 'disconn' in seen)
    assert seen==[*((i, False) for i in range(5)), 'disconn'] # one was being handled, four waited, and nobody is there for the answers
    assert len(web.logged('more than is read', '/ws', '1013'))==1
    until(lambda: app.hub.stats().connections==0)
    assert app.hub.stats().throttled==1


@where
@each_class
def test_rate_that_is_passed_for_too_long_ends_with_1013(web, where, ws):
    seen = []
    async def recv(n:int): seen.append(n)
    app,_ = limited(web, where, recv, dict(ws=ws), rate=20, burst=1, throttle_timeout=.3)
    c = web.connect()
    for i in range(300): c.send(n=i)
    assert c.closed().code==1013
    until(lambda: app.hub.stats().connections==0)
    assert seen==list(range(len(seen))) and 3 <= len(seen) <= 20
    assert app.hub.stats().throttled==1 and web.logged('1013')


@each_class
@pytest.mark.parametrize('loop', ['asyncio','uvloop'])
def test_who_has_been_read_has_caught_up(web, ws, loop):
    "And only then: not between two messages, however they come in from the network"
    seen,since = [],set()
    async def recv(n:int, ws): seen.append(n); since.add(behind(ws)._intake.since)
    app,_ = limited(web, 'app', recv, dict(ws=ws, loop=loop), rate=100, burst=1)
    c = web.connect()
    until(lambda: app.hub.connections)
    intake = next(iter(app.hub.connections))._intake
    for i in range(6):
        since.clear()
        text = [frame(f'{{"n":{i*8+j}}}'.encode()) for j in range(8)]
        for data in text if i%2 else [b''.join(text)]: c.sock.sendall(data)
        until(lambda i=i: len(seen)==i*8+8 and intake.since is None)
        assert len(since-{None})==1 or i%2 # who sends one after the other may have been read in between
    assert seen==list(range(48))


def test_who_catches_up_again_and_again_stays(web):
    "Held back for more than `throttle_timeout` in all, and never for so long at a stretch"
    seen = []
    async def recv(n:int): seen.append(n)
    app,_ = limited(web, 'app', recv, rate=50, burst=1, throttle_timeout=1)
    c = web.connect()
    for i in range(10):
        for j in range(8): c.send(n=i*8+j)
        until(lambda i=i: len(seen)==i*8+8)
        c.ping()
        time.sleep(.01)
    assert seen==list(range(80)) and app.hub.stats().throttled==0


@each_class
def test_full_inbox_that_empties_in_time_is_no_reason(web, ws):
    gate,seen = Gate(),[]
    async def recv(n:int): await gate.passed(); seen.append(n)
    app,_ = limited(web, 'app', recv, dict(ws=ws), inbox_messages=2, throttle_timeout=.5)
    c = web.connect()
    for i in range(30): c.send(n=i)
    time.sleep(.2)
    gate.set()
    until(lambda: len(seen)==30)
    time.sleep(.5)
    c.ping()
    assert seen==list(range(30)) and app.hub.stats().throttled==0


def test_exactly_full_inbox_is_not_held_back(web):
    "Nothing is unread then, so a departure is noticed as well"
    gate,seen = Gate(),[]
    async def recv(n:int): await gate.passed(); seen.append(n)
    app,_ = limited(web, 'app', recv, inbox_messages=3, throttle_timeout=.1)
    c = web.connect()
    for i in range(4): c.send(n=i) # one is handled, three wait
    c.ping()
    time.sleep(.3)
    c.ping()
    assert app.hub.stats().throttled==0
    ws = next(iter(app.hub.connections))
    c.leave()
    until(lambda: not ws.is_open)
    gate.set()
    until(lambda: len(seen)==4)


def test_who_leaves_while_it_is_held_back_is_gone_in_time(web):
    seen = []
    async def recv(n:int, send): seen.append(n); send('answer')
    app,s = limited(web, 'app', recv, dict(disconn=lambda: seen.append('disconn')), rate=20, burst=1, throttle_timeout=.3)
    c = web.connect()
    for i in range(300): c.send(n=i)
    until(lambda: seen)
    c.reset()
    until(lambda: 'disconn' in seen)
    assert seen[:-1]==list(range(len(seen)-1)) and len(seen)<30
    until(lambda: not app.hub.connections)
    web.logged('1013')


def test_handlers_that_end_with_their_client_do_so_here_too(web):
    "`cancel=True` is for those whose work is for nothing when nobody is there"
    gate,seen = Gate(),[]
    async def recv(n:int):
        try: await gate.passed()
        except asyncio.CancelledError: seen.append('cancelled'); raise
        seen.append(n)
    limited(web, 'app', recv, dict(cancel=True, disconn=lambda: seen.append('disconn')), inbox_messages=2, throttle_timeout=.1)
    c = web.connect()
    for i in range(9): c.send(n=i)
    assert c.closed().code==1013
    until(lambda: 'disconn' in seen)
    assert seen==['cancelled','disconn'] and web.logged('1013')


# Pings

pings = dict(ws_ping_interval=.5, ws_ping_timeout=.5)

@each_class
@pytest.mark.parametrize('how,where', [('rate','app'),('inbox','route')])
def test_flood_of_three_ping_periods_ends_with_1013_and_never_1011(web, where, ws, how, monkeypatch):
    "It comes back whenever it is told to, as htmx does; what was accepted is handled, in order and once"
    seen,accepted,sent,codes = {},{},0,[]
    add = connection.Connection._add
    monkeypatch.setattr(connection.Connection, '_add', lambda ws, job: (accepted.setdefault(ws.id, []).append(json.loads(job)['n']), add(ws, job)))
    async def recv(n:int, ws):
        if how=='inbox': await asyncio.sleep(.02)
        seen.setdefault(ws.id, []).append(n)
    policy = dict(rate=50, burst=2) if how=='rate' else dict(inbox_messages=4)
    app,_ = limited(web, where, recv, dict(ws=ws, **pings), throttle_timeout=.23, **policy)
    end,c = time.monotonic()+1.6,web.connect()
    while time.monotonic()<end:
        try:
            for _ in range(100): c.send(n=sent); sent += 1
            c.silent(.01)
        except (Closed, OSError) as e: codes.append(getattr(e, 'code', 1006)); c = web.connect()
    until(lambda: app.hub.stats().throttled>=len(codes))
    c.leave()
    until(lambda: not app.hub.connections)
    assert set(codes)=={1013} and len(codes)>1, codes
    assert seen==accepted and all(len(o)>1 and o==list(range(o[0], o[-1]+1)) for o in seen.values())
    assert len(web.logged('1013'))==app.hub.stats().throttled


@each_class
def test_client_that_is_throttled_for_three_ping_periods_and_catches_up_stays(web, ws):
    seen,n = [],0
    async def recv(n:int): seen.append(n)
    app,_ = limited(web, 'app', recv, dict(ws=ws, **pings), rate=60, burst=1, throttle_timeout=.24)
    c,end = web.connect(),time.monotonic()+1.8
    while time.monotonic()<end:
        for _ in range(3): c.send(n=n); n += 1 # held back for 33 ms
        c.silent(.05) # reads, so it answers pings
        until(lambda n=n: len(seen)==n)
    c.ping()
    until(lambda n=n: len(seen)==n)
    assert seen==list(range(n)) and n>30 and app.hub.stats().throttled==0


@pytest.mark.parametrize('ws', [o for o in classes if o!='websockets']) # that one does not tell whether it waits for a pong
@pytest.mark.parametrize('loop', ['asyncio','uvloop'])
@pytest.mark.parametrize('tasks', ['usual','eager'])
def test_flood_that_only_the_work_holds_back_ends_with_1013_as_well(web, ws, loop, tasks, monkeypatch):
    "No limit is passed, but its pong stands behind seconds of work"
    if tasks=='eager': monkeypatch.setattr(Eager, 'run', eager)
    seen = []
    async def recv(n:int): time.sleep(.002); seen.append(n)
    app,_ = limited(web, 'app', recv, dict(ws=ws, loop=loop, **pings), throttle_timeout=.2)
    c = web.connect()
    c.sock.sendall(b''.join(frame(b'{"n":%d}' % i) for i in range(3_000)))
    assert c.closed().code==1013 and app.hub.stats().throttled==1
    until(lambda: not app.hub.connections)
    assert 10 < len(seen) < 3_000 and seen==list(range(len(seen))) and len(web.logged("1013"))==1


def test_pong_that_comes_late_with_all_the_rest_is_no_reason(web):
    "A bad line keeps everything back, and then it comes in one piece"
    async def recv(): pass
    app,s = limited(web, 'app', recv, throttle_timeout=5)
    web.connect()
    until(lambda: app.hub.connections)
    ws = next(iter(app.hub.connections))
    server,seen = ws._receive.__self__,[]
    def waits(ago, noticed=None):
        server.pending_ping_payload,server.ping_sent_at = b'ping',-ago
        if noticed is not None: ws._noticed = -noticed
        return ws._misses_pong()
    async def go():
        ws._loop = type('Stopped', (), {'time': lambda self: 0.})() # a clock that stands still
        try: seen.extend([ws._misses_pong(), waits(12), waits(12, noticed=2), waits(12, noticed=3), waits(4, noticed=3), waits(12.5)])
        finally: ws._loop,server.pending_ping_payload = asyncio.get_running_loop(),None
    s.run(go())
    assert seen==[False, False, False, True, False, False]


def test_flood_that_only_the_work_holds_back_is_handled_where_no_pong_is_late(web):
    "However long that takes"
    seen = []
    async def recv(n:int): time.sleep(.002); seen.append(n)
    app,_ = limited(web, 'app', recv, dict(ws_ping_interval=None), throttle_timeout=.1)
    c = web.connect()
    c.sock.sendall(b''.join(frame(b'{"n":%d}' % i) for i in range(300)))
    until(lambda: len(seen)==300)
    c.ping()
    assert app.hub.stats().throttled==0


@pytest.mark.parametrize('ws', [o for o in classes if o!='websockets'])
def test_why_the_time_has_to_be_shorter_than_the_ping_timeout(web, ws):
    "Otherwise the server misses a pong that it has not read; it is said once"
    async def recv(n:int): pass
    app,_ = limited(web, 'app', recv, dict(ws=ws, **pings), rate=20, burst=1, throttle_timeout=2)
    for _ in range(2):
        c = web.connect()
        for i in range(300): c.send(n=i)
        assert c.closed().code==1011
    assert len(web.logged('throttle_timeout (2 s)', 'ping timeout of the server (0.5 s)', '1011'))==1
    until(lambda: not app.hub.connections)
    web.logged('closed with 1013') # the server has hung up by then


# Time of a handler

async def hangs(n:int):
    await asyncio.sleep(60 if n else 0)
    return f'done {n}'

async def streams(n:int):
    while True:
        yield 'done 0'
        if not n: return
        await asyncio.sleep(.01)

def streams_in_thread(n:int):
    while True:
        yield 'done 0'
        if not n: return
        time.sleep(.01)

@functools.wraps(hangs)
def wrapped(**kw): return hangs(**kw)

all_kinds = pytest.mark.parametrize('recv', [hangs, streams, streams_in_thread, wrapped], ids=['coroutine','stream','stream in thread','wrapped'])

@where
@all_kinds
def test_handler_that_takes_too_long_is_stopped_and_its_sender_told(web, where, recv):
    limited(web, where, recv, handler_timeout=.15)
    c = web.connect()
    for _ in range(2):
        c.send(n=1)
        while 'done' in (answer := c.recv()): pass
        assert 'This took longer than 0.15 s and was stopped' in answer
        c.send(n=0)
        assert c.recv().strip()=='done 0'
    assert len(web.logged('took longer than 0.15 s and was cancelled', '/ws'))==2


def test_handler_that_is_stopped_cleans_up(web):
    seen = []
    async def recv(n:int):
        try: await asyncio.sleep(60)
        finally: seen.append('cleaned up')
    def error(error): seen.append(type(error)); return str(error)
    limited(web, 'app', recv, dict(error=error), handler_timeout=.1)
    c = web.connect()
    c.send(n=1)
    assert c.recv().strip()=='This took longer than 0.1 s and was stopped'
    assert seen==['cleaned up', HandlerTimeout] and web.logged('cancelled')


def test_timeout_of_its_own_is_an_error_like_any_other(web):
    async def recv(n:int):
        async with asyncio.timeout(.01): await asyncio.sleep(60)
    limited(web, 'app', recv, handler_timeout=30)
    c = web.connect()
    c.send(n=1)
    assert 'Something went wrong' in c.recv()
    assert len(web.logged('TimeoutError'))==1


def test_handler_that_is_quick_enough_is_not_stopped(web):
    limited(web, 'app', hangs, handler_timeout=.2)
    c = web.connect()
    for _ in range(20): c.send(n=0)
    assert all(c.recv().strip()=='done 0' for _ in range(20))


def test_time_begins_with_each_message(web):
    async def recv(n:int): await asyncio.sleep(.06); return f'{n}'
    limited(web, 'app', recv, handler_timeout=2)
    c = web.connect()
    for i in range(40): c.send(n=i) # 2.4 s in all
    assert [c.recv().strip() for _ in range(40)]==[str(i) for i in range(40)]


def test_client_that_leaves_while_a_limited_handler_runs(web):
    seen = []
    async def recv(n:int):
        try: await asyncio.sleep(.3); seen.append(n)
        except asyncio.CancelledError: seen.append('cancelled'); raise
    limited(web, 'app', recv, dict(disconn=lambda: seen.append('disconn')), handler_timeout=20)
    c = web.connect()
    c.send(n=1)
    c.ping()
    c.drop()
    until(lambda: 'disconn' in seen)
    assert seen==[1, 'disconn']


@where
def test_thread_is_not_stopped_and_keeps_only_a_thread_of_its_pool(web, where):
    gate,seen = Gate(),[]
    def recv(n:int):
        if n: gate.wait()
        seen.append(threading.get_ident())
        return f'done {n}'
    app = web.app(**(dict(handler_timeout=.1, threads=2) if where=='app' else dict(threads=2)))
    app.ws('/ws', policy=web.lib.Policy(handler_timeout=.1) if where=='route' else None)(recv)
    app.ws('/loop')(hangs)
    @app.get('/page')
    def page(): return f'thread {threading.get_ident()}'
    s = web.serve(app)
    stuck,free,loop = web.connect(),web.connect(),web.connect('/loop')
    stuck.send(n=1); stuck.send(n=0)
    for _ in range(20): # the other thread of the pool, FastHTML's own pool, and the loop
        free.send(n=0); assert free.recv().strip()=='done 0'
        loop.send(n=0); assert loop.recv().strip()=='done 0'
        assert 'thread' in s.get('/page')[0]
    assert stuck.silent(.15)
    gate.set()
    assert [stuck.recv().strip() for _ in range(2)]==['done 1','done 0'] # it was late, and its answer is sent


# Time of the handshake

@where
@each_class
def test_conn_that_takes_too_long_is_cancelled_and_closed_with_1013(web, where, ws):
    seen = []
    async def conn():
        try: await asyncio.sleep(60)
        except asyncio.CancelledError: seen.append('cancelled'); raise
    limited(web, where, lambda: seen.append('message'), dict(ws=ws, conn=conn, disconn=lambda: seen.append('disconn')), handshake_timeout=.15)
    c = web.connect()
    c.send('{}')
    end = c.closed()
    assert (end.code,end.reason)==(1013, 'not ready')
    until(lambda: 'disconn' in seen)
    assert seen==['cancelled','disconn'] and len(web.logged('took longer than 0.15 s', '/ws', 'conn'))==1


def test_conn_that_streams_is_not_limited(web):
    async def conn():
        for i in range(8): yield f'{i}'; await asyncio.sleep(.04)
    limited(web, 'app', hangs, dict(conn=conn), handshake_timeout=.1)
    c = web.connect()
    c.send(n=0)
    assert [c.recv().strip() for _ in range(9)]==[*'01234567', 'done 0']


def test_conn_in_time_leaves_no_limit_behind(web):
    async def conn(): await asyncio.sleep(.02)
    async def recv(): await asyncio.sleep(.2); return 'late'
    limited(web, 'app', recv, dict(conn=conn), handshake_timeout=.1)
    c = web.connect()
    c.send('{}')
    assert c.recv().strip()=='late'


# Silence

@where
@each_class
def test_silent_client_is_closed_with_4408(web, where, ws):
    seen = []
    async def recv(n:int): return f'{n}'
    app,_ = limited(web, where, recv, dict(ws=ws, disconn=lambda: seen.append('disconn')), idle_timeout=.25)
    c,begun = web.connect(),time.monotonic()
    end = c.closed()
    assert (end.code,end.reason)==(CloseCode.idle, 'nothing was said for 0.25 s') and time.monotonic()-begun > .2
    until(lambda: seen==['disconn'])


def test_who_says_something_is_not_idle_and_costs_one_timer(web):
    async def recv(n:int): return f'{n}'
    app,_ = limited(web, 'app', recv, idle_timeout=.6)
    c,begun = web.connect(),time.monotonic()
    until(lambda: app.hub.connections)
    ws,timers = next(iter(app.hub.connections)),[]
    while time.monotonic()-begun < 1.5:
        c.send(n=1)
        c.recv()
        timers.append(ws._idle)
        time.sleep(.02)
    assert len(timers)>20 and len(set(map(id, timers)))<=4 # one looks again each time that it is over
    last = time.monotonic()
    assert c.closed().code==4408 and time.monotonic()-last > .5


def test_answer_that_takes_long_is_no_silence(web):
    "The client waits for us, and its time begins when we are done"
    async def recv(n:int): await asyncio.sleep(.6); return 'late'
    limited(web, 'app', recv, idle_timeout=.2)
    c = web.connect()
    c.send(n=1)
    assert c.recv().strip()=='late'
    done = time.monotonic()
    assert c.closed().code==4408 and time.monotonic()-done > .15


def test_who_is_held_back_is_not_idle(web):
    seen = []
    async def recv(n:int): seen.append(n)
    app,_ = limited(web, 'app', recv, rate=5, burst=1, idle_timeout=.1, throttle_timeout=5)
    c = web.connect()
    for i in range(4): c.send(n=i)
    assert c.closed().code==4408
    assert seen==[0, 1, 2, 3]


def test_who_has_left_is_not_idle(web):
    gate,seen = Gate(),[]
    async def recv(n:int): await gate.passed(); seen.append(n)
    limited(web, 'app', recv, dict(disconn=lambda: seen.append('disconn')), idle_timeout=.1)
    c = web.connect()
    c.send(n=1)
    c.ping()
    c.drop()
    time.sleep(.3)
    gate.set()
    until(lambda: 'disconn' in seen)
    assert seen==[1, 'disconn']


# Topics

def topics(web, where, kind, most=3):
    "An app whose messages subscribe and unsubscribe, and say what went wrong"
    def f(ws, subscribe, unsubscribe):
        try:
            for t in unsubscribe: ws.unsubscribe(t)
            for t in subscribe: ws.subscribe(t)
        except TooManyTopics as e: ws.send_text(f'error {e}')
        else: ws.send_text('fine')
    async def af(ws, subscribe:list[str]|None=None, unsubscribe:list[str]|None=None): f(ws, subscribe or [], unsubscribe or [])
    def sf(ws, subscribe:list[str]|None=None, unsubscribe:list[str]|None=None): f(ws, subscribe or [], unsubscribe or [])
    app,s = limited(web, where, af if kind=='async' else sf, app_policy=dict(user=lambda ws: 'ann'), topics=most)
    c = web.connect()
    def ask(**kw): c.send(**kw); return c.recv()
    return app,s,c,ask


@where
@both
def test_too_many_topics_are_an_error_that_says_so(web, where, kind):
    app,_,c,ask = topics(web, where, kind)
    assert ask(subscribe=['a','b','c'])=='fine' # the user's own is not counted
    answer = ask(subscribe=['d'])
    assert answer.startswith('error') and '/ws' in answer and '3 topics' in answer and "'d'" in answer and 'Policy(topics=...)' in answer
    assert ask(subscribe=['a','b'])=='fine' # those it has
    ws = next(iter(app.hub.connections))
    assert ws.topics==['a','b','c'] and app.hub.topics.topics(ws)==['@user:ann','a','b','c']
    app.hub.publish('d', 'not for it'); app.hub.publish_to_user('ann', 'for it')
    assert c.recv().strip()=='for it'


@both
def test_loop_of_subscriptions_in_one_handler_is_stopped_where_it_is_written(web, kind):
    app,s,c,ask = topics(web, 'app', kind)
    assert ask(subscribe=[f't{i}' for i in range(50)]).startswith('error')
    assert next(iter(app.hub.connections)).topics==['t0','t1','t2']


@both
def test_leaving_a_topic_makes_room(web, kind):
    app,_,c,ask = topics(web, 'app', kind, 1)
    for i in range(5): assert ask(unsubscribe=[f't{i-1}'], subscribe=[f't{i}'])=='fine'
    assert next(iter(app.hub.connections)).topics==['t4']
    c.leave()
    until(lambda: not app.hub.connections)
    assert not app.hub._wanted and not app.hub.topics.members('t4')


def test_threads_that_subscribe_together_do_not_pass_the_limit(web):
    app,s,c,ask = topics(web, 'app', 'async', 10)
    assert ask()=='fine'
    ws,errors = next(iter(app.hub.connections)),[]
    def some(i):
        for j in range(20):
            try: ws.subscribe(f'{i}-{j}')
            except TooManyTopics: errors.append(1)
    ts = [threading.Thread(target=some, args=(i,)) for i in range(4)]
    for t in ts: t.start()
    for t in ts: t.join()
    assert ask()=='fine'
    assert len(errors)==70 and len(ws.topics)==10


def test_subscribing_after_the_end_leaves_nothing(web):
    app,s,c,ask = topics(web, 'app', 'async')
    ask()
    ws = next(iter(app.hub.connections))
    c.leave()
    until(lambda: not app.hub.connections)
    s.call(ws.subscribe, 'a')
    ws.subscribe('b') # from a thread
    assert not app.hub._wanted and not ws.topics


def test_error_that_nobody_catches_is_logged_and_answered(web):
    async def recv(ws): ws.subscribe('a'); ws.subscribe('b')
    limited(web, 'app', recv, topics=1)
    c = web.connect()
    c.send('{}')
    assert 'Something went wrong' in c.recv()
    assert len(web.logged('TooManyTopics', 'Policy(topics=...)'))==1
