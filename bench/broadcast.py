"""One message, delivered to 100, 1,000 and 5,000 sockets, by this project and by its peers.

Every server is a process of its own on the first core, and its load client one on the last. All are started and connected first; then they
work one after the other in short rounds, so that a machine that slows down slows all of them. Rates are deliveries per second of the server's
own CPU time, and by the clock; what counts is the ratio to raw Starlette of the same round, its median and its spread over the rounds.
"""
import json, os, socket, subprocess, sys, time
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from statistics import median, quantiles

from bench import Run
from bench.peers import Peer, peers

what = 'one broadcast to 1,000 subscribers under plain uvicorn: ours, raw Starlette and stock FastHTML'
of_raw,of_stock = .9,2.2
bar = f"at least {of_raw} of raw Starlette's and {of_stock} times stock FastHTML's deliveries per second of server CPU, one broadcast in flight; in every run"
more_is_better = True
runs = 5

sizes = 100,1_000,5_000
in_flight = 1,4
root = Path(__file__).parent.parent


def pin(pid:int, core:int)->None:
    "Keep a process on the first core (0) or the last (-1), where the system can"
    if hasattr(os, 'sched_setaffinity'): os.sched_setaffinity(pid, {sorted(os.sched_getaffinity(0))[core]})

def files_as_allowed()->None:
    "As many open files as the system lets this process and its children have"
    import resource
    soft,hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def cpu_time(pid:int)->float:
    "Seconds of CPU that a process has used; Linux counts it in nanoseconds (clock_getcpuclockid), where /proc has hundredths"
    return time.clock_gettime(~pid<<3 | 2)


class Pair:
    "A server and its load client with `n` sockets"
    def __init__(self, peer:Peer, n:int):
        sock = socket.create_server(('127.0.0.1', 0), backlog=4096)
        self.server = subprocess.Popen([peer.python, '-m', f'bench.peers.{peer.module}', str(sock.fileno())], pass_fds=[sock.fileno()], cwd=root)
        pin(self.server.pid, 0)
        self.load = subprocess.Popen([sys.executable, '-m', 'bench.load', str(sock.getsockname()[1]), str(n), peer.module],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
        pin(self.load.pid, -1)
        sock.close()

    def __enter__(self): return self
    def __exit__(self, *exc):
        self.load.stdin.close()
        self.load.terminate(); self.load.wait(10)
        self.server.kill(); self.server.wait(10)

    def ready(self)->None:
        if self.load.stdout.readline() != 'ready\n': raise RuntimeError(f'{self.server.args[2]} was not ready for its load')

    def round(self, w:int, seconds:float)->dict:
        "Broadcast for `seconds` with `w` in flight"
        before = cpu_time(self.server.pid)
        self.load.stdin.write(f'{w} {seconds}\n'); self.load.stdin.flush()
        if not (line := self.load.stdout.readline()): raise RuntimeError(f'{self.server.args[2]} lost its load client')
        res = json.loads(line)
        return res | {'server': cpu_time(self.server.pid)-before}


def measure(names, n:int, ws=in_flight, rounds:int=3, seconds:float=1.)->dict[int,dict[str,list[dict]]]:
    "In flight -> peer -> its rounds"
    files_as_allowed()
    with ExitStack() as stack:
        pairs = {}
        for k in names: # one after the other: two that start share a core
            pairs[k] = stack.enter_context(Pair(peers[k], n))
            pairs[k].ready()
        res = {w: {k: [] for k in names} for w in ws}
        for w in ws:
            for i in range(rounds):
                for k in chain(names[i%len(names):], names[:i%len(names)]): res[w][k].append(pairs[k].round(w, seconds))
    return res


def ratios(ours:list[dict], base:list[dict], by='server')->list[float]:
    "How many times the deliveries of `base` a second, round by round"
    return sorted((a['deliveries']/a[by]) / (b['deliveries']/b[by]) for a,b in zip(ours, base))

def rate(rounds:list[dict], by:str)->float: return median(r['deliveries']/r[by] for r in rounds)


def table(out, n:int, w:int, res:dict[str,list[dict]])->None:
    out(f'\n{n:,} subscribers, {w} in flight')
    out(f'{"":26}{"a CPU second":>13}{"to raw":>8}{"spread":>14}{"by the clock":>14}{"to raw":>8}{"p50 ms":>9}{"p99 ms":>9}{"busy":>7}{"client":>8}')
    for k,p in peers.items():
        if p.lacks or n > p.most: out(f'{p.title:26}{p.lacks or f"not measured above {p.most:,}"}'); continue
        rs,raw = res[k],res['raw']
        cpu,wall = ratios(rs, raw),ratios(rs, raw, 'wall')
        took = quantiles(chain.from_iterable(r['took'] for r in rs), n=100)
        busy,client = [median(r[o]/r['wall'] for r in rs) for o in ('server','cpu')]
        out(f'{p.title:26}{rate(rs, "server"):13,.0f}{median(cpu):8.2f}{f"{cpu[0]:.2f}-{cpu[-1]:.2f}":>14}{rate(rs, "wall"):14,.0f}{median(wall):8.2f}'
            f'{took[49]*1e3:9.2f}{took[98]*1e3:9.2f}{busy:7.0%}{client:8.0%}')


def main(out):
    load = os.getloadavg()[0]
    out(f'peers: {versions()}')
    all = {}
    for n in sizes:
        res = measure([k for k,p in peers.items() if not p.lacks and n <= p.most], n)
        for w in in_flight:
            all[n,w] = res[w]
            table(out, n, w, res[w])
    out(f'\n{"to raw, by server CPU":26}' + ''.join(f'{f"{n:,} W={w}":>12}' for w in in_flight for n in sizes))
    for k,p in peers.items():
        cells = [median(ratios(r[k], r['raw'])) if k in (r := all[n,w]) else None for w in in_flight for n in sizes]
        out(f'{p.title:26}' + ''.join(f'{"-" if c is None else f"{c:.2f}":>12}' for c in cells))
    out('\na CPU second: deliveries per second of the server\'s CPU time; spread: of the ratio over the rounds; p50, p99: from saying it to the last of the')
    out('subscribers having it; busy, client: CPU time of server and load client to time by the clock (a server that waits for its client has less than 100%).')
    out(f'Load of the machine: {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end; this bench alone makes about 2.')


def versions()->str:
    "Of what the environment of the peers has"
    found = [p for p in peers.values() if p.packages and not p.lacks]
    if not found: return 'not installed'
    names = 'aiohttp python-socketio uvicorn websockets uvloop'.split()
    code = f'from importlib.metadata import version; print(", ".join(f"{{o}} {{version(o)}}" for o in {names}))'
    return subprocess.run([found[0].python, '-c', code], capture_output=True, text=True).stdout.strip()


def run(seed)->Run:
    res = measure(['raw','ours','stock'], 1_000, ws=(1,), rounds=15, seconds=.4)[1]
    raw,stock = [median(ratios(res['ours'], res[o])) for o in ('raw','stock')]
    built = f'{rate(res["ours"], "server"):,.0f} deliveries a CPU second'
    return Run(raw/of_raw, raw >= of_raw and stock >= of_stock, f'{raw:.2f} of raw Starlette, {stock:.2f} times stock FastHTML; {built}')
