"""What holds for every test: when a test may be skipped, that nothing is left running, and what the run says at its end.

A test that needs a program that is not there skips with the line that installs it. With FASTHTML_WS_CI=1 in the environment every skip is
a failure, so that no run is green because it tested nothing.
"""
import os
import shutil
import time
import uuid

import psutil
import pytest

strict = os.getenv('FASTHTML_WS_CI') == '1'
installs = {
    'chromium': 'apt-get install -y chromium',
    'node': 'apt-get install -y nodejs npm',
    'git': 'apt-get install -y git',
}
_mark = 'FASTHTML_WS_RUN' # every process that the tests start inherits it, also one whose parent is gone
_helpers = ('multiprocessing.resource_tracker', 'multiprocessing.forkserver') # end together with pytest itself
_grace = 5 # seconds that processes have to end after the last test


def need(program:str)->str:
    "Path of `program`; skips the test with the line that installs it if it is not there"
    path = shutil.which(program)
    if not path: pytest.skip(f'{program} is missing: {installs.get(program, f"install {program}")}')
    return path


def pytest_addoption(parser):
    parser.addoption('--stock', action='store_true', help='run the tests of promises against stock FastHTML, to see them fail')


def pytest_configure(config):
    if not _is_worker(config): os.environ[_mark] = config.stash[_run] = uuid.uuid4().hex


def _is_worker(config):
    "Is this one of the processes of pytest-xdist? They inherit the mark of the run, and the one that started them looks for leftovers"
    return hasattr(config, 'workerinput')


_run = pytest.StashKey[str]()
_left = pytest.StashKey[list]()


def _forbid_skip(report):
    if not strict or report.outcome != 'skipped' or hasattr(report, 'wasxfail'): return
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome, report.longrepr = 'failed', f'{why}\nFASTHTML_WS_CI=1 allows no skips.'


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    out = yield
    _forbid_skip(out.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report():
    out = yield
    _forbid_skip(out.get_result())


def _started_here(p:psutil.Process, run:str)->bool:
    try: return p.environ().get(_mark) == run and p.status() != psutil.STATUS_ZOMBIE and not any(o in ' '.join(p.cmdline()) for o in _helpers)
    except psutil.Error: return False


def leftovers(run:str)->list[psutil.Process]:
    "Processes that this run of the tests started and that still live, whoever is their parent now"
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _started_here(p, run)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if _is_worker(session.config): return
    run, end = session.config.stash[_run], time.monotonic() + _grace
    while (left := leftovers(run)) and time.monotonic() < end: time.sleep(.1)
    session.config.stash[_left] = []
    for p in left:
        try:
            session.config.stash[_left].append(f'{p.pid}: {" ".join(p.cmdline())[:200]}')
            p.kill()
        except psutil.NoSuchProcess: pass
    if left and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    tr, left = terminalreporter, config.stash.get(_left, [])
    if left:
        tr.section('left running', red=True, bold=True)
        tr.line('The tests started these processes and did not end them, so this run fails:')
        for o in left: tr.line(f'  {o}')
    skipped = tr.stats.get('skipped', [])
    missing = sorted({r.longrepr[2].removeprefix('Skipped: ') for r in skipped if isinstance(r.longrepr, tuple)})
    if missing:
        tr.section('not tested', yellow=True)
        for o in missing: tr.line(f'  {o}')
