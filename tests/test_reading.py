"Handlers that read by themselves, and a `conn` that is a loop."
import asyncio, time

import anyio.from_thread, pytest

from tests.kit import *
from tests.kit import Web
from tests.script import *


# A handler that reads

def reader(site, how, conn=False, **policy):
    "An app whose handler, or `conn`, is `how(ws, send)`, and what has happened"
    app,seen = site.app(**policy),[]
    async def read(ws, send):
        try: await how(ws, send)
        finally: seen.append('ended')
    async def recv(msg:str): return f'handled {msg}'
    if conn: app.ws('/ws', conn=read, disconn=lambda: seen.append('disconn'))(recv)
    else: app.ws('/ws', disconn=lambda: seen.append('disconn'))(read)
    site.serve(app)
    return app,seen

async def texts(ws, send):
    while True: await send(f'text {await ws.receive_text()}')

async def kinds(ws, send):
    await send(f'text {await ws.receive_text()}')
    await send(f'bytes {await ws.receive_bytes()}')
    await send(f'json {await ws.receive_json()}')
    await send(f'json {await ws.receive_json(mode="binary")}')
    await send(f'raw {await ws.receive()}')
    async for o in ws.iter_text():
        if o=='end': break
        await send(f'iter {o}')
    async for o in ws.iter_bytes(): await send(f'iter {o}')

@pytest.mark.parametrize('at_once', [True, False], ids=['in one packet', 'one by one'])
@pytest.mark.parametrize('conn', [True, False], ids=['conn', 'handler'])
def test_every_way_to_read(site, conn, at_once):
    app,seen = reader(site, kinds, conn)
    c = site.connect()
    frames = ([] if conn else ['{}']) + ['a', b'b', '{"n":1}', b'[2]', 'raw', 'one', 'end', b'two']
    expected = ['text a', "bytes b'b'", "json {'n': 1}", 'json [2]', "raw {'type': 'websocket.receive', 'text': 'raw'}", 'iter one', "iter b'two'"]
    if at_once:
        for o in frames: c.proto.send_binary(o) if isinstance(o, bytes) else c.proto.send_text(o.encode())
        c._flush()
        assert [c.recv() for _ in expected]==expected
    else:
        if not conn: c.send(frames.pop(0))
        for o in frames:
            c.send(o)
            if o!='end': assert c.recv()==expected.pop(0)
    c.leave(4001)
    until(lambda: seen==['ended', 'disconn'])


def test_same_on_stock():
    "The frames of a handler that reads, and its answers"
    got = []

    for stock in (True, False):
        w = Web(stock)
        app = w.app()
        app.ws('/ws')(kinds)
        w.serve(app)
        c = w.connect()
        for o in ['{}', 'a', b'b', '{"n":1}', b'[2]', 'raw', 'one', 'end', b'two']: c.send(o)
        got.append([c.recv().replace(", 'bytes': None", '') for _ in range(7)])
        c.leave()
        w.stop()
        if stock: w.logged('WebSocketDisconnected') # its endpoint reads once more after the handler has
        w.end()
    assert got[0]==got[1]


def test_end_is_said_once(site):
    app,seen = site.app(),[]
    @app.ws('/ws')
    async def recv(ws):
        seen.append(await ws.receive())
        seen.append(await ws.receive())
        try: await ws.receive()
        except RuntimeError as e: seen.append(str(e))
    site.serve(app)
    c = site.connect()
    for o in ('{}', 'a'): c.send(o)
    until(lambda: seen)
    c.leave(4001)
    until(lambda: len(seen)==3)
    assert seen[1]['type']=='websocket.disconnect' and seen[1]['code']==4001 and 'websocket.disconnect' in seen[2]


def test_close_of_ours_ends_a_reader(site):
    app,seen = reader(site, texts)
    c = site.connect()
    c.send('{}'); c.send('a'); assert c.recv()=='text a'
    app.hub.close(topic='room') # of nobody
    conn, = app.hub.connections
    site.servers[-1].call(conn.close, 4002, 'bye')
    assert c.closed().code==4002
    until(lambda: seen==['ended', 'disconn'])


def test_messages_after_the_reader_has_ended_are_handled(site):
    app = site.app()
    @app.ws('/ws')
    async def recv(msg:str, ws):
        if msg=='read': return f'read {await ws.receive_text()} {await ws.receive_text()}'
        return f'handled {msg}'
    site.serve(app)
    c = site.connect()
    for o in ('{"msg":"1"}', '{"msg":"read"}', 'a', 'b', '{"msg":"2"}', '{"msg":"read"}', 'c'): c.send(o)
    assert [c.recv() for _ in range(3)]==['handled 1', 'read a b', 'handled 2']
    c.send('d')
    assert c.recv()=='read c d'


def test_numbered_messages_are_acknowledged_when_taken(site):
    "And are not taken twice, when the page comes back"
    app,taken = site.app(),[]
    @app.ws('/ws')
    async def recv(msg:str, ws, send):
        while True:
            taken.append(await ws.receive_text())
            await send(f'took {taken[-1]}')
    site.serve(app)
    page = Script(site).open()
    page.say(msg='first')
    for i in range(3): page.say(i=i)
    page.acks(4)
    assert taken==['{"i": 0}', '{"i": 1}', '{"i": 2}']
    page.drop()
    page.kept = {4:'{"i": 2}', 5:'{"msg":"again"}'} # the acknowledgement of 4 was lost
    page.n = 5
    page.open()
    page.say(i=6)
    page.acks(6)
    assert taken[3:]==['{"i": 6}']


def test_binary_without_a_reader_is_refused(site):
    app,seen = site.app(),[]
    @app.ws('/ws')
    async def recv(msg:str, ws):
        if msg=='read': seen.append(await ws.receive_bytes())
        await ws.send_text(f'done {msg}')
    site.serve(app)
    c = site.connect()
    c.send(msg='read'); c.send(b'1'); assert c.recv()=='done read'
    c.send(msg='x'); assert c.recv()=='done x'
    c.send(b'2')
    assert c.closed().code==1003 and seen==[b'1']


@pytest.mark.parametrize('data', ['x'*101, b'x'*101, 'é'*60], ids=['text', 'binary', 'utf8'])
def test_size_is_limited_for_a_reader_too(site, data):
    app,seen = reader(site, texts, max_message=100)
    c = site.connect()
    c.send('{}'); c.send('a'); assert c.recv()=='text a'
    c.send(data)
    assert c.closed().code==1009
    until(lambda: seen==['ended', 'disconn'])


def test_rate_is_limited_for_a_reader_too(site):
    app,seen = reader(site, texts, rate=1, burst=3, too_fast='close')
    c = site.connect()
    for o in ['{}', *'abcdef']: c.send(o)
    assert c.all()[1].code==1008
    until(lambda: seen==['ended', 'disconn'])


def test_inbox_of_a_reader_that_does_not_read_is_bounded(site):
    app,gate,waiting = site.app(inbox_messages=4, throttle_timeout=15),Gate(),[]
    @app.ws('/ws')
    async def recv(ws, send):
        await ws.receive_text()
        await gate.passed()
        waiting.append(len(behind(ws)._jobs))
        for _ in range(299): await ws.receive_text()
        await send('all')
    site.serve(app)
    c = site.connect()
    c.send('{}')
    for i in range(300): c.send(f'{i}')
    conn = next(iter(app.hub.connections))
    until(lambda: len(conn._jobs)==4)
    gate.set()
    assert c.recv()=='all' and waiting==[4]


def test_waiting_is_not_the_time_of_the_handler(site):
    app = site.app(handler_timeout=.15)
    @app.ws('/ws')
    async def recv(ws, send, secs:float=0):
        await send('ready')
        while True: await asyncio.sleep(float(await ws.receive_text())); await send('ok')
    site.serve(app)
    c = site.connect()
    c.send('{}'); assert c.recv()=='ready'
    for _ in range(3):
        assert c.silent(.1) # more than the limit in all
        c.send('0'); assert c.recv()=='ok'
    c.send('60')
    assert 'took longer than 0.15 s' in c.recv()
    assert site.logged('was cancelled')


def test_plain_function_reads_through_anyio(site):
    app = site.app()
    @app.ws('/ws')
    def recv(ws): return f'read {anyio.from_thread.run(ws.receive_text)}'
    site.serve(app)
    c = site.connect()
    c.send('{}'); c.send('a')
    assert c.recv()=='read a'


def test_one_reader_at_a_time(site):
    app,tasks = site.app(),[]
    @app.ws('/ws')
    async def recv(ws, send):
        tasks.append(asyncio.create_task(ws.receive_text()))
        await asyncio.sleep(0)
        try: await ws.receive_text()
        except RuntimeError as e: await send(f'{e}')
        await send(await tasks[0])
    site.serve(app)
    c = site.connect()
    c.send('{}')
    assert 'another `receive`' in c.recv()
    c.send('a')
    assert c.recv()=='a'


def test_reader_that_is_cancelled_leaves_its_messages_to_the_handler(site):
    "A task beside the handlers, which waits and gives up"
    app,tasks = site.app(),[]
    async def conn(ws): tasks.append(asyncio.create_task(ws.receive_text()))
    @app.ws('/ws', conn=conn)
    async def recv(msg:str): return f'handled {msg}'
    s = site.serve(app)
    c = site.connect()
    until(lambda: tasks)
    def cancel(): tasks[0].cancel()
    s.call(cancel)
    c.send(msg='a')
    assert c.recv()=='handled a'


def test_conn_that_reads_keeps_the_messages(site):
    "Longer than `handshake_timeout`, and also when it sends"
    app,seen = reader(site, texts, conn=True, handshake_timeout=.1)
    c = site.connect()
    for o in 'ab':
        assert c.silent(.15)
        c.send(o); assert c.recv()==f'text {o}'
    c.leave()
    until(lambda: seen==['ended', 'disconn'])


def test_conn_that_asks_first(site):
    async def login(ws, send):
        await send('name?')
        await send(f'hello {await ws.receive_text()}')
    app,seen = reader(site, login, conn=True)
    page = Script(site).open()
    page.kept,page.n = {1:'Ann'},1
    page.put(1, 'Ann')
    page.acks(1)
    page.say(msg='x')
    page.acks(2)
    assert page.html==['name?', 'hello Ann', 'handled x']


# A `conn` that is a loop

def clock(site, handshake_timeout=.15, extra=None, **kw):
    app,seen = site.app(handshake_timeout=handshake_timeout),[]
    async def conn(ws, send):
        if extra: await extra(ws, send)
        n = 0
        try:
            while True: await send(f'tick {n}'); n += 1; await asyncio.sleep(.01)
        finally: seen.append('ended')
    @app.ws('/ws', conn=conn, disconn=lambda: seen.append('disconn'), **kw)
    async def recv(msg:str): return f'handled {msg}'
    site.serve(app)
    return app,seen

def until_said(c, what, most=1000):
    for _ in range(most):
        if (o := c.recv())==what: return
        assert o.startswith('tick'), o
    raise AssertionError(f'{what} has not come')

def read_until(page, what, most=1000):
    for _ in range(most):
        if what in page.html: return
        page.read()
    raise AssertionError(f'{what} has not come: {page.told} {page.html[:50]}')

def test_loop_in_conn_becomes_a_stream(site):
    app,seen = clock(site)
    a,b = site.connect(),site.connect()
    for c in (a, b):
        c.send(msg='waits')
        until_said(c, 'handled waits')
        assert c.recv().startswith('tick')
        c.send(msg='x'); until_said(c, 'handled x')
        assert c.recv().startswith('tick')
    assert len(site.logged('still runs after 0.15 s', 'stream'))==1 and not seen
    a.leave()
    until(lambda: seen==['ended', 'disconn'])
    b.reset()
    until(lambda: len(seen)==4)


def test_client_of_a_loop_in_conn_that_leaves_early(site):
    app,seen = clock(site, handshake_timeout=.3)
    c = site.connect()
    c.recv(); c.leave()
    until(lambda: seen==['ended', 'disconn'])


def test_conn_that_sends_nothing_is_cancelled_as_before(site):
    app,seen = site.app(handshake_timeout=.1),[]
    async def conn():
        try: await asyncio.sleep(60)
        finally: seen.append('cancelled')
    app.ws('/ws', conn=conn)(lambda: None)
    site.serve(app)
    c = site.connect()
    assert c.closed().code==1013 and seen==['cancelled'] and site.logged('and was cancelled')


def test_loop_in_conn_that_fails_closes(site):
    app = site.app(handshake_timeout=.05)
    async def conn(send):
        for _ in range(20): await send('tick'); await asyncio.sleep(.01)
        raise KeyError('secret')
    app.ws('/ws', conn=conn)(lambda: None)
    site.serve(app)
    assert site.connect().all()[1].code==1011 and site.logged('KeyError') and site.logged('stream')


def test_loop_in_conn_that_serves_others_is_not_cancelled(site):
    "The loop of a game, in the `conn` of its first player: that one leaves, the others play on"
    app,sends,seen,stop = site.app(handshake_timeout=.1),[],[],Gate()
    async def conn(send):
        sends.append(send)
        if len(sends)>1: return
        while not stop.is_set():
            for o in sends: await o(f'board for {len(sends)}')
            await asyncio.sleep(.005)
        seen.append('game over')
    app.ws('/ws', conn=conn, disconn=lambda: seen.append('disconn'))(lambda: None)
    site.serve(app)
    a,b = site.connect(),site.connect()
    until(lambda: len(sends)==2)
    while a.recv()!='board for 2': pass
    until(lambda: site.logged('goes on as a stream'))
    a.reset()
    until(lambda: seen==['disconn'])
    for _ in range(50): b.recv()
    stop.set()
    until(lambda: 'game over' in seen)
    site.logged('for a client that has left')


def test_loop_in_conn_and_topics(site):
    "Recovery goes live when it has become a stream: what was published since the page was made comes in order, and what is published then at once"
    async def join(ws, send): ws.subscribe('room')
    app,seen = clock(site, extra=join)
    page = Script(site).open()
    until(lambda: app.hub.members('room'))
    app.hub.publish('room', 'early')
    read_until(page, 'early')
    app.hub.publish('room', 'late')
    read_until(page, 'late')
    if not page.cursor: page.until('cursor')
    site.logged('stream')
    page.drop()
    until(lambda: 'disconn' in seen)
    app.hub.publish('room', 'meanwhile')
    page.open()
    read_until(page, 'meanwhile')
    assert [o for o in page.html if not o.startswith('tick')]==['early', 'late', 'meanwhile'] and page.hello['recovered'] is True


def test_loop_in_conn_is_shown_at_once(site):
    "As long as nothing is published that might have to come before it; what is published is kept, and comes in order"
    app,seen = site.app(handshake_timeout=60),[]
    async def conn(ws, send):
        await send('joining')
        ws.subscribe('room')
        for i in range(10_000): await send(f'tick {i}'); await asyncio.sleep(.01)
    app.ws('/ws', conn=conn, disconn=lambda: seen.append('disconn'))(lambda: None)
    s = site.serve(app)
    cursor = s.call(lambda: app.hub.signer.dump(_page_cursor(app)))
    page = Script(site)
    page.cursor = cursor
    page.open()
    read_until(page, 'tick 2')
    app.hub.publish('room', 'news')
    conn, = app.hub.connections
    until(lambda: len(conn.held)>2)
    assert page.drain().html.count('news')==0
    s.call(conn.end_now)
    until(lambda: seen)

def _page_cursor(app):
    from fasthtml_ws.cursor import Cursor
    at = app.hub.broker.position
    return Cursor(at.epoch, at.offset, app.hub.who({'session':{}}), made=int(time.time()))


def test_server_that_goes_down_ends_a_stream(site):
    app,seen = clock(site)
    s,c = site.servers[-1],site.connect()
    until(lambda: site.logged('goes on as a stream'))
    s.stop()
    while True:
        try: c.recv()
        except Closed as e: code = e.code; break
    s.join()
    assert code in (1012, 1001) and seen==['ended', 'disconn']
