"Pages in Chromium while the line, the server and the machine fail; at the end each shows exactly what the server has. Other points in time in every run."
from bench import Run
from tests.proofs import recovery

what = ('pages in real Chromium on htmx 2 and htmx 4, three counters and people who type, while the server is killed and restarted, the line dies silently, is cut, reset and '
        'half closed, the machine is busy, the tab hidden, the client too slow, the socket late; two tabs, two owners; beside it stock FastHTML under the same')
bar = 'every page of ours is right at the end: nothing missing, doubled or swapped, what was half typed is still there, what was sent is stored once and in order; in every run'
more_is_better = True
runs = 3


def run(seed)->Run:
    res = recovery.run(seed)
    return Run(res.ours, res.ok, str(res))
