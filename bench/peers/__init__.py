"""The servers that are measured: one small file each, as the documentation of each would write it, on a socket that listens already.

Those that need packages which nothing else here needs run in an environment of their own: `python -m bench.peers install`. What they share is in kit.py
and kit.cjs; a server is started as `FILE FD CONTROL SETTINGS`, where CONTROL is a socket on which it answers questions, and SETTINGS is JSON.
"""
import json, os, shutil, subprocess, sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

msg = 'Ann: the doors open at eight, bring a map' # What the load client says; it is in every message that is broadcast
text = f'<div hx-swap-oob="true" id="notifications">{msg}</div>' # What servers without FT broadcast: as long as what ours makes of its FT
htmx2 = json.dumps({'msg': msg, 'HEADERS': {'HX-Request': 'true', 'HX-Trigger': 'form', 'HX-Trigger-Name': None, 'HX-Target': 'form',
                                            'HX-Current-URL': 'http://localhost/'}}, separators=(',',':')) # The frame in which htmx 2 says it

here = Path(__file__).parent
home = Path(os.environ.get('XDG_CACHE_HOME') or Path.home()/'.cache')/'fasthtml-ws-bench'
pins = 'aiohttp==3.14.5', 'picows==2.3.1', 'python-socketio==5.18.1', 'channels==4.3.2', 'django==5.2.19'
npm_pins = 'ws@8.23.0', 'socket.io@4.8.4', 'bufferutil@4.1.0'
shared = 'uvicorn', 'uvloop', 'httptools', 'websockets' # in the versions that our own server runs on

every = frozenset('echo broadcast memory connects pause'.split())


@dataclass(frozen=True)
class Peer:
    "A server that is measured"
    title:str # What a table calls it
    module:str # In this folder
    how:str # By which way it sends; ours are asked
    packages:tuple[str,...] = () # What it imports from the environment of the peers
    measures:frozenset[str] = every # Which of the measures it is in
    room:str = '/ws' # Where a message is broadcast; '{}' stands for the number of the connection
    echo:str = '/echo' # Where it is answered
    aside:str = '/aside' # Where one listens to something else
    hello:bytes = b'' # Said after the handshake
    welcome:int = 0 # How many frames it has sent when that is answered
    say:bytes = htmx2.encode() # What makes it broadcast
    ask:bytes = htmx2.encode() # What makes it answer
    ping:bytes = b'' # A ping that is a message, and
    pong:bytes = b'' # what answers it
    most:int = 10_000 # Subscribers up to which it broadcasts here
    serve:bool = False # With the settings of our `serve()`?
    deflate:bool = False # Does the client offer permessage-deflate, as browsers do, in all measures?
    short:str = '' # Its column in the table of all; none if empty

    @property
    def is_node(self)->bool: return self.module.startswith('node_')

    @property
    def command(self)->list[str]:
        "What runs it"
        if self.is_node: return ['node', str(here/f'{self.module}.cjs')]
        return [str(home/'bin'/'python') if self.packages else sys.executable, '-m', f'bench.peers.{self.module}']

    @property
    def lacks(self)->str:
        "Why it cannot run, '' if it can"
        if self.is_node and not shutil.which('node'): return 'there is no node on this machine'
        modules = 'node/node_modules' if self.is_node else 'lib/python*/site-packages'
        missing = [o for o in self.packages if not list(home.glob(f'{modules}/{o}'))]
        return f'not installed ({", ".join(missing)}): python -m bench.peers install' if missing else ''


_io = dict(room='/socket.io/?EIO=4&transport=websocket', echo='/socket.io/?EIO=4&transport=websocket', hello=b'40', welcome=2, say=b'42["say"]',
           ask=f'42["ask",{json.dumps(htmx2)}]'.encode(), ping=b'2', pong=b'3')
_script = '/ws?ws-at=bench-client-{:08}~~' # as our client script adds it to the address
_deflate = frozenset({'deflate'})
_memory = frozenset({'memory'})

peers = {
    'raw': Peer('raw Starlette', 'raw', 'send_text', measures=every|_deflate, short='raw'),
    'serve': Peer('ours, serve()', 'ours', '', serve=True, measures=every|_deflate, short='serve()'),
    'ours': Peer('ours, plain uvicorn', 'ours', '', measures=every|_deflate, short='uvicorn'),
    'stock': Peer('stock FastHTML', 'stock', 'send of each', measures=every|_deflate, short='stock'),
    'broadcast': Peer('websockets + broadcast()', 'broadcast', 'broadcast()', measures=every|_deflate, short='websock'),
    'aiohttp_ws': Peer('aiohttp', 'aiohttp_ws', 'send_str', ('aiohttp',), every|_deflate, short='aiohttp'),
    'picows_ws': Peer('picows', 'picows_ws', 'transport.send', ('picows',), short='picows'),
    'sockets_io': Peer('python-socketio', 'sockets_io', 'emit', ('socketio',), every|_deflate, **_io, most=1_000, short='py s.io'),
    'channels_ws': Peer('Django Channels', 'channels_ws', 'group_send', ('channels','django'), every|_deflate, most=1_000, short='channels'),
    'node_ws': Peer('Node ws', 'node_ws', 'send of each', ('ws','bufferutil'), every|_deflate, short='ws'),
    'node_io': Peer('Node socket.io', 'node_io', 'emit', ('socket.io','bufferutil'), every|_deflate, **_io, short='s.io'),
    'serve_str': Peer('ours, serve(), reply as str', 'ours', '', measures=frozenset({'echo'}), echo='/text', serve=True),
    'ours_str': Peer('ours, plain uvicorn, as str', 'ours', '', measures=frozenset({'echo'}), echo='/text'),
    'stock_built': Peer('stock, built once', 'stock_built', 'send of each', measures=frozenset({'broadcast'})),
    'stock_rendered': Peer('stock, rendered once', 'stock_rendered', 'send_text', measures=frozenset({'broadcast'})),
    'serve_script': Peer('ours, serve(), its script', 'ours', '', measures=_memory, serve=True, room=_script),
    'serve_deflate': Peer('ours, serve(), deflate', 'ours', '', measures=_memory, serve=True, deflate=True),
    'ours_deflate': Peer('ours, plain, deflate', 'ours', '', measures=_memory, deflate=True),
    'stock_deflate': Peer('stock, deflate', 'stock', 'send of each', measures=_memory, deflate=True),
}


def install()->None:
    "Make the environment of the peers, or bring it up to date"
    subprocess.run([sys.executable, '-m', 'venv', home], check=True)
    subprocess.run([home/'bin'/'python', '-m', 'pip', 'install', '-q', *pins, *(f'{o}=={version(o)}' for o in shared)], check=True)
    if not shutil.which('npm'): print('There is no npm here: without the peers on Node'); return
    folder = home/'node'
    folder.mkdir(exist_ok=True)
    subprocess.run(['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', '--save-exact', '--prefix', folder, *npm_pins], check=True)


def environment()->dict[str,str]:
    "Of a server"
    return os.environ | {'NODE_PATH': str(home/'node'/'node_modules'), 'NODE_ENV': 'production'}

@cache
def versions()->str:
    "Of what the environment of the peers has"
    names = [*(o.split('=')[0] for o in pins), *shared]
    code = f'from importlib.metadata import version; print(", ".join(f"{{o}} {{version(o)}}" for o in {names}))'
    res = [_said([str(home/'bin'/'python'), '-c', code]) if (home/'bin'/'python').exists() else '']
    if node := shutil.which('node'):
        res.append(f'Node {_said([node, "--version"])[1:]}')
        for o in npm_pins:
            found = home/'node'/'node_modules'/o.split('@')[0]/'package.json'
            if found.exists(): res.append(f'{found.parent.name} {json.loads(found.read_text())["version"]}')
    return ', '.join(filter(None, res)) or 'not installed'

def _said(command:list[str])->str: return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
