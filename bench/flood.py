"One client that sends 50,000 frames as fast as it can, and fifty others that ask something now and then, under plain uvicorn in a process of its own."
from bench import Run
from tests.proofs import flood

what = ('50,000 frames of one client as fast as its socket takes them, to a handler that answers on the loop, to one in a thread, and to one that publishes to all; '
        '50 others that each ask ten times a second')
bar = 'p99 of the others at most 100 ms above theirs without the flood, every frame handled, every publication with everyone; in every run'
more_is_better = False
runs = 3


def run(seed)->Run:
    done = [flood.run(kind) for kind in flood.kinds]
    return Run(max(o.more for o in done), all(o.ok for o in done), '\n        '.join(map(str, done)))
