"A client that never reads and one that reads 1 KB a second cost nobody else anything, under plain uvicorn in a process of its own."
import sys

import pytest

from tests.kit import *
from tests.proofs import dashboard, stalled

pytestmark = pytest.mark.skipif(sys.platform=='win32', reason='the server is ended with a signal')


def test_healthy_clients_get_every_publication_in_time():
    res = stalled.run(150, rate=50, buffer=4096, outbox_bytes=800_000, stall_timeout=1.)
    print(res)
    assert not res.problems
    assert res.received==150*100 and res.sockets==0 and set(res.gone)=={'never','slow'}
    assert res.slow==2 # their outboxes were full
    assert res.p99<1 and res.grown<64 # what a busy machine allows; the bench has the bar


def test_both_are_counted_as_aborted_too():
    "They are told with 1013, take nothing, and are cut off"
    res = stalled.run(60, rate=50, healthy=5, buffer=4096, outbox_bytes=400_000, stall_timeout=1.)
    assert not res.problems and res.sockets==0
    assert (res.slow,res.aborted)==(2, 2)


def test_page_chat_goes_on():
    "Its code is unchanged but for a list that keeps 20 lines"
    res = stalled.run_page(12, rate=4, size=5_000, healthy=50, buffer=4096, stall_timeout=1.)
    print(res)
    assert not res.problems
    assert res.received==12*50 and res.sockets==0 and set(res.gone)=={'never','slow'} and res.grown<64


def test_throttled_dashboard_goes_on_and_the_other_gets_everything():
    res = dashboard.run(rounds=400)
    print(res)
    assert not res.problems
    assert res.full==800 and 0<res.thin<res.full and res.superseded and res.waiting<=2*dashboard.tiles
