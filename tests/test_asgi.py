"""The same ASGI apps under our class and under uvicorn's own: the same bytes for the client, and the same story for the app.

What differs on purpose stands in `differs`, with the reason.
"""
import asyncio, contextvars, gc, os, re, socket, time
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from fasthtml_ws.server import WebSocketProtocol
from tests.kit import *
from tests.test_frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, client_frame

ours,theirs = 'fasthtml_ws.server:WebSocketProtocol','websockets-sansio'
servers = [dict(loop=l, http=h) for l,h in (('asyncio','h11'), ('uvloop','httptools'))]
each = pytest.mark.parametrize('server', servers, ids=lambda o: o['loop'])


# A client that sees bytes

def hello(path='/', *lines, method='GET', version='13', key='AAAAAAAAAAAAAAAAAAAAAA==', upgrade='websocket', connection='Upgrade'):
    head = [f'{method} {path} HTTP/1.1', 'Host: example.com', f'Upgrade: {upgrade}', f'Connection: {connection}', f'Sec-WebSocket-Key: {key}', f'Sec-WebSocket-Version: {version}', *lines]
    return '\r\n'.join(o for o in head if not o.endswith('None')).encode() + b'\r\n\r\n'

goodbye = client_frame(CLOSE, b'\x03\xe8bye')

class Raw:
    "A client that only knows TCP"
    def __init__(self, port, head=hello()):
        self.sock,self.data = socket.create_connection(('127.0.0.1', port), wait_s),b''
        self.sock.sendall(head)

    def send(self, *frames): self.sock.sendall(b''.join(frames)); return self

    def until(self, n:int, end=b''):
        "Read until `n` bytes are there, or they end so"
        while len(self.data)<n and not (end and self.data.endswith(end)):
            if not (more := self.sock.recv(65536)): break
            self.data += more
        return self

    def head(self)->str:
        while b'\r\n\r\n' not in self.data: self.until(len(self.data)+1)
        head,_,self.data = self.data.partition(b'\r\n\r\n')
        return head.decode()

    def quiet(self, seconds=.1):
        "Read until nothing comes any more"
        self.sock.settimeout(seconds)
        try:
            while more := self.sock.recv(65536): self.data += more
        except TimeoutError: pass
        self.sock.settimeout(wait_s)
        return self

    def rest(self)->bytes:
        "What comes until the server hangs up"
        try:
            while more := self.sock.recv(65536): self.data += more
        except ConnectionResetError: pass
        self.sock.close()
        return self.data


def cut(server):
    "Have the lines of a server fail at the next write, before the event loop has heard of it"
    for p in server.uvicorn.server_state.connections:
        with socket.socket(fileno=os.dup(p.transport.get_extra_info('socket').fileno())) as sock: sock.shutdown(socket.SHUT_RDWR)


def as_said(head:str)->list[str]:
    "Status and headers of an answer, whatever the order, but not the time"
    status,*lines = head.split('\r\n')
    return [status, *sorted(re.sub('(?i)^date: .*', 'date: now', k.lower()+': '+v.strip()) for k,_,v in (o.partition(':') for o in lines))]


def frames_of(data:bytes)->tuple[list[bytes],list[bytes]]:
    "Frames of a server as they are, and its pongs, which may come before or after what was sent before the ping"
    res = [],[]
    while data:
        size,at = data[1],2
        if size>=126: at += 2 if size==126 else 8; size = int.from_bytes(data[2:at], 'big')
        res[data[0]==0x80|PONG].append(data[:at+size])
        data = data[at+size:]
    return res


# Apps

async def echo(scope, receive, send):
    await receive()
    await send({'type':'websocket.accept', 'subprotocol':next(iter(scope['subprotocols']), None), 'headers':[(b'X-App', b'echo'), (b'Set-Cookie', b'a=b'), (b'Set-Cookie', b'c=d')]})
    while (m := await receive())['type']=='websocket.receive': await send(m | {'type':'websocket.send'})

def story(app, told):
    "Middleware that writes down what passes"
    async def wrapped(scope, receive, send):
        if scope['type']!='websocket': return await app(scope, receive, send)
        async def r():
            m = await receive()
            told.append(m)
            return m
        async def s(m):
            try: await send(m)
            except BaseException as e: told.append((m['type'], type(e).__name__)); raise
        try: return await app(scope, r, s)
        finally: told.append('finally')
    return wrapped

def upper(app):
    async def wrapped(scope, receive, send):
        async def s(m): await send({k:v.upper() if k=='text' else v for k,v in m.items()})
        await app(scope, receive, s)
    return wrapped

who = contextvars.ContextVar('who', default='nobody')
def knows(app):
    "Middleware that sets a contextvar, and sees that it is still its own at the end"
    async def wrapped(scope, receive, send):
        token = who.set(scope['path'])
        try: await app(scope, receive, send)
        finally: who.reset(token) # a ValueError in another context
    return wrapped

async def says_who(scope, receive, send):
    await receive()
    await send({'type':'websocket.accept'})
    while (await receive())['type']=='websocket.receive': await send({'type':'websocket.send', 'text':who.get()})

def does(*messages, accept=True, receives=0, fails=None, result=None):
    "An app that sends `messages`"
    async def app(scope, receive, send):
        await receive()
        if accept: await send({'type':'websocket.accept'})
        for _ in range(receives): await receive()
        for o in messages: await send(o)
        if fails: raise fails
        return result
    return app

text = dict(type='websocket.send', text='hi')
def close(*args): return dict(zip(('type','code','reason'), ('websocket.close', *args)))

async def closes_and_listens(scope, receive, send):
    await receive()
    await send({'type':'websocket.accept'})
    await send(close(4000, 'that is all'))
    await receive()

async def listens(scope, receive, send):
    await receive()
    await send({'type':'websocket.accept'})
    while (await receive())['type']!='websocket.disconnect': pass
    try: await send(text)
    except OSError: pass

frames = [client_frame(TEXT, b'one'), client_frame(BINARY, b'\x00\xff'), client_frame(TEXT), client_frame(BINARY), client_frame(TEXT, 'né'.encode()*9_000), client_frame(PING, b'?'),
          client_frame(TEXT, b'a', fin=False), client_frame(CONT, fin=False), client_frame(PONG, b'!'), client_frame(CONT, b'b'), client_frame(BINARY, bytes(70_000)), goodbye]
start = {'type':'websocket.http.response.start', 'status':418, 'headers':[(b'X-Why', b'tea'), (b'content-type', b'text/plain')]}
body = {'type':'websocket.http.response.body', 'body':b'I am a'}

# name -> app, what the client sends, words in the log
stories = {
    'echo': (echo, frames, ()),
    'echo, one by one': (echo, frames, ()),
    'middleware wraps send': (upper(echo), frames, ()),
    'middleware sets a contextvar': (knows(says_who), [client_frame(TEXT), client_frame(TEXT), goodbye], ()),
    'all middleware': (upper(knows(upper(says_who))), [client_frame(TEXT), goodbye], ()),
    'refused': (does(close(), accept=False), [], ()),
    'refused with a code': (does(close(4000, 'no'), accept=False), [], ()),
    'refused with an answer': (does(start, body | {'more_body':True}, body | {'body':b' teapot'}, accept=False), [], ('without completing handshake',)),
    'refused with an empty answer': (does(start | {'headers':[]}, body | {'body':b''}, accept=False), [], ('without completing handshake',)),
    'refused with a bad status': (does(start | {'status':42}, accept=False), [], ('Exception in ASGI',)),
    'fails before it decides': (does(accept=False, fails=KeyError('x')), [], ('Exception in ASGI',)),
    'returns before it decides': (does(accept=False), [], ('without completing handshake',)),
    'says too much before it decides': (does(text, accept=False), [], ('Exception in ASGI',)),
    'returns': (does(text), [], ()),
    'returns a value': (does(text, result=5), [], ("returned '5'",)),
    'fails': (does(text, fails=KeyError('x')), [], ('Exception in ASGI',)),
    'closes': (does(text, close()), [client_frame(CLOSE, b'\x03\xe8')], ()),
    'closes with a code and a reason': (does(text, close(4000, 'é')), [client_frame(CLOSE, b'\x0f\xa0')], ()),
    'closes with no reason': (does(close(1001, None)), [client_frame(CLOSE, b'\x0f\xa0')], ()),
    'closes and listens': (closes_and_listens, [client_frame(CLOSE, b'\x0f\xa0')], ()),
    'closes twice': (does(close(), close()), [client_frame(CLOSE, b'\x03\xe8')], ('Exception in ASGI',)),
    'sends after it has closed': (does(close(), text), [client_frame(CLOSE, b'\x03\xe8')], ('Exception in ASGI',)),
    'accepts twice': (does({'type':'websocket.accept'}), [], ('Exception in ASGI',)),
    'sends nothing': (does({'type':'websocket.send'}, text, close()), [client_frame(CLOSE, b'\x03\xe8')], ()),
    'the client closes': (listens, [client_frame(CLOSE, b'\x0f\xa0why')], ()),
    'the client closes with no code': (listens, [client_frame(CLOSE)], ()),
    'the client says what it must not': (listens, [client_frame(3)], ('Exception in ASGI',)),
    'the client says too much': (listens, [client_frame(TEXT, b'x', length=1<<30, form=64)], ('Exception in ASGI',)),
    'the client says what is no text': (listens, [client_frame(TEXT, b'\xff')], ('Invalid UTF-8', 'Exception in ASGI')),
}
differs = {
    'the client says what is no text': 'uvicorn logs that, and raises RuntimeError where ASGI says OSError',
    'the client says what it must not': 'the reason is in our words, and the same RuntimeError',
    'the client says too much': 'the same',
}
quieter = {'refused with an answer', 'refused with an empty answer'} # uvicorn takes the answer for none, and says so in the log

def tell(web, ws, name, server):
    "What the client got, and what the app was told"
    app,sends,words = stories[name]
    told = []
    s = web.serve(story(app, told), ws=ws, lifespan='off', ws_per_message_deflate=False, **server)
    c = Raw(s.port, hello('/a', 'Sec-WebSocket-Protocol: chat, superchat'))
    head = c.head()
    if name=='echo, one by one':
        for o in sends[:-1]: c.send(*[o[i:i+1000] for i in range(0, len(o), 1000)]); time.sleep(.01)
    else: c.send(*(o for o in sends if o!=goodbye))
    if goodbye in sends: c.quiet().send(goodbye) # uvicorn's class hears it before the app has answered what came before
    got = c.rest()
    until(lambda: 'finally' in told and not s.connections)
    logged = [o for w in words for o in web.logged(w)]
    return SimpleNamespace(head=as_said(head), got=got, told=[{k:o[k] for k in o if k!='reason'} if isinstance(o, dict) else o for o in told], logged=bool(logged))


@each
@pytest.mark.parametrize('name', stories)
def test_same_story(web, name, server):
    a,b = tell(web, ours, name, server),tell(web, theirs, name, server)
    assert a.head==b.head
    if name in differs: assert a.told[:2]==b.told[:2] and a.told[2]==('websocket.send','ClientDisconnected') and a.got[2:4]==b.got[2:4] and a.got[0]==b.got[0]==0x88
    else:
        assert a.told==b.told and (frames_of(a.got)==frames_of(b.got) if '101' in a.head[0] else a.got==b.got)
        assert b.logged==bool(stories[name][2]) and a.logged==(b.logged and name not in quieter)


# The scope

@each
@pytest.mark.parametrize('kw', [{}, dict(root_path='/api'), dict(headers=[('x-server', 'mine')], date_header=False, server_header=False)])
def test_same_scope(web, server, kw):
    seen = {}
    async def app(scope, receive, send):
        if scope['type']=='lifespan':
            await receive()
            scope['state']['db'] = 'it'
            await send({'type':'lifespan.startup.complete'})
            await receive()
            await send({'type':'lifespan.shutdown.complete'})
            return
        seen[now] = scope
        await echo(scope, receive, send)
    heads = {}
    for now in (ours, theirs):
        s = web.serve(app, ws=now, ws_per_message_deflate=False, **server, **kw)
        c = Raw(s.port, hello('/a%20b/%C3%A9?x=1&y=%20?', 'X-Forwarded-For: 10.1.2.3', 'X-Forwarded-Proto: https', 'Sec-WebSocket-Protocol: a,b', 'Sec-WebSocket-Protocol: c', 'X-Odd: \xe9 '))
        heads[now] = as_said(c.head())
        c.send(goodbye).rest()
    a,b = seen[ours],seen[theirs]
    assert a.pop('server')[0]==b.pop('server')[0]
    assert a==b and a['client']==('10.1.2.3', 0) and a['scheme']=='wss' and a['state']=={'db':'it'}
    assert heads[ours]==heads[theirs]


@each
@pytest.mark.parametrize('kw,status', [(dict(key=None), 400), (dict(key='AAAA'), 400), (dict(key='!'*24), 400), (dict(version='12'), 426), (dict(version=None), 426), (dict(method='POST'), 405)])
def test_handshakes_that_are_none(web, server, kw, status):
    "A wrong version is 426 and names the right one, as RFC 6455 (section 4.4) has it; uvicorn says 400"
    for ws in (ours, theirs):
        s = web.serve(echo, ws=ws, lifespan='off', **server)
        c = Raw(s.port, hello(**kw))
        head = c.head()
        assert head.startswith(f'HTTP/1.1 {400 if ws==theirs and "version" in kw else status} '), head
        assert 'version' not in kw or ws==theirs or 'Sec-WebSocket-Version: 13' in head
        c.rest()
        until(lambda s=s: not s.connections)


def test_line_break_in_a_header_is_an_error(web):
    s = web.serve(does({'type':'websocket.accept', 'headers':[(b'x', b'1\r\ny: 2')]}, accept=False), ws=ours, lifespan='off')
    assert Raw(s.port).head().startswith('HTTP/1.1 500')
    assert web.logged('line break')


# Both ways

@each
def test_client_that_sends_more_than_is_read(web, server):
    "Memory stays, and nothing is lost"
    gate,seen = Gate(),[]
    async def app(scope, receive, send):
        await receive()
        await send({'type':'websocket.accept'})
        await gate.passed()
        while (m := await receive())['type']=='websocket.receive': seen.append(m['text'])
    s = web.serve(app, ws=ours, lifespan='off', buffer=65_536, **server)
    c = Raw(s.port)
    c.head()
    c.sock.settimeout(.3)
    n,sent = 20_000,0
    data = b''.join(client_frame(TEXT, b'%0500d' % i) for i in range(n)) + goodbye
    try:
        while sent<len(data): sent += c.sock.send(data[sent:])
    except TimeoutError: pass
    p, = s.uvicorn.server_state.connections
    assert sent<len(data) and p.read_stopped and len(p.reader._data)<600_000
    gate.set()
    c.sock.settimeout(wait_s)
    c.send(data[sent:])
    assert c.rest().endswith(b'bye') and seen==['%0500d' % i for i in range(n)]


@each
@pytest.mark.parametrize('end', ['drop','reset','goodbye'])
def test_what_came_before_the_end_is_for_the_app(web, server, end):
    seen = []
    async def app(scope, receive, send):
        await receive()
        await send({'type':'websocket.accept'})
        while True:
            seen.append(await receive())
            if seen[-1]['type']!='websocket.receive': return
            await asyncio.sleep(.01)
    s = web.serve(app, ws=ours, lifespan='off', **server)
    c = Raw(s.port)
    c.head()
    c.send(*[client_frame(TEXT, b'%d' % i) for i in range(20)], goodbye if end=='goodbye' else b'')
    until(lambda: seen)
    if end=='reset': c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes((1, 0, 0, 0, 0, 0, 0, 0)))
    if end!='goodbye': c.sock.close()
    until(lambda: not s.connections and seen[-1]['type']=='websocket.disconnect')
    assert [o['text'] for o in seen[:-1]]==[str(i) for i in range(20)]
    assert seen[-1]['code']==(1000 if end=='goodbye' else 1006)
    c.sock.close()


@each
def test_pings_of_a_client_that_takes_nothing_are_answered_once(web, server):
    async def app(scope, receive, send):
        await receive()
        await send({'type':'websocket.accept'})
        much = asyncio.ensure_future(send(text | {'text':'x'*5_000_000}))
        while (await receive())['type']!='websocket.disconnect': pass
        await much
    s = web.serve(app, ws=ours, lifespan='off', buffer=8192, **server)
    c = Raw(s.port)
    p = until(lambda: next((o for o in list(s.uvicorn.server_state.connections) if isinstance(o, WebSocketProtocol)), None)) # uvicorn's own for HTTP comes before
    until(lambda: p.write_paused)
    before = p.transport.get_write_buffer_size()
    for i in range(20): c.send(*[client_frame(PING, b'%d' % j) for j in range(i*1000, i*1000+1000)])
    until(lambda: p._late_pong.endswith(b'19999'))
    assert p.transport.get_write_buffer_size()<=before
    c.until(6_000_000, b'\x8a\x0519999')
    c.send(goodbye)
    c.rest()


@each
def test_sends_wait_for_a_slow_client_and_end_when_it_leaves(web, server):
    ended = []
    async def app(scope, receive, send):
        await receive()
        await send({'type':'websocket.accept'})
        async def talk():
            try:
                while True: await send(text | {'text':'x'*100_000})
            except OSError as e: ended.append(type(e).__name__)
        await asyncio.gather(talk(), talk(), talk())
    s = web.serve(app, ws=ours, lifespan='off', buffer=8192, **server)
    c = Raw(s.port)
    c.head()
    until(lambda: s.connections and [getattr(o, 'write_paused', None) for o in s.uvicorn.server_state.connections]==[True])
    p, = s.uvicorn.server_state.connections
    assert p.transport.get_write_buffer_size()<1_000_000
    c.sock.close()
    until(lambda: len(ended)==3 and not s.connections)


@each
def test_app_that_sends_without_end_learns_that_the_line_is_dead(web, server):
    "And the event loop is not its alone until then: an app that never waits gives it no turn in which it could tell"
    ended = []
    async def app(scope, receive, send):
        await receive()
        await send({'type':'websocket.accept'})
        cut(s)
        try:
            for _ in range(10_000): await send(text)
        except OSError as e: ended.append(type(e).__name__)
        else: ended.append('never')
    s = web.serve(app, ws=ours, lifespan='off', **server)
    Raw(s.port).head()
    until(lambda: ended and not s.connections)
    assert ended==['ClientDisconnected']


@pytest.mark.parametrize('ws', [ours, theirs, 'wsproto'])
@each
def test_handler_that_sends_without_end_learns_that_the_line_is_dead(web, server, ws):
    app,ended = web.app(),[]
    @app.ws('/')
    async def loops_on(msg:str, send):
        cut(s)
        try:
            for _ in range(10_000): await send('x')
        except web.lib.Disconnected as e: ended.append(e)
        else: ended.append('never')
    s = web.serve(app, ws=ws, **server)
    c = Raw(s.port)
    c.head()
    c.send(client_frame(TEXT, b'{"msg":"a"}'))
    until(lambda: ended and not s.connections)
    assert 'the client left' in str(ended)


@each
def test_several_may_receive(web, server):
    "As with a queue: each message goes to one, the end to all, and one that is cancelled takes nothing with it"
    seen = []
    async def app(scope, receive, send):
        await receive()
        await send({'type':'websocket.accept'})
        tasks = [asyncio.ensure_future(receive()) for _ in range(4)]
        await asyncio.sleep(0)
        tasks.pop(0).cancel()
        await asyncio.sleep(0)
        await send(text)
        seen.extend(o.get('text', o['type']) for o in await asyncio.gather(*tasks))
        with pytest.raises(RuntimeError, match='nothing comes after'): await receive()
    s = web.serve(app, ws=ours, lifespan='off', **server)
    c = Raw(s.port)
    c.head()
    c.until(4)
    c.send(client_frame(TEXT, b'a')).send(goodbye)
    c.rest()
    until(lambda: len(seen)==3)
    assert sorted(seen)==['a', 'websocket.disconnect', 'websocket.disconnect']


@each
def test_peer_that_does_not_hang_up_after_a_broken_frame_is_cut_off(web, server, monkeypatch):
    monkeypatch.setattr(WebSocketProtocol, 'close_timeout', .2)
    s = web.serve(listens, ws=ours, lifespan='off', **server)
    c = Raw(s.port)
    c.head()
    c.send(client_frame(3))
    assert c.until(4).data[2:4]==b'\x03\xea'
    for _ in range(3): c.send(bytes(1000)) # which nobody reads as frames
    until(lambda: not s.connections)
    c.sock.close()


@each
def test_goodbye_arrives_though_the_client_goes_on_sending(web, server):
    "Unread bytes would reset the line before it is read"
    s = web.serve(listens, ws=ours, lifespan='off', ws_max_size=1000, **server)
    for _ in range(20):
        c = Raw(s.port)
        c.head()
        c.send(client_frame(BINARY, bytes(300_000)))
        assert c.until(4).data[2:4]==b'\x03\xf1'
        c.sock.close()
    until(lambda: not s.connections)


@each
def test_message_that_grows_too_large_when_it_is_inflated(web, server):
    from fasthtml_ws.frames import deflate
    s = web.serve(echo, ws=ours, lifespan='off', ws_max_size=5000, **server)
    c = Raw(s.port, hello('/', 'Sec-WebSocket-Extensions: permessage-deflate'))
    assert 'permessage-deflate; server_no_context_takeover; client_no_context_takeover' in c.head()
    c.send(client_frame(TEXT, deflate(b'x'*5000), rsv=4)).until(2)
    c.send(client_frame(TEXT, deflate(b'x'*5001), rsv=4))
    assert b'\x03\xf1' in c.rest()


# Nothing is left

@each
def test_nothing_is_left_for_the_garbage_collector(web, server):
    async def app(ws):
        await ws.accept()
        async for o in ws.iter_text(): await ws.send_text(o)
    s = web.serve(Starlette(routes=[WebSocketRoute('/', app)]), ws=ours, **server)
    def talk(end):
        c = Raw(s.port)
        c.head()
        c.send(client_frame(TEXT, b'x')).until(3)
        if end: c.send(goodbye).rest()
        c.sock.close()
    kinds = 'WebSocketProtocol', 'FrameReader', 'HttpToolsProtocol', 'H11Protocol', 'WebSocket'
    def left(): return [o for o in gc.get_objects() if type(o).__name__ in kinds]
    talk(True)
    until(lambda: not s.connections)
    gc.collect(); gc.disable()
    try:
        before = len(left())
        for i in range(20): talk(i%2)
        until(lambda: not s.connections)
        until(lambda: len(left())<=before, f'end of {left()}')
    finally: gc.enable()
