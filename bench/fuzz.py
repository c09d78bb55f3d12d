"The frames of tests/test_fuzz.py, many more of them, and others in every run."
import asyncio

from hypothesis import Phase, given, seed as seeded, settings, strategies as st

from bench import Run
from tests import test_fuzz as fuzz
from tests.kit import library

what = 'hostile frames against every kind of handler: each is followed by a good one that is answered'
bar = 'no connection ends, nothing of ours is logged, nothing sent comes back as live HTML; at least 100,000 frames in each run'
more_is_better = True
runs = 3
connections = 45 # Connections to each route; 25 frames each


def hammer(app, run, path, base, seed):
    @seeded(seed)
    @settings(max_examples=connections, phases=[Phase.generate], derandomize=False)
    @given(fuzz.a_run(base), st.sampled_from([None, {'origin': 'http://x'}]))
    def go(frames, headers): fuzz.fuzz(app, run, path, base, frames, headers)
    go()


def run(seed)->Run:
    before = fuzz.ran['frames']
    app = fuzz.App(library(stock=False))
    with asyncio.Runner() as r:
        for name,(path,base) in app.routes.items():
            try: hammer(app.app, r.run, path, base, seed)
            except AssertionError as e: return Run(fuzz.ran['frames']-before, False, f'{name}: {e}'[:500])
    n = fuzz.ran['frames']-before
    return Run(n, n >= 100_000, f'{n:,} frames against {len(app.routes)} handlers, and as many good ones, all answered')
