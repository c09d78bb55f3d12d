"Fixtures of the browser tests: `web` is a browser and a server, `htmx` the version of the client."
import os
import pytest

from . import kit


def pytest_addoption(parser):
    "`--stock` runs the same tests against stock FastHTML, to see what fails there"
    try: parser.addoption('--stock', action='store_true', help='run the browser tests against stock FastHTML')
    except ValueError: pass  # a conftest above has it already


@pytest.fixture(scope='session')
def chrome():
    c = kit.Chrome()
    yield c
    c.close()


@pytest.fixture(scope='session')
def stock(request): return request.config.getoption('--stock', False) or os.getenv('FASTHTML_WS_STOCK')=='1'


@pytest.fixture(params=[2, 4], ids=['htmx2', 'htmx4'])
def htmx(request): return request.param


@pytest.fixture
def web(chrome, htmx, stock, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an app without a secret_key writes .sesskey into the working folder
    w = kit.Web(chrome, htmx, stock, tmp_path)
    yield w
    chrome.run(w.close)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    "Run a test that uses the browser in the browser's thread, and fail it if a page complained"
    args = {o: pyfuncitem.funcargs[o] for o in pyfuncitem._fixtureinfo.argnames}
    if 'web' not in args: return None
    args['web'].chrome.run(lambda: (pyfuncitem.obj(**args), args['web'].check()))
    return True
