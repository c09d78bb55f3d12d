"History in a file: what went out is in it, whatever happens to the process, the disk or the file."
import asyncio, signal, sqlite3, subprocess, sys, textwrap

import pytest
from hypothesis import given, settings, strategies as st

from fasthtml_ws.broker import MemoryBroker, Publication, check_broker
from fasthtml_ws.errors import ConfigError
from fasthtml_ws.policy import Keep
from fasthtml_ws.sqlite import SQLiteBroker
from tests.kit import *
from tests.memory import profile


def run(coro): return asyncio.run(asyncio.wait_for(coro, wait_s))

async def opened(path, got=None, **kw):
    b = SQLiteBroker(path, **kw)
    await b.start((got if got is not None else []).append)
    return b


def test_contract(tmp_path): run(check_broker(lambda: SQLiteBroker(tmp_path/'h.db')))


def test_what_was_published_is_there_after_a_restart_and_counting_goes_on(tmp_path):
    async def go():
        b = await opened(tmp_path/'h.db')
        at = [await b.publish(Publication('t', frames=(('<p>','</p>'), ('é',)), raw='é', view='v', data={'n':[1,None]}, exclude='c3', cause=('c3', 4))) for _ in range(3)]
        await b.stop()
        b = await opened(tmp_path/'h.db')
        known,whole,_ = await b.history('t', since=1)
        after = await b.publish(Publication('t', raw='x'))
        await b.stop()
        return at,known,whole,after
    at,known,whole,after = run(go())
    assert [p.position for p in known]==at[1:] and whole
    p = known[0]
    assert (p.frames, p.raw, p.view, p.data, p.exclude, p.cause)==((('<p>','</p>'), ('é',)), 'é', 'v', {'n':[1,None]}, 'c3', ('c3', 4))
    assert after==(at[0].epoch, 4)


@settings(**profile, max_examples=40)
@given(ops=st.lists(st.tuples(st.sampled_from('abcd'), st.text(max_size=12)), max_size=40), restart=st.integers(0, 40))
def test_history_is_that_of_memory(tmp_path_factory, ops, restart):
    "The same bounds forget the same, across a restart as well"
    path = tmp_path_factory.mktemp('h')/'h.db'
    async def go():
        kw = dict(keep=Keep(messages=3, bytes=20), topics=3, bytes=45)
        m,b = MemoryBroker(**kw),await opened(path, **kw)
        for i,(topic,text) in enumerate(ops):
            if i==restart: await b.stop(); b = await opened(path, **kw)
            p = Publication(topic, raw=text)
            assert (await m.publish(p)).offset==(await b.publish(p)).offset
        for topic in 'abcde':
            for since in range(len(ops)+1):
                (x,wx,_),(y,wy,_) = await m.history(topic, since),await b.history(topic, since)
                assert ([(p.raw, p.position.offset) for p in x], wx)==([(p.raw, p.position.offset) for p in y], wy)
        await b.stop()
    run(go())


@pytest.mark.parametrize('kind', [MemoryBroker, SQLiteBroker])
def test_what_is_old_is_forgotten(tmp_path, monkeypatch, kind):
    "When something newer comes, and when somebody asks"
    import fasthtml_ws.sqlite as mod
    now = [1000.]
    monkeypatch.setattr(mod.time, 'time', lambda: now[0])
    async def go():
        keep = {'t': Keep(age=60.)}
        b = kind(tmp_path/'h.db', keep) if kind is SQLiteBroker else kind(keep)
        await b.start(lambda p: None)
        for topic in 'tu': await b.publish(Publication(topic, raw='old'))
        now[0] += 61
        asked = await b.history('t')
        await b.publish(Publication('t', raw='new'))
        res = asked,await b.history('t'),await b.history('u')
        await b.stop()
        return res
    asked,t,u = run(go())
    assert asked.items==[] and not asked.whole and [p.raw for p in t.items]==['new'] and not t.whole
    assert [p.raw for p in u.items]==['old'] and u.whole


def test_messages_that_were_handled_are_remembered(tmp_path):
    "With the publications that came of them, and on their own; the newest counts; those that were quiet longest go first"
    async def go():
        b = await opened(tmp_path/'h.db', clients=20)
        await b.publish(Publication('t', raw='x', cause=('ann', 3)))
        await b.handled('bob', 2)
        await b.handled('bob', 1)
        await b.stop()
        b = await opened(tmp_path/'h.db', clients=20)
        res = [await b.last_handled(o) for o in ('ann','bob','eve')]
        for i in range(30): await b.handled(f'c{i}', 1)
        n = b._file._one('select count(*) from clients')
        res += [await b.last_handled('ann'), await b.last_handled('c29')]
        await b.stop()
        return res,n
    res,n = run(go())
    assert res==[3, 2, 0, 0, 1] and 20<=n<=22


def test_publications_that_wait_for_the_disk_are_committed_together(tmp_path):
    async def go():
        got,commits = [],[]
        b = await opened(tmp_path/'h.db', got)
        await b.subscribe('t')
        b._file.db.set_trace_callback(lambda q: commits.append(q) if q=='commit' else None)
        await asyncio.gather(*(b.publish(Publication('t', raw=str(i))) for i in range(500)))
        await b.stop()
        return got,len(commits)
    got,commits = run(go())
    assert [p.raw for p in got]==[*map(str, range(500))] and commits<20


def test_nothing_goes_out_before_it_is_committed(tmp_path):
    async def go():
        seen = []
        def deliver(p):
            db = sqlite3.connect(f'file:{tmp_path}/copy.db?mode=memory', uri=True)
            b._file.db.backup(db)
            seen.append(db.execute('select count(*) from publications where "offset"=?', (p.position.offset,)).fetchone()[0])
            db.close()
        b = SQLiteBroker(tmp_path/'h.db')
        await b.start(deliver)
        await b.subscribe('t')
        for i in range(3): await b.publish(Publication('t', raw=str(i)))
        await b.stop()
        return seen
    assert run(go())==[1, 1, 1]


killed = '''
    import asyncio, sys
    from fasthtml_ws.broker import Publication
    from fasthtml_ws.policy import Keep
    from fasthtml_ws.sqlite import SQLiteBroker
    async def main():
        b = SQLiteBroker(sys.argv[1], Keep(messages=100_000, bytes=10**9))
        await b.start(lambda p: print(p.position.offset, flush=True))
        await b.subscribe('t')
        async def one():
            for i in range(100_000): await b.publish(Publication('t', raw=str(i)))
        await asyncio.gather(*(one() for _ in range(20)))
    asyncio.run(main())
'''

@pytest.mark.skipif(sys.platform=='win32', reason='there is no SIGKILL')
def test_killed_process_has_lost_nothing_that_went_out(tmp_path):
    p = subprocess.Popen([sys.executable, '-c', textwrap.dedent(killed), str(tmp_path/'h.db')], stdout=subprocess.PIPE, text=True)
    seen = [int(p.stdout.readline()) for _ in range(300)]
    p.send_signal(signal.SIGKILL)
    seen += [int(o) for o in p.stdout.read().split('\n')[:-1]]
    p.wait(wait_s); p.stdout.close()
    async def go():
        b = await opened(tmp_path/'h.db', keep=Keep(messages=100_000, bytes=10**9))
        res = await b.history('t'),await b.publish(Publication('t', raw='x'))
        await b.stop()
        return res
    (known,whole,_),after = run(go())
    stored = [o.position.offset for o in known]
    assert seen==stored[:len(seen)]==[*range(1, len(seen)+1)] and whole and after.offset==stored[-1]+1


def test_second_process_is_told_what_to_do(tmp_path):
    code = textwrap.dedent('''
        import asyncio, sys
        from fasthtml_ws.sqlite import SQLiteBroker
        async def main():
            b = SQLiteBroker(sys.argv[1]); await b.start(print); print('open', flush=True); sys.stdin.read()
        asyncio.run(main())
    ''')
    p = subprocess.Popen([sys.executable, '-c', code, str(tmp_path/'h.db')], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert p.stdout.readline()=='open\n'
        with pytest.raises(ConfigError, match='run one, or give each a file of its own'): run(opened(tmp_path/'h.db'))
    finally: p.communicate(timeout=wait_s)
    run(check_broker(lambda: SQLiteBroker(tmp_path/'h.db'))) # and it is free again


def test_file_that_is_no_database_is_named(tmp_path):
    (tmp_path/'h.db').write_bytes(b'not a database'*1000)
    with pytest.raises(ConfigError, match='h.db: file is not a database'): run(opened(tmp_path/'h.db'))
    with pytest.raises(ConfigError, match='history cannot be kept'): run(opened(tmp_path/'missing'/'h.db'))


def test_full_disk_is_said_once_and_live_traffic_goes_on_in_memory(tmp_path, caplog):
    async def go():
        got = []
        b = await opened(tmp_path/'h.db', got)
        await b.subscribe('t')
        first = await b.publish(Publication('t', raw='x'))
        b._file.db.execute(f"pragma max_page_count={b._file.db.execute('pragma page_count').fetchone()[0]}")
        at = await asyncio.gather(*(b.publish(Publication('t', raw=f'{i} '+'x'*10_000)) for i in range(20)))
        at.append(await b.publish(Publication('t', raw='later')))
        await b.subscribe('u')
        await b.publish(Publication('u', raw='u'))
        known,whole,_ = await b.history('t')
        await b.stop()
        return first,at,got,known
    first,at,got,known = run(go())
    assert at[0].epoch!=first.epoch and len({o.epoch for o in at})==1 and [o.offset for o in at]==[*range(1, 22)]
    assert [p.raw.split()[0] for p in got]==['x', *map(str, range(20)), 'later', 'u'] and known[-1].raw=='later'
    lines = [o for o in caplog.records if o.levelname=='ERROR']
    assert len(lines)==1 and 'disk is full' in lines[0].getMessage() and 'in memory' in lines[0].getMessage()
    known = run(history_of(tmp_path/'h.db')).items
    assert [p.raw for p in known]==['x'] # nothing half written

async def history_of(path):
    b = await opened(path)
    res = await b.history('t')
    await b.stop()
    return res


def test_what_waits_for_the_disk_is_bounded(tmp_path):
    async def go():
        b = await opened(tmp_path/'h.db', pending=5)
        res = await asyncio.gather(*(b.publish(Publication('t', raw=str(i))) for i in range(8)), return_exceptions=True)
        await b.stop()
        return res
    res = run(go())
    assert [isinstance(o, BufferError) for o in res]==[False]*5+[True]*3


def test_an_app_with_history_in_a_file(web, tmp_path):
    "Publications of a handler reach browsers and the file, in order; the next server goes on counting"
    for turn in range(2):
        app = web.app(history=str(tmp_path/'chat.db'))
        @app.ws('/ws', conn=lambda ws: ws.subscribe('t'))
        def recv(msg:str, hub): hub.publish('t', msg)
        server = web.serve(app)
        c = web.connect()
        for i in range(50): c.send(msg=str(i))
        assert [int(c.recv()) for _ in range(50)]==[*range(50)]
        c.leave()
        server.stop(); server.join()
    known = run(history_of(tmp_path/'chat.db')).items
    assert known[-1].position.offset==100


def test_nothing_is_taken_while_the_file_is_closed(tmp_path, caplog):
    "A task of the app may go on publishing to the very end: what it got a position for is kept, and the epoch stays"
    async def go():
        b,kept = await opened(tmp_path/'h.db'),[]
        async def on_and_on():
            while True: kept.append((await b.publish(Publication('t', raw='x'))).offset)
        tasks = [asyncio.create_task(on_and_on()) for _ in range(5)]
        while len(kept)<20: await asyncio.sleep(0)
        epoch = b.position.epoch
        await b.stop()
        assert all(isinstance(o, ConfigError) for o in await asyncio.gather(*tasks, return_exceptions=True))
        return epoch,kept
    for _ in range(5):
        epoch,kept = run(go())
        known,_,at = run(history_of(tmp_path/'h.db'))
        assert at.epoch==epoch and {p.offset for p in known[-len(kept):]}>=set(kept[-50:]) and not caplog.records
