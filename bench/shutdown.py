"SIGTERM to `serve()` with thousands of clients, some of which take nothing."
from bench import Run
from tests.proofs import shutdown

what = '2,000 clients under serve(), 20 of them stalled with a full outbox, all of them sent something just before SIGTERM'
bar = '1,980 get it and are told 1012, each with a time to come back of its own; `disconn` runs 2,000 times; the process is gone within the 5 s that serve() gives it; in every run'
more_is_better = False
runs = 3


def run(seed)->Run:
    res = shutdown.run()
    return Run(res.exit, res.ok, str(res))
