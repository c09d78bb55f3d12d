"""Recovery against a plain list: whatever is published, dropped, resumed, trimmed, banned, unsubscribed and restarted, in whatever order,
a page is shown exactly what it should be, and nobody is shown what is not theirs.

A real app is driven in memory, on an event loop that the test steps by hand: it runs until nothing is ready, its clock stands still, the disk
works when it is told to, and a client takes one frame at a time. The model is a list of all publications and, for each client, the spans in
which it was a member of a topic.
"""
import asyncio, json, logging, re, tempfile
from base64 import b64decode
from bisect import bisect_right
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fasthtml.common import Div, Li, Ol, Td, Tr
from hypothesis import Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from fasthtml_ws import broker, connection, pages, recovery, routes, sqlite
from fasthtml_ws.broker import MemoryBroker
from fasthtml_ws.common import FastHTML
from fasthtml_ws.connection import Connection
from fasthtml_ws.cursor import Cursor, Ended, Signer
from fasthtml_ws.pages import Pages
from fasthtml_ws.policy import Keep, Policy
from fasthtml_ws.pubsub import Publishing
from fasthtml_ws.recovery import Recovery
from fasthtml_ws.sqlite import SQLiteBroker, _File
from fasthtml_ws.topics import Delivery
from fasthtml_ws.transport import Writer
from tests.memory import profile

users = {'ann':'abc', 'bob':'bc', '':'b'} # who may listen to what at first; '' is anybody who is not logged in
paths = {'/ws/x':'ab', '/ws/y':'bc'} # what the sockets of a page subscribe to, of what their user may
secret = 'for tests'
page_age,keep_age = 60,3600


class Wrong(AssertionError): "The code under test did what it must not"


# The world: an event loop, a disk and a clock that do nothing by themselves

class _Loop(asyncio.SelectorEventLoop):
    def time(self): return 0. # no timer ever comes due

class Disk:
    "In the place of the thread that writes: does one thing at a time, when it is told to"
    def __init__(self, *_): self.todo = deque()
    def submit(self, f, *args): self.todo.append((Future(), f, args)); return self.todo[-1][0]
    def shutdown(self, wait=True): pass
    def step(self):
        done,f,args = self.todo.popleft()
        if not done.set_running_or_notify_cancel(): return
        try: done.set_result(f(*args))
        except Exception as e: done.set_exception(e)

class _Transport(asyncio.Transport):
    def __init__(self, line): super().__init__(); self.line = line
    def abort(self): self.line.end()
    def is_closing(self): return self.line.cut
    def get_write_buffer_size(self): return 0
    def set_write_buffer_limits(self, high=None, low=None): pass

class _Log(logging.Handler):
    def __init__(self): super().__init__(logging.ERROR); self.lines = []
    def emit(self, record):
        if 'history begins anew' not in record.getMessage(): self.lines.append(self.format(record))


# The model

@dataclass
class Pub:
    "One publication"
    n:int; topic:str; kind:str; target:str; exclude:str; made:object
    key:tuple|None = None # Number of the epoch, and offset; None until it went out

    @property
    def parts(self): return 2 if self.kind=='two' else 1

@dataclass
class Token:
    "A cursor, and whom it was given to"
    text:str; session:str; user:str; key:tuple; made:float
    cid:str = '' # '' for a page's
    topics:frozenset = frozenset()

@dataclass
class Span:
    "In which a client was a member of a topic"
    start:tuple
    end:tuple|None = None # None: still; after the end nothing more has to be shown, and what is must be from before
    sure:bool = True # Does it go on after a reconnect?

class Line:
    "One connection, as the server has it, and what it sent"
    def __init__(self, world, path, cookie, cid, at, token, room=1<<30, slow=False):
        self.world,self.path,self.cookie,self.cid,self.at,self.text,self.room,self.slow = world,path,cookie,cid,at,token,room,slow
        self.session,self.user = who_is(cookie)
        self.key,self.clock = world.now(),world.clock
        t = world.tokens.get(token)
        good = t and t.session==self.session and (t.user==self.user if t.cid else True) and t.cid in ('', cid)
        self.token = t if good and t.key[0]==self.key[0] and (t.cid or world.clock-t.made<=page_age) else None
        self.said_token = bool(token or at)
        self.buf,self.subs,self.own = deque(),{},{'@all', f'@user:{self.user}' if self.user else '@all', f'@session:{self.session}'}
        self.cut = self.noted = self.ready = False
        self.left,self.shut = set(),set() # topics that it was unsubscribed from, and put out of
        self.transport = _Transport(self)
        self.gate,self.wake,self.conn,self.recovered = None,None,None,'not asked'
        self.gone = world.loop.create_future()
        q = f'ws-at={cid}~{at}~{token}' if cid else ''
        scope = dict(type='websocket', path=path, raw_path=path.encode(), query_string=q.encode(), scheme='ws', http_version='1.1', root_path='', subprotocols=[],
                     headers=[(b'host',b'x'), (b'origin',b'http://x'), *([(b'cookie', cookie.encode())] if cookie else [])],
                     client=('127.0.0.1', 1), server=('127.0.0.1', 2), extensions={}, asgi={'version':'3.0'}, line=self)
        self._todo = [{'type':'websocket.connect'}]
        self.task = world.loop.create_task(world.app(scope, self.receive, self.send))

    async def receive(self):
        if self._todo: return self._todo.pop()
        await self.gone
        return {'type':'websocket.disconnect', 'code':1006}

    async def send(self, m):
        if self.cut: raise OSError('gone')
        if m['type']=='websocket.accept': return
        if m['type']=='websocket.send':
            try: self.world.check_sent(self, m['text'])
            except Exception as e: self.world.wrong = self.world.wrong or e
        self.buf.append(m)
        while len(self.buf)>self.room and not self.cut:
            self.wake = self.world.loop.create_future()
            await self.wake
        if self.cut: raise OSError('gone')

    @property
    def is_open(self): return not self.conn or self.conn.is_open # one that was closed before only sends what it had to send then

    def pop(self):
        m = self.buf.popleft()
        self.stir()
        return m

    def stir(self):
        if self.wake and not self.wake.done(): self.wake.set_result(None)

    def end(self):
        "The server notices that the client is gone"
        self.cut = True
        self.stir()
        if self.gate and not self.gate.done(): self.gate.set_result(None)
        if not self.gone.done(): self.gone.set_result(None)

_unit = re.compile(r'p(\d+)(?:\.(\d))?(?: for (\w*);)?')
_at = re.compile(r'<!--ws (\d+)(?:-(\d+))?-->$')

def who_is(cookie):
    "Name of the session, and who is logged in, as a cookie says"
    try: s = json.loads(b64decode(cookie.partition('=')[2].split('.')[0]))
    except ValueError: return '',''
    return s.get('ws_id', ''),s.get('user', '')

@dataclass
class Client:
    "One owner of one loaded page, and the script"
    b:int; path:str; cid:str; page:str; token:str; key:tuple
    at:str = ''
    line:Line|None = None
    over:bool = False # told never to come back
    missed:bool = False # told to load itself anew
    posed:bool = False # has somebody with the same cookie posed as this client, and perhaps left topics in its name?
    spans:dict = field(default_factory=dict) # topic -> list of Span
    last:dict = field(default_factory=dict) # topic -> newest (key, part) that it was shown
    debts:dict = field(default_factory=dict) # (topic, target) -> a swap that it was not shown, because a later one was on its way

    def span(self, topic): # the one that has not ended
        s = self.spans.get(topic)
        return s[-1] if s and s[-1].end is None else None

    def leave(self, topic, key):
        if s := self.span(topic): s.end = key
        for k in [k for k in self.debts if k[0]==topic]: del self.debts[k]


class World:
    "The app, its clients, and what is known of both"
    def __init__(self, conflate=True, box=100, keep=100, batch=100, file=None, later=''):
        self.conflate,self.box,self.keep,self.batch,self.file = conflate,box,keep,batch,file
        self.loop,self.log,self.clock = _Loop(),_Log(),1000.
        self.epochs,self.pubs,self.waiting,self.topics,self.ends = [],[],[],{},[]
        self.in_file = set() # epochs of which the file has everything
        self.tokens,self.lines,self.clients,self.jars,self.cookies = {},[],[],['','',''],['']
        self.barred = {(u,t):[((0,0), None)] for u,ts in users.items() for t in 'abc' if t not in ts} # spans: from, to
        self.later = later # what `conn` does not subscribe to yet
        self.aged,self.slow_page,self.disk_waits,self.n,self.wrong = (-1,0),None,False,0,None
        logging.getLogger().addHandler(self.log)
        self.start()

    def start(self):
        keep = Keep(messages=self.keep, age=keep_age)
        if self.file: self.broker = SQLiteBroker(self.file, keep)
        else: self.broker = MemoryBroker(keep)
        p = Policy(user=lambda ws: ws.scope['session'].get('user') or None, conflate=self.conflate, outbox_messages=self.box, page_cursor=page_age)
        self.app = app = FastHTML(secret_key=secret, policy=p, broker=self.broker)
        self.hub = app.hub
        self.hub.fanout._slice = self.hub.fanout._few = 2
        self.hub.view('who')(lambda data, ws: Div(f"p{data['n']} for {ws.scope['line'].user};", id=f"v{data['n']}"))
        async def conn(ws, recovered:bool|None):
            line = ws.scope['line']
            line.conn,line.recovered = ws,recovered
            topics = [t for t in paths[line.path] if t not in self.later and not self.is_barred(line.user, t)]
            if not topics: ws.close(4003); return
            for t in topics[:1]: self.subscribed(line, t)
            if line.slow: line.gate = self.loop.create_future(); await line.gate
            for t in topics[1:]: self.subscribed(line, t)
            ws.send_html(Div('note', id='note'))
            line.ready = True
        for path in paths: app.ws(path, conn=conn)(lambda: None)
        @app.get('/page')
        async def page(kind:str):
            if kind=='slow': self.page_gate = self.loop.create_future(); await self.page_gate
            past = (await self.hub.history('b')).items if kind=='past' else []
            return Div(*[Li(f"was {p.data['n']};") for p in past], *(Div(ws_connect=p) for p in paths))
        @app.get('/login')
        async def login(session, user:str): session['user'] = user; return 'in'
        @app.get('/logout')
        async def logout(session, close:int, clear:int):
            if close: self.hub.close(session=session)
            session.clear() if clear else session.pop('user', None)
            return 'out'
        self.run(self.hub.start())
        if self.file: self.broker._file.db.execute('pragma synchronous=off')
        self.settle()
        if self.file: self.in_file.add(self.now()[0])

    # Stepping

    def settle(self, wait=None):
        "Run until nothing is ready; the disk works on, unless it waits and nobody waits for it"
        while True:
            while self.loop._ready: self.loop.call_soon(self.loop.stop); self.loop.run_forever()
            disk = getattr(self.broker, '_thread', None)
            if not (disk and disk.todo) or (self.disk_waits and (wait is None or wait.done())): break
            disk.step()
        for p in [p for p in self.waiting if p.made.done()]:
            p.key = self.key(p.made.result())
            self.waiting.remove(p)
            ps = self.topics.setdefault(p.topic, [])
            if ps and ps[-1].key>=p.key: raise Wrong(f'{p} after {ps[-1]}')
            ps.append(p)
        for c in [c for c in self.clients if c.line and c.line.cut]: self.drop(c, True)
        if self.wrong: raise self.wrong
        if self.log.lines: raise Wrong('in the log:\n'+'\n'.join(self.log.lines))
        for l in [l for l in self.lines if l.task.done()]:
            if e := l.task.exception(): raise Wrong(f'a connection ended with {e!r}') from e
            self.lines.remove(l)

    def run(self, coro):
        t = self.loop.create_task(coro)
        self.settle(t)
        assert t.done(), coro
        return t.result()

    def call(self, f, *args, **kw):
        async def go(): return f(*args, **kw)
        return self.run(go())

    def key(self, at):
        if at.epoch not in self.epochs: self.epochs.append(at.epoch)
        return self.epochs.index(at.epoch),at.offset

    def now(self): return self.key(self.broker.position)

    async def http(self, path, query, b):
        cookie,out,todo = self.jars[b],[],[{'type':'http.request', 'body':b''}]
        async def receive(): return todo.pop() if todo else await self.loop.create_future()
        async def send(m): out.append(m)
        scope = dict(type='http', method='GET', path=path, raw_path=path.encode(), query_string=query.encode(), scheme='http', http_version='1.1', root_path='',
                     headers=[(b'host',b'x'), *([(b'cookie', cookie.encode())] if cookie else [])], client=('127.0.0.1', 1), server=('127.0.0.1', 2), asgi={'version':'3.0'})
        await self.app(scope, receive, send)
        for k,v in out[0]['headers']:
            if k==b'set-cookie': self.jars[b] = v.decode().split(';')[0]; self.cookies.append(self.jars[b])
        if out[0]['status']!=200: raise Wrong(f'{path} answered {out[0]["status"]}')
        return out[1]['body'].decode()

    # What is known

    def is_barred(self, user, topic): return any(to is None for _,to in self.barred.get((user,topic), ()))

    def forgotten(self, topic):
        "Key of the newest publication of which nothing is kept"
        ps = self.topics.get(topic, ())
        old = ps[-self.keep-1].key if len(ps)>self.keep else (0,0)
        return max(old, self.aged)

    def note_token(self, text, session, user, cid=''):
        if not text: return
        c = self.hub.signer.load(text)
        if not c: raise Wrong(f'a cursor that the app does not know: {text}')
        if c.epoch not in self.epochs: self.epochs.append(c.epoch)
        self.tokens[text] = Token(text, session, user, (self.epochs.index(c.epoch), c.offset), self.clock, cid, frozenset(c.topics))

    def ended(self, line, topic, after, before):
        "Did a membership of whoever has `line` end between two keys?"
        whose = {('client', line.session, line.user, line.cid), ('user', line.user), ('session', line.session), ('all',)}
        return any(who in whose and t in ('*', topic) and after<=key<before for who,t,key in self.ends)

    def subscribed(self, line, topic, outside=False):
        "The app subscribes `line`"
        if not line.conn.is_open: return
        outside = outside and (line.ready or topic in line.left)
        line.subs[topic] = self.now() if topic in line.left else None
        line.conn.subscribe(topic)
        c = self.client_of(line)
        if not c or c.span(topic): return
        t,start = line.token,self.now()
        if t and not t.cid and not outside: start,sure = max(t.key, self.seen_by(line), c.spans.get(('shown',topic), (0,0))),True
        else: sure = False
        c.spans.setdefault(topic, []).append(Span(start, None, sure))

    def seen_by(self, line):
        "Key up to which `line` says that it has everything"
        at,_,part = line.at.partition('-')
        return line.key[0],int(at or 0)-bool(part)

    def client_of(self, line): return next((c for c in self.clients if c.line is line), None)

    # Checks

    def check_sent(self, line, text):
        "Is `line` to have this?"
        at,unit = _at.search(text),_unit.search(text)
        if not at:
            if '<div' in text: line.noted = True
            return
        p = self.pubs[int(unit[1])]
        key,u = (self.now()[0],int(at[1])),line.user
        def no(why): raise Wrong(f'{line.path} of {u!r}, connected at {line.key} with {line.token}: {p} at {key}: {why}')
        if {p.topic, '*'}&line.shut: no('it was put out')
        if p.exclude and p.exclude==line.cid: no('excluded')
        if unit[3] is not None and unit[3]!=u: no(f'made for {unit[3]!r}')
        if p.topic[0]=='@':
            if p.topic not in line.own: no('of somebody else')
        else:
            if p.topic not in line.subs: no('not subscribed')
            if line.subs[p.topic] and key<=line.subs[p.topic]: no('from before it subscribed again')
            t = line.token # that of a page opens what `conn` subscribes to, since the page was made: whoever is let in has a minute of the past
            for since,to in self.barred.get((u,p.topic), ()):
                if since<key and (to is None or key<=to) and not (to and t and not t.cid and since<=t.key): no('not entitled')
        if key<=line.key: # replayed
            t = line.token
            if line.noted: no('after what `conn` sent')
            if not t: no('no cursor opens that')
            if key<=max(t.key, self.seen_by(line)): no('from before its cursor')
            if t.cid and p.topic[0]!='@' and p.topic not in t.topics: no('not in its cursor')
            if self.ended(line, p.topic, t.key, key): no('its membership had ended')

    def show(self, c, text):
        "The client `c` is shown a frame"
        at,unit = _at.search(text),_unit.search(text)
        if not at: return
        p,part = self.pubs[int(unit[1])],int(unit[2] or 0)
        def no(why): raise Wrong(f'client {c.cid[:2]} {c.path}, page {c.key}, spans {c.spans.get(p.topic)}, last {c.last.get(p.topic)}: {p}, part {part}: {why}')
        span = next((s for s in c.spans.get(p.topic, ()) if s.start<p.key and (s.end is None or p.key<=s.end)), None)
        if not span: no('not a member')
        last = c.last.get(p.topic, ((-1,0),0))
        if (p.key,part)<=last: no('twice, or out of order')
        for q,k in self.units(p.topic, max(last, (span.start, 9)), (p.key,part)):
            if q.exclude==c.cid and c.cid: continue
            if self.conflate and q.kind=='swap': c.debts[p.topic,q.target] = q; continue
            no(f'{q}, part {k} was not shown')
        if p.kind=='swap': c.debts.pop((p.topic,p.target), None)
        c.last[p.topic] = p.key,part

    def units(self, topic, after, before=((1<<30,0),0)):
        ps = self.topics.get(topic, [])
        for q in ps[max(bisect_right(ps, after[0], key=lambda q: q.key)-1, 0):]:
            if q.key>before[0]: return
            yield from ((q,k) for k in range(q.parts) if after<(q.key,k)<before)

    def check_current(self, c):
        "`c` has read all there is"
        for t,spans in c.spans.items():
            if isinstance(t, tuple) or not (s := c.span(t)): continue
            for q,k in self.units(t, max(c.last.get(t, ((-1,0),0)), (s.start, 9))):
                if not (q.exclude and q.exclude==c.cid): raise Wrong(f'client {c.cid[:2]} {c.path}, page {c.key}, last {c.last.get(t)}: {q}, part {k} was not shown at all')
        if c.debts: raise Wrong(f'client {c.cid[:2]}: superseded by nothing: {c.debts}')

    def may_miss(self, c, line):
        "Is there a reason for which `c` is told that it missed something?"
        t = self.tokens.get(line.text)
        if c.posed or not t or t.key[0]!=self.now()[0] or (not t.cid and line.clock-t.made>page_age): return True
        topics = {*paths[c.path], *t.topics, *line.own} # what was subscribed beside `conn` while that ran is in the cursor as well
        return any(self.ended(line, o, t.key, (1<<30,0)) or self.forgotten(o)>max(t.key, self.seen_by(line)) for o in topics)


    # Clients

    def load(self, b, kind, heal=None):
        at = self.now()
        self.loaded(b, kind, at, self.run(self.http('/page', f'kind={kind}', b)), heal)

    def load_slowly(self, b):
        self.slow_page = self.loop.create_task(self.http('/page', 'kind=slow', b)),b,self.now()
        self.settle()

    def load_rest(self):
        (task,b,at),self.slow_page = self.slow_page,None
        self.page_gate.set_result(None)
        self.settle(task)
        self.loaded(b, 'new', at, task.result())

    def loaded(self, b, kind, at, html, heal=None):
        "A page is here: its owners become clients, or the one that is healed goes on with it"
        session,user = who_is(self.jars[b])
        found = re.findall(r'<div ([^>]*ws-connect[^>]*)>', html)
        for i,(path,attrs) in enumerate(zip(paths, found)):
            token = re.search('ws-cursor="([^"]*)"', attrs)[1]
            self.note_token(token, session, user)
            t = self.tokens[token]
            if t.key!=at: raise Wrong(f'a page made since {at} has a cursor of {t.key}')
            if heal and path!=heal.path: continue
            c = heal or Client(b, path, f'{self.n:02}'+'x'*20, kind, token, t.key)
            if not heal: self.n += 1; self.clients.append(c)
            c.page,c.token,c.key,c.at,c.missed,c.posed = kind,token,t.key,'',False,False
            c.spans,c.last,c.debts = {},{},{}
            if kind=='past':
                loaded = self.hub.signer.load(token).topics
                shown = t.key[0],loaded.get('b', 0)
                same = self.in_file if shown[0] in self.in_file else {shown[0]}
                known = [q.n for q in self.topics.get('b', ()) if q.key[0] in same and self.aged<q.key<=shown][-self.keep:]
                if [int(o) for o in re.findall(r'was (\d+);', html)]!=known: raise Wrong(f'history is {known}, and the page shows {html}')
                c.spans['shown','b'] = shown
            for o in ('@all', f'@user:{user}', f'@session:{session}'): c.spans[o] = [Span(t.key)]

    def open(self, c, room=1<<30, slow=False):
        if c.over or c.line: return
        if self.tokens[c.token].user!=who_is(self.jars[c.b])[1]: return
        line = Line(self, c.path, self.jars[c.b], c.cid, c.at, c.token, room, slow)
        c.line = line
        self.lines.append(line)
        self.settle()

    def read(self, c, most):
        "Take frames, one by one"
        line = c.line
        while line and c.line is line and line.buf and most and not c.missed:
            most -= 1
            m = line.pop()
            if m['type']=='websocket.close':
                self.drop(c, True)
                if m['code'] not in (1001, 1006, 1011, 1012, 1013): c.over = True
                if m['code']==1011: raise Wrong('internal error')
            else:
                self.settle()
                self.take(c, line, m['text'])
            self.settle()
        if c.missed: self.drop(c, True); self.load(c.b, c.page, c)

    def take(self, c, line, text):
        m = re.fullmatch(r'<!--ws ?(.*)-->', text)
        if m and not re.fullmatch(r'\d+(-\d+)?', m[1]): return self.hear(c, line, json.loads(m[1] or '{}'))
        self.show(c, text)
        if m := _at.search(text):
            a,_,b = c.at.partition('-')
            if not c.at or (int(m[1]), int(m[2] or 1<<30))>(int(a), int(b or 1<<30)): c.at = m[0][7:-3]

    def hear(self, c, line, said):
        if 'hello' in said:
            r,t = said['recovered'],line.token
            if r is True and not (t and t.cid): raise Wrong(f'recovered with {t}')
            if r is True and 'missed' in said: raise Wrong('recovered, and missed something')
            if r is None and line.said_token and not t: raise Wrong(f'{c}: a cursor that is not good, and nothing missed')
            if t and t.cid and r is not True and not self.may_miss(c, line): raise Wrong(f'{c}: not recovered, for no reason')
            line.hello = r
        if 'missed' in said:
            if not self.may_miss(c, line): raise Wrong(f'{c}: told that it missed something, for no reason')
            c.missed = True
        if 'cursor' in said:
            c.token,c.at = said['cursor'],said.get('at', c.at)
            self.note_token(c.token, line.session, line.user, c.cid)
            covered = self.tokens[c.token].topics
            for t in [t for t in c.spans if not isinstance(t, tuple) and t[0]!='@']:
                if s := c.span(t): s.sure = t in covered
                if s and t not in covered and t not in line.subs: c.leave(t, self.now())

    def drop(self, c, noticed):
        line,c.line = c.line,None
        if not line: return
        line.buf.clear()
        for t in [t for t in c.spans if not isinstance(t, tuple)]:
            if (s := c.span(t)) and not s.sure: c.leave(t, self.now())
        if noticed: line.end()
        else: line.room = 0 # for ever
        self.settle()

    def close(self):
        for l in self.lines: l.end()
        self.disk_waits = False
        try:
            self.settle()
            self.run(self.hub.stop())
        finally:
            logging.getLogger().removeHandler(self.log)
            tasks = asyncio.all_tasks(self.loop)
            for t in tasks: t.cancel()
            if tasks: self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self.loop.close()


# Rules

some,big = st.integers(0, 11),1<<30

def where(f): return precondition(lambda self: self.world is not None and f(self))

def content_of(kind:str, i:int, target:str)->tuple:
    "Publication number `i`"
    if kind=='append': return Ol(Li(f'p{i}', id=f'm{i}'), hx_swap_oob='beforeend:#log'),
    if kind=='swap': return Div(f'p{i}', id=target),
    if kind=='two': return Div(f'p{i}.0', id=f'd{i}', hx_swap_oob='true'), Tr(Td(f'p{i}.1'), id=f'r{i}', hx_swap_oob='true')
    return ()

topics = st.sampled_from(['b','a','c','@user:ann','@user:bob','@all'])
kinds = st.sampled_from(['append','swap','two','view'])
rooms = st.sampled_from([big,0,2])

class Recovering(RuleBasedStateMachine):
    "What may happen"
    in_file = False
    world = None

    @initialize(conflate=st.booleans(), box=st.sampled_from([100,3,2]), keep=st.sampled_from([100,3]), batch=st.sampled_from([100,2]), later=st.sampled_from(['','b','b']))
    def begin(self, **kw):
        self.patch = pytest.MonkeyPatch()
        self.dir = tempfile.TemporaryDirectory() if self.in_file else None
        clock = SimpleNamespace(time=lambda: self.world.clock if self.world else 0.)
        for m in (broker, sqlite, pages, recovery): self.patch.setattr(m, 'time', clock)
        self.patch.setattr(sqlite, 'ThreadPoolExecutor', Disk)
        self.patch.setattr(Recovery, 'batch', kw['batch'])
        self.world = World(**kw, file=Path(self.dir.name)/'h.db' if self.dir else None)
        for b,user in enumerate(('ann','bob','')):
            if user: self.world.run(self.world.http('/login', f'user={user}', b))
        for b in (0, 1): self.world.load(b, 'new')
        for c in self.world.clients: self.world.open(c); self.world.read(c, 100)

    def pick(self, i, seq): return seq[i%len(seq)] if seq else None

    def go(self, i): self.world.drop(self.pick(i, self.online), True)

    @property
    def offline(self): return [c for c in self.world.clients if not c.line and not c.over]
    @property
    def online(self): return [c for c in self.world.clients if c.line]
    @property
    def unread(self): return [c for c in self.world.clients if c.line and c.line.buf]
    @property
    def waiting(self): return [l for l in self.world.lines if l.gate and not l.gate.done()]
    @property
    def dead(self): return [l for l in self.world.lines if not self.world.client_of(l)]
    @property
    def members(self): return [l for l in self.world.lines if l.subs and l.conn.is_open]

    @rule()
    @where(lambda self: self.world.later)
    def subscribe_to_more(self): self.world.later = '' # from the next connect on

    @rule(topic=topics, kind=kinds, n=st.integers(1, 5), exclude=some)
    def publish(self, topic, kind, n, exclude):
        w = self.world
        lines = [l for l in w.lines if l.conn]
        skip = lines[exclude] if exclude<len(lines) else None
        def go():
            for _ in range(n):
                i,target = len(w.pubs),f's{len(w.pubs)%2}'
                content,kw = content_of(kind, i, target),dict(data={'n':i}, exclude=skip.conn if skip else None, **({'view':'who'} if kind=='view' else {}))
                p = Pub(i, topic, kind, target, skip.cid if skip else '', None)
                w.pubs.append(p); w.waiting.append(p)
                p.made = (w.hub.publish_to_all(*content, **kw) if topic=='@all' else w.hub.publish_to_user(topic[6:], *content, **kw) if topic[0]=='@'
                          else w.hub.publish(topic, *content, **kw))
        w.call(go)

    @rule(b=st.integers(0, 2), kind=st.sampled_from(['new','past']))
    @where(lambda self: len(self.world.clients)<8)
    def load(self, b, kind):
        self.world.load(b, kind)

    @rule(b=st.integers(0, 2))
    @where(lambda self: not self.world.slow_page and len(self.world.clients)<8)
    def load_slowly(self, b):
        self.world.load_slowly(b)

    @rule()
    @where(lambda self: self.world.slow_page)
    def page_comes(self): self.world.load_rest()

    @rule(i=some, room=rooms, slow=st.booleans())
    @where(lambda self: self.offline)
    def open(self, i, room, slow): self.world.open(self.pick(i, self.offline), room, slow)

    @rule(i=some, noticed=st.booleans(), topic=topics, kind=kinds, n=st.integers(1, 4), seen=st.integers(0, 4), other=topics, room=rooms, slow=st.booleans(), more=topics)
    @where(lambda self: self.online)
    def come_back(self, i, noticed, topic, kind, n, seen, other, room, slow, more):
        "What happens most: a line breaks, and something is published before there is another"
        c = self.pick(i, self.online)
        if seen: self.publish(topic, kind, n, 11); self.world.read(c, seen)
        self.world.drop(c, noticed)
        if not seen: self.publish(topic, kind, n, 11)
        self.publish(other, 'append', 1, 11)
        self.world.open(c, room, slow)
        self.publish(more, kind, 1, 11)

    @rule(i=some, n=st.sampled_from([1,2,3,100,100]))
    @where(lambda self: self.unread)
    def read(self, i, n):
        self.world.read(self.pick(i, self.unread), n)

    @rule(i=some)
    @where(lambda self: self.waiting)
    def conn_goes_on(self, i):
        self.pick(i, self.waiting).gate.set_result(None)
        self.world.settle()

    @rule(i=some, room=rooms)
    @where(lambda self: self.online)
    def pace(self, i, room):
        l = self.pick(i, self.online).line
        l.room = room
        l.stir()
        self.world.settle()

    @rule(i=some, noticed=st.booleans())
    @where(lambda self: self.online)
    def drop(self, i, noticed):
        self.world.drop(self.pick(i, self.online), noticed)

    @rule(i=some)
    @where(lambda self: self.dead)
    def notice(self, i):
        self.pick(i, self.dead).end()
        self.world.settle()

    @rule(i=some, topic=st.sampled_from('abc'))
    @where(lambda self: self.members)
    def unsubscribe(self, i, topic):
        w = self.world
        l = self.pick(i, self.members)
        topic = topic if topic in l.subs else min(l.subs)
        w.ends.append((('client', l.session, l.user, l.cid), topic, w.now()))
        del l.subs[topic]
        l.left.add(topic)
        if c := w.client_of(l): c.leave(topic, w.now())
        w.call(l.conn.unsubscribe, topic)

    @rule(i=some, topic=st.sampled_from('abc'))
    @where(lambda self: self.members)
    def subscribe(self, i, topic):
        w = self.world
        l = self.pick(i, self.members)
        if topic not in l.subs and not w.is_barred(l.user, topic): w.call(w.subscribed, l, topic, True)

    def ban(self, user, topic):
        w = self.world
        ts = 'abc' if topic=='*' else topic
        if all(w.is_barred(user, t) for t in ts): return
        for t in ts:
            if not w.is_barred(user, t): w.barred.setdefault((user,t), []).append((w.now(), None))
        w.ends.append((('user', user), topic, w.now()))
        for l in w.lines:
            if l.user==user and l.is_open and (topic=='*' or topic in l.subs): l.shut.add(topic)
        for c in w.clients:
            if who_is(w.jars[c.b])[1]==user:
                for t in ts: c.leave(t, w.now())
        w.call(w.hub.close, user=user, topic=None if topic=='*' else topic)

    def allow(self, user):
        for spans in (self.world.barred.get((user,t), []) for t in 'abc'):
            for i,(since,to) in enumerate(spans):
                if to is None: spans[i] = since,self.world.now()

    def log_in_again(self, b, close, clear, user):
        w = self.world
        if w.slow_page: w.load_rest()
        self.forget(b)
        session,_ = who_is(w.jars[b])
        if close:
            w.ends.append((('session', session), '*', w.now()))
            for l in w.lines:
                if l.session==session and l.is_open: l.shut.add('*')
        w.run(w.http('/logout', f'close={int(close)}&clear={int(clear)}', b))
        w.run(w.http('/login', f'user={user}', b))

    def forget(self, b):
        "Its pages are left"
        for c in [c for c in self.world.clients if c.b==b]: self.world.drop(c, True); self.world.clients.remove(c)

    @rule(cookie=some, who=some, own=st.booleans(), token=some, other=some, mix=st.sampled_from(['as it is','as it is','spliced','cut','bent','signed by another','none']),
          at=st.sampled_from(['','0','1','3','9-1','999999999999999999','own']), path=st.sampled_from([*paths]))
    @where(lambda self: len(self.dead)<7)
    def intrude(self, cookie, who, own, token, other, mix, at, path):
        "Somebody connects with whatever was ever seen"
        w = self.world
        seen = list(w.tokens.values())
        t,o = seen[-1-token%len(seen)],seen[-1-other%len(seen)]
        cid = t.cid or 'y'*20 if own else self.pick(who, ['', *(c.cid for c in w.clients)])
        a,dot,s = t.text.rpartition('.')
        text = {'spliced': o.text.rpartition('.')[0]+dot+s, 'cut':t.text[:-3], 'bent':t.text[:7]+('B' if t.text[7]=='A' else 'A')+t.text[8:], 'none':'',
                'signed by another':Signer('guessed').dump(w.hub.signer.load(t.text))}.get(mix, t.text)
        c = self.pick(who, w.clients)
        cookies = [o for o in w.cookies if who_is(o)==(t.session, t.user)] if own else w.cookies
        line = Line(w, path, cookies[-1-cookie%len(cookies)], cid, c.at if at=='own' and c else at if at!='own' else '', text)
        w.lines.append(line)
        for o in w.clients: o.posed |= o.cid==cid
        w.settle()

    def later(self, seconds):
        w = self.world
        w.disk_waits = False; w.settle() # what waits has its time from when it is written
        w.clock += seconds
        if seconds>keep_age: w.aged = w.now()

    def restart(self):
        w = self.world
        if w.slow_page: w.load_rest()
        for c in w.clients: w.drop(c, True)
        for l in list(w.lines): l.end()
        w.settle()
        if w.lines: w.disk_waits = False; w.settle() # somebody waits for the disk
        w.disk_waits = False
        w.run(w.hub.stop())
        w.settle()
        w.start()

    @rule()
    @where(lambda self: self.in_file and not self.world.disk_waits)
    def disk_waits(self): self.world.disk_waits = True

    @rule()
    @where(lambda self: self.in_file and self.world.disk_waits)
    def disk_goes_on(self): self.world.disk_waits = False; self.world.settle()

    @rule()
    @where(lambda self: self.in_file and self.world.disk_waits)
    def disk_steps(self):
        disk = self.world.broker._thread
        if disk.todo: disk.step(); self.world.settle()

    def disk_fails(self):
        if not self.in_file or self.world.broker._memory: return
        def full(batch): raise OSError('disk full')
        self.world.broker._file.write = full

    @rule(what=st.sampled_from(['ban','ban all','allow','log in','page expires','history expires','restart','disk fails']), user=st.sampled_from(['ann','bob']),
          topic=st.sampled_from('ab'), b=st.integers(0, 1), close=st.booleans(), clear=st.booleans())
    def upset(self, what, user, topic, b, close, clear):
        "What happens seldom"
        if what=='ban': self.ban(user, topic)
        elif what=='ban all': self.ban(user, '*')
        elif what=='allow': self.allow(user)
        elif what=='log in': self.log_in_again(b, close, clear, user)
        elif what=='page expires': self.later(page_age+1)
        elif what=='history expires': self.later(keep_age+1)
        elif what=='restart': self.restart()
        else: self.disk_fails()

    # The end

    def teardown(self):
        w = self.world
        try:
            if not w: return
            w.disk_waits = False
            w.settle()
            if w.slow_page: w.load_rest()
            for l in w.lines:
                l.room = 1<<30; l.stir()
                if l.gate and not l.gate.done(): l.gate.set_result(None)
            w.settle()
            for c in w.clients:
                for _ in range(4): # a page that missed something is there after the second time
                    w.open(c)
                    w.read(c, 1<<30)
                    if c.line or c.over: break
                if c.line: w.check_current(c)
                elif not c.over and w.tokens[c.token].user==who_is(w.jars[c.b])[1]: raise Wrong(f'{c} does not come to rest')
        finally:
            try:
                if w: w.close()
            finally:
                self.patch.undo()
                if self.dir: self.dir.cleanup()

class RecoveringFromFile(Recovering):
    in_file = True


def search(cls, examples, steps=50, **kw):
    run_state_machine_as_test(cls, settings=settings(**(profile|kw), max_examples=examples, stateful_step_count=steps))

@pytest.mark.parametrize('cls', [Recovering, RecoveringFromFile], ids=['memory','file'])
def test_pages_show_what_was_published_and_nobody_sees_more(cls): search(cls, 150)


# What the search has found once

def left_while_it_is_replayed(m):
    m.go(0); m.publish('a', 'append', 5, 11); m.open(0, 0, False)
    m.unsubscribe(-1, 'a')

def left_while_it_is_replayed_and_back_with_the_old_cursor(m):
    m.go(0); m.publish('b', 'append', 3, 11); m.open(0, 0, False)
    m.unsubscribe(-1, 'b'); m.publish('b', 'append', 3, 11)
    m.go(0); m.open(0, big, False)

def what_was_let_go_of_everyone_s_is_replayed_once(m):
    m.go(0); m.open(0, big, True)
    m.publish('@all', 'append', 5, 11)
    m.conn_goes_on(0)

def published_while_it_is_replayed(m):
    m.go(0); m.publish('a', 'append', 3, 11); m.open(0, 0, False)
    m.publish('a', 'append', 2, 11)

def history_is_too_short_for_a_page(m):
    m.load(0, 'new'); m.publish('a', 'append', 5, 11); m.open(0, big, True)
    m.publish('a', 'append', 1, 11); m.conn_goes_on(0)

def half_a_publication(m):
    m.publish('a', 'two', 1, 11); m.read(0, 1)
    m.go(0); m.open(0, big, False)

def put_out_with_a_full_box(m):
    m.pace(0, 0); m.publish('a', 'append', 3, 11)
    m.ban('ann', 'a')

def an_epoch_begins_in_the_middle_of_a_replay(m):
    m.go(0); m.publish('b', 'append', 3, 11); m.open(0, 0, False)
    m.disk_fails(); m.publish('b', 'append', 2, 11)

def an_epoch_begins_while_a_client_is_checked(m):
    m.go(0); m.disk_waits(); m.open(0, big, False)
    m.disk_fails(); m.publish('@all', 'append', 2, 11); m.disk_goes_on()

def an_epoch_begins_with_what_nobody_gets(m):
    m.unsubscribe(0, 'a'); m.restart()
    m.disk_fails(); m.publish('b', 'append', 1, 11)

def left_and_a_new_epoch_gives_a_cursor(m):
    m.unsubscribe(0, 'b'); m.disk_fails(); m.publish('a', 'append', 1, 11); m.publish('b', 'append', 2, 11); m.read(0, 100)
    m.go(0); m.open(0, big, False)

def a_file_that_failed_is_opened_again(m):
    m.go(0); m.disk_fails(); m.publish('b', 'append', 2, 11)
    m.restart()

def new_at_a_reconnect(m):
    m.subscribe_to_more(); m.go(0); m.open(0, big, True)
    m.publish('a', 'append', 1, 11); m.publish('b', 'append', 1, 11)
    m.conn_goes_on(0); m.read(0, 3)
    m.go(0); m.open(0, big, False)

stories = [left_while_it_is_replayed, left_while_it_is_replayed_and_back_with_the_old_cursor, what_was_let_go_of_everyone_s_is_replayed_once, published_while_it_is_replayed,
           history_is_too_short_for_a_page, half_a_publication, put_out_with_a_full_box, an_epoch_begins_in_the_middle_of_a_replay, an_epoch_begins_while_a_client_is_checked,
           an_epoch_begins_with_what_nobody_gets, left_and_a_new_epoch_gives_a_cursor, a_file_that_failed_is_opened_again, new_at_a_reconnect]
bounds = {what_was_let_go_of_everyone_s_is_replayed_once: dict(box=2), history_is_too_short_for_a_page: dict(keep=3), new_at_a_reconnect: dict(later='a')}

def tell(story):
    m = RecoveringFromFile()
    try:
        m.begin(**(dict(conflate=False, box=100, keep=100, batch=100)|bounds.get(story, {})))
        for c in m.world.clients[1:]: m.world.drop(c, True)
        del m.world.clients[1:]
        story(m)
    finally: m.teardown()

@pytest.mark.parametrize('story', stories, ids=lambda f: f.__name__)
def test_story(story): tell(story)


# Each of these breaks the code in one way, and has to be noticed

def replaced(obj, name, make): return lambda patch: patch.setattr(obj, name, make(getattr(obj, name)))

def _sent_to_all(send):
    async def f(r, items): await send(r, [replace(p, exclude=None) for p in items])
    return f

def _told_at_the_end(finish):
    async def f(r):
        told,r.told = r.told,True
        await finish(r)
        if r.missed and not told and r.conn.is_open: r.conn.tell_script(missed='page')
    return f

def _all_live(go_live):
    def f(r): r.since = {}; go_live(r)
    return f

def _whole(history):
    async def f(*args): return (await history(*args))._replace(whole=True)
    return f

def _said(check):
    async def f(r): await check(r); r.recovered,r.missed = True,False
    return f

def _kept(unsubscribe):
    def f(hub, conn, topic): covered = conn.covered; res = unsubscribe(hub, conn, topic); conn.covered = covered; return res
    return f

def _unread(load):
    def f(signer, text): ok,c = signer._signer.loads_unsafe(text); return load(signer, signer.dump(Cursor(*c))) if c else None
    return f

def _out_of_order(cover):
    async def f(r): since = dict(r.since); await cover(r); r.since = since
    return f

mutants = {
    'what is new comes out of order': replaced(recovery, '_cover_new', _out_of_order),
    'memberships do not end': replaced(Ended, 'opens', lambda f: lambda *_: True),
    'what is held is lost': replaced(Connection, '_hold', lambda f: lambda *_: True),
    'what is in history and was held is sent twice': replaced(recovery, '_go_live', _all_live),
    'cursors are for anybody': replaced(Publishing, 'who', lambda f: lambda *_: ''),
    'cursors are for any client and for ever': replaced(Recovery, '_is_its_own', lambda f: lambda r,c: c.who==r.hub.who(r.conn.scope, r.hub.user_of(r.conn) if c.client else None)),
    'signatures are not looked at': replaced(Signer, 'load', _unread),
    'exclude is forgotten in replay': replaced(recovery, '_send', _sent_to_all),
    'history is always whole': replaced(MemoryBroker, 'history', _whole),
    'all is recovered': replaced(Recovery, 'check', _said),
    'a gap is told last': replaced(connection, 'finish', _told_at_the_end),
    'a gap is not told': replaced(recovery, '_tell', lambda f: lambda r: None),
    'a replay is not left': replaced(Recovery, 'drop', lambda f: lambda r,topic: r.held.drop(topic)),
    'what waits is not dropped': replaced(Connection, 'drop', lambda f: lambda *_: None),
    'nobody is a member of everyone': replaced(Publishing, 'topics_of', lambda f: lambda hub,conn: f(hub, conn)[1:]),
    'pages do not say what they show': replaced(Pages, '_marked', lambda f: lambda pages,scope,start,m,at,shown: f(pages, scope, start, m, at, {})),
    'pages begin when they are done': replaced(Pages, '_marked', lambda f: lambda pages,scope,start,m,at,shown: f(pages, scope, start, m, pages.hub.broker.position, shown)),
    'half a publication counts as one': replaced(routes, 'take_resume', lambda f: lambda q: ((r := f(q))[0] and r[0]._replace(frames=0), r[1])),
    'everyone sees the view of the first': replaced(Delivery, '_key', lambda f: lambda *_: 'all'),
    'what is too much is lost': replaced(Writer, 'overflow', lambda f: lambda w: w.outbox.clear() and False),
    'an epoch in the middle of a replay is not seen': replaced(Recovery, 'begin_epoch', lambda f: lambda r: None),
    'what was left comes back with a new epoch': replaced(Publishing, 'unsubscribe', _kept),
    'a file that failed is taken for the whole history': replaced(_File, 'renew', lambda f: lambda file: None),
}
stories_of = { # too seldom met to be searched for
    'what is new comes out of order': new_at_a_reconnect,
    'what is held is lost': published_while_it_is_replayed,
    'a gap is told last': history_is_too_short_for_a_page,
    'a replay is not left': left_while_it_is_replayed,
    'half a publication counts as one': half_a_publication,
    'an epoch in the middle of a replay is not seen': an_epoch_begins_in_the_middle_of_a_replay,
    'what was left comes back with a new epoch': left_and_a_new_epoch_gives_a_cursor,
    'a file that failed is taken for the whole history': a_file_that_failed_is_opened_again,
}

@pytest.mark.parametrize('name', mutants)
def test_what_is_broken_is_noticed(name, monkeypatch):
    mutants[name](monkeypatch)
    with pytest.raises(Wrong):
        if name in stories_of: tell(stories_of[name])
        else: search(Recovering, 1000, phases=[Phase.generate], report_multiple_bugs=False)
