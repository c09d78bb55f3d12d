"Fifty tiles that change a hundred times a second: a client on a bad line stays current, one on a good line gets everything; plain uvicorn."
from bench import Run
from tests.proofs import dashboard

what = ('50 tiles: two of them a hundred times a second to a client that reads 20 KB/s, then all of them as often to one that reads 50 KB/s; '
        'another client reads all it can')
bar = 'no tile that the throttled client shows is older than 2 s, the other one gets everything in order, memory +16 MB at most; in every run'
more_is_better = False
runs = 3


def run(seed)->Run:
    few,every = dashboard.few(),dashboard.all_tiles()
    return Run(max(few.oldest, every.oldest), few.ok and every.ok, f'{few}\n        {every}')
