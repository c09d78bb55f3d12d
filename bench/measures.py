"""What is measured of every peer, as functions that give rows: peer -> figures.

All rates are per second of the server's own CPU time (`rate`) and by the clock (`wall`); `ratio` is `rate` to that of raw Starlette in the same round, the median of
the rounds, `low` and `high` their spread; `busy` and `client` are the CPU time of server and load client to time by the clock.
"""
import time
from collections.abc import Callable
from contextlib import ExitStack
from operator import methodcaller
from statistics import median, quantiles
from typing import Any

from bench.pairs import Client, Fleet, Pair, Texts, rate, ratios
from bench.peers import peers

Rows = dict[str,dict[str,Any]]
ping = 20 # seconds between pings, where there are some


def can(measure:str, only=None)->list[str]:
    "The peers that are in a measure, and are here"
    return [k for k,p in peers.items() if measure in p.measures and not p.lacks and (only is None or k in only)]

def absent(measure:str, only=None)->Rows:
    "Those that are not, and why"
    return {k: {'why': p.lacks} for k,p in peers.items() if measure in p.measures and p.lacks and (only is None or k in only)}


def figures(rounds:dict[str,list[dict]], fleet:Fleet)->Rows:
    "Of rounds of all peers"
    res:Rows = {k: {'why': o} for k,o in fleet.failed.items()}
    for k,rs in rounds.items():
        row = dict(rate=rate(rs, 'server'), wall=rate(rs, 'wall'), busy=median(r['server']/r['wall'] for r in rs), client=median(r['cpu']/r['wall'] for r in rs))
        if 'raw' in rounds:
            by_cpu = ratios(rs, rounds['raw'])
            row |= dict(ratio=median(by_cpu), low=by_cpu[0], high=by_cpu[-1], wall_ratio=median(ratios(rs, rounds['raw'], 'wall')))
        if 'took' in rs[0]: took = quantiles([o for r in rs for o in r['took']] or [0.,0.], n=100); row |= dict(p50=took[49], p99=took[98])
        elif 'p50' in rs[0]: row |= {o: median(r[o] for r in rs) for o in ('p50','p99')}
        if rs[0].get('bytes'): row['bytes'] = sum(r['bytes'] for r in rs)/sum(r['n'] for r in rs)
        res[k] = row
    return res

def hows(fleet:Fleet)->dict[str,str]:
    "The way by which each sends; ours are asked"
    return fleet.each(lambda p: p.ask('tell').get('how') or p.peer.how)

def with_how(rows:Rows, how:dict[str,str])->Rows: return {k: v | ({'how': how[k]} if k in how else {}) for k,v in rows.items()}


def echo(say:Callable, sizes=(1,64,512), rounds=3, seconds=1., only=None)->dict[int,Rows]:
    "So many connections, each with one message under way"
    res = {}
    with Fleet(say) as fleet:
        fleet.start(can('echo', only), place='echo')
        for n in sizes:
            say(f'echo, {n} connections')
            fleet.each(methodcaller('connect', n))
            fleet.each(methodcaller('client', 'echo', n=n, seconds=seconds/5)) # warm
            rs = fleet.rounds(rounds, methodcaller('round', 'echo', n=n, seconds=seconds))
            res[n] = with_how(figures(rs, fleet), hows(fleet)) | absent('echo', only)
    return res


def broadcast(say:Callable, sizes=(100,1_000,5_000), in_flight=(1,4), rounds=3, seconds=1., only=None)->dict[tuple[int,int],Rows]:
    "One message to so many subscribers, with so many under way: (subscribers, in flight) -> rows"
    res = {}
    with Fleet(say) as fleet:
        fleet.start(can('broadcast', only))
        for n in sizes:
            for k in [k for k,p in fleet.pairs.items() if p.peer.most < n]: fleet.drop(k, f'not measured above {fleet.pairs[k].peer.most:,} subscribers')
            say(f'broadcast to {n:,}')
            fleet.each(methodcaller('connect', n))
            fleet.each(lambda p: p.client('settle'))
            for w in in_flight:
                rs = fleet.rounds(rounds, methodcaller('round', 'broadcast', in_flight=w, seconds=seconds))
                res[n,w] = with_how(figures(rs, fleet), hows(fleet)) | absent('broadcast', only)
    return res


def idle(say:Callable, sizes=(1_000,10_000), seconds=ping, only=None)->Rows:
    "Memory of so many idle connections, and CPU with pings on, over the time in which each connection gets one"
    res:Rows = {}
    with Fleet(say) as fleet:
        def grow(p):
            say(f'memory, {p.name}')
            p.connect(1)
            p.quiet()
            time.sleep(.3)
            before,row = p.memory(),{'empty': p.memory()/1e6}
            for n in sizes:
                p.connect(n)
                p.quiet()
                time.sleep(.3)
                now = p.memory()
                row |= {f'kib_{n}': (now-before)/1024/(n-1), f'mb_{n}': now/1e6}
            told = p.ask('tell')
            row |= {'how': told.get('how') or p.peer.how} | ({'tasks': told['tasks']/sizes[-1]} if 'tasks' in told else {})
            res[p.name] = row
        fleet.start(can('memory', only), grow, ping=ping)
        say('pings')
        before = fleet.each(lambda p: (p.cpu(), time.monotonic()))
        time.sleep(seconds)
        fleet.each(lambda p: p.client('hear', n=0)) # the client is there, so nothing was closed
        for k,(used,at) in fleet.each(lambda p: (p.cpu(), time.monotonic())).items(): res[k]['cpu'] = (used-before[k][0])/(at-before[k][1])
    return {k: res.get(k, {}) | ({'why': fleet.failed[k]} if k in fleet.failed else {}) for k in can('memory', only)} | absent('memory', only)


def connects(say:Callable, n=2_000, in_flight=64, rounds=3, only=None)->Rows:
    "Handshakes, so many under way"
    say('connects')
    def once(p):
        before = p.quiet()
        res = p.connect(n, in_flight)
        res |= {'server': p.quiet()-before}
        p.client('leave')
        p.quiet()
        return res
    with Fleet(say) as fleet:
        fleet.start(can('connects', only))
        fleet.each(once) # warm
        return figures(fleet.rounds(rounds, once), fleet) | absent('connects', only)


def pauses(say:Callable, n=5_000, rounds=2, broadcasts=3, only=None)->Rows:
    "How long the event loop was held at worst while so many connect, receive and leave, by the clock and in CPU time"
    runs:dict[str,list[dict]] = {}
    failed = {}
    names = [k for k in can('pause', only) if peers[k].most >= n]
    for i in range(rounds):
        for k in names[i%len(names):] + names[:i%len(names)]:
            if k in failed: continue
            say(f'pause, {k}')
            with Fleet(say) as fleet:
                def once(p):
                    p.connect(1); p.client('settle'); p.quiet()
                    p.ask('tick')
                    res = {}
                    def lap(name): res[name] = p.ask('lap')
                    p.connect(n); p.quiet(); lap('connect')
                    for _ in range(broadcasts): p.client('settle')
                    lap('receive')
                    p.client('leave'); time.sleep(.2); p.quiet(); lap('leave')
                    return res
                fleet.start([k])
                got = fleet.each(once)
                if k in got: runs.setdefault(k, []).append(got[k])
                failed |= fleet.failed
    res:Rows = {k: {'why': o} for k,o in failed.items()}
    for k,rs in runs.items():
        if k in failed: continue
        row = {f'{o}_{by}': median(r[o][by] for r in rs) for o in ('connect','receive','leave') for by in ('late','cpu')}
        res[k] = row | {by: max(max(o[by] for o in r.values()) for r in rs) for by in ('late','cpu')}
    return res | {k: {'why': f'not measured above {peers[k].most:,} subscribers'} for k in can('pause', only) if k not in names} | absent('pause', only)


def deflate(say:Callable, n=1_000, rounds=3, seconds=1., only=None)->Rows:
    "A fragment of 2 KB to so many, compressed where server and client agree on that; the unit is raw Starlette without compression"
    say('deflate')
    with Texts() as texts, Fleet(say) as fleet:
        names = can('deflate', only)
        def ready(p):
            p.agreed = p.connect(n)['deflate']
            p.client('settle')
        fleet.start(['raw'], ready, texts=texts)
        plain = fleet.pairs.pop('raw')
        fleet.start(names, ready, texts=texts, deflate=True)
        fleet.pairs = {'plain': plain} | fleet.pairs
        rs = fleet.rounds(rounds, lambda p: p.round('broadcast', in_flight=1, seconds=seconds))
        agreed,how = {k: p.agreed for k,p in fleet.pairs.items()},hows(fleet)
    if 'plain' not in rs: return absent('deflate', only)
    unit = rs.pop('plain')
    rows = figures({'raw': unit} | {('raw, deflate' if k == 'raw' else k): v for k,v in rs.items()}, fleet)
    rows = {'plain': rows.pop('raw')} | {('raw' if k == 'raw, deflate' else k): v for k,v in rows.items()}
    for k in rows: rows[k] |= {'agreed': agreed.get(k, False), 'how': how.get(k, '')}
    return rows | absent('deflate', only)


def growth(say:Callable, powers=(1,10,100,1_000,10_000), few=10, rounds=5, who='serve')->dict[str,dict[int,float]]:
    "Ours: microseconds of CPU for one publication as its subscribers, topics that others listen to, and connections that listen to something else grow"
    res = {}
    for axis in 'subscribers','topics','connections':
        say(f'growth of {axis}')
        with ExitStack() as stack:
            crowd = {}
            for n in powers:
                p = stack.enter_context(Pair(who))
                side = stack.enter_context(Client(p.port, who, 'aside'))
                p.members = n if axis == 'subscribers' else few
                p.connect(p.members)
                p.client('settle')
                side.connect(n if axis == 'connections' else 1)
                if axis == 'topics': p.ask('more_topics', n=n)
                crowd[n] = p
            got:dict[int,list[float]] = {n: [] for n in powers}
            for _ in range(rounds+1):
                for n,p in crowd.items(): got[n].append(publication(p))
            res[axis] = {n: median(o[1:]) for n,o in got.items()} # the first is to get warm
    return res

def publication(p:Pair, batch:int=200)->float:
    "Microseconds of CPU; a batch has arrived before the next is published, so that no outbox overflows"
    times = max(10, min(2_000, 20_000//p.members))
    before = p.quiet()
    for at in range(0, times, batch):
        n = min(batch, times-at)
        p.begin('hear', n=n*p.members)
        p.ask('publish', topic='room', n=n)
        p.end()
    return (p.quiet()-before)/times*1e6
