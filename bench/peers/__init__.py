"""The servers of the broadcast bench: one small module each, run as `python -m bench.peers.NAME FD` on a socket that listens already.

Those that need packages which nothing else here needs run in an environment of their own: `python -m bench.peers install`.
"""
import asyncio, os, socket, subprocess, sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

msg = 'Ann: the doors open at eight, bring a map' # What the load client says; it is in every message that is broadcast
text = f'<div hx-swap-oob="true" id="notifications">{msg}</div>' # What servers without FT broadcast: as long as what ours makes of its FT

home = Path(os.environ.get('XDG_CACHE_HOME') or Path.home()/'.cache')/'fasthtml-ws-bench'
pins = 'aiohttp==3.14.5', 'python-socketio==5.18.1'
shared = 'uvicorn', 'uvloop', 'httptools', 'websockets' # in the versions that our own server runs on


@dataclass(frozen=True)
class Peer:
    "A server that is measured"
    title:str # What a table calls it
    module:str # In this package
    packages:tuple[str,...] = () # What it imports from the environment of the peers
    path:str = '/ws' # Where its sockets are
    hello:bytes = b'' # Said after the handshake
    welcome:bytes = b'' # How the answer to that ends
    say:bytes = b'' # What makes it broadcast; htmx 2's frame if empty
    most:int = 10_000 # Subscribers up to which it is measured

    @property
    def python(self)->Path:
        "The interpreter that runs it"
        return home/'bin'/'python' if self.packages else Path(sys.executable)

    @property
    def lacks(self)->str:
        "Why it cannot run, '' if it can"
        missing = [o for o in self.packages if not list(home.glob(f'lib/python*/site-packages/{o}'))]
        return f'not installed ({", ".join(missing)}): python -m bench.peers install' if missing else ''


peers = {p.module: p for p in [
    Peer('raw Starlette', 'raw'),
    Peer('ours, plain uvicorn', 'ours'),
    Peer('stock FastHTML', 'stock'),
    Peer('stock, built once', 'stock_built'),
    Peer('stock, rendered once', 'stock_rendered'),
    Peer('websockets + broadcast()', 'broadcast'),
    Peer('aiohttp', 'aiohttp_ws', ('aiohttp',)),
    Peer('python-socketio', 'sockets_io', ('socketio',), '/socket.io/?EIO=4&transport=websocket', b'40', b'"}', b'42["say"]', 1_000),
]}


def install()->None:
    "Make the environment of the peers, or bring it up to date"
    subprocess.run([sys.executable, '-m', 'venv', home], check=True)
    subprocess.run([home/'bin'/'python', '-m', 'pip', 'install', '-q', *pins, *(f'{o}=={version(o)}' for o in shared)], check=True)


def listening()->socket.socket:
    "The socket that a server was given"
    return socket.socket(fileno=int(sys.argv[1]))

def uvicorn(app)->None:
    "Serve an ASGI app with the settings that all of them have here"
    import uvicorn
    config = uvicorn.Config(app, ws='websockets-sansio', ws_per_message_deflate=False, ws_ping_interval=None, loop='uvloop', http='httptools',
                            log_level='warning', access_log=False, timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening()])

def loop(main)->None:
    "Run a server that is no ASGI app, on the same event loop"
    import uvloop
    asyncio.run(main, loop_factory=uvloop.new_event_loop) if sys.version_info >= (3,12) else uvloop.run(main)
