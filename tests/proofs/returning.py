"""A thousand clients that come back at once, after their lines were cut and after the server was killed; raw sockets that speak as the client script does.

The server is a process of its own, served with `serve()`, with its history in a file. While the clients are away it publishes; each has to get what it missed,
once and in order.
"""
import asyncio, base64, json, os, re, resource, signal, subprocess, sys, tempfile, time, urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.browser.kit import free_socket
from tests.proofs.stalled import frame, root

patience = 60 # seconds that anything may take

source = '''
from fasthtml_ws.common import *
app = FastHTML(exts='ws', secret_key='for a proof', policy=Policy(history='history.db', keep={'*': Keep(messages=10_000)}))

@app.get('/')
def home(): return Titled('Returning', Div(Ol(id='log'), id='owner', hx_ext='ws', ws_connect='/ws'))
app.ws('/ws', conn=lambda ws: ws.subscribe('news'))(lambda: None)

@app.get('/publish')
async def publish(first:int, n:int):
    for i in range(first, first+n): await app.hub.publish('news', Ol(Li(f'[{i}]', 'x'*150, id=f'news-{i}'), hx_swap_oob='beforeend:#log'))
    return 'published'

serve(host='127.0.0.1', port=PORT, reload=False)
'''


@dataclass
class Return:
    "How they came back once"
    clients:int # So many
    missed:int # Publications that each of them missed
    seconds:float = 0. # From the first connect until all were current
    cpu:float = 0. # Of the server, meanwhile
    current:int = 0 # Clients that have everything
    def __str__(self): return f'{self.current:,} of {self.clients:,} current after {self.seconds:.2f} s ({self.missed} publications each; server CPU {self.cpu:.2f} s)'


@dataclass
class Result:
    "What one run showed"
    cut:Return # After their lines were cut
    killed:Return # After the server was killed
    problems:list[str] = field(default_factory=list) # What should not have happened
    @property
    def ok(self)->bool: return not self.problems and all(o.current==o.clients for o in (self.cut, self.killed))
    def __str__(self): return f'cut: {self.cut}; killed: {self.killed}; ' + ('ok' if self.ok else f'FAILED {self.problems[:5]}')


class Client:
    "One that remembers where it is"
    def __init__(self, i:int, token:str): self.name,self.token,self.position,self.news,self.told = f'{i:022d}',token,'',[],''

    @property
    def at(self)->str: return f'{self.name}~{self.position}~{self.token}'

    def hear(self, text:str):
        "One frame: a publication, or a comment of the server's"
        html,_,note = text.removesuffix('-->').rpartition('<!--ws')
        note = note.strip()
        self.news += [int(o) for o in re.findall(r'\[(\d+)\]', html)]
        if note.startswith('{'):
            said = json.loads(note)
            if 'cursor' in said: self.token = said['cursor']
            if 'at' in said: self.position = str(said['at'])
            if 'missed' in said: self.told = f'missed {said["missed"]}'
        elif note: self.position = note


class Line(asyncio.Protocol):
    "One connection of a client"
    def __init__(self, port:int, client:Client, cookie:str): self.port,self.client,self.cookie,self.buf,self.open,self.live = port,client,cookie,bytearray(),False,True
    def connection_lost(self, e): self.live = False
    def connection_made(self, t):
        self.t = t
        t.write((f'GET /ws?ws-at={self.client.at} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nOrigin: http://127.0.0.1:{self.port}\r\nCookie: {self.cookie}\r\n'
                 f'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n').encode())

    def data_received(self, data):
        b = self.buf
        b += data
        if not self.open:
            head,found,_ = bytes(b).partition(b'\r\n\r\n')
            if not found: return
            if not head.startswith(b'HTTP/1.1 101'): self.client.told = head[:60].decode()
            self.open = True
            del b[:len(head)+4]
        at = 0
        while len(b)-at>=2:
            n,start = b[at+1],at+2
            if n==126: n,start = int.from_bytes(b[at+2:at+4], 'big'),at+4
            elif n==127: n,start = int.from_bytes(b[at+2:at+10], 'big'),at+10
            if len(b)<start+n: break
            op,body = b[at]&15,bytes(b[start:start+n])
            if op==1: self.client.hear(body.decode())
            elif op==9: self.t.write(frame(body, 10))
            elif op==8: self.client.told = f'closed with {int.from_bytes(body[:2], "big")} {body[2:].decode()}'
            at = start+n
        del b[:at]


class Crowd:
    "All clients, and the server that they come back to"
    def __init__(self, folder:Path, n:int):
        with free_socket() as s: self.port = s.getsockname()[1]
        self.folder,self.n,self.made,self.lines,self.logs = folder,n,0,[],[]
        (folder/'served.py').write_text(source.replace('PORT', str(self.port)))
        self.start()

    def start(self):
        self.logs.append(self.folder/f'log{len(self.logs)}')
        env = {k:v for k,v in os.environ.items() if k not in ('PORT', 'PROCS', 'FH_PROCNUM')} | {'PYTHONPATH':str(root), 'PYTHONUNBUFFERED':'1'}
        with open(self.logs[-1], 'wb') as f:
            self.proc = subprocess.Popen([sys.executable, 'served.py'], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=env)
        self.ps,end = psutil.Process(self.proc.pid),time.monotonic()+patience
        while 'Uvicorn running on' not in self.logs[-1].read_text():
            if self.proc.poll() is not None or time.monotonic()>end: self.stop(); raise RuntimeError(self.logs[-1].read_text())
            time.sleep(.02)

    def stop(self):
        if self.proc.poll() is None: self.proc.kill()
        self.proc.wait()

    def get(self, path:str):
        with urllib.request.urlopen(f'http://127.0.0.1:{self.port}{path}', timeout=patience) as r: return r.read().decode(),r.headers

    async def publish(self, n:int):
        await asyncio.to_thread(self.get, f'/publish?first={self.made}&n={n}')
        self.made += n

    def load(self):
        "All of them load the page"
        html,headers = self.get('/')
        found = re.search(r'ws-cursor="([^"]*)"', html)
        self.cookie = headers.get('set-cookie', '').partition(';')[0]
        self.clients = [Client(i, found[1] if found else '') for i in range(self.n)]

    async def come(self)->tuple[float,float,int]: # Seconds, seconds of the server's CPU, and how many are current
        "All connect, and are waited for until they are current"
        loop,cpu,begun = asyncio.get_running_loop(),sum(self.ps.cpu_times()[:2]),time.monotonic()
        made = await asyncio.gather(*[loop.create_connection(lambda c=c: Line(self.port, c, self.cookie), '127.0.0.1', self.port) for c in self.clients])
        self.lines,want = [o for _,o in made],list(range(self.made))
        while time.monotonic()<begun+patience:
            if all(o.open and len(o.client.news)>=self.made for o in self.lines): break
            await asyncio.sleep(.01)
        took = time.monotonic()-begun,sum(self.ps.cpu_times()[:2])-cpu
        await asyncio.sleep(.3) # what comes twice has come
        return *took,sum(c.news==want for c in self.clients)

    async def go(self):
        for o in self.lines: o.t.abort()
        while any(o.live for o in self.lines): await asyncio.sleep(.01)

    async def run(self, missed:int, res:Result):
        self.load()
        await self.publish(10)
        await self.come()
        await self.publish(10)
        await self.gotten()
        await self.go()
        await self.publish(missed)
        res.cut.seconds,res.cut.cpu,res.cut.current = await self.come()
        self.proc.send_signal(signal.SIGKILL)
        self.proc.wait()
        await self.go()
        self.start()
        await self.publish(missed)
        res.killed.seconds,res.killed.cpu,res.killed.current = await self.come()
        wrong = [c for c in self.clients if c.news!=list(range(self.made))]
        res.problems += [f'client {int(c.name)} got {len(c.news)} of {self.made}, told: {c.told!r}' for c in wrong[:3]]
        res.problems += [f'log: {o[:200]}' for p in self.logs for o in p.read_text().splitlines() if re.search('Traceback|ERROR', o)]
        await self.go()

    async def gotten(self):
        end = time.monotonic()+patience
        while any(len(c.news)<self.made for c in self.clients) and time.monotonic()<end: await asyncio.sleep(.01)


def run(
    clients:int=1_000, # That come back
    missed:int=100, # Publications while they are away
)->Result:
    "Cut them off, and kill the server"
    soft,hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft<(need := clients+200): resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard)) # the server inherits it
    res = Result(Return(clients, missed), Return(clients, missed))
    with tempfile.TemporaryDirectory() as folder:
        crowd = Crowd(Path(folder), clients)
        try: asyncio.run(crowd.run(missed, res))
        finally: crowd.stop()
    return res


if __name__=='__main__': print(run(*map(int, sys.argv[1:])))
