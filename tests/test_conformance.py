"""What judges the Autobahn|Testsuite's reports, and the routes that it examines; the suite itself is run by `python -m tests.conformance`.
"""
import json
from types import SimpleNamespace

import pytest

from tests.conformance import Case, Run, as_json, echo, faults, groups, logged, read, refused, results, words
from tests.conformance import __main__ as command
from tests.kit import *

classes = pytest.mark.parametrize('ws', list(command.classes))
texts = '', 'hello', '"\\', '{"text":"no"}', '\x00\n\u2028', 'κόσμε 🎈', 'x'*200_000


@classes
def test_text_is_echoed_as_it_came(web, ws):
    web.serve(echo.ours(), ws=ws)
    c = web.connect('/')
    for o in texts: c.send(o)
    assert [c.recv() for _ in texts] == list(texts)
    c.send(b'\x00\xff')
    assert c.closed().code == 1003


@classes
def test_bytes_are_echoed_where_a_middleware_names_them(web, ws):
    web.serve(echo.ours(), ws=ws)
    c = web.connect('/bytes')
    for o in (b'', b'\x00\xff', bytes(range(256))*500):
        c.send(o)
        assert c.recv() == o
    c.leave()


@classes
def test_control_echoes_both(web, ws):
    web.serve(echo.starlette(), ws=ws, lifespan='off')
    c = web.connect('/')
    for o in (*texts, b'', b'\x00\xff'):
        c.send(o)
        assert c.recv() == o
    c.leave()


def case(behavior='OK', closing='OK', code=1000, binary=False): return Case(behavior, closing, code, binary, 'as Autobahn says')
def run(app='ours', **cases): return Run(app, 'wsproto', {k[1:].replace('_', '.'):v for k,v in cases.items()}, 1, '')

ok,failed,lacks = case(),case('FAILED'),case('UNIMPLEMENTED')
by_1003 = case('FAILED', 'FAILED', 1003, True)

@pytest.mark.parametrize('mine,control,is_fault', [
    (ok, ok, False), (failed, ok, True), (failed, failed, False), (failed, lacks, True), (lacks, ok, True), (lacks, failed, False), (ok, failed, False),
    (case('NON-STRICT'), ok, False), (case('INFORMATIONAL', 'INFORMATIONAL'), ok, False),
    (case(closing='WRONG CODE', code=1006), ok, True), (case(closing='UNCLEAN', code=None), ok, True),
    (by_1003, case(binary=True), False), (case('FAILED', 'FAILED', 1003, False), ok, True), (case('FAILED', 'FAILED', 1011, True), case(binary=True), True),
])
def test_whose_a_failure_is(mine, control, is_fault):
    assert faults(run(c1_1_1=mine), run('starlette', c1_1_1=control)) == ['1.1.1'][:is_fault]


def test_only_the_route_for_text_may_refuse_bytes():
    assert run(c1_2_1=by_1003).word('1.2.1') == refused
    assert run('ours, /bytes', c1_2_1=by_1003).word('1.2.1') == run('starlette', c1_2_1=by_1003).word('1.2.1') == 'FAILED'


def test_counts():
    r = run(c1_1_1=ok, c1_1_2=failed, c1_2_1=by_1003, c12_1_1=lacks)
    assert r.by_group() == {'1':{'OK':1, refused:1, 'FAILED':1}, '12':{'UNIMPLEMENTED':1}}
    kept = as_json(r, run('starlette', c1_1_1=ok, c1_1_2=ok, c1_2_1=ok, c12_1_1=lacks))
    assert kept['faults'] == ['1.1.2'] and list(kept['not_ok']) == ['1.1.2','12.1.1'] and kept['refused'] == ['1.2.1']


def test_log_without_its_tracebacks():
    trace = 'Traceback (most recent call last):\n  File "x"\n    y\nOSError: z\n'
    assert logged(f'ERROR: a\n{trace}\nDuring handling of the above exception, another exception occurred:\n\n{trace}ERROR: a\nroute /: b\n') == {'ERROR: a':2, 'route /: b':1}


def reports(folder, *cases):
    r = dict(behavior='OK', behaviorClose='OK', remoteCloseCode=1000, txFrameStats={'1':1}, result='a', resultClose='a')
    for k in cases: (folder/f'{k}.json').write_text(json.dumps(r))
    (folder/'index.json').write_text(json.dumps({'it':{k:{'reportfile':f'{k}.json'} for k in cases}}))
    return folder


def test_a_run_that_is_not_whole_is_an_error(tmp_path):
    assert read(reports(tmp_path, '1.1.1'), "x\nCases = ['1.1.1']\n") == {'1.1.1':Case('OK', 'OK', 1000, False, 'a')}
    with pytest.raises(RuntimeError, match='1 of 2 cases'): read(tmp_path, "Cases = ['1.1.1', '1.1.2']\n")
    with pytest.raises(RuntimeError, match='0 of 0 cases'): read(tmp_path/'none', 'Traceback')


@pytest.mark.parametrize('mine,status', [(ok, 0), (failed, 1)])
def test_exit_status(monkeypatch, capsys, mine, status):
    cases = {'starlette':ok, 'ours':mine}
    monkeypatch.setattr(command, 'suite', lambda: 'autobahntestsuite 1')
    monkeypatch.setattr(command, 'examine', lambda app, *_: run(app, c1_1_1=cases[app]))
    assert command.main(['--ws','wsproto']) == status
    assert f'{status} cases fail in an app of ours' in capsys.readouterr().out


def test_no_python_2_is_said_and_no_failure(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv('PYENV_ROOT', str(tmp_path))
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.delenv('FASTHTML_WS_PYTHON2', raising=False)
    for argv in ([], ['install']): assert command.main(argv) == 0
    assert capsys.readouterr().out.count('needs a Python 2.7') == 2


def test_the_kept_results_are_whole():
    kept = json.loads(results.read_text())
    runs = [SimpleNamespace(**o) for o in kept['runs']]
    assert {(o.app,o.ws) for o in runs} == {(app,ws) for app in ('starlette','ours','ours, /bytes') for ws in command.classes}
    assert not any(o.faults for o in runs)
    for o in runs:
        assert o.cases == sum(n for g in o.groups.values() for n in g.values()) and set(o.groups) <= set(groups)
        assert all(v['word'] in words[1:] for v in o.not_ok.values())
    whole = {o.cases for o in runs if o.app!='ours, /bytes'}
    assert len(whole) == 1 and whole.pop() >= 300
