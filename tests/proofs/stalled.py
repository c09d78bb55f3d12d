"""One client that never reads, one that reads 1 KB a second, and a hundred healthy ones under one stream of publications.

The server is a process of its own, started as plain `python -m uvicorn module:app`; the clients are in this one. Each publication carries the
time at which it was made. `run` publishes to a topic from a task of the app; `run_page` talks through the page's chat, whose code is
unchanged but for its list, which keeps the last 20 lines.
"""
import asyncio, base64, contextlib, json, os, re, socket, subprocess, sys, tempfile, time, urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.browser.page_examples import chat

root = Path(__file__).parents[2]
patience = 30 # seconds that anything may take at the end

publisher = '''
import asyncio, os, time
from fasthtml_ws.common import *

app = FastHTML(secret_key='for a proof', policy=Policy(**POLICY))
tasks = []
def conn(ws): ws.subscribe('news')
app.ws('/ws', conn=conn)(lambda: None)

async def publish(n, rate, size):
    begun = time.monotonic()
    for i in range(n):
        await asyncio.sleep(max(0, begun+i/rate-time.monotonic()))
        app.hub.publish('news', Div(Div(f'[{i} {time.monotonic_ns()}]'+'x'*size), hx_swap_oob='beforeend:#log'))

@app.get('/start')
async def start(n:int, rate:float, size:int): tasks.append(asyncio.create_task(publish(n, rate, size))); return 'started'
'''

page = 'from collections import deque\n' + chat.replace('fasthtml.common', 'fasthtml_ws.common').replace('msgs = []', 'msgs = deque(maxlen=20)')

figures = '''
import json, psutil
from dataclasses import asdict
@app.get('/figures')
async def _figures():
    who = lambda o: o.query_params.get('who', '')
    sockets = sum(o.status=='ESTABLISHED' and bool(o.raddr) for o in psutil.Process().net_connections('tcp'))
    return JSONResponse(dict(stats=asdict(app.hub.stats()), who=[who(o) for o in app.hub.connections], sockets=sockets-1))
'''


@dataclass
class Result:
    "What one run showed"
    publications:int # How many were made
    size:int # Bytes of each
    healthy:int # Clients that read
    bar:float # Longest p99 that will do, seconds
    received:int = 0 # Messages that these got, in all
    p50:float = 0. # Time from publishing to receiving, seconds
    p99:float = 0.
    slowest:float = 0.
    grown:float = 0. # What the server's memory grew by at most, MB
    gone:dict[str,float] = field(default_factory=dict) # Seconds from the first publication until the two were no longer connections
    sockets:int = -1 # TCP connections of the server at the end, above those of the healthy clients
    all_gone:float = -1. # Seconds from the first publication until these were closed
    slow:int = 0 # As `hub.stats()` counts them
    aborted:int = 0
    seconds:float = 0. # From the first publication to the last that arrived
    problems:list[str] = field(default_factory=list) # What should not have happened

    @property
    def ok(self)->bool:
        return (not self.problems and self.received>=self.publications and self.p99<self.bar and self.grown<64
                and set(self.gone)=={'never','slow'} and self.sockets==0)
    def __str__(self):
        gone = ', '.join(f'{k} after {v:.1f} s' for k,v in self.gone.items())
        return (f'{self.publications} publications of {self.size:,} bytes to {self.healthy} in {self.seconds:.0f} s: {self.received:,} received; p50 {self.p50*1000:.0f} ms, '
                f'p99 {self.p99*1000:.0f} ms, slowest {self.slowest*1000:.0f} ms; memory +{self.grown:.1f} MB; gone: {gone} (sockets after {self.all_gone:.1f} s); '
                f'{self.slow} slow, {self.aborted} aborted, {self.sockets} sockets left; ' + ('ok' if self.ok else f'FAILED {self.problems[:5]}'))


class Server:
    "`python -m uvicorn served:app` in a process of its own"
    def __init__(self, source:str, folder:Path):
        (folder/'served.py').write_text(source)
        self.log = folder/'log'
        with open(self.log, 'wb') as f:
            self.proc = subprocess.Popen([sys.executable, '-m', 'uvicorn', 'served:app', '--port', '0'], cwd=folder, stdout=f, stderr=f,
                                         env=os.environ|{'PYTHONPATH':str(root)})
        self.ps,end = psutil.Process(self.proc.pid),time.monotonic()+patience
        while not (m := re.search(r'running on http://127\.0\.0\.1:(\d+)', self.log.read_text())):
            if self.proc.poll() is not None or time.monotonic()>end: self.stop(); raise RuntimeError(self.log.read_text())
            time.sleep(.02)
        self.port = int(m[1])

    def get(self, path:str):
        with urllib.request.urlopen(f'http://127.0.0.1:{self.port}{path}', timeout=patience) as r: return r.read().decode()

    async def figures(self)->dict: return json.loads(await asyncio.to_thread(self.get, '/figures'))
    def memory(self)->float: return self.ps.memory_info().rss/2**20

    def stop(self):
        self.proc.terminate()
        try: self.proc.wait(10)
        except subprocess.TimeoutExpired: self.proc.kill(); self.proc.wait()


def handshake(port:int, who:str, browser:bool=True)->bytes:
    "What a browser asks, or another client"
    origin = f'Origin: http://127.0.0.1:{port}\r\n' if browser else ''
    return (f'GET /ws?who={who} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{origin}Upgrade: websocket\r\nConnection: Upgrade\r\n'
            f'Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n').encode()

def frame(data:bytes, op:int=1)->bytes:
    "A frame of a client, masked with zeros"
    n = len(data)
    return bytes([0x80|op]) + (bytes([0x80|n]) if n<126 else b'\xfe'+n.to_bytes(2, 'big')) + b'\0\0\0\0' + data


class Healthy(asyncio.Protocol):
    "A client that reads all, and gives each message to `got`"
    def __init__(self, port:int, i:int, got, browser:bool=True):
        self.port,self.i,self.got,self.browser,self.buf,self.open,self.ended = port,i,got,browser,bytearray(),False,''
    def connection_made(self, t): self.t = t; t.write(handshake(self.port, f'healthy{self.i}', self.browser))
    def connection_lost(self, e): self.open = False; self.ended = self.ended or repr(e)
    def say(self, text:str): self.t.write(frame(text.encode()))

    def data_received(self, data):
        b = self.buf
        b += data
        if not self.open:
            head,found,_ = bytes(b).partition(b'\r\n\r\n')
            if not found: return
            self.open = head.startswith(b'HTTP/1.1 101')
            del b[:len(head)+4]
        at = 0
        while len(b)-at>=2:
            n,start = b[at+1],at+2
            if n==126: n,start = int.from_bytes(b[at+2:at+4], 'big'),at+4
            elif n==127: n,start = int.from_bytes(b[at+2:at+10], 'big'),at+10
            if len(b)<start+n: break
            self.take(b[at]&15, bytes(b[start:start+n]))
            at = start+n
        del b[:at]

    def take(self, op:int, data:bytes):
        if op==1: self.got(self, data)
        elif op==9: self.t.write(frame(data, 10))
        elif op==8: self.ended = f'closed with {int.from_bytes(data[:2], "big")} {data[2:].decode()}'


async def stall(port:int, who:str, buffer:int, bytes_per_s:int=0):
    "A client that reads that slowly; until it is cancelled, or its connection ends"
    loop,s = asyncio.get_running_loop(),socket.socket()
    if buffer: s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    s.setblocking(False)
    with s, contextlib.suppress(OSError):
        await loop.sock_connect(s, ('127.0.0.1', port))
        await loop.sock_sendall(s, handshake(port, who))
        while not bytes_per_s: await asyncio.sleep(60)
        while await loop.sock_recv(s, bytes_per_s//8 or 1): await asyncio.sleep(1/8)


class Run:
    "One run against `server`"
    def __init__(self, server:Server, res:Result, buffer:int): self.server,self.res,self.buffer,self.late = server,res,buffer,[]
    def wrong(self, msg:str): self.res.problems.append(msg)

    def news(self, c:Healthy, data:bytes):
        "One publication: the next"
        now,i,made = time.monotonic_ns(),*map(int, data[data.index(b'[')+1:data.index(b']')].split())
        if i!=self.next[c]: self.wrong(f'client {c.i} got {i} and not {self.next[c]}')
        self.next[c] = i+1
        self.late.append((now-made)/1e9)
        self.last = now/1e9

    def lines(self, c:Healthy, data:bytes):
        "The whole list: what it shows that was not there before is the next"
        now = time.monotonic_ns()
        for i,made in re.findall(rb'\[(\d+) (\d+)\]', data):
            if int(i)<self.next[c]: continue
            if int(i)!=self.next[c]: self.wrong(f'client {c.i} saw {int(i)} and not {self.next[c]}')
            self.next[c] = int(i)+1
            self.late.append((now-int(made))/1e9)
        self.last = now/1e9

    async def main(self, begin, got):
        res,loop = self.res,asyncio.get_running_loop()
        stalled = [asyncio.create_task(stall(self.server.port, 'never', self.buffer)), asyncio.create_task(stall(self.server.port, 'slow', self.buffer, 1024))]
        self.clients = [Healthy(self.server.port, i, got) for i in range(res.healthy)]
        self.next = dict.fromkeys(self.clients, 0)
        for c in self.clients: await loop.create_connection(lambda c=c: c, '127.0.0.1', self.server.port)
        await self.wait(lambda f: f['stats']['connections']==res.healthy+2, 'the crowd is there')
        base,begun,self.last = self.server.memory(),time.monotonic(),0
        talking = asyncio.create_task(begin(self))
        while (any(n<res.publications for n in self.next.values()) and time.monotonic()<begun+self.longest) or not talking.done():
            self.look(await self.server.figures(), base, begun)
            await asyncio.sleep(.2)
        await talking
        res.seconds = self.last-begun
        await self.wait(lambda f: (self.look(f, base, begun), len(res.gone)==2 and res.sockets==0)[1], 'the two are gone')
        for c in self.clients:
            if not c.open: self.wrong(f'client {c.i} was disconnected: {c.ended}')
            if self.next[c]!=res.publications: self.wrong(f'client {c.i} got {self.next[c]} of {res.publications}')
        late = sorted(self.late)
        res.received = len(late)
        if late: res.p50,res.p99,res.slowest = late[len(late)//2],late[int(len(late)*.99)],late[-1]
        for o in stalled: o.cancel()
        for c in self.clients: c.t.abort()
        await asyncio.gather(*stalled, return_exceptions=True)

    def look(self, f:dict, base:float, begun:float):
        "Note what the server says of itself"
        res,now = self.res,time.monotonic()-begun
        res.grown = max(res.grown, self.server.memory()-base)
        for o in ('never','slow'):
            if o not in f['who']: res.gone.setdefault(o, now)
        res.slow,res.aborted,res.sockets = f['stats']['slow'],f['stats']['aborted'],f['sockets']-sum(c.open for c in self.clients)
        if res.sockets==0 and res.all_gone<0: res.all_gone = now

    async def wait(self, cond, what:str):
        end = time.monotonic()+patience
        while not cond(await self.server.figures()):
            if time.monotonic()>end: self.wrong(f'not so in {patience} s: {what}'); return
            await asyncio.sleep(.05)


def _run(source:str, res:Result, rate:float, buffer:int, begin, got:str)->Result:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(source+figures, Path(folder))
        try:
            r = Run(server, res, buffer)
            r.longest = res.publications/rate+patience
            asyncio.run(r.main(begin, getattr(r, got)))
            log = server.log.read_text()
            res.problems += [f'log: {o}' for o in log.splitlines() if 'Traceback' in o or 'ERROR' in o]
        finally: server.stop()
    return res


def run(
    publications:int=1500, # How many
    rate:float=25, # A second
    size:int=20_000, # Bytes of each
    healthy:int=100, # Clients that read
    buffer:int=0, # Bytes of the kernel's receive buffer of the two others; 0 for its own choice
    **policy, # What differs from the default
)->Result:
    "Publish to a topic that all of them are subscribed to"
    async def begin(r): await asyncio.to_thread(r.server.get, f'/start?n={publications}&rate={rate}&size={size}')
    return _run(publisher.replace('**POLICY', f'**{policy!r}'), Result(publications, size, healthy, .25), rate, buffer, begin, 'news')


def run_page(
    messages:int=240, # How many one of the healthy clients sends
    rate:float=4, # A second; the page renders the list for each user, which 25 a second leave no time for
    size:int=5_000, # Bytes of each; the list that everyone gets is 20 times as long
    healthy:int=100, # Clients that read
    buffer:int=0, # Bytes of the kernel's receive buffer of the two others; 0 for its own choice
    **policy, # What differs from the default
)->Result:
    "Talk through the page's chat"
    async def begin(r):
        begun = time.monotonic()
        for i in range(messages):
            await asyncio.sleep(max(0, begun+i/rate-time.monotonic()))
            r.clients[0].say(json.dumps({'msg': f'[{i} {time.monotonic_ns()}]'+'x'*size}))
    source = page.replace("FastHTML(exts='ws')", f"FastHTML(exts='ws', policy=Policy(**{policy!r}))") if policy else page
    return _run(source, Result(messages, size*20, healthy, 1.), rate, buffer, begin, 'lines')


if __name__=='__main__':
    print(run(*map(int, sys.argv[1:2])))
    print(run_page())
