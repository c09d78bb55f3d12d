"""Pages in real Chromium, on htmx 2 and htmx 4, while the line, the server and the machine fail; at the end each page shows exactly what the server has.

The app counts up in three topics all the while and keeps what people say in a fourth. Every page has two owners of sockets, logs that grow, elements that are
swapped, a form in which somebody types, and a field that is half filled in. Between browser and server is a line of `tests/line.py`. A scene is one kind of
fault: what happens, at points in time that the seed decides, to the pages of that scene. All scenes of one client run at the same time; those that end the
server have one of their own.

The same is done to stock FastHTML: an app in its own idiom (a dictionary of `send`s, a table for what was said), its clients as it gives them.
"""
import contextlib, heapq, itertools, json, os, random, re, signal, subprocess, sys, tempfile, time, urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

from tests.browser.kit import Tab, Window, chromium, flags, free_socket
from tests.line import Net, rough

root = Path(__file__).parents[2]
patience = 45 # seconds that a page has to come right when all is quiet; the clients' longest backoff is in it
beaten = 24 # seconds after which a silent line has been found out
sides = dict(left=['red', 'green'], right=['blue', 'chat'])
small = dict(width=400, height=300) # a window that takes little to paint

_page = '''
import asyncio, secrets
from LIB import *

sides = dict(left=['red', 'green'], right=['blue', 'chat'])
tasks,hurry = [],[]

def entry(topic, key, text): return Li(text, id=key, title=secrets.token_hex(500) if topic=='blue' else None)
def news(topic, key, text):
    "What everyone gets who sees `topic`"
    return Ol(entry(topic, key, text), hx_swap_oob=f'beforeend:#{topic}'), B(text, id=f'newest-{topic}', hx_swap_oob='true')

async def owner(side, url):
    logs = []
    for topic in sides[side]:
        kept = await all_of(topic)
        logs.append(Div(topic, B(kept[-1][1] if kept else '', id=f'newest-{topic}'), Ol(*[entry(topic, *o) for o in kept], id=topic)))
    return Div(Div(*logs, cls='logs'), Form(Input(name='msg', id=f'msg-{side}'), Input(name='draft', id=f'draft-{side}'), Button('Say'), ws_send=True, id=f'form-{side}'), id=side, hx_ext='ws', ws_connect=url)

@app.get('/')
async def home(same:int=0): return Titled('Recovery', Style('.logs { height: 3em; contain: strict; content-visibility: hidden }'), *[await owner(o, f'/ws?side={o}' if same else f'/ws/{o}') for o in sides])

def side_of(ws): return ws.path_params.get('side') or ws.query_params['side']

async def said(msg:str): await publish('chat', secrets.token_hex(6), msg)
for path in ('/ws', '/ws/{side}'): app.ws(path, **handlers)(said)

async def count(topic, rate):
    kept = await all_of(topic)
    n = int(kept[-1][1])+1 if kept else 0
    while True:
        await publish(topic, f'{topic}-{n}', str(n))
        n += 1
        if topic=='blue' and hurry: hurry.pop()
        else: await asyncio.sleep(1/rate)

@app.get('/burst')
async def burst(n:int): hurry.extend(range(n)); return 'soon'

@app.get('/start')
async def start(rate:float):
    tasks.extend(asyncio.create_task(count(o, rate)) for o in ('red', 'green', 'blue'))
    return 'started'

@app.get('/stop')
async def stop():
    for t in tasks: t.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return 'stopped'

@app.get('/truth')
async def truth(): return JSONResponse({o: [text for _,text in await all_of(o)] for side in sides.values() for o in side})

serve(host='127.0.0.1', port=PORT, reload=False)
'''

_stock = '''
import sqlite3
from LIB import *
async def end(): await stop()
app = FastHTML(exts='ws', htmx4=HTMX4, secret_key='for a proof', on_shutdown=[end])

db = sqlite3.connect('store.db', isolation_level=None, timeout=10)
db.execute('pragma journal_mode=wal')
db.execute('create table if not exists entries (n integer primary key, topic text, key text, text text)')
async def all_of(topic): return db.execute('select key, text from entries where topic=? order by n', [topic]).fetchall()

sends = {}
def conn(ws, send): sends[str(id(ws))] = side_of(ws),send
def disconn(ws): sends.pop(str(id(ws)), None)
handlers = dict(conn=conn, disconn=disconn)

async def publish(topic, key, text):
    db.execute('insert into entries (topic, key, text) values (?,?,?)', [topic, key, text])
    for side,send in list(sends.values()):
        if topic not in sides[side]: continue
        try: await send(news(topic, key, text))
        except Exception: pass # that one has just left

@app.get('/slow')
async def slow(): return '0'
'''

_ours = '''
from LIB import *
async def end(): await stop()
app = FastHTML(exts='ws', htmx4=HTMX4, secret_key='for a proof', on_shutdown=[end],
               policy=Policy(history='history.db', keep={'*': Keep(messages=20_000, bytes=50_000_000)}, outbox_bytes=65_536))

async def all_of(topic): return [o.data for o in (await app.hub.history(topic)).items]

def conn(ws):
    for o in sides[side_of(ws)]: ws.subscribe(o)
handlers = dict(conn=conn)

async def publish(topic, key, text): await app.hub.publish(topic, *news(topic, key, text), data=[key, text])

@app.get('/slow')
async def slow(): return str(app.hub.stats().slow)
'''

kinds = dict(ours=('fasthtml_ws.common', _ours), stock=('fasthtml.common', _stock)) # name -> import, app


class Served:
    "The app in a process of its own, served with `serve()`; it can be ended and started again at the same port"
    def __init__(self, kind:str, htmx:int, folder:Path, rate:float):
        with free_socket() as sock: self.port = sock.getsockname()[1]
        self.folder,self.rate,self.proc,self.logs,self.begun = folder,rate,None,[],False
        folder.mkdir()
        lib,source = kinds[kind]
        source += _page
        for k,v in dict(LIB=lib, HTMX4=str(htmx==4), PORT=str(self.port)).items(): source = source.replace(k, v)
        (folder/'served.py').write_text(source)

    def spawn(self):
        "Start the process, without waiting for it"
        self.begun = False
        self.logs.append(self.folder/f'log{len(self.logs)}')
        env = {k:v for k,v in os.environ.items() if k not in ('PORT', 'PROCS', 'FH_PROCNUM')} | {'PYTHONPATH':str(root), 'PYTHONUNBUFFERED':'1'}
        with open(self.logs[-1], 'wb') as f:
            self.proc = subprocess.Popen([sys.executable, 'served.py'], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=env)

    def ready(self)->bool:
        "Does it serve? Then it counts, too"
        if self.begun: return True
        if self.proc.poll() is not None: raise RuntimeError(f'the server ended:\n{self.logs[-1].read_text()[-2000:]}')
        if 'Uvicorn running on' not in self.logs[-1].read_text(): return False
        self.get(f'/start?rate={self.rate}')
        self.begun = True
        return True

    def get(self, path:str):
        with urllib.request.urlopen(f'http://127.0.0.1:{self.port}{path}', timeout=patience) as r: return r.read().decode()

    def ended(self)->bool: return self.proc.poll() is not None
    def signal(self, sig): self.proc.send_signal(sig)

    def stop(self):
        if not self.proc or self.ended(): return
        self.proc.terminate()
        try: self.proc.wait(8)
        except subprocess.TimeoutExpired: self.proc.kill(); self.proc.wait()

    def troubles(self)->list[str]:
        "What the logs say that they should not, with what they say next"
        res = []
        for p in self.logs:
            lines = p.read_text(errors='replace').splitlines()
            for i,o in enumerate(lines):
                if re.search('Traceback|ERROR|CRITICAL|never retrieved', o):
                    rest = [k for k in lines[i+1:i+40] if k and (k[0]!=' ' or self.folder.name in k or 'fasthtml_ws' in k)]
                    res.append(f'{self.folder.name} {p.name}: {o} {" | ".join(rest[:3])}'[:500])
        return res


_state_js = '''topics => ({
    logs: Object.fromEntries(topics.map(t => [t, [...document.querySelectorAll(`#${t} > li`)].map(o => o.textContent)])),
    newest: Object.fromEntries(topics.map(t => [t, [...document.querySelectorAll(`#newest-${t}`)].map(o => o.textContent)])),
    drafts: ['left', 'right'].map(o => document.getElementById(`draft-${o}`)?.value),
})'''


class Visit:
    "A page that somebody has open"
    def __init__(self, name:str, tab:Tab, page, port:int):
        self.name,self.tab,self.page,self.url = name,tab,page,f'http://127.0.0.1:{port}'
        self.typed,self.open,self.paused,self.right,self.why,self.numbers = dict(left=[], right=[]),False,False,False,'',itertools.count(1)
        self.drafts = [f'half of what {name} says {o}' for o in sides]

    def goto(self, path:str='/'):
        "Load it, and begin to write something"
        self.page.goto(self.url+path, timeout=30_000)
        for side,text in zip(sides, self.drafts): self.page.locator(f'#draft-{side}').fill(text)
        self.open = True

    def type(self, side:str):
        "Say the next thing"
        if not self.open or self.paused: return
        box,text = self.page.locator(f'#msg-{side}'),f'{self.name} {side} {next(self.numbers)}'
        box.fill(text, timeout=10_000)
        self.typed[side].append(text) # from now on it may have been sent
        box.press('Enter', timeout=10_000)

    def look(self, truth:dict)->bool: # False when it will not come right any more
        "Compare the page with what the server has"
        try: shown = self.page.evaluate(_state_js, list(truth))
        except Error as e: self.why = f'the page does not answer: {e}'; return False
        logs,why = shown['logs'],[]
        for topic,have in truth.items():
            if diff := differs(logs[topic], have): why.append(f'{topic}: {diff}')
            elif shown['newest'][topic]!=(have[-1:] or ['']): why.append(f'{topic}: the newest is {shown["newest"][topic]}, not {have[-1:]}')
        for side,texts in self.typed.items():
            if diff := differs([o for o in truth['chat'] if o.startswith(f'{self.name} {side} ')], texts): why.append(f'typed {side}: {diff}')
        if shown['drafts']!=self.drafts: why.append(f'half typed: {shown["drafts"]}')
        self.why,self.right = '; '.join(why),not why
        return all(logs[topic]==have[:len(logs[topic])] for topic,have in truth.items())


def differs(got:list[str], want:list[str])->str:
    "What is wrong with `got`, '' if it is `want`"
    if got==want: return ''
    n,few = Counter(got),lambda o: f'{len(o)} ({", ".join(map(repr, o[:3]))})'
    doubled,foreign,missing = [k for k,v in n.items() if v>1],[o for o in n if o not in set(want)],[o for o in want if o not in n]
    return ', '.join(f'{k} {few(v)}' for k,v in dict(missing=missing, doubled=doubled, foreign=foreign).items() if v) + f' of {len(want)}' if doubled or foreign or missing else 'in another order'


# The scenes: generators of seconds to wait

def calm(s, rng):
    "Nothing happens"
    s.open()
    yield 5

def silent(s, rng):
    "What is open is dead for ever and nobody is told; for a while nobody else gets through either"
    s.open()
    yield rng.uniform(2, 5)
    s.line.swallow(); s.line.refuse = True
    yield rng.uniform(1, 5)
    s.line.refuse = False
    yield beaten

def bad(s, rng):
    "Delays, half-closes, resets, cuts in the middle of a frame, at random points"
    s.open()
    yield from rough(s.line, rng, rng.uniform(30, 40))

def busy(s, rng):
    "The machine has something else to do while the page loads"
    burners = [subprocess.Popen([sys.executable, '-c', 'import time\ne = time.monotonic()+6\nwhile time.monotonic()<e: pass']) for _ in range(2)]
    try:
        yield rng.uniform(.1, .5)
        s.open()
        yield 6
    finally:
        for o in burners: o.kill(); o.wait()

def hidden(s, rng):
    "The tab is hidden and shown again; the second time the line has died meanwhile"
    s.open()
    for dead in (False, True):
        yield rng.uniform(2, 4)
        s.hide(True)
        yield rng.uniform(2, 6)
        if dead: s.line.swallow()
        yield .5
        s.hide(False)
    yield beaten

def slow(s, rng):
    "The client reads so slowly that the server closes it; for a while at least, if the server never does"
    s.line.buffer = 4_096
    s.open()
    yield rng.uniform(1, 3)
    s.line.rate,end,bursts = 500,time.monotonic()+20,10
    while s.server.get('/slow')=='0' and time.monotonic()<end:
        if bursts: bursts -= 1; s.server.get('/burst?n=30')
        yield .5
    if s.server.get('/slow')=='0': s.wrong('the server did not close the slow client')
    yield rng.uniform(0, 1)
    s.line.rate = 0
    yield 3

def late(s, rng):
    "The page's sockets open seconds after it was rendered"
    s.line.hold = 2+rng.uniform(0, 1)
    s.open()
    yield 4
    s.line.hold = 0
    yield 2

def tabs(s, rng):
    "Two tabs of one browser"
    s.open()
    yield rng.uniform(2, 5)
    s.line.reset()
    yield rng.uniform(2, 5)

def owners(s, rng):
    "Both sockets of the page have one path, and differ in the query"
    s.open('/?same=1')
    for _ in range(2):
        yield rng.uniform(2, 5)
        s.line.reset()
    yield 2

def _restarts(s, rng, sig, times):
    s.open('/', '/?same=1')
    for _ in range(times):
        yield rng.uniform(3, 7)
        s.server.signal(sig)
        end = time.monotonic()+10
        while not s.server.ended():
            if time.monotonic()>end: s.server.signal(signal.SIGKILL)
            yield .05
        yield rng.choice([0, rng.uniform(0, 3)])
        s.server.spawn()
        while not s.server.ready(): yield .1
    yield 3

def killed(s, rng):
    "SIGKILL, and the server is started again; three times"
    yield from _restarts(s, rng, signal.SIGKILL, 3)

def restarted(s, rng):
    "SIGTERM, and the server is started again; twice"
    yield from _restarts(s, rng, signal.SIGTERM, 2)

scenes = dict(calm=calm, silent=silent, bad=bad, busy=busy, hidden=hidden, slow=slow, late=late, tabs=tabs, owners=owners, killed=killed, restarted=restarted)
pages = dict(tabs=2, killed=2, restarted=2) # where there is more than one
own_server = ('killed','restarted')


class Scene:
    "One scene, its line and its pages"
    def __init__(self, run, kind:str, htmx:int, name:str, server:Served):
        self.run,self.kind,self.htmx,self.name,self.server = run,kind,htmx,name,server
        self.line = run.net.line(server.port, seed=f'{run.seed} {htmx} {name}')
        self.rng = random.Random(f'{run.seed} {htmx} {name}') # the same for stock
        self.window = run.stack.enter_context(Window(run.play)) if name=='hidden' else None
        self.visits = []

    def wrong(self, why:str):
        "Something that is not a wrong page; stock's do not count"
        if self.kind!='stock': self.run.res.problems.append(f'{self.kind} htmx {self.htmx}, {self.name}: {why}')

    def make(self):
        "The pages, empty"
        tab = self.window.tab if self.window else Tab(self.run.browser, viewport=small)
        self.run.stack.callback(tab.close)
        for i in range(pages.get(self.name, 1)):
            if i and self.name!='tabs': self.run.stack.callback((tab := Tab(self.run.browser, viewport=small)).close)
            self.visits.append(Visit(f'{self.name}{i+1}', tab, tab.page if tab.page not in [o.page for o in self.visits] else tab.ctx.new_page(), self.line.port))

    def open(self, *paths):
        for i,v in enumerate(self.visits): v.goto((paths or ('/',))[i%len(paths or '/')])

    def hide(self, yes:bool):
        for v in self.visits: v.paused = yes
        self.window.hide(yes)

    def play(self):
        self.make()
        yield self.rng.uniform(0, 2)
        yield from scenes[self.name](self, self.rng)

    def talk(self, v:Visit):
        "Somebody types"
        rng = random.Random(f'{self.run.seed} {self.htmx} {v.name} types')
        while True:
            yield rng.uniform(.3, 1.2)
            try: v.type(rng.choice(['left', 'left', 'right']))
            except Error as e: self.wrong(f'{v.name} could not type: {e!s:.200}')


@dataclass
class Result:
    "What one run showed"
    seed:int # Where the points in time come from
    right:dict[tuple[str,int],int] = field(default_factory=dict) # (whose, htmx) -> pages that were right at the end
    tried:dict[tuple[str,int],int] = field(default_factory=dict) # of so many
    typed:int = 0 # Messages that people typed
    published:int = 0 # Publications, all apps
    sockets:int = 0 # Websockets that were opened
    seconds:float = 0. # That it took
    wrong:list[str] = field(default_factory=list) # Why a page is wrong
    problems:list[str] = field(default_factory=list) # What else should not have happened, with ours

    def of(self, kind:str)->str:
        return ', '.join(f'{self.right[k]} of {n} on htmx {k[1]}' for k,n in self.tried.items() if k[0]==kind)
    @property
    def ours(self)->int: return sum(v for (kind,_),v in self.right.items() if kind!='stock')
    @property
    def ok(self)->bool: return not self.problems and bool(self.tried) and all(self.right[k]==n for k,n in self.tried.items() if k[0]!='stock')
    def __str__(self):
        us,them = [[o for o in self.wrong if o.startswith('stock')==b] for b in (False,True)]
        return (f'seed {self.seed}: pages right: ' + '; '.join(f'{k}: {self.of(k)}' for k in dict.fromkeys(k for k,_ in self.tried)) +
                f' ({self.published:,} publications, {self.typed:,} typed messages, {self.sockets} sockets, {self.seconds:.0f} s); ' +
                ('ok' if self.ok else f'FAILED {(us+self.problems)[:6]}') + (f'\n        {len(them)} of stock\'s are wrong, e.g. {them[0]}' if them else ''))


class Run:
    "One kind of app, on one client, under all scenes"
    def __init__(self, play, browser, net:Net, seed:int, res:Result, rate:float):
        self.play,self.browser,self.net,self.seed,self.res,self.rate = play,browser,net,seed,res,rate

    def go(self, kind:str, htmx:int, names):
        with contextlib.ExitStack() as self.stack, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            self.idle = self.browser.new_page()
            self.stack.callback(self.idle.close)
            by_name = {o: Served(kind, htmx, Path(folder, o), self.rate) for o in dict.fromkeys(n if n in own_server else 'shared' for n in names)}
            servers = list(by_name.values())
            try:
                todo = [Scene(self, kind, htmx, o, by_name.get(o) or by_name['shared']) for o in names]
                for o in servers: o.spawn()
                self.wait(lambda: all([o.ready() for o in servers]), 'start of the servers')
                self.run(kind, todo)
                self.settle(kind, todo, servers)
                if kind!='stock': self.res.problems += [o for s in servers for o in s.troubles()]
            finally:
                for o in servers: o.stop()

    def run(self, kind:str, todo:list[Scene]):
        "All scenes, and people who type until the last is over"
        n = itertools.count()
        queue = [(time.monotonic(), next(n), s, s.play()) for s in todo]
        talking,left = set(),len(queue)
        heapq.heapify(queue)
        while left:
            due,_,s,gen = queue[0]
            if due>time.monotonic(): self.idle.wait_for_timeout(max(5, min(50, (due-time.monotonic())*1000))); continue
            heapq.heappop(queue)
            try: again = next(gen)
            except StopIteration: left -= 1; continue
            except Error as e: left -= 1; s.wrong(f'{e!s:.300}'); continue
            heapq.heappush(queue, (time.monotonic()+again, next(n), s, gen))
            for v in s.visits:
                if v in talking or not v.open: continue
                talking.add(v)
                heapq.heappush(queue, (time.monotonic(), next(n), s, s.talk(v)))

    def settle(self, kind:str, todo:list[Scene], servers:list[Served]):
        "Count no further, and see whether every page comes right"
        for o in servers: o.get('/stop')
        end,visits,lost,calm = time.monotonic()+patience,[(s,v) for s in todo for v in s.visits],Counter(),False
        while True: # until nothing is to be expected, twice in a row
            truths = {id(o): json.loads(o.get('/truth')) for o in servers}
            for s,v in visits: lost[v] = 0 if v.look(truths[id(s.server)]) else lost[v]+1
            was,calm = calm,all(v.right or lost[v]>20 for _,v in visits)
            if was and calm or time.monotonic()>end: break
            self.idle.wait_for_timeout(1000 if calm else 500)
        for s,v in visits:
            key = kind,s.htmx
            self.res.tried[key] = self.res.tried.get(key, 0)+1
            self.res.right[key] = self.res.right.get(key, 0)+v.right
            self.res.typed += sum(map(len, v.typed.values()))
            if not v.right: self.res.wrong.append(f'{kind} htmx {s.htmx}, {v.name}: {v.why}')
            for o in v.tab.errors: s.wrong(f'{v.name}: {o}')
        self.res.sockets += sum(s.line.sockets for s in todo)
        self.res.published += sum(map(len, itertools.chain(*[o.values() for o in truths.values()])))

    def wait(self, cond, what:str, seconds:float=60):
        end = time.monotonic()+seconds
        while not cond():
            if time.monotonic()>end: raise TimeoutError(f'not so in {seconds} s: {what}')
            self.idle.wait_for_timeout(50)


def run(
    seed:int=1, # Where the points in time come from
    these=('ours','stock'), # Whose apps
    versions=(2,4), # Of htmx
    names=tuple(scenes), # Of the scenes
    rate:float=10., # Publications a second to each of three topics
)->Result:
    "Let all of it happen, and look at the pages"
    res,begun,net = Result(seed),time.monotonic(),Net()
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium(), args=flags)
            try:
                for kind in these:
                    for htmx in versions: Run(play, browser, net, seed, res, rate).go(kind, htmx, names)
            finally: browser.close()
    finally: net.close()
    res.seconds = time.monotonic()-begun
    return res


def main():
    import argparse
    p = argparse.ArgumentParser(prog='python -m tests.proofs.recovery', description='One run of the proof, or a part of it')
    p.add_argument('seed', nargs='?', type=int, default=1)
    p.add_argument('--of', nargs='+', default=['ours','stock'], choices=list(kinds))
    p.add_argument('--htmx', nargs='+', type=int, default=[2,4])
    p.add_argument('--scenes', nargs='+', default=list(scenes), choices=list(scenes))
    p.add_argument('--rate', type=float, default=10.)
    args = p.parse_args()
    res = run(args.seed, args.of, args.htmx, args.scenes, args.rate)
    print(res, *res.wrong, *res.problems, sep='\n')


if __name__=='__main__': main()
