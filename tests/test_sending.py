"What is sent arrives in order, from wherever it was sent; what cannot arrive hurts nobody."
import asyncio, re, threading, time, tracemalloc

import pytest
from starlette.websockets import WebSocketDisconnect
from starlette.exceptions import WebSocketException

from tests.kit import *


def mailbox(web, app=None, path='/ws', **kw):
    "An app that keeps the `send` and the `ws` of each client in a list, as the page's chat does in a dict"
    app,boxes = app or web.app(),[]
    def conn(ws, send): boxes.append((ws, send))
    app.ws(path, conn=conn, **kw)(lambda: None)
    return app,boxes


def joined(web, boxes, n=1, **kw):
    "`n` clients, in the order of `boxes`"
    res = []
    for _ in range(n):
        before = len(boxes)
        res.append(web.connect(**kw))
        until(lambda n=before: len(boxes)>n)
    return res if n>1 else res[0]


async def aio(x):
    "Await `x`, on whichever loop runs this"
    return await x


# Order

def test_order_of_the_calls_is_the_order_of_arrival(web):
    app = web.app()
    @app.ws('/ws')
    async def recv(ws, send):
        await send('1 send')
        await ws.send_text('2 text')
        await ws.send_json({'n':3})
        send('4 send, not awaited')
        await ws.send_bytes(b'5 bytes')
        return '6 returned'
    web.serve(app)
    c = web.connect()
    c.send('{}')
    got = [c.recv() for _ in range(6)]
    assert [o.strip() for o in got]==['1 send', '2 text', '{"n":3}', '4 send, not awaited', b'5 bytes', '6 returned']


def test_order_in_a_generator(web):
    app = web.app()
    @app.ws('/ws')
    async def recv(ws, send):
        for i in range(0, 30, 3):
            await send(f'{i}')
            yield f'{i+1}'
            await ws.send_text(f'{i+2}')
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert [int(c.recv()) for _ in range(30)]==list(range(30))


def test_order_in_a_thread(web):
    app = web.app()
    @app.ws('/ws')
    def recv(ws, send):
        for i in range(0, 100, 2): send(str(i)); ws.send_text(str(i+1))
        return '100'
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert [int(c.recv()) for _ in range(101)]==list(range(101))


def test_order_of_two_tasks_that_send_large_and_small(web):
    "A message that fills the buffers is not overtaken by the next"
    app,boxes = mailbox(web)
    s = web.serve(app, buffer=8192)
    c = joined(web, boxes, buffer=8192)
    _,send = boxes[0]
    async def many():
        for i in range(20): send(f'{i:06}'+'x'*(30_000 if i%3==0 else 1)); await asyncio.sleep(0)
    s.run(many())
    assert [int(c.recv()[:6]) for _ in range(20)]==list(range(20))


def test_nothing_to_send_sends_nothing(web):
    app = web.app()
    @app.ws('/ws')
    async def recv(send): assert await send(None); assert await send(''); assert await send(()); return 'only this'
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert c.recv().strip()=='only this' and c.silent()


# From wherever

def test_send_from_another_task(web):
    app,boxes = mailbox(web)
    s = web.serve(app)
    c = joined(web, boxes)
    assert s.run(aio(boxes[0][1]('from a task')))
    assert c.recv().strip()=='from a task'


def test_send_from_a_callback_of_the_loop(web):
    "There is no current task then"
    app,boxes = mailbox(web)
    s = web.serve(app)
    c = joined(web, boxes)
    for i in range(5): assert s.call(boxes[0][1], str(i))
    assert [c.recv().strip() for _ in range(5)]==list('01234')


def test_send_from_a_thread(web):
    app,boxes = mailbox(web)
    web.serve(app)
    c = joined(web, boxes)
    said = []
    t = threading.Thread(target=lambda: said.extend(bool(boxes[0][1](str(i))) for i in range(50)))
    t.start(); t.join()
    assert said==[True]*50 and [int(c.recv()) for _ in range(50)]==list(range(50))


def test_send_from_many_threads_loses_nothing(web):
    app,boxes = mailbox(web)
    web.serve(app)
    c = joined(web, boxes)
    def work(k):
        for i in range(50): boxes[0][1](f'{k} {i}')
    ts = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in ts: t.start()
    got = [c.recv().split() for _ in range(400)]
    for t in ts: t.join()
    assert all([int(i) for j,i in got if j==str(k)]==list(range(50)) for k in range(8))


@both
def test_send_from_an_http_route(web, kind):
    app,boxes = mailbox(web)
    @app.get('/sync')
    def sync(): return str([bool(send('news')) for _,send in boxes])
    @app.get('/async')
    async def coro(): return str([bool(await send('news')) for _,send in boxes])
    s = web.serve(app)
    cs = joined(web, boxes, 3)
    assert '[True, True, True]' in s.get(f'/{kind}')[0]
    assert [c.recv().strip() for c in cs]==['news']*3


def test_send_from_a_thread_after_the_server_ended(web):
    app,boxes = mailbox(web)
    s = web.serve(app)
    joined(web, boxes)
    s.stop(); s.join()
    assert not boxes[0][1]('late')


def test_a_thread_that_sends_too_fast_waits_and_loses_nothing(web):
    "The loop is held while the thread asks; what waits for it is bounded"
    app,boxes = mailbox(web, web.app(thread_calls=10))
    s = web.serve(app)
    c = joined(web, boxes)
    sent,held = [],threading.Event()
    def work():
        held.wait()
        for i in range(40): boxes[0][1](str(i)); sent.append(i)
    t = threading.Thread(target=work)
    t.start()
    def hold(): held.set(); time.sleep(.2); return len(sent)
    assert s.call(hold)==10
    assert [int(c.recv()) for _ in range(40)]==list(range(40))
    t.join()


def test_a_thread_that_the_loop_waits_for_is_told(web):
    "Code that holds the loop until a thread is done, and that thread has more to send than may wait"
    app,boxes = mailbox(web, web.app(thread_calls=5, thread_timeout=.1))
    s = web.serve(app)
    c = joined(web, boxes)
    errors = []
    def work():
        try: [boxes[0][1](str(i)) for i in range(10)]
        except TimeoutError as e: errors.append(str(e))
    def hold():
        t = threading.Thread(target=work)
        t.start(); t.join()
    s.call(hold)
    assert 'something holds it' in errors[0]
    assert [int(c.recv()) for _ in range(5)]==list(range(5))


def test_what_a_thread_sent_goes_out_before_what_its_handler_sends_next(web):
    app = web.app()
    async def recv(send, ws):
        def work():
            for i in range(300): send(str(i))
        await asyncio.to_thread(work)
        send('300')
    app.ws('/ws')(recv)
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert [int(c.recv()) for _ in range(301)]==list(range(301))


def test_nothing_that_a_thread_sends_to_an_idle_browser_is_superseded(web):
    app,boxes = mailbox(web)
    web.serve(app)
    c = joined(web, boxes, headers={'Origin':web.servers[-1].url})
    ws,send = boxes[0]
    t = threading.Thread(target=lambda: [send(web.lib.Div(str(i), id='x')) for i in range(100)])
    t.start(); t.join()
    assert [int(re.sub('<[^>]*>', '', c.recv())) for _ in range(100)]==list(range(100))
    assert not behind(ws).writer.outbox.superseded


# After the peer left

def gone(web, how='reset', **policy):
    "A server, and the `ws` and the `send` of a client that left"
    app,boxes,left = web.app(**policy),[],[]
    app.ws('/ws', conn=lambda ws, send: boxes.append((ws, send)), disconn=lambda: left.append(1))(lambda: None)
    s = web.serve(app)
    c = web.connect()
    until(lambda: boxes)
    getattr(c, how)()
    until(lambda: left)
    return s,*boxes[0]


@pytest.mark.parametrize('how', ['leave', 'reset', 'drop'])
def test_send_to_a_peer_that_left_is_false(web, how):
    s,ws,send = gone(web, how)
    async def all_kinds(): return [bool(await o) for o in (send('x'), ws.send_text('x'), ws.send_json({}), ws.send_bytes(b'x'), ws.close(4000))]
    assert s.run(all_kinds())==[False]*5
    assert not send('x') # and in a thread


def test_task_of_one_connection_ends_with_it(web):
    "At the first `send` after `disconn`, however seldom it sends, and without a word in the log"
    app,tasks,gate = web.app(),[],Gate()
    async def loop(send):
        await send('x')
        await gate.passed()
        while True: await send('x'); await asyncio.sleep(60)
    async def conn(send): tasks.append(asyncio.create_task(loop(send)))
    app.ws('/ws', conn=conn)(lambda: None)
    web.serve(app)
    c = web.connect()
    c.recv()
    c.reset()
    until(lambda: not app.hub.connections)
    gate.set()
    until(lambda: tasks[0].done())
    e = tasks[0].exception()
    assert type(e) is web.lib.Disconnected and isinstance(e, WebSocketDisconnect) and '/ws' in str(e)


def test_somebody_elses_loop_is_warned_and_goes_on(web):
    s,ws,send = gone(web)
    async def loop(): return [bool(await send('x')) for _ in range(300)]
    assert not any(s.run(loop()))
    assert len(web.logged('for a client that has left', 'in `disconn`'))==1


def test_forgotten_loop_ends_by_itself(web):
    "And what came after it is handled"
    app,seen = web.app(),[]
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    async def recv(send, n:int):
        try:
            while n==0: await send('tick'); await asyncio.sleep(.001)
        finally: seen.append(n)
    web.serve(app)
    c = web.connect()
    for i in range(3): c.send(n=i)
    c.ping()
    c.reset()
    until(lambda: 'disconn' in seen)
    web.stop()
    assert seen==[0, 1, 2, 'disconn']


def room(web, **policy):
    "The page's loop over a dict of `send`, with a handler that takes as long as `gate` is shut for the message 'wait'"
    app,gate,users = web.app(**policy),Gate(),{}
    def conn(ws, send): users[id(ws)] = send
    def disconn(ws): users.pop(id(ws), None)
    @app.ws('/ws', conn=conn, disconn=disconn)
    async def recv(msg:str):
        if msg=='wait': await gate.passed()
        else:
            for u in users.values(): await u(msg)
    return app,gate,users


def test_loop_over_all_survives_one_that_left_while_its_handler_runs(web):
    "Its `disconn` has not run, so no app can know better than to send to it"
    app,gate,users = room(web)
    s = web.serve(app)
    slow = web.connect()
    slow.send(msg='wait')
    slow.ping()
    c = web.connect()
    c.ping()
    slow.reset()
    until(lambda: s.connections==1)
    for i in range(30): c.send(msg=str(i))
    assert [c.recv().strip() for _ in range(30)]==[str(i) for i in range(30)]
    assert len(users)==2
    gate.set()
    until(lambda: len(users)==1)


def test_loop_over_all_survives_one_that_the_server_closes(web):
    "And that does not answer the goodbye"
    app,gate,users = room(web)
    @app.get('/kick')
    async def kick(): return str(await list(app.hub.connections)[0].close(4000))
    s = web.serve(app)
    web.connect() # reads nothing, so it answers nothing
    until(lambda: len(users)==1)
    s.get('/kick')
    c = web.connect()
    for i in range(30): c.send(msg=str(i))
    assert [c.recv().strip() for _ in range(30)]==[str(i) for i in range(30)]


def test_send_in_a_task_of_its_own_may_be_cancelled(web):
    "wait_for, gather and create_task take what `send` gives"
    app = web.app()
    @app.ws('/ws')
    async def recv(send):
        await asyncio.wait_for(send('a'), 1)
        await asyncio.gather(send('b'), send('c'))
        await asyncio.create_task(send('d'))
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert [c.recv().strip() for _ in range(4)]==list('abcd')


# Errors of handlers

@both
def test_error_is_logged_once_and_not_shown(web, kind):
    app = web.app()
    def recv(msg:str):
        if msg=='bad': raise KeyError('secret <b>')
        return msg
    async def arecv(msg:str): return recv(msg)
    app.ws('/ws')(recv if kind=='sync' else arecv)
    web.serve(app)
    c = web.connect()
    c.send(msg='bad')
    told = c.recv()
    assert 'secret' not in told and 'KeyError' not in told and 'wrong' in told
    c.send(msg='on')
    assert c.recv().strip()=='on'
    web.stop()
    lines = web.logged('KeyError')
    assert len(lines)==1 and '/ws' in lines[0] and 'recv' in lines[0] and 'connection ' in lines[0]


@both
def test_websocket_exception_closes_with_its_code(web, kind):
    app,seen = web.app(),[]
    def recv(msg:str):
        seen.append(msg)
        raise WebSocketException(4003, 'not yours')
    async def arecv(msg:str): recv(msg)
    app.ws('/ws')(recv if kind=='sync' else arecv)
    web.serve(app)
    c = web.connect()
    for o in 'ab': c.send(msg=o)
    end = c.closed()
    assert (end.code,end.reason)==(4003, 'not yours')
    web.stop()
    assert seen==['a']


def test_what_cannot_be_shown_is_an_error_that_names_the_handler(web):
    app = web.app()
    @app.ws('/ws')
    async def recv(n:int): return n if n else 'fine'
    web.serve(app)
    c = web.connect()
    c.send(n=7); c.send(n=0)
    assert 'wrong' in c.recv() and c.recv().strip()=='fine'
    web.stop()
    assert len(web.logged('RenderError', 'recv'))==1


def test_cancelled_error_of_the_app_is_an_error_like_others(web):
    app = web.app()
    @app.ws('/ws')
    async def recv(msg:str):
        if msg=='bad':
            t = asyncio.create_task(asyncio.sleep(60))
            t.cancel()
            await t
        return msg
    web.serve(app)
    c = web.connect()
    c.send(msg='bad'); c.send(msg='on')
    assert 'wrong' in c.recv() and c.recv().strip()=='on'
    web.stop()
    assert len(web.logged('CancelledError', '/ws'))==1


# close

@both
def test_close_comes_after_what_was_sent(web, kind):
    app = web.app()
    def recv(ws, send):
        for i in range(40): send(f'{i:06}'+'x'*10_000)
        ws.close(4000, 'bye')
    async def arecv(ws, send):
        for i in range(40): await send(f'{i:06}'+'x'*10_000)
        await ws.close(4000, 'bye')
    app.ws('/ws')(recv if kind=='sync' else arecv)
    web.serve(app, buffer=8192)
    c = web.connect(buffer=8192)
    c.send('{}')
    msgs,end = c.all()
    assert [int(o[:6]) for o in msgs]==list(range(40)) and (end.code,end.reason)==(4000, 'bye')


def test_nothing_is_sent_or_handled_after_close(web):
    app,seen = web.app(),[]
    @app.ws('/ws')
    async def recv(ws, send, msg:str):
        seen.append(msg)
        await ws.close()
        seen.extend([bool(await send('late')), bool(await ws.close(4000))])
        return 'late'
    web.serve(app)
    c = web.connect()
    for o in 'abc': c.send(msg=o)
    assert c.closed().code==1000
    web.stop()
    assert seen==['a', False, False]


def test_long_reason_is_cut_to_what_a_frame_holds(web):
    app = web.app()
    @app.ws('/ws')
    async def recv(ws): await ws.close(4000, 'é'*200)
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert c.closed().reason=='é'*61


def test_close_from_another_clients_handler(web):
    app,gate,users = room(web)
    @app.ws('/kick')
    async def kick():
        for o in list(app.hub.connections):
            if o.scope['path']=='/ws': await o.close(4000, 'kicked')
    web.serve(app)
    c = web.connect()
    c.ping()
    web.connect('/kick').send('{}')
    assert c.closed().reason=='kicked'
    until(lambda: not users)


# A client that sends too much

def test_flood_stops_the_reading_and_loses_nothing(web):
    app,gate,seen,waiting = web.app(inbox_messages=8),Gate(),[],[]
    @app.ws('/ws')
    async def recv(n:int, pad:str, ws):
        if not seen: await gate.passed()
        waiting.append(len(behind(ws)._jobs))
        seen.append(n)
    web.serve(app, buffer=16_384)
    c = web.connect(buffer=16_384)
    pushed,total,sock = 0,600,c.sock
    sock.settimeout(.2)
    try:
        while pushed<total: c.send(n=pushed, pad='x'*5_000); pushed += 1
    except TimeoutError: pass
    assert 8 <= pushed < 300 and seen==[] # what the kernel, uvicorn's last read and the inbox hold
    gate.set()
    until(lambda: len(seen)>=pushed) # the one that got stuck was sent in part
    assert seen==list(range(len(seen))) and max(waiting)<=8


def test_flood_holds_nobody_else(web):
    app,gate = web.app(inbox_messages=4),Gate()
    @app.ws('/ws')
    async def recv(n:int):
        if n<0: await gate.passed()
        return str(n)
    web.serve(app)
    flood,c = web.connect(),web.connect()
    for _ in range(2_000): flood.send(n=-1)
    for i in range(50):
        c.send(n=i)
        assert c.recv().strip()==str(i)
    gate.set()
    assert sum(1 for _ in range(2_000) if flood.recv())==2_000


def test_message_of_a_flood_that_left_is_handled(web):
    "The inbox is full when the client leaves: nobody waits for room that never comes"
    app,gate,seen = web.app(inbox_messages=2),Gate(),[]
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    async def recv(n:int): await gate.passed(); seen.append(n)
    web.serve(app)
    c = web.connect()
    for i in range(20): c.send(n=i)
    c.drop()
    gate.set()
    until(lambda: 'disconn' in seen)
    assert seen==[*range(20), 'disconn']


# A client that reads nothing

kb = 'x'*1000

def stalled_room(web, loop='auto', **policy):
    "A room with one client that reads nothing and one that reads, over small buffers"
    app,gate,users = room(web, **policy)
    web.serve(app, buffer=8192, loop=loop)
    bad = web.connect(buffer=4096)
    until(lambda: len(users)==1)
    good = web.connect(buffer=65536)
    until(lambda: len(users)==2)
    ws = next(o for o in app.hub.connections if id(o.ws)==list(users)[0]) if hasattr(app, 'hub') else None
    return ws,bad,good,users


@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
def test_stalled_client_costs_only_itself(web, loop):
    ws,bad,good,users = stalled_room(web, loop, outbox_messages=50)
    for i in range(500):
        good.send(msg=f'{i:06}{kb}')
        assert int(good.recv()[:6])==i
        assert len(ws.writer.outbox)<=51 # and the goodbye
    assert ws.writer.status.value!='open' and len(web.logged('too slowly'))==1
    msgs,end = bad.all()
    assert end.code==1013 and [int(o[:6]) for o in msgs]==list(range(len(msgs))) and len(msgs)<450
    until(lambda: len(users)==1)


def test_stalled_client_costs_only_itself_for_ever(web):
    "Its `disconn` comes late on a server that waits for its buffers; nobody's `send` may raise because of that"
    ws,bad,good,users = stalled_room(web, outbox_messages=5)
    for i in range(300):
        good.send(msg=f'{i:06}{kb}')
        assert int(good.recv()[:6])==i
    web.logged('too slowly')


def test_disconn_of_a_stalled_client_runs_when_it_is_given_up(web):
    "The app hears of it at once, not when the peer's network does"
    ws,bad,good,users = stalled_room(web, outbox_messages=5)
    for i in range(100):
        good.send(msg=f'{i:06}{kb}')
        assert int(good.recv()[:6])==i
    assert web.logged('too slowly')
    until(lambda: len(users)==1)


def test_bytes_that_wait_are_bounded(web):
    ws,bad,good,users = stalled_room(web, outbox_bytes=50_000)
    for i in range(200):
        good.send(msg=f'{i:06}{kb}')
        assert int(good.recv()[:6])==i
        assert ws.writer.outbox.bytes<=50_000
    assert len(web.logged('too slowly'))==1


def test_memory_that_a_stalled_client_holds_is_bounded(web):
    ws,bad,good,users = stalled_room(web, outbox_bytes=100_000)
    big = 'x'*50_000
    for i in range(20): good.send(msg=big); good.recv()
    tracemalloc.start()
    try:
        for i in range(100): good.send(msg=big); good.recv()
        grown = tracemalloc.get_traced_memory()[0]
    finally: tracemalloc.stop()
    web.logged('too slowly')
    assert grown<1_000_000 # of the 5 MB that were sent to it


def test_client_that_pauses_and_reads_on_misses_nothing(web):
    ws,bad,good,users = stalled_room(web, outbox_messages=200)
    for i in range(100): good.send(msg=f'{i:06}{kb}'); good.recv()
    assert len(ws.writer.outbox)>0 # it was stalled
    assert [int(bad.recv()[:6]) for _ in range(100)]==list(range(100))
    good.send(msg='000100')
    assert int(bad.recv())==100


def test_stream_waits_for_a_slow_client(web):
    "A generator makes no more than its client takes, and never overflows the outbox"
    app,made = web.app(outbox_messages=5),[]
    @app.ws('/ws')
    async def recv():
        for i in range(200): made.append(i); yield f'{i:06}'+'x'*5_000
    web.serve(app, buffer=8192)
    c = web.connect(buffer=4096)
    c.send('{}')
    n = until(lambda: (n := len(made)) and not time.sleep(.1) and n==len(made) and n) # it has come to rest
    assert n<100
    assert [int(c.recv()[:6]) for _ in range(200)]==list(range(200))


def test_drained_waits_for_the_client(web):
    app,seen = web.app(),[]
    @app.ws('/ws')
    async def recv(ws, send):
        await send('x'*200_000)
        await send('x')
        seen.append('sent')
        seen.append(await ws.drained())
    web.serve(app, buffer=8192)
    c = web.connect(buffer=4096)
    c.send('{}')
    until(lambda: seen)
    time.sleep(.05)
    assert seen==['sent']
    c.recv(); c.recv()
    until(lambda: len(seen)==2)
    assert seen==['sent', True]


def test_drained_ends_when_the_client_leaves(web):
    app,seen = web.app(),[]
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    async def recv(ws, send):
        for _ in range(2): await send('x'*200_000)
        seen.append('sent')
        seen.append(await ws.drained())
    web.serve(app, buffer=8192)
    c = web.connect(buffer=4096)
    c.send('{}')
    until(lambda: seen)
    c.reset()
    until(lambda: 'disconn' in seen)
    assert seen==['sent', False, 'disconn']


def test_stalled_client_that_resets_is_gone(web):
    ws,bad,good,users = stalled_room(web, outbox_messages=1000)
    for i in range(100): good.send(msg=f'{i:06}{kb}'); good.recv()
    assert len(ws.writer.outbox)>0
    bad.reset()
    until(lambda: len(users)==1)
    assert len(ws.writer.outbox)==0


@pytest.mark.parametrize('stop', ['grace', 'force'])
def test_server_stops_in_spite_of_a_stalled_client(web, stop):
    app,users,left = web.app(),{},[]
    app.ws('/ws', conn=lambda ws, send: users.update({id(ws):send}), disconn=lambda: left.append(1))(lambda: None)
    s = web.serve(app, buffer=8192, grace=.2)
    web.connect(buffer=4096)
    until(lambda: users)
    async def fill():
        for _ in range(50): next(iter(users.values()))(kb*10)
    s.run(fill())
    if stop=='force': s.uvicorn.force_exit = True
    s.stop(); s.join()
    web.logged('timeout graceful shutdown exceeded'); web.logged('uvicorn.error', 'CancelledError')
    assert left==[1]
