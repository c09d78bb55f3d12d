"`serve()` as scripts use it: every way to start it, and that nothing is left when it ends."
import os, re, signal, socket, subprocess, sys, time, urllib.request
from pathlib import Path

import psutil, pytest
from websockets.exceptions import InvalidHandshake

from tests.kit import *

root = Path(__file__).parent.parent
start_s = wait_s*6 # a process that imports everything, on a busy machine

source = '''
import os
from {common} import *
app = FastHTML(secret_key='for tests')
@app.get('/pid')
def pid(): return str(os.getpid())
@app.ws('/ws')
async def ws(msg:str): return msg
'''


def free_ports(n:int)->int:
    "The first of `n` consecutive ports that are free"
    for _ in range(100):
        socks = [socket.socket()]
        try:
            socks[0].bind(('127.0.0.1', 0))
            port = socks[0].getsockname()[1]
            for i in range(1, n): socks.append(socket.socket()); socks[-1].bind(('127.0.0.1', port+i))
            return port
        except (OSError,OverflowError): pass
        finally:
            for s in socks: s.close()
    pytest.fail('no free ports')


class Process:
    "Python in a process of its own, which serves at `port`"
    def __init__(self, folder:Path, args, port:int):
        self.folder,self.port,self.all,self.out = folder,port,{},folder/'out.txt'
        env = {k:v for k,v in os.environ.items() if k not in ('PORT','PROCS','FH_PROCNUM')} | {'PYTHONPATH':str(root), 'PYTHONUNBUFFERED':'1'}
        with open(self.out, 'w') as f:
            self.proc = subprocess.Popen([sys.executable, *(o.format(port=port) for o in args)], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT)

    def family(self)->dict:
        "The process and its children, those that were seen before included"
        try: me = psutil.Process(self.proc.pid); self.all.update({p.pid:p for p in (me, *me.children(recursive=True))})
        except psutil.NoSuchProcess: pass
        return self.all

    def up(self, port:int)->bool:
        assert self.proc.poll() is None, f'it ended with {self.proc.returncode}: {self.said()}'
        self.family()
        with socket.socket() as s: return s.connect_ex(('127.0.0.1', port))==0

    def said(self)->str: return self.out.read_text()

    def echo(self, port:int|None=None)->str:
        "What the socket at `port` answers, when it is up"
        port = port or self.port
        until(lambda: self.up(port), f'port {port}', start_s)
        with Client(port) as c:
            c.send(msg='hello')
            res = c.recv()
            c.leave()
        return res.strip()

    def alive(self)->list: return [p for p in self.family().values() if p.is_running() and p.status()!=psutil.STATUS_ZOMBIE]

    def term(self)->int:
        "Send SIGTERM to the process that was started; its exit status when it and all its children are gone"
        self.family()
        self.proc.terminate()
        status = self.proc.wait(start_s)
        until(lambda: not self.alive(), f'end of the children of {self.proc.pid}', start_s)
        return status

    def kill(self):
        for p in self.alive():
            try: p.kill()
            except psutil.NoSuchProcess: pass
        self.proc.wait(start_s)


class Script(Process):
    "A script that serves"
    def __init__(self, folder:Path, stock:bool, end:str, name='app.py', n=1, args=(), more=None):
        port = free_ports(n)
        for k,v in {name: source+end, **(more or {})}.items():
            (folder/k).write_text(v.format(common='fasthtml.common' if stock else 'fasthtml_ws.common', port=port))
        super().__init__(folder, args or [name], port)


@pytest.fixture
def script(tmp_path, stock):
    started = []
    def start(end, **kw): started.append(Script(tmp_path, stock, end, **kw)); return started[-1]
    yield start
    for o in started: o.kill()


@pytest.mark.parametrize('reload', [False, True])
def test_script(script, reload):
    s = script(f'serve(port={{port}}, reload={reload})')
    assert s.echo()=='hello'
    assert f'http://localhost:{s.port}' in s.said()
    n = len(s.family())
    assert (n>=2) if reload else (n==1)
    assert s.term() in (0, -signal.SIGTERM)
    assert 'Traceback' not in s.said()


def test_what_is_there_at_the_start_is_frozen(script):
    "The garbage collector looks no more at it in a process of `serve`; one that only imports a script is left alone"
    s = script('import gc\n@app.get("/frozen")\ndef frozen(): return str(gc.get_freeze_count())\nserve(port={port}, reload=False)')
    s.echo()
    with urllib.request.urlopen(f'http://127.0.0.1:{s.port}/frozen') as r: assert int(re.search(r'\d{4,}', r.read().decode())[0]) > 10_000
    s = script('import gc, asyncio, os\nserve(port={port}, reload=False)', name='other.py', args=['-c', 'import other, gc, asyncio, os\nasyncio.run(other.app.hub.start())\nprint("frozen", gc.get_freeze_count(), os.environ.get("FASTHTML_WS_SERVED"))'])
    s.proc.wait(start_s)
    assert 'frozen 0 None' in s.said()


def test_what_lives_is_looked_at_once_and_all_of_it_once_in_a_while():
    "A cycle that was put aside while it was needed is freed with the next look at everything"
    code = '''
import gc, weakref
from fasthtml_ws.routes import _collect_once
class Node: pass
node = Node(); node.me = node
gone = weakref.ref(node)
_collect_once()
for _ in range(2): _collect_once() # as a second app in the process would
print(len(gc.callbacks), gc.get_threshold()[2])
many = [[] for _ in range(50_000)]
gc.collect()
print(gc.get_freeze_count()>50_000, len(gc.get_objects(2)))
del node
gc.collect()
print(gone() is None)
gc.callbacks[-1]._due = 0 # an hour later
gc.collect()
print(gone() is None, gc.get_freeze_count()>50_000)
'''
    res = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=start_s)
    assert res.stdout.split()==['1','3', 'True','0', 'False', 'True','True'], res.stdout+res.stderr


def test_sigterm_closes_open_sockets(script):
    s = script('serve(port={port}, reload=False)')
    s.echo()
    with Client(s.port) as c:
        s.proc.terminate()
        assert c.closed().code==1012
    s.proc.wait(start_s)
    assert 'Traceback' not in s.said()


def test_script_reloads_when_the_code_changes(script):
    s = script('serve(port={port})')
    s.echo()
    text = (s.folder/'app.py').read_text()
    (s.folder/'app.py').write_text(text.replace('return msg', "return msg+' again'"))
    touched = time.monotonic()
    def again():
        nonlocal touched
        if time.monotonic()-touched>wait_s/2: # uvicorn begins to watch after it has begun to serve, and may have missed it
            (s.folder/'app.py').touch()
            touched = time.monotonic()
        try: return s.up(s.port) and s.echo()=='hello again'
        except (OSError,Closed,InvalidHandshake): return False # the old one may still be ending
    until(again, 'the new code', start_s)
    s.term()


def test_procs(script):
    s = script('serve(port={port}, procs=2)', n=2)
    assert s.echo()==s.echo(s.port+1)=='hello'
    pids = {get(s.port+i, '/pid') for i in range(2)}
    assert len(pids)==2
    s.term()
    assert 'Traceback' not in s.said()


def get(port, path)->str:
    with socket.create_connection(('127.0.0.1', port), wait_s) as s:
        s.sendall(f'GET {path} HTTP/1.0\r\nHost: x\r\n\r\n'.encode())
        return b''.join(iter(lambda: s.recv(65536), b'')).decode().partition('\r\n\r\n')[2]


def test_import_does_not_serve(script):
    s = script('serve(port={port})\n', args=['-c', 'import app; print("imported", app.app.__class__.__name__)'])
    assert s.proc.wait(start_s)==0 and 'imported FastHTML' in s.said() and 'Link' not in s.said()


def test_main_script_that_calls_a_function_of_the_app_module(script):
    "As stock: the module that calls `serve()` is served when the script calls into it"
    s = script('def main(): serve(port={port}, reload=False)\n', more={'run.py':'import app\napp.main()\n'}, args=['run.py'])
    assert s.echo()=='hello'
    s.term()


def test_app_by_name_and_port_from_the_environment(script):
    s = script('other = app\nos.environ["PORT"] = "{port}"\nserve(app="other", reload=False)', name='my_app.py')
    assert s.echo()=='hello'
    s.term()


def test_policy_reaches_the_server(script):
    "A message that is too large closes with 1009, and not before it is"
    s = script('serve(port={port}, reload=False)')
    s.echo()
    with Client(s.port) as c:
        c.send(msg='x'*500_000)
        assert len(c.recv().strip())==500_000
        c.send(msg='x'*1_100_000)
        assert c.all()[1].code==1009
    s.term()


def test_notebook_is_left_alone(web, capsys):
    "`__main__` without a file, as in a notebook: `serve()` does nothing, and comes back"
    exec(compile('serve()', '<cell>', 'exec'), {'__name__':'__main__', 'serve':web.lib.serve})
    assert 'Link' not in capsys.readouterr().out


# Live reload

def live(web):
    app,rt = web.lib.fast_app(live=True, secret_key='for tests')
    @rt('/')
    def get(): return web.lib.Titled('Live')
    @app.ws('/ws')
    async def ws(msg:str): return msg
    return web.serve(app)


def test_live_reload_socket(web):
    s = live(web)
    assert '/live-reload' in s.get('/')[0]
    c = web.connect('/live-reload')
    c.send('anything')
    c.ping()
    d = web.connect()
    d.send(msg='beside')
    assert d.recv().strip()=='beside'
    s.stop()
    assert c.closed().code==1012 # the page reloads when its socket closes
    web.stop()


@pytest.mark.parametrize('how', ['leave', 'reset', 'drop'])
def test_live_reload_is_quiet_when_the_page_goes(web, how):
    live(web)
    getattr(web.connect('/live-reload'), how)()
    web.stop()
    assert not web.logged('Exception')
