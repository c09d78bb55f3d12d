"Our class for uvicorn in memory, fed with the streams of test_frames.py: what it answers is what the slow reader says it should."
import asyncio, random
from collections import Counter

from uvicorn.config import Config
from uvicorn.server import ServerState

from fasthtml_ws.frames import BINARY, CLOSE, PING, PONG, TEXT, close_frame, server_frame
from fasthtml_ws.server import WebSocketProtocol
from fasthtml_ws.transport import run_now
from tests.test_asgi import frames_of, hello
from tests.test_frames import max_size, slow, some_pieces, some_stream


class Line(asyncio.Transport):
    "A transport in memory that calls its protocol as a real one does"
    def __init__(self, protocol): super().__init__(); self.protocol,self.sent,self.closed,self.paused,self.waits = protocol,b'',False,False,[]
    def get_protocol(self): return None
    def get_write_buffer_size(self): return 0
    def is_closing(self): return self.closed
    def can_write_eof(self): return True
    def write_eof(self): pass
    def write(self, data): assert not self.closed; self.sent += data
    def pause_reading(self): assert not self.paused; self.paused = True
    def resume_reading(self):
        assert self.paused
        self.paused = False
        asyncio.get_running_loop().call_soon(self.give)
    def give(self):
        while self.waits and not self.paused and not self.closed: self.protocol.data_received(self.waits.pop(0))
    def close(self):
        if not self.closed: self.closed = True; asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)
    abort = close


class Echo:
    "What an app may hand its connection over to"
    def __init__(self, p, send, r, told): self.p,self.send,self.r,self.told = p,send,r,told
    def ended(self, code, reason): self.told.append(code)
    def heard(self, what, more):
        run_now(self.send({'type':'websocket.send', 'text' if isinstance(what, str) else 'bytes':what}))
        if self.r.random()<.7: return True
        asyncio.get_running_loop().call_soon(self.p.go_on)
        return False


async def talk(pieces, r):
    "What an echo app answers to `pieces`, which come now and then; every other one is called"
    told,called = [],r.random()<.5
    async def echo(scope, receive, send):
        assert (await receive())['type']=='websocket.connect'
        await send({'type':'websocket.accept'})
        if called: return p.hand_over(Echo(p, send, r, told))
        while (m := await receive())['type']=='websocket.receive':
            if r.random()<.3: await asyncio.sleep(0)
            await send(m | {'type':'websocket.send'})
        told.append(m['code'])
    state = ServerState()
    p = WebSocketProtocol(Config(echo, log_config=None, lifespan='off', ws_max_size=max_size, ws_per_message_deflate=False, ws_ping_interval=None), state, {})
    line = Line(p)
    p.connection_made(line)
    p.data_received(hello())
    for _ in range(4): await asyncio.sleep(0)
    _,_,line.sent = line.sent.partition(b'\r\n\r\n')
    for o in pieces:
        line.waits.append(o)
        line.give()
        for _ in range(r.randrange(3)): await asyncio.sleep(0)
    for _ in range(60): await asyncio.sleep(0)
    ended,got = line.closed or bool(told),line.sent
    if not line.closed: line.close()
    for _ in range(30): await asyncio.sleep(0)
    assert not state.connections and not state.tasks and len(told)==1
    return frames_of(got),told[0],ended


def expected(stream):
    "Frames, pongs, code for the app, whether it ends"
    got,wrong = slow(stream, False)
    frames,pongs = [],[]
    for op,what in got:
        if op==CLOSE: return (frames+[close_frame(*what)], pongs),what[0],True
        if op==PING: pongs.append(server_frame(PONG, what))
        elif op in (TEXT, BINARY): frames.append(server_frame(op, what.encode() if op==TEXT else what))
    return (frames+[wrong] if wrong else frames, pongs),wrong or 1006,bool(wrong)


async def look(seed):
    r = random.Random(seed)
    stream = some_stream(r, False)
    a,((frames,pongs),code,ended) = expected(stream),await talk(some_pieces(r, stream), r)
    if a[0][0] and isinstance(a[0][0][-1], int): # the reason is in words of its own
        assert frames and frames[-1][0]==0x80|CLOSE, f'seed {seed}: {stream!r}'
        frames = frames[:-1]+[int.from_bytes(frames[-1][2:4], 'big')]
    assert a==((frames,pongs),code,ended), f'seed {seed}: {stream!r}\n{a}\n{((frames,pongs),code,ended)}'
    return code


def test_random_streams_are_answered_as_they_should_be():
    async def main(): return [await look(seed) for seed in range(3000)]
    codes = asyncio.run(main())
    print(Counter(map(int, codes)))
    assert {1002, 1006, 1007, 1009} <= set(codes)
