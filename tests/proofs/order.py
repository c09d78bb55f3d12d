"""Twenty publishers in tasks, threads and a sync HTTP route; two hundred subscribers that join and leave as they like.

An observer stays subscribed, so what it gets is the order of all publications. Whatever a subscriber gets between joining and leaving must be a
piece of that order without a gap, which begins with the first publication after it joined: nothing is lost, nothing comes twice, and everyone
sees the same order. Every second one is a browser. A fan-out is cut into many slices here.
"""
import asyncio, json, random, re, sys, threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.kit import Server, library
from tests.proofs.stalled import Healthy

patience = 30 # seconds that anything may take


@dataclass
class Result:
    "What one run showed"
    seed:int # What all choices were made from
    published:int = 0 # By all publishers
    sessions:int = 0 # From joining to leaving
    seen:int = 0 # Publications in these
    cut:int = 0 # Sessions that were still behind when they left
    resets:int = 0 # Sessions that ended with a broken connection
    problems:list[str] = field(default_factory=list) # What should not have happened

    @property
    def ok(self)->bool: return not self.problems and self.published>0 and self.seen>self.published
    def __str__(self):
        return (f'seed {self.seed}: {self.published} published, {self.seen} seen in {self.sessions} sessions; {self.cut} left before all had come, '
                f'{self.resets} broke off; ' + ('ok' if self.ok else f'FAILED {self.problems[:5]}'))


def make_app(slice:int):
    "An app with one topic"
    lib = library(stock=False)
    app = lib.FastHTML(secret_key='for tests')
    app.hub.fanout._slice = slice
    @app.ws('/ws')
    async def recv(act:str, ws, send, hub):
        if act=='join': await ws.subscribe('t')
        else: await ws.unsubscribe('t')
        send(f'{act} {hub.broker.offset}')
    @app.get('/publish')
    def publish(text:str): return str(app.hub.publish('t', text).result(patience).offset)
    return app


class Subscriber:
    "One that joins and leaves, and keeps what it saw of each time"
    def __init__(self, run, i:int): self.run,self.i,self.rng,self.sessions = run,i,random.Random(f'{run.res.seed} subscriber {i}'),[]

    def got(self, c, data:bytes):
        word,_,n = (text := re.sub('<[^>]*>', '', data.decode()).strip()).partition(' ')
        if word=='join': self.sessions.append([int(n), [], None])
        elif word=='leave': self.sessions[-1][2] = int(n)
        elif not self.sessions or self.sessions[-1][2] is not None: self.run.wrong(f'subscriber {self.i} got {text!r} while it was not subscribed')
        else: self.sessions[-1][1].append(text)
        self.news.set()

    async def connect(self):
        self.c,self.news = Healthy(self.run.port, self.i, self.got, browser=self.i%2==0),asyncio.Event()
        await asyncio.get_running_loop().create_connection(lambda: self.c, '127.0.0.1', self.run.port)
        while not self.c.open: await asyncio.sleep(.002)

    async def say(self, act:str):
        self.c.say(json.dumps({'act':act}))
        n = len(self.sessions)
        async with asyncio.timeout(patience):
            while (len(self.sessions)==n) if act=='join' else (self.sessions[-1][2] is None): self.news.clear(); await self.news.wait()

    async def live(self):
        "Come and go until the publishers have ended"
        await self.connect()
        while not self.run.over:
            await self.say('join')
            await asyncio.sleep(self.rng.uniform(0, .3))
            if self.rng.random()<.2: self.c.t.abort(); self.run.res.resets += 1; await self.connect()
            else: await self.say('leave')
            await asyncio.sleep(self.rng.uniform(0, .1))
        self.c.t.abort()


class Run:
    def __init__(self, app, server:Server, res:Result, publishers:int, each:int):
        self.app,self.server,self.port,self.res,self.publishers,self.each,self.over,self.at = app,server,server.port,res,publishers,each,False,{}
    def wrong(self, msg:str): self.res.problems.append(msg)

    async def task(self, k:int):
        rng = random.Random(f'{self.res.seed} publisher {k}')
        for i in range(self.each):
            self.at[f'{k}-{i}'] = (await self.app.hub.publish('t', f'{k}-{i}')).offset
            await asyncio.sleep(rng.choice([0, 0, rng.uniform(0, .06)]))

    def thread(self, k:int, http:bool):
        rng,wait = random.Random(f'{self.res.seed} publisher {k}'),threading.Event().wait
        for i in range(self.each):
            text = f'{k}-{i}'
            self.at[text] = int(self.server.get(f'/publish?text={text}')[0]) if http else self.app.hub.publish('t', text).result(patience).offset
            wait(rng.choice([0, rng.uniform(0, .06)]))

    async def main(self, subscribers:int):
        observer = Subscriber(self, -1)
        await observer.connect(); await observer.say('join')
        subs = [Subscriber(self, i) for i in range(subscribers)]
        lives = [asyncio.create_task(o.live()) for o in subs]
        with ThreadPoolExecutor(self.publishers) as threads:
            jobs = [asyncio.run_coroutine_threadsafe(self.task(k), self.server.loop) if k%5<2 else threads.submit(self.thread, k, k%5==2) for k in range(self.publishers)]
            await asyncio.gather(*map(asyncio.wrap_future, jobs))
        self.over = True
        await asyncio.gather(*lives)
        await observer.say('leave')
        self.check(observer, subs)
        observer.c.t.abort()

    def check(self, observer:Subscriber, subs:list[Subscriber]):
        order = observer.sessions[0][1]
        self.res.published = len(self.at)
        if len(self.at)!=self.publishers*self.each or sorted(self.at.values())!=list(range(1, len(self.at)+1)): self.wrong('positions do not count up by one')
        if order!=sorted(self.at, key=self.at.get): self.wrong('the order is not that of the positions')
        for k in range(self.publishers):
            if [o for o in order if o.startswith(f'{k}-')]!=[f'{k}-{i}' for i in range(self.each)]: self.wrong(f'publications of {k} are not in its order')
        for s in subs:
            for begin,seen,end in s.sessions:
                self.res.sessions += 1; self.res.seen += len(seen)
                if seen!=order[begin:begin+len(seen)]: self.wrong(f'subscriber {s.i} joined at {begin} and saw {seen[:5]}..., not {order[begin:begin+5]}...')
                if end is not None and begin+len(seen)>end: self.wrong(f'subscriber {s.i} left at {end} and saw {begin+len(seen)}')
                self.res.cut += end is not None and begin+len(seen)<end


def run(
    seed:int=1, # Where all choices come from
    publishers:int=20, each:int=25, # How many, and what each publishes
    subscribers:int=200, # How many
    slice:int=17, # Deliveries in one turn of the loop
)->Result:
    "Serve an app with one topic and let them all loose on it"
    res,app = Result(seed),make_app(slice)
    server = Server(app, grace=5)
    try: asyncio.run(Run(app, server, res, publishers, each).main(subscribers))
    finally: server.stop(); server.join()
    return res


if __name__=='__main__': print(run(*map(int, sys.argv[1:])))
