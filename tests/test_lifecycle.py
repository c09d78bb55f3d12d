"One connection from accept to the end: `conn`, messages in order, `disconn` exactly once, whatever the client and the server do."
import asyncio, gc, socket, struct, threading, time, weakref

import pytest
from starlette.exceptions import WebSocketException

from tests.kit import *


def recorder(web, kind='async', **kw):
    "An app with a socket at /ws, and the list of what its functions saw: 'conn', the messages, 'disconn'"
    app,seen,given = web.app(),[],kw.pop('recv', None)
    if kind=='sync':
        def conn(): seen.append('conn')
        def disconn(): seen.append('disconn')
        def recv(msg:str): seen.append(msg)
    else:
        async def conn(): seen.append('conn')
        async def disconn(): seen.append('disconn')
        async def recv(msg:str): seen.append(msg)
    app.ws('/ws', **(dict(conn=conn, disconn=disconn)|kw))(given or recv)
    return app,seen


def made(kind, f):
    "`f` as a plain or as an async function with no arguments"
    async def af(): return f()
    return (lambda: f()) if kind=='sync' else af


# conn

@both
def test_conn_messages_disconn(web, kind):
    app,seen = recorder(web, kind)
    web.serve(app)
    c = web.connect()
    for o in 'abc': c.send(msg=o)
    until(lambda: len(seen)==4)
    c.leave()
    until(lambda: 'disconn' in seen)
    assert seen==['conn', 'a', 'b', 'c', 'disconn']


def test_messages_wait_for_conn(web):
    gate,seen = Gate(),[]
    async def conn(): seen.append('conn'); await gate.passed(); seen.append('ready')
    app,_ = recorder(web, conn=conn)
    @app.ws('/wait', conn=conn)
    async def recv(msg:str): seen.append(msg)
    web.serve(app)
    c = web.connect('/wait')
    for o in 'ab': c.send(msg=o)
    c.ping() # the server has read them
    assert seen==['conn']
    gate.set()
    until(lambda: len(seen)==4)
    assert seen==['conn', 'ready', 'a', 'b']


@both
def test_conn_that_fails_closes(web, kind):
    def fail(): raise KeyError('secret')
    app,seen = recorder(web, conn=made(kind, fail))
    web.serve(app)
    c = web.connect()
    c.send(msg='a')
    end = c.closed()
    assert end.code==1011 and 'secret' not in end.reason
    until(lambda: seen)
    assert seen==['disconn']
    assert len(web.logged('KeyError', '/ws', 'made'))==1


@both
def test_conn_closes_with_the_code_it_raises(web, kind):
    def fail(): raise WebSocketException(4401, 'log in first')
    app,seen = recorder(web, conn=made(kind, fail))
    web.serve(app)
    c = web.connect()
    c.send(msg='a')
    end = c.closed()
    assert (end.code,end.reason)==(4401, 'log in first')
    until(lambda: seen)
    assert seen==['disconn']


def test_messages_that_wait_for_a_conn_that_fails_are_dropped(web):
    gate,seen,app = Gate(),[],web.app()
    async def conn(): await gate.passed(); raise WebSocketException(4001)
    @app.ws('/ws', conn=conn, disconn=lambda: seen.append('disconn'))
    async def recv(msg:str): seen.append(msg)
    web.serve(app)
    c = web.connect()
    for o in 'ab': c.send(msg=o)
    c.ping()
    gate.set()
    assert c.closed().code==4001
    until(lambda: seen)
    web.stop()
    assert seen==['disconn']


def test_what_conn_sent_before_it_failed_arrives(web):
    async def conn(send): await send('welcome'); raise WebSocketException(4001)
    app,_ = recorder(web, conn=conn)
    web.serve(app)
    msgs,end = web.connect().all()
    assert msgs==['welcome'] and end.code==4001


def test_what_conn_returns_is_sent(web):
    async def conn(): return 'welcome'
    app,_ = recorder(web, conn=conn)
    web.serve(app)
    assert web.connect().recv().strip()=='welcome'


# disconn, exactly once

ways = {}
def way(f): ways[f.__name__] = f; return f

@way
def goodbye(web, s, c): c.leave()
@way
def hangs_up(web, s, c): c.drop()
@way
def resets(web, s, c): c.reset()
@way
def resets_with_messages_on_the_way(web, s, c):
    for i in range(20): c.send(msg=str(i))
    c.reset()
@way
def breaks_the_protocol(web, s, c): c.sock.sendall(b'\xff\xff\xff\xff')
@way
def sends_bad_utf8(web, s, c): c.sock.sendall(b'\x81\x82\0\0\0\0\xff\xff')
@way
def sends_binary(web, s, c): c.send(b'x'); c.all()
@way
def server_stops(web, s, c): s.stop()
@way
def server_closes(web, s, c): c.send(msg='close'); c.all()

@pytest.mark.parametrize('way', ways)
@both
def test_disconn_runs_once(web, way, kind):
    async def recv(msg:str, ws):
        if msg=='close': await ws.close()
    app,seen = recorder(web, kind, recv=recv)
    s = web.serve(app)
    c = web.connect()
    until(lambda: seen)
    ways[way](web, s, c)
    until(lambda: 'disconn' in seen)
    web.stop()
    web.logged('Invalid UTF-8') # uvicorn says so
    assert seen==['conn', 'disconn']


def test_disconn_runs_once_with_test_client(web):
    app,seen = recorder(web)
    cli = web.lib.get_testclient(app) if hasattr(web.lib, 'get_testclient') else __import__('starlette.testclient').testclient.TestClient(app)
    with cli.websocket_connect('/ws') as c: c.send_json({'msg':'a'})
    assert seen==['conn', 'a', 'disconn']


@both
def test_reset_while_conn_runs(web, kind):
    gate,seen,app = Gate(),[],web.app()
    async def aconn(): seen.append('conn'); await gate.passed(); seen.append('conn ends')
    def conn(): seen.append('conn'); gate.wait(.3); seen.append('conn ends') # holds the loop, so only time lets it go on
    def disconn(): seen.append('disconn')
    app.ws('/ws', conn=aconn if kind=='async' else conn, disconn=disconn)(lambda msg='': None)
    web.serve(app)
    c = web.connect() if kind=='async' else in_thread(web.connect)
    until(lambda: seen)
    (c if kind=='async' else c()).reset()
    gate.set()
    until(lambda: 'disconn' in seen)
    web.logged('held the event loop')
    assert seen==['conn', 'conn ends', 'disconn']


def in_thread(f):
    "Start `f()` in a thread; the function that comes back waits for its result"
    res = []
    t = threading.Thread(target=lambda: res.append(f()))
    t.start()
    def get(): t.join(wait_s); return res[0]
    return get


@both
def test_reset_while_a_message_is_handled(web, kind):
    gate,seen,app = Gate(),[],web.app()
    async def arecv(msg:str, send): seen.append('in'); await gate.passed(); seen.append(bool(await send('late')))
    def recv(msg:str, send): seen.append('in'); gate.wait(); seen.append(bool(send('late')))
    app.ws('/ws', disconn=lambda: seen.append('disconn'))(arecv if kind=='async' else recv)
    s = web.serve(app)
    c = web.connect()
    c.send(msg='a')
    until(lambda: seen)
    c.reset()
    until(lambda: not s.connections)
    gate.set()
    until(lambda: 'disconn' in seen)
    assert seen==['in', False, 'disconn'] # a handler's thread learns of the end as the loop does


def test_disconn_runs_when_server_stops_during_a_handler(web):
    gate,seen,app = Gate(),[],web.app()
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    async def recv(msg:str): seen.append('in'); await gate.passed(); seen.append('out')
    s = web.serve(app)
    c = web.connect()
    c.send(msg='a')
    until(lambda: seen)
    s.stop()
    assert c.closed().code==1012
    assert seen==['in'] # handled to the end
    gate.set()
    s.join()
    assert seen==['in', 'out', 'disconn']


@pytest.mark.parametrize('n', [1, 20])
def test_disconn_runs_at_a_forced_stop(web, n):
    seen,app = [],web.app()
    async def disconn(): seen.append('goes'); await asyncio.sleep(.01); seen.append('disconn')
    @app.ws('/ws', disconn=disconn)
    async def recv(msg:str):
        seen.append('in')
        try: await asyncio.sleep(60)
        finally: seen.append('cancelled')
    s = web.serve(app, grace=.1)
    for _ in range(n): web.connect().send(msg='a')
    until(lambda: len(seen)==n)
    s.stop()
    s.join()
    assert [*web.logged('timeout graceful shutdown exceeded'), *web.logged('cancelled: the server goes down')] # uvicorn's, or ours before
    web.logged('uvicorn.error', 'CancelledError') # uvicorn says so of every task that it cancels
    assert sorted(seen)==sorted(['in', 'cancelled', 'goes', 'disconn']*n)


@both
def test_disconn_runs_when_the_stop_waits_for_nothing(web, kind):
    "As after the second Ctrl+C"
    seen,app = [],web.app()
    async def adisconn(): await asyncio.sleep(.01); seen.append('disconn')
    def disconn(): seen.append('disconn')
    @app.ws('/ws', disconn=disconn if kind=='sync' else adisconn)
    async def recv(msg:str): seen.append('in'); await asyncio.sleep(60)
    s = web.serve(app, grace=1)
    web.connect().send(msg='a')
    until(lambda: seen)
    s.uvicorn.force_exit = True
    s.stop(); s.join()
    web.logged('uvicorn.error', 'CancelledError')
    assert seen==['in', 'disconn']


def test_disconn_runs_at_a_forced_stop_while_a_thread_works(web):
    gate,seen,app = Gate(),[],web.app()
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    def recv(msg:str): seen.append('in'); gate.wait(.5); seen.append('out')
    s = web.serve(app, grace=.1)
    web.connect().send(msg='a')
    until(lambda: seen)
    s.stop()
    s.join()
    assert [*web.logged('timeout graceful shutdown exceeded'), *web.logged('cancelled: the server goes down')] # uvicorn's, or ours before
    web.logged('uvicorn.error', 'CancelledError') # uvicorn says so of every task that it cancels
    until(lambda: 'out' in seen)
    assert sorted(seen)==['disconn', 'in', 'out']


def test_disconn_sends_into_the_void(web):
    seen,app = [],web.app()
    async def disconn(send, ws):
        seen.append([bool(await send('late')), bool(await ws.send_text('late')), bool(await ws.send_json({})), bool(await ws.close())])
        return 'late'
    app.ws('/ws', disconn=disconn)(lambda: None)
    web.serve(app)
    web.connect().leave()
    until(lambda: seen)
    assert seen==[[False]*4]


def test_disconn_that_fails_is_logged(web):
    seen,app = [],web.app()
    def disconn(): seen.append(1); raise KeyError('x')
    app.ws('/ws', disconn=disconn)(lambda: None)
    web.serve(app)
    web.connect().leave()
    until(lambda: seen)
    web.stop()
    assert len(web.logged('KeyError', '/ws', 'disconn'))==1


def test_disconn_comes_after_the_last_message(web):
    seen,app = [],web.app()
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    async def recv(msg:str): await asyncio.sleep(.01); seen.append(msg)
    web.serve(app)
    c = web.connect()
    for o in 'abcde': c.send(msg=o)
    c.leave()
    until(lambda: 'disconn' in seen)
    assert seen==[*'abcde', 'disconn']


def test_conn_and_disconn_are_paired_under_resets_in_the_handshake(web):
    app,seen = web.app(),[]
    app.ws('/ws', conn=lambda: seen.append('conn'), disconn=lambda: seen.append('disconn'))(lambda: None)
    s = web.serve(app)
    hello = (b'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
             b'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n')
    for i in range(60):
        with socket.create_connection(('127.0.0.1', s.port)) as k:
            k.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            k.sendall(hello)
            time.sleep(.001*(i%4))
    until(lambda: not s.connections)
    web.stop()
    assert seen.count('conn')==seen.count('disconn')>0


def test_nothing_of_a_connection_is_kept(web):
    app,refs = web.app(),[]
    @app.ws('/ws', conn=lambda ws: refs.append(weakref.ref(ws)))
    async def recv(ws, msg:str): return msg
    s = web.serve(app)
    for i in range(20):
        c = web.connect()
        c.send(msg='x'); c.recv()
        c.leave() if i%2 else c.reset()
    until(lambda: not s.connections and not app.hub.connections)
    def kept(): gc.collect(); return sum(r() is not None for r in refs)
    until(lambda: len(refs)==20 and not s.call(kept))


# Arguments and threads

def asked(ws, send, session, scope, app, state, auth, htmx, request, room:int, q:str, x_device:str, theme:str, nick:str='none'):
    "What a handler got, in a form that can be compared"
    return dict(ws=id(ws), send=callable(send), session=dict(session), path=scope['path'], app=id(app), state=id(state), auth=auth,
                htmx=type(htmx).__name__, same=request is ws, room=room, q=q, device=x_device, theme=theme, nick=nick)

@both
def test_all_three_take_the_same_arguments(web, kind):
    app,seen = web.app(),[]
    def sync(ws, send, session, scope, app, state, auth, htmx, request, room:int, q:str, x_device:str, theme:str, nick:str='none'):
        seen.append(asked(ws, send, session, scope, app, state, auth, htmx, request, room, q, x_device, theme, nick))
    async def coro(ws, send, session, scope, app, state, auth, htmx, request, room:int, q:str, x_device:str, theme:str, nick:str='none'):
        sync(ws, send, session, scope, app, state, auth, htmx, request, room, q, x_device, theme, nick)
    f = sync if kind=='sync' else coro
    app.ws('/room/{room}', conn=f, disconn=f)(f)
    web.serve(app)
    c = web.connect('/room/7?q=x', headers={'X-Device':'lamp', 'Cookie':'theme=dark'})
    c.send(nick='Ann')
    c.leave()
    until(lambda: len(seen)==3)
    conn,msg,disconn = seen
    assert conn==disconn==msg|{'nick':'none'} and msg['nick']=='Ann'
    assert (conn['room'],conn['q'],conn['device'],conn['theme'],conn['same'])==(7, 'x', 'lamp', 'dark', True)


def test_ws_is_one_object(web):
    app,seen = web.app(),[]
    def note(ws): seen.append(ws)
    app.ws('/ws', conn=note, disconn=note)(note)
    web.serve(app)
    c = web.connect()
    for _ in range(2): c.send('{}')
    c.leave()
    until(lambda: len(seen)==4)
    assert len(set(map(id, seen)))==1 and len(set(seen))==1


def test_sync_conn_and_disconn_run_on_the_loop_and_messages_do_not(web):
    app,seen = web.app(),{}
    def note(name): return lambda: seen.__setitem__(name, threading.current_thread())
    app.ws('/ws', conn=note('conn'), disconn=note('disconn'))(note('msg'))
    s = web.serve(app)
    c = web.connect()
    c.send('{}')
    until(lambda: 'msg' in seen)
    c.leave()
    until(lambda: 'disconn' in seen)
    assert seen['conn'] is seen['disconn'] is s.thread and seen['msg'] is not s.thread


def test_sync_handlers_of_two_clients_run_side_by_side(web):
    app,both_in = web.app(),threading.Barrier(2)
    @app.ws('/ws')
    def recv(): both_in.wait(wait_s); return 'met'
    web.serve(app)
    a,b = web.connect(),web.connect()
    a.send('{}'); b.send('{}')
    assert a.recv().strip()==b.recv().strip()=='met'


def test_slow_handler_holds_nobody_else(web):
    app,gate = web.app(),Gate()
    @app.ws('/ws')
    async def recv(msg:str):
        if msg=='slow': await gate.passed()
        return msg
    web.serve(app)
    a,b = web.connect(),web.connect()
    a.send(msg='slow'); a.ping()
    b.send(msg='quick')
    assert b.recv().strip()=='quick'
    gate.set()
    assert a.recv().strip()=='slow'


@pytest.mark.parametrize('which', ['conn', 'disconn'])
def test_slow_sync_function_is_named(web, which):
    app,done = web.app(),[]
    def dawdle():
        until = time.perf_counter()+.06
        while time.perf_counter()<until: pass
        done.append(1)
    app.ws('/ws', **{which:dawdle})(lambda: None)
    web.serve(app)
    web.connect().leave()
    until(lambda: done)
    web.stop()
    assert len(web.logged('dawdle', '/ws', 'ms'))==1


def test_slow_async_function_is_fine(web):
    app,done = web.app(),[]
    async def dawdle(): await asyncio.sleep(.06); done.append(1)
    app.ws('/ws', conn=dawdle)(lambda: None)
    web.serve(app)
    web.connect().leave()
    until(lambda: done)
    web.stop()
    assert not web.logged('dawdle')


# Order

@both
def test_messages_are_handled_in_order(web, kind):
    app,seen = web.app(),[]
    naps = [.004, 0, .002, 0]
    async def arecv(n:int): await asyncio.sleep(naps[n%4]); seen.append(n)
    def recv(n:int): time.sleep(naps[n%4]); seen.append(n)
    app.ws('/ws')(arecv if kind=='async' else recv)
    web.serve(app)
    c = web.connect()
    for i in range(100): c.send(n=i)
    until(lambda: len(seen)==100)
    assert seen==list(range(100))


@pytest.mark.parametrize('how', ['leave', 'reset', 'drop'])
def test_messages_that_came_before_the_end_are_handled(web, how):
    app,gate,seen = web.app(),Gate(),[]
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    async def recv(n:int): await gate.passed(); seen.append(n)
    s = web.serve(app)
    c = web.connect()
    for i in range(10): c.send(n=i)
    c.ping()
    getattr(c, how)()
    until(lambda: not s.connections)
    gate.set()
    until(lambda: 'disconn' in seen)
    assert seen==[*range(10), 'disconn']


def test_cancel_stops_the_handler(web):
    app,seen = web.app(),[]
    @app.ws('/ws', disconn=lambda: seen.append('disconn'), cancel=True)
    async def recv(n:int):
        seen.append(n)
        try: await asyncio.sleep(60)
        except asyncio.CancelledError: seen.append('cancelled'); raise
    web.serve(app)
    c = web.connect()
    for i in range(3): c.send(n=i)
    c.ping()
    c.reset()
    until(lambda: 'disconn' in seen)
    assert seen==[0, 'cancelled', 'disconn']


def test_cancel_waits_for_the_thread(web):
    app,gate,seen = web.app(),Gate(),[]
    @app.ws('/ws', disconn=lambda: seen.append('disconn'), cancel=True)
    def recv(n:int): seen.append(n); gate.wait(); seen.append('out')
    s = web.serve(app)
    c = web.connect()
    for i in range(2): c.send(n=i)
    c.ping()
    c.reset()
    until(lambda: not s.connections)
    gate.set()
    until(lambda: 'disconn' in seen and 'out' in seen)
    assert seen==[0, 'out', 'disconn'] # nothing can stop a thread; what comes next is not begun


def test_cancelled_handlers_do_not_pile_up_threads(web):
    app,gate,seen,names = web.app(threads=2),Gate(),[],set()
    def disconn(): seen.append('disconn')
    @app.ws('/ws', disconn=disconn, cancel=True)
    def recv(): names.add(threading.get_ident()); seen.append('in'); gate.wait()
    s = web.serve(app)
    for _ in range(6):
        c = web.connect()
        c.send('{}')
        c.ping()
        c.reset()
    until(lambda: not s.connections and seen.count('in')>=2)
    time.sleep(.05) # a third one would be there by now
    assert seen.count('in')==2
    gate.set()
    until(lambda: seen.count('disconn')==6)
    assert len(names)<=2


def test_cancel_leaves_those_who_stay_alone(web):
    app = web.app()
    @app.ws('/ws', cancel=True)
    async def recv(n:int): await asyncio.sleep(.01); return str(n)
    web.serve(app)
    a,b = web.connect(),web.connect()
    for i in range(3): a.send(n=i)
    b.send(n=9); b.reset()
    assert [a.recv().strip() for _ in range(3)]==['0', '1', '2']


# Generators

def streams(kind, gate, seen):
    "A handler that sends one value, waits for `gate`, sends another"
    async def agen():
        try: yield 'one'; await gate.passed(); yield 'two'
        finally: seen.append('finally')
    def gen():
        try: yield 'one'; gate.wait(); yield 'two'
        finally: seen.append('finally')
    return agen if kind=='async' else gen

@both
def test_generator_sends_as_it_yields(web, kind):
    app,gate,seen = web.app(),Gate(),[]
    app.ws('/ws')(streams(kind, gate, seen))
    web.serve(app)
    c = web.connect()
    c.send('{}'); c.send('{}')
    assert c.recv().strip()=='one' and not seen
    gate.set()
    assert [c.recv().strip() for _ in range(3)]==['two', 'one', 'two']
    until(lambda: len(seen)==2)


def test_async_generator_ends_when_the_client_leaves_while_it_waits(web):
    app,seen = web.app(),[]
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    async def recv():
        try: yield 'one'; await asyncio.sleep(60)
        finally: seen.append('finally')
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert c.recv().strip()=='one'
    c.reset()
    until(lambda: 'disconn' in seen)
    assert seen==['finally', 'disconn']


def test_generator_ends_when_the_client_leaves_while_it_waits(web):
    app,gate,seen = web.app(),Gate(),[]
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    def recv():
        try: yield 'one'; gate.wait(); seen.append('on'); yield 'two'; seen.append('never')
        finally: seen.append('finally')
    s = web.serve(app)
    c = web.connect()
    c.send('{}')
    assert c.recv().strip()=='one'
    c.reset()
    until(lambda: not s.connections)
    gate.set()
    until(lambda: 'disconn' in seen and 'finally' in seen)
    web.stop()
    assert seen==['on', 'finally', 'disconn']


@both
def test_endless_generator_ends_with_the_client(web, kind):
    app,seen = web.app(),[]
    async def arecv():
        try:
            while True: yield 'tick'; await asyncio.sleep(.001)
        finally: seen.append('finally')
    def recv():
        try:
            while True: yield 'tick'; time.sleep(.001)
        finally: seen.append('finally')
    app.ws('/ws', disconn=lambda: seen.append('disconn'))(arecv if kind=='async' else recv)
    web.serve(app)
    c = web.connect()
    c.send('{}')
    for _ in range(5): assert c.recv().strip()=='tick'
    c.leave()
    until(lambda: 'disconn' in seen)
    assert seen==['finally', 'disconn']


def test_messages_after_a_stream_that_the_end_interrupted(web):
    app,seen = web.app(),[]
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    async def recv(n:int):
        try: yield str(n); await asyncio.sleep(60)
        finally: seen.append(n)
    web.serve(app)
    c = web.connect()
    for i in range(3): c.send(n=i)
    c.ping()
    c.reset()
    until(lambda: 'disconn' in seen)
    assert seen[0]==0 and seen[-1]=='disconn'


def test_streams_that_the_client_did_not_wait_for(web):
    "What it asked for before it left is begun, and ends where it would wait"
    app,seen = web.app(),[]
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    async def recv(n:int):
        seen.append(n)
        await asyncio.sleep(60)
        yield str(n)
    web.serve(app)
    c = web.connect()
    for i in range(3): c.send(n=i)
    c.ping()
    c.reset()
    until(lambda: 'disconn' in seen)
    assert seen==[0, 1, 2, 'disconn']


def test_stream_that_catches_its_end(web):
    "And a handler after it, whose own CancelledError is an error like any other"
    app,seen = web.app(),[]
    @app.ws('/ws', disconn=lambda: seen.append('disconn'))
    async def recv(n:int):
        try: yield str(n); await asyncio.sleep(60)
        except asyncio.CancelledError: seen.append(f'caught {n}')
        yield 'more'
        seen.append('never')
    web.serve(app)
    c = web.connect()
    for i in range(2): c.send(n=i)
    c.ping()
    c.reset()
    until(lambda: 'disconn' in seen)
    assert seen[0]=='caught 0' and seen[-1]=='disconn' and 'never' not in seen


@both
def test_generator_that_fails_has_sent_what_came_before(web, kind):
    app = web.app()
    async def agen(): yield 'one'; raise KeyError('secret')
    def gen(): yield 'one'; raise KeyError('secret')
    app.ws('/ws')(agen if kind=='async' else gen)
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert c.recv().strip()=='one'
    assert 'wrong' in (told := c.recv()) and 'secret' not in told
    assert len(web.logged('KeyError', '/ws', 'gen'))==1


def test_generator_as_conn(web):
    app,gate,seen = web.app(),Gate(),[]
    @app.ws('/ws', conn=streams('async', gate, seen))
    async def recv(msg:str): return msg
    web.serve(app)
    c = web.connect()
    c.send(msg='after')
    assert c.recv().strip()=='one'
    gate.set()
    assert [c.recv().strip() for _ in range(2)]==['two', 'after']


# spawn

def test_spawned_task_ends_with_the_connection(web):
    app,seen = web.app(),[]
    async def clock(send):
        try:
            while True: await send('tick'); await asyncio.sleep(.001)
        finally: seen.append('clock ends')
    def conn(ws, send): ws.spawn(clock(send))
    @app.ws('/ws', conn=conn, disconn=lambda: seen.append('disconn'))
    async def recv(msg:str): return msg
    web.serve(app)
    c = web.connect()
    assert c.recv()=='tick'
    c.send(msg='beside')
    until(lambda: c.recv().strip()=='beside')
    c.reset()
    until(lambda: 'disconn' in seen)
    assert seen==['clock ends', 'disconn']


def test_spawn_from_a_sync_handler(web):
    app,ends = web.app(),[]
    async def job(send):
        try: await send('spawned'); await asyncio.sleep(60)
        finally: ends.append(threading.current_thread())
    @app.ws('/ws')
    def recv(ws, send): ws.spawn(job(send))
    s = web.serve(app, loop='asyncio')
    s.call(s.loop.set_debug, True) # then asyncio tells of calls from a wrong thread
    c = web.connect()
    c.send('{}')
    assert c.recv()=='spawned'
    c.leave()
    until(lambda: ends)
    assert ends==[s.thread]


def test_spawned_task_that_fails_is_logged(web):
    app = web.app()
    async def job(): raise KeyError('x')
    @app.ws('/ws')
    async def recv(ws): ws.spawn(job()); return 'on'
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert c.recv().strip()=='on'
    c.leave()
    web.stop()
    assert len(web.logged('KeyError', '/ws'))==1


def test_spawned_loop_that_never_looks_ends_quietly(web):
    app,seen = web.app(),[]
    async def job(send, ws):
        ws.spawn(stubborn(send))
    async def stubborn(send):
        while True:
            try: await send('x'); await asyncio.sleep(.001)
            except asyncio.CancelledError: seen.append('ignored')
    app.ws('/ws', conn=job, disconn=lambda: seen.append('disconn'))(lambda: None)
    web.serve(app)
    c = web.connect()
    assert c.recv()=='x'
    c.reset()
    until(lambda: 'disconn' in seen)
    assert 'ignored' in seen


def test_spawn_after_the_end_runs_nothing(web):
    app,seen = web.app(),[]
    async def job(): seen.append('started'); await asyncio.sleep(60)
    def disconn(ws):
        ws.spawn(job())
        seen.append('disconn')
    app.ws('/ws', disconn=disconn)(lambda: None)
    s = web.serve(app)
    web.connect().leave()
    until(lambda: 'disconn' in seen)
    web.stop()
    assert not s.left


# Sessions

def session_app(web):
    app,seen = web.app(),[]
    @app.get('/login')
    def login(session): session['person'] = 'Bob'; return 'ok'
    def note(session): seen.append(session.get('person'))
    app.ws('/ws', conn=note, disconn=note)(note)
    s = web.serve(app)
    return seen,s.get('/login')[1]['set-cookie'].split(';')[0]

def test_session_is_there_in_all_three(web):
    seen,cookie = session_app(web)
    c = web.connect(headers={'Cookie':cookie})
    c.send('{}')
    c.leave()
    until(lambda: len(seen)==3)
    assert seen==['Bob']*3


def test_tampered_cookie_is_an_empty_session(web):
    seen,cookie = session_app(web)
    c = web.connect(headers={'Cookie':cookie[:-4]+'AAAA'})
    c.send('{}')
    c.leave()
    until(lambda: len(seen)==3)
    assert seen==[None]*3


def test_write_to_session_is_warned_about_once_a_route(web):
    app = web.app()
    async def recv(session, msg:str): session['last'] = msg; return session['last']
    for o in 'ab': app.ws(f'/{o}')(recv)
    web.serve(app)
    for o in 'aab':
        c = web.connect(f'/{o}')
        for m in 'xy':
            c.send(msg=m)
            assert c.recv().strip()==m # it works within the connection
        c.leave()
    web.stop()
    assert [len(web.logged('session', f'/{o}')) for o in 'ab']==[1, 1]


def test_reading_the_session_is_not_warned_about(web):
    app = web.app()
    @app.ws('/ws')
    async def recv(session): return str(len(session))
    web.serve(app)
    c = web.connect()
    c.send('{}')
    assert c.recv().strip()=='0' and not web.logged('session')
