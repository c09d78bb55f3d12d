"""What history costs: publishing with and without it, publishing into a file, and a thousand clients that come back at once.

Publishing is measured in this process, with subscribers that are connected in memory; rounds with and without history take turns, so that a machine that
slows down slows both, and the ratio is the median of the rounds' own ratios. The clients come back to a server in a process of its own.
"""
import asyncio, gc, tempfile, time
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

from fasthtml.common import Div

from bench import Run
from fasthtml_ws.broker import MemoryBroker
from fasthtml_ws.common import FastHTML, Policy
from tests.proofs import returning

what = 'publications a second without history, with history in memory and in a file; 1,000 clients that come back at once'
at_least = .9
bar = f'publishing with history in memory at least {at_least} of without, with no subscriber and with 100, also if these have the client script; every client that comes back is current; in every run'
more_is_better = True
runs = 3

crowds = 0,100 # subscribers
in_flight = 1,16,256


class _Transport(asyncio.Transport):
    "One that keeps nothing back"
    def abort(self): pass
    def is_closing(self): return False
    def get_write_buffer_size(self): return 0
    def set_write_buffer_limits(self, high=None, low=None): pass


class Server:
    "Where a server would be: one client that listens"
    transport = _Transport()
    def __init__(self): self.got,self.open,self.over,self.hello = 0,asyncio.Event(),asyncio.Event(),[{'type':'websocket.connect'}]
    async def receive(self):
        if self.hello: return self.hello.pop()
        await self.over.wait()
        return {'type':'websocket.disconnect', 'code':1000}
    async def send(self, m):
        if m['type']=='websocket.send': self.got += 1
        else: self.open.set()


class Forgetful(MemoryBroker):
    "One without history"
    def _keep(self, p): pass


@asynccontextmanager
async def serving(n:int, broker=None, script=False, **policy):
    "An app with `n` subscribers of 'news', which have the client script if `script`"
    app = FastHTML(secret_key='x', broker=broker, policy=Policy(**policy))
    app.ws('/ws', conn=lambda ws: ws.subscribe('news'))(lambda: None)
    scope = dict(type='websocket', path='/ws', raw_path=b'/ws', query_string=b'', headers=[(b'host',b'x')], scheme='ws', http_version='1.1', root_path='',
                 client=('127.0.0.1',1), server=('127.0.0.1',2), subprotocols=[], extensions={}, asgi={'version':'3.0'})
    await app.hub.start()
    crowd = [Server() for _ in range(n)]
    at = [f'ws-at={i:022d}~~'.encode() if script else b'' for i in range(n)]
    tasks = [asyncio.create_task(app(scope|{'query_string':q}, o.receive, o.send)) for q,o in zip(at, crowd)]
    for o in crowd: await o.open.wait()
    while len(app.hub.members('news'))<n: await asyncio.sleep(0) # noqa: ASYNC110
    try: yield app,crowd
    finally:
        for o in crowd: o.over.set()
        if tasks: await asyncio.wait(tasks)
        await app.hub.stop()


async def publish(app, n:int)->float: # Seconds of CPU
    "Publish `n` times, each when the one before is delivered"
    t = time.process_time()
    for i in range(n):
        app.hub.publish('news', Div(i, id='newest'))
        while app.hub.fanout.pending: await asyncio.sleep(0) # noqa: ASYNC110
        if not i%50: await asyncio.sleep(0)
    return (time.process_time()-t)/n


async def memory(crowd:int, rounds:int=25)->list[tuple[float,float]]: # Microseconds of a publication, and the ratio of the rates to the first
    "Publishing without history, with history in memory, and that to clients that have the script"
    async with AsyncExitStack() as stack:
        made = [await stack.enter_async_context(serving(crowd, **o)) for o in (dict(broker=Forgetful()), {}, dict(script=True))[:3 if crowd else 2]]
        n = 2_000 if not crowd else 200
        for app,_ in made: await publish(app, n)
        turns = []
        for i in range(rounds):
            took = {}
            for app,_ in made[i%len(made):]+made[:i%len(made)]: took[app] = await publish(app, n)
            turns.append([took[app] for app,_ in made])
        assert all(o.got>=n*rounds for _,got in made for o in got), 'not everyone got everything'
    return [(median(o[k] for o in turns)*1e6, median(o[0]/o[k] for o in turns)) for k in range(len(made))]


async def in_file(flight:int, seconds:float=2.)->tuple[float,float]: # Publications a second by the clock, microseconds of CPU of each
    "Publishing with history in a file, so many at a time"
    with tempfile.TemporaryDirectory() as folder:
        async with serving(0, history=str(Path(folder, 'history.db'))) as (app,_):
            n,end = 0,time.monotonic()+seconds
            async def one():
                nonlocal n
                while time.monotonic()<end:
                    await app.hub.publish('news', Div(n, id='newest'))
                    n += 1
            t,begun = time.process_time(),time.monotonic()
            await asyncio.gather(*[one() for _ in range(flight)])
            return n/(time.monotonic()-begun), (time.process_time()-t)/n*1e6


def _ratios()->dict[int,list[tuple[float,float]]]:
    gc.collect(); gc.disable()
    try: return {o: asyncio.run(memory(o)) for o in crowds}
    finally: gc.enable()


def main(out):
    out(f'{"us of CPU a publication":24}{"without":>10}{"in memory":>12}{"with script":>13}{"without/in memory":>20}{"without/with script":>21}')
    for n,((a,_),(b,r),*more) in _ratios().items():
        (c,q), = more or [(0.,0.)]
        out(f'{f"{n} subscribers":24}{a:10.2f}{b:12.2f}' + (f'{c:13.2f}{r:20.2f}{q:21.2f}' if more else f'{"":13}{r:20.2f}'))
    out(f'\n{"in a file":24}{"a second":>10}{"us of CPU":>12}')
    for n in in_flight:
        rate,cpu = asyncio.run(in_file(n))
        out(f'{f"{n} in flight":24}{rate:10,.0f}{cpu:12.1f}')
    out()
    out(returning.run())
    out('\nA publication is a `Div`, rendered once; clients with the script are told its position, too. In a file, one is out when it is on the disk; those that wait meanwhile go there together, and the CPU is that of all')
    out('threads. Clients come back to `serve()` with history in a file, all at the same time, each with its cursor, and get what was published while they were away.')


def run(seed)->Run:
    ratios,back = _ratios(),returning.run()
    worst = min(r for o in ratios.values() for _,r in o)
    text = ', '.join(f'{n} subscribers: ' + ' and '.join(f'{r:.2f}' for _,r in o[1:]) + f' ({", ".join(f"{t:.1f}" for t,_ in o)} us)' for n,o in ratios.items())
    return Run(worst, worst>=at_least and back.ok, f'{text}\n        {back}')
