"""Everything that is measured, of everyone, in one table."""
import json, os, sys, time
from statistics import median

from bench import Run, machine, measures, results
from bench.peers import peers, versions

what = 'a few figures of the table of all peers: echo, broadcast, memory and handshakes of ours, raw Starlette and stock FastHTML'
more_is_better = True
runs = 3


def say(text:str)->None: print(f'{time.strftime("%H:%M:%S")} {text}', file=sys.stderr, flush=True)


def collect(command:str, keep)->dict:
    "Measure everything; `keep` is called after each part with all that is known"
    data = {'machine': machine(command), 'peers': versions(), 'when': time.strftime('%Y-%m-%d'), 'load': [os.getloadavg()[0]], 'ping': measures.ping,
            'titles': {k: p.title for k,p in peers.items()}}
    begun = time.monotonic()
    def part(name, value):
        data[name] = value
        data['seconds'] = time.monotonic()-begun
        keep(data)
    part('echo', measures.echo(say, seconds=.8))
    part('broadcast', {f'{n} {w}': rows for (n,w),rows in measures.broadcast(say, seconds=.8).items()})
    part('idle', measures.idle(say))
    part('connects', measures.connects(say))
    part('pause', measures.pauses(say))
    part('deflate', measures.deflate(say, seconds=.8))
    part('growth', measures.growth(say, rounds=3))
    data['load'].append(os.getloadavg()[0])
    keep(data)
    return data


file = results/'table.json'

def keep(data:dict)->None:
    results.mkdir(exist_ok=True)
    file.write_text(json.dumps(data, indent=1) + '\n')
