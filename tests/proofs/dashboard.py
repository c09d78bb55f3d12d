"""Fifty tiles, a client on a bad line and one on a good one, under plain uvicorn in a process of its own.

A thread of the server publishes two tiles a hundred times a second (`few`), or all fifty of them in one message as often (`all`). The one that
is throttled reads so many bytes a second and no more. What it shows of a tile is the newest value that has arrived; how old that is, tile by
tile, is looked at twenty times a second. The other one must get every publication, in order.
"""
import asyncio, contextlib, re, socket, sys, tempfile, time
from dataclasses import dataclass, field
from pathlib import Path

from tests.proofs.stalled import Healthy, Server, figures, handshake

tiles,warm,patience = 50,3.,30 # seconds after which ages count, and that anything may take at the end

app = '''
import threading, time
from fasthtml_ws.common import *

app = FastHTML(secret_key='for a proof')
app.ws('/ws', conn=lambda ws: ws.subscribe('tiles'))(lambda: None)

def tile(i, n):
    return Div(Small(f'sensor {i}'), B(f'{n%100}.5'), Meter(value=n%100, min=0, max=100), id=f'sensor-{i}', cls='tile', data_at=f'{i} {n} {time.monotonic_ns()}')

def publish(rounds, each):
    begun = time.monotonic()
    for n in range(rounds):
        if each==TILES: app.hub.publish('tiles', *[tile(i, n) for i in range(TILES)])
        else:
            for k in range(each): app.hub.publish('tiles', tile((n*each+k)%TILES, n))
        time.sleep(max(0, begun+(n+1)/100-time.monotonic()))

@app.get('/start')
def start(rounds:int, each:int): threading.Thread(target=publish, args=(rounds, each), daemon=True).start(); return 'started'
'''.replace('TILES', str(tiles))

at = re.compile(rb'data-at="(\d+) (\d+) (\d+)"')


@dataclass
class Result:
    "What one run showed"
    each:int # Tiles in a round; there are 100 rounds a second
    rate:int # Bytes a second that the throttled client reads
    rounds:int # How many were published
    full:int = 0 # Tiles that the other client got
    thin:int = 0 # Tiles that the throttled one got
    ages:list[float] = field(default_factory=list) # Age of the oldest tile that it shows, seconds
    grown:float = 0. # What the server's memory grew by at most, MB
    waiting:int = 0 # Most messages that waited in all outboxes
    superseded:int = 0
    problems:list[str] = field(default_factory=list)

    @property
    def oldest(self)->float: return max(self.ages)
    @property
    def ok(self)->bool: return not self.problems and self.full==self.rounds*self.each and 0<self.thin<self.full and self.superseded>0 and self.oldest<2 and self.grown<16
    def __str__(self):
        return (f'{self.each} of {tiles} tiles a hundred times a second, {self.rate:,} bytes a second read: {self.thin:,} of {self.full:,} tiles came; oldest tile shown '
                f'{sorted(self.ages)[len(self.ages)//2]:.2f} s in the median, {self.oldest:.2f} s at worst; memory +{self.grown:.1f} MB, {self.waiting} waited at most; '
                + ('ok' if self.ok else f'FAILED {self.problems[:5]}'))


class Run:
    def __init__(self, server:Server, res:Result): self.server,self.res,self.shown,self.next,self.over = server,res,{},0,False
    def wrong(self, msg:str): self.res.problems.append(msg)

    def full(self, c, data:bytes):
        for i,n,_ in at.findall(data):
            k = self.next
            want = (k%tiles, k//tiles) if self.res.each==tiles else (k%tiles, k//self.res.each)
            if (int(i),int(n))!=want: self.wrong(f'the client on a good line got tile {int(i)} of round {int(n)} and not {want}')
            self.next += 1

    def thin(self, data:bytes):
        for i,n,made in at.findall(data):
            if (before := self.shown.get(int(i))) and before>int(made): self.wrong(f'tile {int(i)} went back in time')
            self.shown[int(i)] = int(made)
            self.res.thin += 1

    async def throttled(self):
        "A client whose line carries that much; a frame counts when all of it is there"
        loop,s,rest = asyncio.get_running_loop(),socket.socket(),b''
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.setblocking(False)
        with s, contextlib.suppress(asyncio.CancelledError):
            await loop.sock_connect(s, ('127.0.0.1', self.server.port))
            await loop.sock_sendall(s, handshake(self.server.port, 'throttled'))
            begun = read = None
            while data := await loop.sock_recv(s, self.res.rate//40):
                if begun is None: begun,read = time.monotonic(),0
                read += len(data)
                rest += data
                whole = rest.rfind(b'</meter>')
                self.thin(rest[:whole])
                rest = rest[whole:]
                await asyncio.sleep(max(0, begun+read/self.res.rate-time.monotonic()))
        if not self.over: self.wrong('the throttled client was ended')

    async def main(self):
        res,loop = self.res,asyncio.get_running_loop()
        slow = asyncio.create_task(self.throttled())
        await loop.create_connection(lambda: Healthy(self.server.port, 0, self.full), '127.0.0.1', self.server.port)
        while (await self.server.figures())['stats']['connections']<2: await asyncio.sleep(.02)
        base = self.server.memory()
        await asyncio.to_thread(self.server.get, f'/start?rounds={res.rounds}&each={res.each}')
        begun = time.monotonic()
        last = begun+res.rounds/100
        while (now := time.monotonic())<last:
            if now>begun+warm: res.ages.append((time.monotonic_ns()-min(self.shown.values()))/1e9 if len(self.shown)==tiles else now-begun)
            f = (await self.server.figures())['stats']
            res.grown,res.waiting,res.superseded = max(res.grown, self.server.memory()-base),max(res.waiting, f['waiting']),f['superseded']
            await asyncio.sleep(.05)
        while self.next<res.rounds*res.each and time.monotonic()<last+patience: await asyncio.sleep(.05)
        res.full,self.over = self.next,True
        slow.cancel()
        await slow


def run(each:int=2, rate:int=20_000, rounds:int=2_000)->Result:
    "One run, with a server of its own"
    res = Result(each, rate, rounds)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(app+figures, Path(folder))
        try: asyncio.run(Run(server, res).main())
        finally: server.stop()
    return res


def few(**kw)->Result: return run(2, 20_000, **kw)
def all_tiles(**kw)->Result: return run(tiles, 50_000, **kw)


if __name__ == '__main__':
    done = few(),all_tiles()
    for o in done: print(o)
    sys.exit(not all(o.ok for o in done))
