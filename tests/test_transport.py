"A peer that takes nothing is cut off, on every websocket class of uvicorn; on a server that gives no way, it costs no more than its socket."
import importlib.util, random, time

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from tests.kit import *

classes = [o for o in ('websockets-sansio','websockets','wsproto') if o!='wsproto' or importlib.util.find_spec('wsproto')] + ['fasthtml_ws.server:WebSocketProtocol']
kb = 'x'*1000
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning') # uvicorn's older class says that it is old


def crowd(web, asgi=lambda o: o, **kw):
    "A server whose first client reads nothing, the `send` of each client, and how many `disconn` ran"
    policy = dict(stall_timeout=.3, outbox_messages=1000)|kw.pop('policy', {})
    app,conns,left = web.app(**policy),[],[]
    app.ws('/ws', conn=lambda ws: conns.append(behind(ws)), disconn=lambda ws: left.append(behind(ws)))(lambda: None)
    s = web.serve(asgi(app), buffer=8192, **kw)
    bad = web.connect(buffer=4096)
    until(lambda: len(conns)==1)
    good = web.connect()
    until(lambda: len(conns)==2)
    return app,s,bad,good,conns,left


def fill(s, conns, n=60):
    async def go():
        for i in range(n): [ws.send_text(f'{i:06}{kb}') for ws in conns]
    s.run(go())


@pytest.mark.parametrize('ws', classes)
@pytest.mark.parametrize('loop', ['asyncio','uvloop'])
def test_peer_that_takes_nothing_is_cut_off(web, ws, loop):
    app,s,bad,good,conns,left = crowd(web, ws=ws, loop=loop)
    fill(s, conns)
    assert [int(good.recv()[:6]) for _ in range(60)]==list(range(60))
    until(lambda: s.connections==1)
    until(lambda: left)
    assert left==[conns[0]] and not conns[0].is_open and not len(conns[0].writer.outbox)
    assert len(web.logged('took nothing', 'aborted'))==1
    assert (app.hub.stats().aborted,app.hub.stats().slow,app.hub.stats().connections)==(1, 0, 1)
    msgs,end = bad.all()
    assert end.code==1006 and [int(o[:6]) for o in msgs]==list(range(len(msgs))) and len(msgs)<60
    fill(s, conns, 1)
    assert good.recv()


@pytest.mark.parametrize('ws', classes)
def test_peer_that_was_told_and_takes_nothing_is_cut_off(web, ws):
    "1013 cannot be written: `disconn` runs at once, and the socket goes when the time is over"
    app,s,bad,good,conns,left = crowd(web, ws=ws, policy=dict(outbox_messages=10))
    fill(s, conns[:1])
    until(lambda: left)
    assert left==[conns[0]]
    until(lambda: s.connections==1)
    until(lambda: web.logged('aborted'), 'line in the log')
    assert len(web.logged('too slowly'))==1
    st = app.hub.stats()
    assert (st.slow,st.aborted)==(1, 1)


@pytest.mark.parametrize('ws', classes)
def test_slow_reader_is_not_cut_off(web, ws):
    "As long as it takes something"
    app,s,bad,good,conns,left = crowd(web, ws=ws)
    fill(s, conns[:1])
    for i in range(60): assert int(bad.recv()[:6])==i; time.sleep(.02) # four times `stall_timeout`
    assert conns[0].is_open and not left


def test_one_large_message_that_is_taken_slowly_is_progress(web):
    "What counts is what the peer takes, not how many messages were finished"
    app,s,bad,good,conns,left = crowd(web)
    async def go(): conns[0].send_text('x'*400_000); conns[0].send_text('end')
    s.run(go())
    end = time.monotonic()+1.5
    while time.monotonic()<end: assert bad.sock.recv(4096); time.sleep(.03)
    assert conns[0].is_open and not left
    web.logged('aborted')


def test_progress_starts_the_time_again(web):
    app,s,bad,good,conns,left = crowd(web, policy=dict(stall_timeout=.5))
    fill(s, conns[:1])
    end = time.monotonic()+1.2
    while time.monotonic()<end: assert bad.sock.recv(1000); time.sleep(.1)
    assert conns[0].is_open
    until(lambda: left)
    assert web.logged('aborted')


class Shy:
    "A server that shows no transport, as behind a middleware that wraps `receive`"
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        async def shy_receive(): return await receive()
        async def shy_send(message): await send(message)
        await self.app(scope, *((shy_receive, shy_send) if scope['type']=='websocket' else (receive, send)))


def test_server_that_gives_no_way_keeps_only_the_socket(web):
    "The outbox is dropped, it is counted and said once, `disconn` runs, and nobody else waits"
    app,s,bad,good,conns,left = crowd(web, Shy)
    bad2 = web.connect(buffer=4096)
    until(lambda: len(conns)==3)
    fill(s, conns, 200) # no transport, so none of its buffers is kept small
    assert [int(good.recv()[:6]) for _ in range(200)]==list(range(200))
    until(lambda: conns[0].writer.aborted and conns[2].writer.aborted)
    assert len(conns[0].writer.outbox)==len(conns[2].writer.outbox)==0
    assert len(web.logged('took nothing'))==2 and len(web.logged('gives no way to abort'))==1
    assert app.hub.stats().aborted==2
    until(lambda: len(left)==2)
    assert app.hub.stats().connections==1 and len(app.hub.connections)==1
    bad.reset(); bad2.reset()
    until(lambda: s.connections==1) # only then is the socket gone
    fill(s, conns, 1)
    assert good.recv()


class HalfShy(Shy):
    "Middleware that wraps `receive` alone, as a logger of messages may"
    async def __call__(self, scope, receive, send):
        async def shy_receive(): return await receive()
        await self.app(scope, shy_receive if scope['type']=='websocket' else receive, send)


def test_peer_is_cut_off_behind_middleware_that_wraps_receive(web):
    app,s,bad,good,conns,left = crowd(web, HalfShy)
    fill(s, conns)
    assert [int(good.recv()[:6]) for _ in range(60)]==list(range(60))
    until(lambda: s.connections==1)
    assert len(web.logged('took nothing', 'aborted'))==1


# What stands between an app and its server

class Upper:
    "Middleware that changes what goes out"
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        async def upper(message): await send({k: v.upper() if k=='text' else v for k,v in message.items()})
        await self.app(scope, receive, upper)


@pytest.mark.parametrize('how', ['app','route','around'])
def test_middleware_of_the_app_sees_what_goes_out(web, how):
    from starlette.middleware import Middleware
    app = web.lib.FastHTML(secret_key='x', middleware=[Middleware(Upper)]) if how=='app' else web.app()
    app.ws('/ws', middleware=[Middleware(Upper)] if how=='route' else None)(lambda: 'quiet')
    web.serve(Upper(app) if how=='around' else app)
    c = web.connect()
    c.send('{}')
    assert c.recv().strip()=='QUIET'


@pytest.mark.parametrize('deflate', [False,True])
@pytest.mark.parametrize('ws', classes)
def test_texts_of_every_size_arrive_as_they_are(web, ws, deflate):
    "Where frames are ready-made (sansio without compression) as where they are not"
    app,conns = web.app(),[]
    app.ws('/ws', conn=lambda ws: conns.append(behind(ws)))(lambda: None)
    s = web.serve(app, ws=ws, ws_per_message_deflate=deflate)
    c = web.connect()
    until(lambda: conns)
    assert (conns[0].writer.wire is not None)==(ws in ('websockets-sansio','fasthtml_ws.server:WebSocketProtocol')) # this client offers no compression
    texts = [o*n for n in (1, 62, 63, 125, 126, 32_767, 32_768, 65_535, 65_536) for o in ('x','é')]
    s.call(lambda: [conns[0].send_text(o) for o in texts])
    for o in texts: assert c.recv()==o


def test_no_ready_frames_where_they_would_have_to_be_compressed(web):
    from websockets.sync.client import connect
    app,conns = web.app(),[]
    app.ws('/ws', conn=lambda ws: conns.append(behind(ws)))(lambda: None)
    s = web.serve(app, ws='websockets-sansio')
    with connect(f'ws://127.0.0.1:{s.port}/ws') as c:
        until(lambda: conns)
        assert conns[0].writer.wire is None
        s.call(lambda: conns[0].send_text('x'*10_000))
        assert c.recv()=='x'*10_000


def test_what_is_published_is_compressed_once(web, monkeypatch):
    "Under our class, for all who have agreed to the same, and not for the others"
    from websockets.sync.client import connect
    from fasthtml_ws import outbox
    made,real = [],outbox.packed_frame
    monkeypatch.setattr(outbox, 'packed_frame', lambda op,data,bits: made.append(bits) or real(op, data, bits))
    app = web.app()
    app.ws('/ws')(lambda: None)
    s = web.serve(app, ws='fasthtml_ws.server:WebSocketProtocol')
    text,small = 'one of many, '*500,ClientPerMessageDeflateFactory(server_max_window_bits=10)
    ways = [dict()]*5 + [dict(compression=None, extensions=[small])]*2
    clients = [connect(f'ws://127.0.0.1:{s.port}/ws', **o) for o in ways]
    plain = web.connect()
    until(lambda: len(app.hub.connections)==8)
    assert all(o.writer.wire for o in app.hub.connections)
    s.call(app.hub.publish_to_all, text)
    for c in clients: assert text in c.recv(wait_s)
    assert text in plain.recv()
    assert sorted(made)==[10, 15]
    for c in clients: c.close()


@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
def test_what_waits_goes_out_as_ready_frames_when_there_is_room(web, loop):
    "Compressed; when the client has taken what was before"
    from websockets.sync.client import connect
    app,conns = web.app(send_buffer=8192, conflate=False),[]
    app.ws('/ws', conn=lambda ws: conns.append(behind(ws)))(lambda: None)
    s = web.serve(app, ws='fasthtml_ws.server:WebSocketProtocol', buffer=8192, loop=loop)
    texts = [f'{i:06d}'+random.Random(i).randbytes(20_000).hex() for i in range(30)]
    with connect(f'ws://127.0.0.1:{s.port}/ws') as c:
        until(lambda: conns)
        time.sleep(.1)
        s.call(lambda: [conns[0].send_text(o) for o in texts])
        for o in texts: assert c.recv(wait_s)==o
