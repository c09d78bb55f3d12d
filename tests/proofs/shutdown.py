"""Many clients, a few of which take nothing, and a SIGTERM to `serve()`.

The server is a process of its own, the clients are in this one. Each `disconn` writes a line to a file. A stalled client's outbox is filled to nine tenths
of its bound, and just before the signal everyone is sent one thing more.
"""
import asyncio, os, re, resource, signal, subprocess, sys, tempfile, time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fasthtml_ws.server import longest_delay, retry_after, returns_per_second
from tests.proofs.stalled import Healthy, frame, handshake, root
from tests.test_serve import free_ports

patience = 60 # seconds that anything may take

source = '''
import asyncio
from fasthtml_ws.client_socket import connection_of as behind
from fasthtml_ws.common import *

app = FastHTML(secret_key='for a proof', policy=Policy(outbox_messages=100_000))
log,stalled = open('disconn.txt', 'a', buffering=1),[]
def conn(ws):
    if 'stalled' in ws.query_params['who']: stalled.append(ws)
def disconn(ws): log.write(f'{ws.query_params["who"]}\\n')
app.ws('/ws', conn=conn, disconn=disconn)(lambda: None)

@app.get('/connections')
async def connections(): return str(len(app.hub.connections))

@app.get('/fill')
async def fill():
    for ws in stalled:
        while behind(ws).writer.outbox.bytes < .9*app.hub.policy.outbox_bytes: ws.send_text('x'*10_000); await asyncio.sleep(0)
    return str(min(behind(ws).writer.outbox.bytes for ws in stalled)) if stalled else ''

@app.get('/last')
async def last():
    app.hub.publish_to_all('the last news')
    return 'said'

serve(port=PORT, reload=False)
'''


@dataclass
class Result:
    "What one run showed"
    clients:int # That read
    stalled:int # That do not
    grace:float # Seconds until the process must be gone
    outbox:int = 0 # Bytes that waited for each stalled one, at least
    told:Counter = field(default_factory=Counter) # Close codes that clients got
    news:int = 0 # Clients that got what was sent before the signal
    delays:list[float] = field(default_factory=list) # When they are to come back, seconds
    first:float = 0. # Seconds from the signal until the first and the last of them were told
    last:float = 0.
    disconns:int = 0 # Lines in the file; one client has one
    exit:float = 0. # Seconds from the signal until the process was gone
    problems:list[str] = field(default_factory=list) # What should not have happened

    @property
    def ok(self)->bool:
        n = self.clients+self.stalled
        return (not self.problems and self.told=={1012:self.clients} and self.news==self.clients and self.disconns==n and self.exit<self.grace
                and len(set(self.delays))==self.clients and max(self.delays)<=min(n/returns_per_second, longest_delay))
    def __str__(self):
        codes = ', '.join(f'{n:,} told {c}' for c,n in self.told.items())
        return (f'{self.clients:,} clients and {self.stalled} stalled ones ({self.outbox:,} bytes in each outbox): {self.news:,} got the last news; {codes}, from {self.first:.2f} s on '
                f'and until {self.last:.2f} s; {len(set(self.delays)):,} different delays up to {max(self.delays, default=0):.2f} s; disconn ran {self.disconns:,} times; '
                f'gone after {self.exit:.2f} s of {self.grace:g}; ' + ('ok' if self.ok else f'FAILED {self.problems[:5]}'))


class Leaver(Healthy):
    "A client that answers a goodbye, and notes when it came"
    goodbye = None
    def take(self, op, data):
        super().take(op, data)
        if op==8 and not self.goodbye:
            self.goodbye = time.monotonic(),int.from_bytes(data[:2], 'big'),data[2:].decode()
            self.t.write(frame(data[:2], 8))


class Mute(asyncio.Protocol):
    "A client that reads nothing after its handshake"
    def __init__(self, port, i): self.port,self.i,self.open = port,i,False
    def connection_made(self, t): self.t = t; t.write(handshake(self.port, f'stalled{self.i}'))
    def data_received(self, data): self.open = True; self.t.pause_reading()


async def get(port:int, path:str)->str:
    "Body of the answer to a GET"
    r,w = await asyncio.open_connection('127.0.0.1', port)
    w.write(f'GET {path} HTTP/1.0\r\nHost: x\r\n\r\n'.encode())
    raw = await asyncio.wait_for(r.read(), patience)
    w.close()
    return raw.decode().partition('\r\n\r\n')[2]


async def crowd(port:int, proc, res:Result):
    "Connect everyone, send SIGTERM, and note what each of them sees"
    loop,got = asyncio.get_running_loop(),Counter()
    def news(c, data): got[c.i] += b'the last news' in data
    clients = [Leaver(port, i, news) for i in range(res.clients)]
    mutes = [Mute(port, i) for i in range(res.stalled)]
    for o in [*clients, *mutes]: await loop.create_connection(lambda o=o: o, '127.0.0.1', port)
    end = time.monotonic()+patience
    while int(await get(port, '/connections'))<res.clients+res.stalled:
        if time.monotonic()>end: raise TimeoutError(f'not everyone is connected: {await get(port, "/connections")}')
        await asyncio.sleep(.1)
    if mutes: res.outbox = int(await get(port, '/fill'))
    await get(port, '/last')
    begun = time.monotonic()
    proc.send_signal(signal.SIGTERM)
    await asyncio.to_thread(proc.wait, patience)
    res.exit = time.monotonic()-begun
    await asyncio.sleep(.5) # what the kernel has still to deliver
    times = [c.goodbye[0]-begun for c in clients if c.goodbye]
    if times: res.first,res.last = min(times),max(times)
    res.told = Counter(c.goodbye[1] if c.goodbye else 1006 for c in clients)
    res.delays = [d for c in clients if c.goodbye and (d := retry_after(c.goodbye[2])) is not None]
    res.news = sum(n==1 for n in got.values())
    for o in [*clients, *mutes]: o.t.abort()


def run(
    clients:int=1980, # That read and answer
    stalled:int=20, # That read nothing
    grace:float=5., # What serve() gives it, seconds
)->Result:
    "Start `serve()`, connect everyone, and end it with SIGTERM"
    soft,hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < (need := clients+stalled+200): resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard)) # the server inherits it
    res,port = Result(clients, stalled, grace),free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, 'served.py').write_text(source.replace('PORT', str(port)))
        log = Path(folder, 'log')
        env = {k:v for k,v in os.environ.items() if k not in ('PORT', 'PROCS', 'FH_PROCNUM')} | {'PYTHONPATH':str(root), 'PYTHONUNBUFFERED':'1'}
        with open(log, 'wb') as f: proc = subprocess.Popen([sys.executable, 'served.py'], cwd=folder, stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=env)
        try:
            end = time.monotonic()+patience
            while 'Uvicorn running on' not in log.read_text():
                if proc.poll() is not None or time.monotonic()>end: raise RuntimeError(log.read_text())
                time.sleep(.02)
            asyncio.run(crowd(port, proc, res))
            lines = Path(folder, 'disconn.txt').read_text().split()
            res.disconns = len(lines)
            if len(set(lines))!=len(lines): res.problems.append(f'disconn ran more than once: {Counter(lines).most_common(3)}')
            res.problems += [f'log: {o}' for o in log.read_text().splitlines() if re.search('Traceback|ERROR|Cancel', o)]
        finally:
            if proc.poll() is None: proc.kill()
            proc.wait()
    return res


if __name__=='__main__': print(run(*map(int, sys.argv[1:3])))
