"""A server and its load client, each a process of its own on a core of its own, and several such pairs that take turns.

A machine that slows down slows all pairs, so what counts is the ratio of two of them in the same round, its median and its spread over the rounds.
"""
import json, os, select, socket, subprocess, sys, tempfile, time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

from bench.peers import environment, peers, text

root = Path(__file__).parent.parent
longest = 120 # Seconds that one thing asked of a server or a client may take


def pin(core:int)->None:
    "Keep this process on the first core (0) or the last (-1), where the system can"
    if hasattr(os, 'sched_setaffinity'): os.sched_setaffinity(0, {cores[core]})

cores = sorted(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else [0]


def cpu_time(pid:int)->float:
    "Seconds of CPU that a process has used; Linux counts it in nanoseconds (clock_getcpuclockid), where /proc has hundredths"
    return time.clock_gettime(~pid<<3 | 2)

def memory(pid:int)->int:
    "Bytes that a process has for itself alone (USS)"
    lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
    return sum(int(o.split()[1]) for o in lines if o.startswith('Private_'))*1024


class Client:
    "A load client"
    def __init__(self, port:int, name:str, place:str):
        self.title = peers[name].title
        self.load = subprocess.Popen([sys.executable, '-m', 'bench.load', str(port), name, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                     cwd=root, preexec_fn=partial(pin, -1))

    def __enter__(self): return self
    def __exit__(self, *exc):
        try: self.load.stdin.close()
        except BrokenPipeError: pass
        self.load.terminate(); self.load.wait(10)
        self.load.stdout.close()

    def begin(self, do:str, **kw:Any)->None:
        "Have the client do something"
        try: self.load.stdin.write(json.dumps({'do': do, **kw})+'\n'); self.load.stdin.flush()
        except BrokenPipeError: pass # it has said why

    def end(self)->dict:
        "What came of it"
        if not select.select([self.load.stdout], [], [], longest)[0]: raise RuntimeError(f'{self.title}: the load client took longer than {longest} s')
        res = json.loads(self.load.stdout.readline() or '{"error": "the load client ended"}')
        if 'error' in res: raise RuntimeError(f'{self.title}: {res["error"]}')
        return res

    def client(self, do:str, **kw:Any)->dict:
        "Have the client do something, and wait for it"
        self.begin(do, **kw)
        return self.end()

    def connect(self, n:int, in_flight:int=64, **kw:Any)->dict: return self.client('connect', n=n, in_flight=in_flight, **kw)


class Pair(Client):
    "A server and its load client"
    def __init__(self,
        name:str, # In `peers`
        place:str='room', # Where the client connects: room, echo or aside
        texts:str='', # File with the list of what is broadcast
        **settings:Any, # `ping`, `deflate`
    ):
        self.name,self.peer = name,peers[name]
        given = {'deflate': self.peer.deflate, 'serve': self.peer.serve, 'texts': texts, 'text': text} | settings
        self.deflate = given['deflate']
        sock = socket.create_server(('127.0.0.1', 0), backlog=4096)
        self.port = sock.getsockname()[1]
        self.control,there = socket.socketpair()
        self.server = subprocess.Popen([*self.peer.command, str(sock.fileno()), str(there.fileno()), json.dumps(given)], pass_fds=[sock.fileno(), there.fileno()],
                                       cwd=root, env=environment(), stdin=subprocess.DEVNULL, preexec_fn=partial(pin, 0))
        sock.close(); there.close()
        super().__init__(self.port, name, place)

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.server.kill(); self.server.wait(10)
        self.control.close()

    def ask(self, do:str, **kw:Any)->dict:
        "Ask the server something"
        self.control.settimeout(longest)
        self.control.sendall(json.dumps({'do': do, **kw}).encode())
        data = b''
        while not data.endswith(b'\n'):
            if not (more := self.control.recv(4096)): raise RuntimeError(f'{self.title}: the server ended')
            data += more
        return json.loads(data)

    def connect(self, n:int, in_flight:int=64, **kw:Any)->dict: return super().connect(n, in_flight, deflate=self.deflate)
    def cpu(self)->float: return cpu_time(self.server.pid)
    def memory(self)->int: return memory(self.server.pid)

    def round(self, do:str, **kw:Any)->dict:
        "The same as `client`, with the CPU time that the server used for it"
        before = self.cpu()
        res = self.client(do, **kw)
        return res | {'server': self.cpu()-before}

    def quiet(self)->float: # CPU time
        "Wait until the server does nothing any more"
        used,still,end = self.cpu(),0,time.monotonic()+10
        while still < 3 and time.monotonic() < end:
            time.sleep(.02)
            now = self.cpu()
            still,used = still+1 if now-used < .0005 else 0,now
        return used


class Fleet:
    "Pairs that take turns; one that fails is left out from then on, and `failed` says why"
    def __init__(self, say:Callable[[str],Any]=lambda o: None): self.pairs,self.failed,self._stack,self._say = dict[str,Pair](),dict[str,str](),ExitStack(),say
    def __enter__(self): return self
    def __exit__(self, *exc): self._stack.close()

    def start(self, names:Iterable[str], then:Callable[[Pair],Any]=lambda p: None, **kw:Any)->None:
        "Start one after the other: two that start share a core"
        for k in names:
            self.pairs[k] = self._stack.enter_context(Pair(k, **kw))
            self.each(then, [k])

    def each(self, f:Callable[[Pair],Any], names:Iterable[str]|None=None)->dict[str,Any]: # Name -> what `f` gave
        "Call `f` for one pair after the other"
        res = {}
        for k in list(self.pairs if names is None else names):
            try: res[k] = f(self.pairs[k])
            except (OSError,RuntimeError,ValueError) as e: self.drop(k, str(e))
        return res

    def drop(self, name:str, why:str)->None:
        "Go on without it"
        self.failed[name] = why
        self._say(f'{name}: {why}')
        self.pairs.pop(name).__exit__()

    def rounds(self, n:int, f:Callable[[Pair],dict])->dict[str,list[dict]]: # Name -> its rounds
        "Call `f` for all pairs `n` times, each time in another order"
        res:dict[str,list[dict]] = {k: [] for k in self.pairs}
        for i in range(n):
            names = list(self.pairs)
            for k,o in self.each(f, chain(names[i%len(names):], names[:i%len(names)])).items(): res[k].append(o)
        return {k: v for k,v in res.items() if k in self.pairs}


def ratios(ours:list[dict], base:list[dict], by:str='server')->list[float]:
    "How many times the work of `base` a second, round by round, from the least"
    return sorted((a['n']/a[by]) / (b['n']/b[by]) for a,b in zip(ours, base))

def rate(rounds:list[dict], by:str)->float: return median(r['n']/r[by] for r in rounds)


def fragments(n:int=16)->list[str]:
    "Pieces of HTML of about 2 KB, as a page that shows figures would get them; all different"
    from random import Random
    r = Random(1)
    def row(i): return f'<tr class="row"><td class="name">Station {i}</td><td>{r.randint(100, 99999)}</td><td>{r.random()*100:.2f}</td><td class="trend">{r.choice(["up","down","steady"])}</td></tr>'
    return [f'<table id="board" hx-swap-oob="true"><tbody>{"".join(map(row, range(20)))}</tbody></table>' for _ in range(n)]

class Texts:
    "A file with `fragments` for as long as servers need it"
    def __enter__(self)->str:
        with tempfile.NamedTemporaryFile('w', suffix='.json', delete=False) as f: json.dump(fragments(), f)
        self.path = f.name
        return self.path
    def __exit__(self, *exc): os.unlink(self.path)
