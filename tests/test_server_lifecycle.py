"The life of a connection under the class that `serve()` uses: the tests of test_lifecycle.py once more."
import pytest

from tests.kit import web as kit_web
from tests.test_lifecycle import * # noqa: F403


@pytest.fixture
def web(kit_web):
    kit_web.options = dict(ws='fasthtml_ws.server:WebSocketProtocol')
    return kit_web
