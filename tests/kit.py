"""Servers and clients for tests over real sockets: uvicorn in a thread with a loop of its own, and clients that can misbehave.

`from tests.kit import *` gives a test module the fixture `web`: apps, servers and clients of one test. When the test is over it
ends them, and fails if a connection, a task, a thread or an unexpected line in the log is left.
"""
import asyncio, importlib, json, logging, os, re, socket, struct, threading, time
from types import SimpleNamespace

import pytest, uvicorn
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from fasthtml_ws.client_socket import connection_of as behind # what a `ws` stands in front of

__all__ = ['Client', 'Closed', 'Gate', 'Server', 'behind', 'both', 'library', 'site', 'stock', 'until', 'wait_s', 'web']

wait_s = float(os.getenv('FASTHTML_WS_WAIT', 10)) # Longest wait for a condition, seconds
both = pytest.mark.parametrize('kind', ['sync', 'async']) # for what must hold for both kinds of function


def until(
    cond, # Called until it returns something true
    what='the condition', # Named in the failure
    seconds=None, # Longest wait; `wait_s` by default
):
    "Wait until `cond()` is true, and return what it returned"
    end = time.monotonic() + (seconds or wait_s)
    while not (res := cond()):
        assert time.monotonic() < end, f'{what} did not come true in {seconds or wait_s} s'
        time.sleep(.002)
    return res


class Gate(threading.Event):
    "Something that handlers wait for, in a thread or on the loop, until the test lets them go on"
    def wait(self, timeout=None): return super().wait(timeout or wait_s)
    async def passed(self):
        while not self.is_set(): await asyncio.sleep(.002)


def library(
    stock:bool, # FastHTML as it is, instead of ours?
)->SimpleNamespace: # What the import line of an app gives
    "Names of the library under test; for stock, with an `app.ws` that ignores what only ours knows"
    glb = dict(vars(importlib.import_module('fasthtml.common' if stock else 'fasthtml_ws.common')))
    if stock:
        class App(glb['FastHTML']):
            def __init__(self, *args, policy=None, **kw): super().__init__(*args, **kw)
            def ws(self, path, conn=None, disconn=None, name=None, middleware=None, **_): return super().ws(path, conn, disconn, name, middleware)
        glb.update(FastHTML=App, Policy=lambda **kw: None, Disconnected=type('Disconnected', (Exception,), {}))
    return SimpleNamespace(**glb)


# Servers

class _Uvicorn(uvicorn.Server):
    "uvicorn that looks ten times as often whether it should stop"
    async def main_loop(self):
        n = 0
        while not await self.on_tick(n): n = (n+1) % 864000; await asyncio.sleep(.01)


class Server:
    "An app served on an ephemeral port of loopback, by uvicorn in a thread with its own event loop"
    def __init__(self, app,
        buffer:int=0, # Bytes of the kernel's buffers of each connection; 0 for its own choice
        grace:float|None=None, # Seconds until a stop is forced; None if the test wants no forced one
        uds:str='', # Path of a unix socket to listen at, instead of a port
        **kw, # For `uvicorn.Config`
    ):
        self.app,self.forced,self.left = app,grace is not None,[]
        self.sock = socket.socket(socket.AF_UNIX) if uds else socket.socket()
        if buffer:
            for o in (socket.SO_SNDBUF, socket.SO_RCVBUF): self.sock.setsockopt(socket.SOL_SOCKET, o, buffer)
        self.sock.bind(uds or ('127.0.0.1', 0))
        self.port = 0 if uds else self.sock.getsockname()[1]
        self.url = f'http://127.0.0.1:{self.port}'
        self.conf = uvicorn.Config(app, **(dict(log_config=None, access_log=False, lifespan='on', timeout_graceful_shutdown=wait_s if grace is None else grace)|kw))
        self.uvicorn = _Uvicorn(self.conf)
        self.thread = threading.Thread(target=self._run, name=f'server {self.port}', daemon=True)
        self.thread.start()
        until(lambda: self.uvicorn.started or not self.thread.is_alive(), 'start of the server')

    def _run(self):
        async def main():
            self.loop,self.before = asyncio.get_running_loop(),asyncio.all_tasks()
            await self.uvicorn.serve(sockets=[self.sock])
            # what only the end of the loop would stop
            if not self.forced: self.left = [str(o.get_coro()) for o in asyncio.all_tasks()-self.before if not o.done()]
        with asyncio.Runner(loop_factory=self.conf.get_loop_factory()) as r: r.run(main())

    @property
    def connections(self)->int: return len(self.uvicorn.server_state.connections)

    def run(self, coro):
        "Result of `coro`, run on the server's loop"
        return asyncio.run_coroutine_threadsafe(coro, self.loop).result(wait_s)

    def call(self, f, *args):
        "Result of `f(*args)`, called on the server's loop, in no task"
        fut = asyncio.Future(loop=self.loop)
        self.loop.call_soon_threadsafe(lambda: fut.set_result(f(*args)))
        return self.run(asyncio.wait_for(fut, wait_s))

    def get(self, path:str, cookie:str='')->tuple[str,dict]:
        "Body and headers of the answer to a GET"
        with socket.create_connection(('127.0.0.1', self.port), wait_s) as s:
            s.sendall(f'GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n'.encode())
            raw = b''.join(iter(lambda: s.recv(65536), b'')).decode()
        head,_,body = raw.partition('\r\n\r\n')
        return body, {k.lower():v for k,_,v in (o.partition(': ') for o in head.split('\r\n')[1:])}

    def stop(self):
        "Ask the server to end, as SIGTERM does, without waiting for it"
        self.uvicorn.should_exit = True

    def join(self, seconds:float|None=None):
        "Wait until its thread has ended"
        self.thread.join(seconds or wait_s*2)
        assert not self.thread.is_alive(), f'the server at {self.url} did not stop'


# Clients

class Closed(Exception):
    "The connection is over; `code` is 1006 if nobody said goodbye"
    def __init__(self, code, reason=''): super().__init__(code, reason); self.code,self.reason = code,reason


class Client:
    "A websocket client without a thread: it reads when it is asked to, and only then"
    def __init__(self, port:int, path:str='/ws',
        headers:dict|None=None, # More headers of the handshake
        buffer:int=0, # Bytes of the kernel's buffers; 0 for its own choice
        sock:socket.socket|None=None, # One that is connected already, perhaps with TLS
    ):
        self.sock,self.got = sock or socket.socket(),[]
        if buffer:
            for o in (socket.SO_SNDBUF, socket.SO_RCVBUF): self.sock.setsockopt(socket.SOL_SOCKET, o, buffer)
        self.sock.settimeout(wait_s)
        if not sock: self.sock.connect(('127.0.0.1', port))
        self.proto = ClientProtocol(parse_uri(f'ws://127.0.0.1:{port}{path}'), max_size=None)
        request = self.proto.connect()
        request.headers.update(headers or {})
        self.proto.send_request(request)
        self._flush()
        while self.proto.state is State.CONNECTING: self._read()
        if self.proto.handshake_exc: self.sock.close(); raise self.proto.handshake_exc

    def __enter__(self): return self
    def __exit__(self, *exc): self.drop()

    def send(self, text:str|bytes|None=None, **fields):
        "Send `text`, or else `fields` as JSON; bytes go as a binary frame; nothing goes after a goodbye"
        if self.proto.state is not State.OPEN: return
        if isinstance(text, bytes): self.proto.send_binary(text)
        else: self.proto.send_text((json.dumps(fields) if text is None else text).encode())
        self._flush()

    def recv(self)->str:
        "The next message; `Closed` if there is none any more"
        while not self.got:
            if self.proto.state is State.CLOSED: raise Closed(self.proto.close_code, self.proto.close_reason)
            self._read()
        return self.got.pop(0)

    def all(self)->tuple[list[str],Closed]:
        "All messages up to the end, and the end"
        res = []
        while True:
            try: res.append(self.recv())
            except Closed as e: return res,e

    def closed(self)->Closed:
        "How the connection ended, with no message before"
        msgs,end = self.all()
        assert not msgs, f'closed with {end.code} after {msgs[:3]}'
        return end

    def silent(self, seconds:float=.1)->bool:
        "Does nothing come for a while?"
        self.sock.settimeout(seconds)
        try:
            self.recv()
            return False
        except TimeoutError: return True
        finally: self.sock.settimeout(wait_s)

    def ping(self):
        "Come back when the server has read everything that was sent"
        self.proto.send_ping(b'all read?')
        self._flush()
        self.pong = False
        while not self.pong:
            if self.proto.state is State.CLOSED: raise Closed(self.proto.close_code, self.proto.close_reason)
            self._read()

    def leave(self, code:int=1000):
        "Say goodbye, wait for the answer, hang up"
        if self.proto.state is State.OPEN:
            self.proto.send_close(code)
            self._flush()
        try:
            while self.proto.state is not State.CLOSED: self._read()
        finally: self.sock.close()

    def reset(self):
        "Break the connection with a TCP RST, as a crash or a lost network does"
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.sock.close()

    def drop(self):
        "Hang up without a word"
        self.sock.close()

    def _flush(self):
        for data in self.proto.data_to_send():
            if data: self.sock.sendall(data)

    def _read(self):
        try: data = self.sock.recv(65536)
        except ConnectionError: data = b''
        if data: self.proto.receive_data(data)
        else: self.proto.receive_eof()
        for e in self.proto.events_received():
            op = getattr(e, 'opcode', None)
            if op in (Opcode.TEXT, Opcode.BINARY):
                assert e.fin, 'fragments are not for tests'
                self.got.append(e.data.decode() if op is Opcode.TEXT else bytes(e.data))
            elif op is Opcode.PONG: self.pong = True
        try: self._flush()
        except OSError: pass # it is gone; the next read says so


# The fixture

_stood_still = re.compile(r'held the event loop for \d{2,3} ms') # said of any function while the machine has no time for the test

class _Log(logging.Handler):
    def __init__(self): super().__init__(logging.WARNING); self.records = []
    def emit(self, record): self.records.append(record)


class Web:
    "Apps, servers and clients of one test"
    def __init__(self, stock:bool):
        self.stock,self.lib,self.servers,self.clients,self.log = stock,library(stock),[],[],_Log()
        self.threads,self.options = set(threading.enumerate()),{} # for every `serve`
        logging.getLogger().addHandler(self.log)
        assert logging.getLogger('uvicorn').propagate, 'somebody has configured logging: what uvicorn says would not be seen'

    def app(self, **policy):
        "An app whose policy differs from the default in `policy`"
        return self.lib.FastHTML(secret_key='for tests', policy=self.lib.Policy(**policy) if policy else None)

    def serve(self, app, **kw)->Server:
        self.servers.append(Server(app, **(self.options|kw)))
        return self.servers[-1]

    def connect(self, path:str='/ws', **kw)->Client:
        "A client of the server that started last"
        self.clients.append(Client(self.servers[-1].port, path, **kw))
        return self.clients[-1]

    def logged(self, *parts:str)->list[str]:
        "Take the lines that have all `parts` out of the log"
        found = [o for o in self.log.records if all(p in self._line(o) for p in parts)]
        for o in found: self.log.records.remove(o)
        return [self._line(o) for o in found]

    def _line(self, o)->str:
        exc = f' | {o.exc_info[0].__name__}: {o.exc_info[1]}' if o.exc_info and o.exc_info[0] else ''
        return f'{o.levelname} {o.name}: {o.getMessage()}{exc}'

    def stop(self):
        "End all clients and servers; when it comes back, all that happens has happened"
        for o in self.clients: o.drop()
        for o in self.servers: o.stop()
        for o in self.servers: o.join()

    def end(self):
        "Stop everything, and see that nothing is left"
        try:
            self.stop()
            for o in self.servers:
                assert not o.left, f'tasks are left: {o.left}'
                assert not (hub := getattr(o.app, 'hub', None)) or not hub.connections, f'connections are left: {hub.connections}'
            until(lambda: not self.new_threads(), 'end of the threads')
            lines = [o for o in map(self._line, self.log.records) if not _stood_still.search(o)]
            assert not lines, 'nobody expected this in the log:\n' + '\n'.join(lines)
        finally: logging.getLogger().removeHandler(self.log)

    def new_threads(self): return [o for o in set(threading.enumerate())-self.threads if o.is_alive()]


@pytest.fixture
def stock(request)->bool:
    "Is stock FastHTML tested, to see what fails there?"
    return request.config.getoption('--stock', False) or os.getenv('FASTHTML_WS_STOCK') == '1'


@pytest.fixture
def web(stock):
    w = Web(stock)
    yield w
    w.end()


ours = 'fasthtml_ws.server:WebSocketProtocol'

@pytest.fixture(params=['websockets-sansio', ours], ids=['uvicorn', 'ours'])
def site(web, request):
    "`web` under uvicorn's class, where a task reads, and under ours, which calls the connection"
    web.options = dict(ws=request.param)
    return web
