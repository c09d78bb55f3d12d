"The life of a connection under the class that `serve()` uses: the tests of test_lifecycle.py once more."
import pytest

from fasthtml_ws.server import WebSocketProtocol
from tests import kit
from tests.test_lifecycle import *


@pytest.fixture
def web(stock):
    w = kit.Web(stock)
    w.options = dict(ws='fasthtml_ws.server:WebSocketProtocol')
    yield w
    w.end()


def test_it_is_this_class(web):
    app,seen = web.app(),[]
    app.ws('/ws', conn=lambda ws: seen.append(type(kit.behind(ws)._receive.__self__)))(lambda: None)
    web.serve(app)
    web.connect().leave()
    until(lambda: seen)
    assert seen==[WebSocketProtocol]
