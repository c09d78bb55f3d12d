"""The page's chat, word for word, under clients that come and go without manners.

Five senders talk and check every list that they get; fifty others connect and break off wherever they are: in the middle of the handshake,
of a frame, of the list. At the end every sender must have seen every message, and the app's `users` must be those who are still there.
"""
import asyncio, contextlib, importlib.util, logging, random, re, socket, struct, sys, tempfile, time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.browser.page_examples import chat
from tests.kit import Server

patience = 15 # seconds that anything may take at the end


@dataclass
class Result:
    "What one run showed"
    seconds:float # How long the senders talked
    seed:int # What the clients' choices were made from
    sent:int = 0 # Messages of all senders
    lists:int = 0 # Lists that the senders got and checked
    slowest:float = 0. # Longest time from sending a message to seeing it, seconds
    acts:Counter = field(default_factory=Counter) # What the fifty did, and how often
    stayed:int = 0 # Clients that were connected at the end, the senders included
    users:int = -1 # Users that the app counted then
    left:int = -1 # Users that it counted when all had left
    problems:list[str] = field(default_factory=list) # What should not have happened

    @property
    def ok(self)->bool: return not self.problems and self.sent>0 and self.users==self.stayed and self.left==0
    def __str__(self):
        acts = ', '.join(f'{n} {k}' for k,n in sorted(self.acts.items()))
        return (f'seed {self.seed}: {self.sent} messages, {self.lists} lists, slowest {self.slowest*1000:.0f} ms; {acts}; '
                f'{self.users} users of {self.stayed}, {self.left} in the end; ' + ('ok' if self.ok else f'FAILED {self.problems[:5]}'))


def load(common:str, folder:Path):
    "The page's chat as a module that imports `common`"
    path = folder/'chat_ws.py'
    path.write_text(chat.replace('fasthtml.common', common))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    mod = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mod)
    return mod


def reset(ws):
    "Break the connection with a TCP RST"
    ws.transport.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    ws.transport.abort()


class Run:
    "One run against the server at `port`"
    def __init__(self, port:int, res:Result):
        self.port,self.res,self.sent,self.stop = port,res,[],False
        self.url = f'ws://127.0.0.1:{port}/ws'

    def wrong(self, msg:str): self.res.problems.append(msg)

    def connect(self, **kw): return connect(self.url, proxy=None, compression=None, max_size=None, ping_interval=None, close_timeout=1, **kw)

    # Senders

    async def read(self, name:str, ws, seen:list):
        "Check every list that comes: it goes on where the last one ended"
        try:
            async for html in ws:
                got = re.findall(r'<li>(.*?)</li>', html)
                if 'msg-list' not in html: self.wrong(f'{name} got {html[:80]!r}')
                elif got[:len(seen)]!=seen: self.wrong(f'{name} got a list that is not the last one with more at its end')
                else: seen[:] = got
                self.res.lists += 1
        except ConnectionClosed: pass
        if not self.stop: self.wrong(f'{name} was disconnected: {ws.close_code} {ws.close_reason}')

    async def send(self, i:int, until:float):
        "Talk until `until`, each message when the one before is in the list; then wait for everybody's"
        rng,name,seen,n = random.Random(f'{self.res.seed} sender {i}'),f'sender {i}',[],0
        async with self.connect() as ws:
            reader = asyncio.create_task(self.read(name, ws, seen))
            while time.monotonic()<until and not reader.done():
                msg,n,t = f'{i}-{n}',n+1,time.monotonic()
                try: await ws.send(f'{{"msg":"{msg}"}}')
                except ConnectionClosed: break
                self.sent.append(msg)
                while msg not in seen[-200:] and not reader.done() and time.monotonic()<t+patience: await asyncio.sleep(.002)
                self.res.slowest = max(self.res.slowest, time.monotonic()-t)
                await asyncio.sleep(rng.uniform(0, .1))
            self.talking -= 1
            if not reader.done(): await self.all_seen(name, seen, reader)
            await self.over.wait()
            reader.cancel()

    async def all_seen(self, name, seen, reader):
        end = time.monotonic()+patience
        while (self.talking or set(seen)!=set(self.sent)) and not reader.done() and time.monotonic()<end: await asyncio.sleep(.01)
        missing = set(self.sent)-set(seen)
        if missing: self.wrong(f'{name} never saw {len(missing)} of {len(self.sent)} messages')
        if len(seen)!=len(set(seen)): self.wrong(f'{name} saw a message twice')

    # The fifty

    async def knock(self, data:bytes, wait:float):
        "Open a TCP connection, write `data`, break it"
        r,w = await asyncio.open_connection('127.0.0.1', self.port)
        w.write(data)
        await asyncio.sleep(wait)
        w.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        w.transport.abort()

    async def churn(self, i:int):
        "Connect and break off, again and again"
        rng = random.Random(f'{self.res.seed} client {i}')
        hello = (f'GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n').encode()
        while not self.stop:
            act,wait = rng.choice(['half a handshake', 'handshake', 'half a frame', 'read', 'not read', 'goodbye']),rng.choice([0, 0, rng.uniform(0, .3)])
            try:
                if act=='half a handshake': await self.knock(hello[:rng.randrange(1, len(hello))], wait)
                elif act=='handshake': await self.knock(hello, wait)
                elif act=='half a frame': await self.knock(hello+b'\x81\xfe\x10', wait)
                else: await self.visit(act, wait)
                self.res.acts[act] += 1
            except (OSError,InvalidHandshake,ConnectionClosed,EOFError) as e: self.res.acts[f'refused: {e!r}'] += 1
            await asyncio.sleep(rng.uniform(0, .2))

    async def visit(self, act:str, wait:float):
        ws = await self.connect(max_queue=1 if act=='not read' else None)
        await asyncio.sleep(wait)
        if act=='goodbye': await ws.close()
        else: reset(ws)

    # All

    async def main(self, users:dict, clients:int=50, senders:int=5):
        self.over,self.talking = asyncio.Event(),senders
        until = time.monotonic()+self.res.seconds
        talkers = [asyncio.create_task(self.send(i, until)) for i in range(senders)]
        others = [asyncio.create_task(self.churn(i)) for i in range(clients)]
        while self.talking and time.monotonic()<until+patience: await asyncio.sleep(.02)
        stayers = [await self.connect(max_queue=None) for _ in range(7)] # they stay while the rest goes
        self.stop = True
        await asyncio.gather(*others)
        self.res.sent,self.res.stayed = len(self.sent),len(stayers)+sum(not o.done() for o in talkers)
        self.res.users = await self.settled(users, self.res.stayed)
        self.over.set()
        for o in await asyncio.gather(*talkers, return_exceptions=True):
            if isinstance(o, Exception): self.wrong(f'a sender failed: {o!r}')
        for o in stayers: reset(o)
        self.res.left = await self.settled(users, 0)

    async def settled(self, users:dict, n:int)->int:
        "How many users there are when it is `n`, or when it will not be"
        end = time.monotonic()+patience
        while len(users)!=n and time.monotonic()<end: await asyncio.sleep(.01)
        return len(users)


class Log(logging.Handler):
    "Collect what is worse than a note"
    def __init__(self, res:Result): super().__init__(logging.WARNING); self.res = res
    def emit(self, o): self.res.problems.append(f'log: {o.name}: {o.getMessage()[:200]} {o.exc_info[1]!r}' if o.exc_info else f'log: {o.name}: {o.getMessage()[:200]}')


def run(
    seconds:float=10, # How long the senders talk
    seed:int=1, # Where the clients' choices come from
    common:str='fasthtml_ws.common', # What the app imports; fasthtml.common for stock
)->Result:
    "Serve the page's chat and let them all loose on it"
    res = Result(seconds, seed)
    handler = Log(res)
    logging.getLogger().addHandler(handler)
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            mod = load(common, Path(folder))
            server = Server(mod.app, grace=1)
            try: asyncio.run(Run(server.port, res).main(mod.users))
            finally: server.stop(); server.join()
    finally: logging.getLogger().removeHandler(handler)
    return res


if __name__=='__main__': print(run(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3]), *sys.argv[3:4]))
