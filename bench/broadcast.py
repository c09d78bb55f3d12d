"""One message, delivered to 100, 1,000 and 5,000 sockets, by this project and by its peers.

Every server is a process of its own on the first core, and its load client one on the last. All are started and connected first; then they
work one after the other in short rounds, so that a machine that slows down slows all of them. Rates are deliveries per second of the server's
own CPU time, and by the clock; what counts is the ratio to raw Starlette of the same round, its median and its spread over the rounds.
"""
import os
from itertools import chain
from operator import methodcaller
from statistics import median, quantiles

from bench import Run
from bench.pairs import Fleet, rate, ratios
from bench.peers import peers as all_peers, versions

what = 'one broadcast to 1,000 subscribers under plain uvicorn: ours, raw Starlette and stock FastHTML'
of_raw,of_stock = .9,2.2
bar = f"at least {of_raw} of raw Starlette's and {of_stock} times stock FastHTML's deliveries per second of server CPU, one broadcast in flight; in every run"
more_is_better = True
runs = 5

sizes = 100,1_000,5_000
in_flight = 1,4
peers = {k: p for k,p in all_peers.items() if 'broadcast' in p.measures}


def measure(names, n:int, ws=in_flight, rounds:int=3, seconds:float=1.)->dict[int,dict[str,list[dict]]]:
    "In flight -> peer -> its rounds"
    with Fleet() as fleet:
        def ready(p):
            p.connect(n)
            p.client('settle')
        fleet.start(names, ready)
        res = {w: fleet.rounds(rounds, methodcaller('round', 'broadcast', in_flight=w, seconds=seconds)) for w in ws}
        if fleet.failed: raise RuntimeError('; '.join(fleet.failed.values()))
    return res


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


def run(seed)->Run:
    res = measure(['raw','ours','stock'], 1_000, ws=(1,), rounds=15, seconds=.4)[1]
    raw,stock = [median(ratios(res['ours'], res[o])) for o in ('raw','stock')]
    built = f'{rate(res["ours"], "server"):,.0f} deliveries a CPU second'
    return Run(raw/of_raw, raw >= of_raw and stock >= of_stock, f'{raw:.2f} of raw Starlette, {stock:.2f} times stock FastHTML; {built}')
