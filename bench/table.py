"""Everything that is measured, of everyone, in one table.

    python -m bench table           measure it; the figures go to bench/results/table.json, the tables to bench/results/table.txt
    python -m bench table --quick   a few ratios, with room for noise, in a minute and a half; exit status 1 if one is past its guard
    python -m bench table --part growth    one part anew, kept with the rest
    python -m bench table --show    the tables of the last recorded run
"""
import json, os, sys, time
from collections.abc import Callable
from typing import Any, NamedTuple

from bench import Run, machine, measures, results
from bench.peers import peers, versions

what = 'a few figures of the table of all peers: echo, broadcast, memory and handshakes of ours, raw Starlette and stock FastHTML'
guards = {'echo, 64, to raw': ('>=', .6), 'echo, 64, to stock': ('>=', 2.5), 'broadcast to 1,000, to raw': ('>=', 1.), 'broadcast to 1,000, to stock': ('>=', 2.5),
          'KiB an idle connection': ('<=', 8), 'connects a second, to raw': ('>=', 1.)}
bar = 'ours under serve(): ' + ', '.join(f'{k} {a} {b:g}' for k,(a,b) in guards.items()) + '; in every run'
more_is_better = True
runs = 3

file = results/'table.json'
columns = [k for k,p in peers.items() if p.short]


# What there is to reach, each as a ratio to raw Starlette of the same round unless its line says otherwise

goals = {'echo, 1 connection': ('>=', .9), 'echo, 64 connections': ('>=', .8), 'echo, 64, reply as str': ('>=', 1.4),
         'broadcast to 100': ('>=', 1.3), 'broadcast to 1,000': ('>=', 1.3), 'broadcast to 5,000': ('>=', 1.1),
         'broadcast to 100, 4 in flight': ('>=', 1.4), 'broadcast to 1,000, 4 in flight': ('>=', 2.), 'broadcast to 5,000, 4 in flight': ('>=', 1.7),
         'KiB a connection of 1,000': ('<=', 6), 'KiB a connection of 10,000': ('<=', 6), 'MB with 10,000': ('<=', 100),
         '% of a core with 10,000, pings': ('<=', 3), 'connects a second': ('>=', 1.5), 'longest pause, 5,000, ms': ('<=', 20)}


class Line(NamedTuple):
    "One line of the table of all"
    title:str
    values:dict[str,float] # Peer -> figure
    form:str = '.2f'

    @property
    def target(self)->tuple[str,float]|None: return goals.get(self.title)

    @property
    def met(self)->bool|None:
        "Did ours under serve() reach the target?"
        if not self.target or 'serve' not in self.values: return None
        sign,bound = self.target
        return self.values['serve'] >= bound if sign == '>=' else self.values['serve'] <= bound


def lines(data:dict)->list[Line]:
    "The table of all, from what `collect` gives"
    res:list[Line] = []
    def add(title, rows, key, form='.2f', scale=1., **others):
        rows = {**{k: r for k,r in rows.items() if k in columns and not others}, **{k: rows[o] for k,o in others.items() if o in rows}}
        res.append(Line(title, {k: r[key]*scale for k,r in rows.items() if key in r and 'why' not in r}, form))
    for n,rows in data.get('echo', {}).items():
        add(f'echo, {n} connection{"s" if int(n)>1 else ""}', rows, 'ratio')
        if int(n) == 64: add('echo, 64, reply as str', rows, 'ratio', serve='serve_str', ours='ours_str')
    crowds = {tuple(map(int, k.split())): rows for k,rows in data.get('broadcast', {}).items()}
    for n,w in sorted(crowds, key=lambda o: o[::-1]): add(f'broadcast to {n:,}' + (f', {w} in flight' if w>1 else ''), crowds[n,w], 'ratio')
    if rows := data.get('idle'):
        for n in sorted({int(k[4:]) for r in rows.values() for k in r if k.startswith('kib_')}):
            add(f'KiB a connection of {n:,}', rows, f'kib_{n}', '.1f')
        add(f'  with deflate offered, {n:,}', rows, f'kib_{n}', '.1f', stock='stock_deflate', serve='serve_deflate', ours='ours_deflate')
        add(f'  with its script, {n:,}', rows, f'kib_{n}', '.1f', serve='serve_script')
        add(f'MB with {n:,}', rows, f'mb_{n}', '.0f')
        add(f'% of a core with {n:,}, pings', rows, 'cpu', '.1f', 100)
        add('  and with its script', rows, 'cpu', '.1f', 100, serve='serve_script')
    add('connects a second', data.get('connects', {}), 'ratio')
    add('longest pause, 5,000, ms', data.get('pause', {}), 'late', '.0f', 1e3)
    add('  in CPU time', data.get('pause', {}), 'cpu', '.0f', 1e3)
    add('deflate, 2 KB to 1,000, to plain raw', data.get('deflate', {}), 'ratio')
    add('  bytes of a delivery', data.get('deflate', {}), 'bytes', '.0f')
    return [o for o in res if o.values]


def tables(data:dict, out:Callable[[str],Any])->None:
    "Print all that was measured"
    titles = data['titles']
    def rates(title, rows, work):
        out(f'\n{title}\n{"":28}{work+"/CPU s":>14}{"to raw":>8}{"spread":>13}{"by the clock":>14}{"to raw":>8}{"p50 ms":>9}{"p99 ms":>9}{"busy":>6}{"client":>8}  path')
        for k,r in rows.items():
            name = 'raw Starlette, plain' if k == 'plain' else titles[k]
            if 'rate' not in r: out(f'{name:28}{r.get("why", "")}'); continue
            out(f'{name:28}{r["rate"]:14,.0f}{r.get("ratio", 0):8.2f}{spread(r):>13}{r["wall"]:14,.0f}{r.get("wall_ratio", 0):8.2f}'
                f'{r.get("p50", 0)*1e3:9.2f}{r.get("p99", 0)*1e3:9.2f}{r["busy"]:6.0%}{r["client"]:8.0%}  {r.get("how", "")}' + (f', {r["bytes"]:.0f} bytes' if 'agreed' in r else ''))
    def spread(r): return f'{r["low"]:.2f}-{r["high"]:.2f}' if 'low' in r else ''
    for n,rows in data.get('echo', {}).items(): rates(f'Echo, {n} connection{"s" if int(n)>1 else ""}', rows, 'answers')
    for k,rows in data.get('broadcast', {}).items():
        n,w = map(int, k.split())
        rates(f'Broadcast to {n:,}, {w} in flight', rows, 'deliveries')
    if rows := data.get('idle'):
        sizes = sorted({int(k[4:]) for r in rows.values() for k in r if k.startswith('kib_')})
        out(f'\nIdle connections, a ping every {data["ping"]} s\n{"":28}' + ''.join(f'{f"KiB of {n:,}":>14}' for n in sizes) + f'{"MB, empty":>11}' + ''.join(f'{f"MB, {n:,}":>12}' for n in sizes)
            + f'{"% of a core":>13}{"tasks each":>12}  path')
        for k,r in rows.items():
            if 'empty' not in r or 'why' in r: out(f'{titles[k]:28}{r.get("why", "")}'); continue
            tasks = f'{r["tasks"]:.1f}' if 'tasks' in r else '-'
            cells = ''.join(f'{r.get(f"kib_{n}", 0):14.1f}' for n in sizes) + f'{r["empty"]:11.0f}' + ''.join(f'{r.get(f"mb_{n}", 0):12.0f}' for n in sizes)
            out(f'{titles[k]:28}{cells}{r.get("cpu", 0):13.1%}{tasks:>12}  {r.get("how", "")}')
    if rows := data.get('connects'): rates('Connects, 2,000 with 64 under way', rows, 'connects')
    if rows := data.get('pause'):
        parts = 'connect','receive','leave'
        out(f'\nLongest pause of the event loop, ms, 5,000 clients\n{"":28}' + ''.join(f'{o:>10}' for o in parts) + f'{"worst":>10}    in CPU time' + ''.join(f'{o:>10}' for o in parts) + f'{"worst":>10}')
        for k,r in rows.items():
            if 'late' not in r: out(f'{titles[k]:28}{r.get("why", "")}'); continue
            out(f'{titles[k]:28}' + ''.join(f'{r[f"{o}_late"]*1e3:10.0f}' for o in parts) + f'{r["late"]*1e3:10.0f}{"":15}' + ''.join(f'{r[f"{o}_cpu"]*1e3:10.0f}' for o in parts) + f'{r["cpu"]*1e3:10.0f}')
    if rows := data.get('deflate'): rates('2 KB of HTML to 1,000, permessage-deflate', rows, 'deliveries')
    if (axes := data.get('growth')) and 'subscribers' in axes:
        powers = list(next(iter(axes.values())))
        out(f'\nCost of one publication of ours under serve(), microseconds of CPU\n{"":28}' + ''.join(f'{int(o):>10,}' for o in powers))
        for axis,row in axes.items(): out(f'{axis:28}' + ''.join(f'{row[o]:10.1f}' for o in powers))
        out(f'{"for each subscriber":28}' + ''.join(f'{axes["subscribers"][o]/int(o):10.1f}' for o in powers))
        out('(topics and connections are those of others: ten subscribers get it)')
    whole(data, out)


def whole(data:dict, out:Callable[[str],Any])->None:
    "The table of all"
    out('\nAll of it: rates are ratios to raw Starlette of the same round, by server CPU; serve() and uvicorn are ours')
    out(f'{"":37}' + ''.join(f'{peers[k].short:>9}' for k in columns) + f'{"target":>10}  met')
    for o in lines(data):
        cells = ''.join(f'{format(o.values[k], o.form) if k in o.values else "-":>9}' for k in columns)
        out(f'{o.title:37}{cells}{(o.target[0] + f" {o.target[1]:g}") if o.target else "":>10}' + {True: '  yes', False: '  no', None: ''}[o.met])
    for name,(value,bound,held) in shape(data).items(): out(f'{name:37}{value:9.2f}{f"<= {bound:g}":>{9*(len(columns)-1)+10}}  {"yes" if held else "no"}')
    if load := data.get('load'): out(f'Load of the machine: {load[0]:.1f} at the start' + (f', {load[-1]:.1f} at the end' if len(load)>1 else '') + f'; this bench alone makes about 2. It took {data["seconds"]/60:.0f} minutes.')


def shape(data:dict)->dict[str,tuple[float,float,bool]]: # Name -> how much it grows, its bound, did it hold?
    "Is the cost of a publication linear in what is delivered, and flat in what is not?"
    if not (axes := data.get('growth')): return {}
    subs,powers = axes['subscribers'],list(axes['subscribers'])
    each = subs[powers[-1]]/int(powers[-1]) / (subs[powers[2]]/int(powers[2]))
    res = {f'cost of each of {int(powers[-1]):,} to {int(powers[2]):,}': (each, 2.)}
    for o in 'topics','connections': res[f'cost with {int(powers[-1]):,} other {o}'] = axes[o][powers[-1]]/axes[o][powers[0]],1.5
    return {k: (v, bound, v <= bound) for k,(v,bound) in res.items()}


def say(text:str)->None: print(f'{time.strftime("%H:%M:%S")} {text}', file=sys.stderr, flush=True)


parts = {'echo': lambda: measures.echo(say, seconds=.8),
         'broadcast': lambda: {f'{n} {w}': rows for (n,w),rows in measures.broadcast(say, seconds=.8).items()},
         'idle': lambda: measures.idle(say), 'connects': lambda: measures.connects(say), 'pause': lambda: measures.pauses(say),
         'deflate': lambda: measures.deflate(say, seconds=.8), 'growth': lambda: measures.growth(say, rounds=3)}

def collect(command:str, keep:Callable[[dict],Any], old:dict|None=None, only:str='')->dict:
    "Measure everything, or one part anew; `keep` is called after each part with all that is known"
    data:dict[str,Any] = {'machine': machine(command), 'peers': versions(), 'when': time.strftime('%Y-%m-%d'), 'load': [os.getloadavg()[0]], 'ping': measures.ping,
                          'titles': {k: p.title for k,p in peers.items()}, 'seconds': 0., 'anew': []} | (old or {})
    for k in [only] if only else parts:
        begun = time.monotonic()
        data[k] = parts[k]()
        data['seconds'] += time.monotonic()-begun
        keep(data)
    data['load'].append(os.getloadavg()[0])
    if only: data['anew'] = [*data.get('anew', []), f'{only} was measured in a run of its own: {command}, {time.strftime("%Y-%m-%d")}, load {data["load"][-1]:.1f}']
    keep(data)
    return data


def keep(data:dict)->None:
    results.mkdir(exist_ok=True)
    file.write_text(json.dumps(data, indent=1) + '\n')


def main(out):
    data = collect('python -m bench table', keep)
    out(f'peers: {data["peers"]}')
    tables(json.loads(json.dumps(data)), out) # with the keys that JSON makes


def show(out:Callable[[str],Any])->None:
    "The tables of the last recorded run"
    if not file.exists(): raise SystemExit('there is no recorded run: python -m bench table')
    data = json.loads(file.read_text())
    out(f'{data["machine"]}\n\npeers: {data["peers"]}')
    tables(data, out)
    for o in data.get('anew', []): out(o)


def again(part:str)->None:
    "Measure one part anew, and keep it with the rest"
    if part not in parts: raise SystemExit(f'{part} is none of {", ".join(parts)}')
    collect(f'python -m bench table --part {part}', keep, json.loads(file.read_text()) if file.exists() else {}, part)
    lines:list[str] = []
    show(lines.append)
    file.with_suffix('.txt').write_text('\n'.join(lines) + '\n')
    print('\n'.join(lines))


def run(seed)->Run:
    few,rounds = ['raw','serve','stock'],5
    quiet = lambda o: None
    echo,crowd = measures.echo(quiet, (64,), rounds, .3, few)[64],measures.broadcast(quiet, (1_000,), (1,), rounds, .3, few)[1_000,1]
    idle,connects = measures.idle(quiet, (1_000,), 0, ['serve']),measures.connects(quiet, 500, 64, rounds, few)
    def to(rows, base): return rows['serve']['ratio']/rows[base]['ratio']
    try: found = dict(zip(guards, [to(echo, 'raw'), to(echo, 'stock'), to(crowd, 'raw'), to(crowd, 'stock'), idle['serve']['kib_1000'], to(connects, 'raw')]))
    except KeyError: raise RuntimeError(f'not everything could be measured: {echo} {crowd} {idle} {connects}') from None
    share = {k: found[k]/b if a == '>=' else b/found[k] for k,(a,b) in guards.items()} # 1 is just good enough
    return Run(min(share.values()), min(share.values()) >= 1, ', '.join(f'{k} {v:.2f}' for k,v in found.items()))
