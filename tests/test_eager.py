"Code that runs as a task before there is one: nobody can tell it from a task of its own, and it meets nothing that others have left in theirs."
import asyncio, gc, logging, sys, weakref
from contextvars import ContextVar

import anyio
import pytest
import uvloop

from fasthtml_ws.transport import Eager, begin
from tests.kit import *

var = ContextVar('var', default='nothing')
loops = pytest.mark.parametrize('loop', [asyncio.new_event_loop, uvloop.new_event_loop], ids=['asyncio','uvloop'])


class Runs:
    "Runs functions with an `Eager`, each in a callback of the loop as a server would, and waits until all is done"
    def __init__(self, loop): self.loop,self.eager,self.log = loop,Eager(loop),[]

    async def all(self, *fs):
        for f in (lambda: None, *fs): # after the first there is a task for the others to use
            done = self.loop.create_future()
            def go(f=f, done=done):
                async def after(rest):
                    try: await rest
                    finally: done.set_result(None)
                def first():
                    rest = f()
                    if rest is not None: return after(rest)
                    done.set_result(None)
                self.task = self.eager.run(first)
            self.loop.call_soon(go)
            await done
            for _ in range(3): await asyncio.sleep(0)


@pytest.fixture
def runs(loop):
    with asyncio.Runner(loop_factory=loop) as r:
        res = Runs(r.get_loop())
        res.run = lambda *fs: r.run(res.all(*fs))
        yield res


@loops
def test_it_begins_at_once_and_waits_in_a_task(runs):
    seen,outside = [],[]
    async def waits():
        seen.append(asyncio.current_task())
        await asyncio.sleep(.001)
        seen.append(asyncio.current_task())
        assert asyncio.current_task() in asyncio.all_tasks()
    def f():
        seen.append(asyncio.current_task())
        runs.loop.call_soon(lambda: outside.append(asyncio.current_task()))
        return waits()
    runs.run(lambda: None, lambda: None, f)
    assert len(set(seen))==1 and isinstance(seen[0], asyncio.Task) and seen[0] is runs.task and outside==[None] and seen[0].done()


@loops
@pytest.mark.skipif(sys.version_info >= (3,12), reason='tasks that begin at once are made anew for each')
def test_one_task_serves_all_who_need_not_wait(runs):
    ids = []
    runs.run(*[lambda: ids.append(id(asyncio.current_task()))]*10)
    assert len(set(ids))==1 and runs.task is None


def keeps(t): kept.append(t)
def keeps_weakly(t): kept.append(weakref.ref(t))
def maps(t): per_task[t] = 'mine'
def callback(t): t.add_done_callback(ended.append)
def names(t): t.set_name('mine')
def attribute(t): t.mine = 'mine'
def cancels(t): t.cancel()
kept,ended,per_task = [],[],weakref.WeakKeyDictionary()

@loops
@pytest.mark.parametrize('mark', [keeps, keeps_weakly, maps, callback, names, attribute, cancels], ids=lambda f: f.__name__)
def test_a_task_that_was_told_something_is_not_met_again(runs, mark):
    kept.clear(); ended.clear(); per_task.clear()
    states = []
    def first(): mark(asyncio.current_task())
    def look():
        t = asyncio.current_task()
        states.append((t in kept, any(isinstance(o, weakref.ref) and o() is t for o in kept), t in per_task, t.get_name()=='mine', hasattr(t, 'mine'), t.cancelling()))
    runs.run(lambda: None, first, *[look]*5)
    assert states==[(False,)*5+(0,)]*5
    assert len(ended)==(mark is callback) and all(o.done() for o in [*kept, *ended] if isinstance(o, asyncio.Task))


@loops
def test_cancelled_before_it_waits(runs):
    "As any task: the first thing that it waits for is interrupted"
    seen = []
    async def waits():
        try: await asyncio.sleep(10)
        except asyncio.CancelledError as e: seen.append(str(e)); asyncio.current_task().uncancel()
        await asyncio.sleep(.001)
        seen.append(asyncio.current_task().cancelling())
    def f():
        asyncio.current_task().cancel('by itself')
        return waits()
    runs.run(lambda: None, f)
    assert seen==['by itself',0]


@loops
def test_cancelled_from_outside(runs):
    seen = []
    async def waits():
        try: await asyncio.sleep(10)
        finally: seen.append('ended')
    def stop(): runs.task.cancel()
    def f(): runs.loop.call_later(.01, stop); return waits()
    runs.run(lambda: None, f)
    assert seen==['ended'] and runs.task.cancelled()


@loops
def test_context_is_its_own(runs):
    seen = []
    async def waits():
        await asyncio.sleep(.001)
        seen.append(var.get())
        var.set('later')
        await asyncio.sleep(.001)
        seen.append(var.get())
    def sets(): seen.append(var.get()); var.set('mine')
    def sets_and_waits(): sets(); return waits()
    runs.run(sets, sets, sets_and_waits, sets_and_waits, sets)
    assert seen==['nothing']*2 + ['nothing','mine','later']*2 + ['nothing']


@loops
@pytest.mark.parametrize('wait', [0, .001])
def test_timeouts_and_scopes(runs, wait):
    seen = []
    async def work():
        async with asyncio.timeout(5):
            if wait: await asyncio.sleep(wait)
        try:
            async with asyncio.timeout(.01): await asyncio.sleep(10 if wait else 0)
        except TimeoutError: seen.append('timeout')
        with anyio.move_on_after(.01): await anyio.sleep(10 if wait else 0)
        async with asyncio.TaskGroup() as g:
            if wait: g.create_task(asyncio.sleep(wait))
        seen.append(asyncio.current_task().cancelling())
    async def after(rest): await rest
    def begun(): # as a handler does
        rest,_ = begin(work())
        return after(rest) if rest else None
    runs.run(lambda: None, begun, begun)
    assert seen==(['timeout',0] if wait else [0])*2


@loops
def test_inside_a_task_it_is_another(runs):
    seen = []
    async def go():
        me = asyncio.current_task()
        t = runs.eager.run(lambda: seen.append(asyncio.current_task()))
        if t: await t
        assert asyncio.current_task() is me and seen[0] is not me
    runs.run(lambda: None, lambda: None, go)
    assert seen


@loops
def test_nothing_is_left_of_a_loop(loop, caplog):
    "The task that waits for work is nobody's: it is not waited for, and the loop may end"
    async def main():
        runs = Runs(asyncio.get_running_loop())
        await runs.all(*[lambda: None]*3)
        assert asyncio.all_tasks()=={asyncio.current_task()}
        return weakref.ref(runs.eager)
    l = loop()
    try: ref = l.run_until_complete(main())
    finally: l.close()
    del l
    gc.collect()
    assert not ref() and not [r for r in caplog.records if r.levelno>=logging.WARNING]


@pytest.mark.parametrize('ws', ['fasthtml_ws.server:WebSocketProtocol','websockets-sansio'])
def test_handlers_see_a_task_of_their_own(web, ws):
    app,names = web.app(),[]
    @app.ws('/ws')
    async def recv(msg:str, ws):
        t = asyncio.current_task()
        names.append(t.get_name())
        t.set_name(msg)
        before,_ = var.get(),var.set(msg)
        if msg=='waits': await asyncio.sleep(.001)
        if msg=='limit':
            try:
                async with asyncio.timeout(.01): await asyncio.sleep(10)
            except TimeoutError: pass
        return f'{msg} {before} {var.get()} {t is asyncio.current_task()} {t.get_name()}'
    web.serve(app, ws=ws)
    a,b = web.connect(),web.connect()
    for i in range(3):
        for msg in ('quick','waits','quick','limit'):
            for c in (a, b): c.send(msg=msg)
            for c in (a, b): assert c.recv().strip()==f'{msg} nothing {msg} True {msg}'
    assert not set(names)&{'quick','waits','limit'}
