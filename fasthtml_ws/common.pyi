# For type checkers and editors, which cannot follow the computed `__all__` of common.py; a test compares the two.
# Our names stand on both sides of the star import: mypy takes the first definition in a stub, pyright the last.
from fasthtml_ws.routes import APIRouter as APIRouter, FastHTML as FastHTML
from fasthtml_ws.routes import FastHTMLWithLiveReload as FastHTMLWithLiveReload, fast_app as fast_app, serve as serve
from fasthtml.common import * # type: ignore[assignment]
from fasthtml_ws.broker import Broker as Broker, MemoryBroker as MemoryBroker
from fasthtml_ws.client_socket import Disconnected as Disconnected
from fasthtml_ws.errors import CloseCode as CloseCode, ConfigError as ConfigError
from fasthtml_ws.errors import HandlerTimeout as HandlerTimeout, MessageError as MessageError
from fasthtml_ws.errors import RenderError as RenderError, TooManyTopics as TooManyTopics
from fasthtml_ws.policy import Keep as Keep, Policy as Policy
from fasthtml_ws.routes import APIRouter as APIRouter, FastHTML as FastHTML, Hub as Hub
from fasthtml_ws.routes import FastHTMLWithLiveReload as FastHTMLWithLiveReload, fast_app as fast_app, serve as serve
