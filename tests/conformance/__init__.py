"""The Autobahn|Testsuite against echo routes of ours under plain uvicorn, and against plain Starlette as the control.

Autobahn|Testsuite runs on Python 2.7 only. `install` puts it, pinned, into a folder of its own in the user's cache; nothing of it is imported here.
"""
import ast, json, os, shutil, socket, subprocess, sys, tempfile, time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

here = Path(__file__).parent
home = Path(os.environ.get('XDG_CACHE_HOME') or Path.home()/'.cache')/'fasthtml-ws-autobahn'
results = here/'results.json'

groups = {'1':'Framing', '2':'Pings and pongs', '3':'Reserved bits', '4':'Opcodes', '5':'Fragmentation', '6':'UTF-8', '7':'Closing', '9':'Limits, performance',
          '10':'Auto-fragmentation', '12':'Compression, payloads', '13':'Compression, parameters'} # first number of a case -> what Autobahn calls it
words = 'OK', 'NON-STRICT', 'INFORMATIONAL', 'UNIMPLEMENTED', 'FAILED' # of Autobahn, best first
refused = '1003' # our word for a case that needs a binary echo, at a route that takes text
columns = *words[:3],refused,*words[:2:-1]


# The suite

class Missing(Exception): "The suite is not to be had here, and why"

def python2()->Path:
    "A Python 2.7 that the suite can run on"
    pyenv = Path(os.environ.get('PYENV_ROOT') or Path.home()/'.pyenv')
    for o in [os.environ.get('FASTHTML_WS_PYTHON2'), shutil.which('python2.7'), *sorted(pyenv.glob('versions/2.7*/bin/python'))]:
        if o and _says(o, 'import sys, ssl, zlib, pip; print(sys.version_info[:2])')=='(2, 7)': return Path(o)
    raise Missing('Autobahn|Testsuite needs a Python 2.7 with pip, and none was found. Where there is one, name it: FASTHTML_WS_PYTHON2=/path/to/python2.7; '
                  '`pyenv install 2.7.18` builds one.')

def _env()->dict[str,str]:
    "What the suite runs in: the folder is the user's site of that Python, and nothing of ours is on its path"
    return {k:v for k,v in os.environ.items() if k not in ('PYTHONPATH','PYTHONHOME','PYTHONNOUSERSITE')} | {'PYTHONUSERBASE':str(home)}

def _says(python, code:str)->str:
    "What a line of Python prints; '' if it fails"
    try: return subprocess.run([python, '-W', 'ignore', '-c', code], env=_env(), capture_output=True, text=True, timeout=60).stdout.strip()
    except OSError: return ''

def suite()->str:
    "Versions of the suite that is installed; `Missing` if there is none"
    said = _says(python := python2(), 'import sys, autobahn, autobahntestsuite as t; print("%s, autobahn %s, CPython %s" % (t.version, autobahn.version, sys.version.split()[0]))')
    if not said: raise Missing(f'Autobahn|Testsuite is not installed (for {python}): python -m tests.conformance install')
    return f'autobahntestsuite {said}'

def install()->None:
    "Put the suite into its folder, or bring it up to date"
    subprocess.run([python2(), '-m', 'pip', 'install', '--user', '--ignore-installed', '--no-deps', '--no-warn-script-location', '--disable-pip-version-check',
                    '-q', '-r', here/'requirements.txt'], env=_env(), check=True)


# A run

@dataclass(frozen=True)
class Case:
    "What Autobahn says of one case"
    behavior:str # One of `words`
    closing:str # The same of how the connection ended, or WRONG CODE, UNCLEAN, FAILED BY CLIENT
    code:int|None # Close code that it got
    binary:bool # Does the case send a binary frame?
    says:str # In Autobahn's sentences

    @property
    def word(self)->str:
        "One of `words`: a connection that did not end as it should fails the case"
        return self.behavior if self.closing in ('OK','INFORMATIONAL') else 'FAILED'

    @property
    def is_refused(self)->bool:
        "Closed with 1003, as a route for text does with a binary frame?"
        return self.word=='FAILED' and self.binary and self.code==1003


@contextmanager
def serving(app:str, ws:str, log:Path):
    "Port of a server process; what it logs goes into a file"
    sock = socket.create_server(('127.0.0.1', 0), backlog=100)
    port = sock.getsockname()[1]
    with open(log, 'w') as f:
        server = subprocess.Popen([sys.executable, '-W', 'ignore', '-m', 'tests.conformance.echo', app, ws, str(sock.fileno())], pass_fds=[sock.fileno()], cwd=here.parent.parent,
                                  stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT)
    sock.close()
    try:
        _wait_for(port, server, log)
        yield port
        if server.poll() is not None: raise RuntimeError(f'{app} under {ws} ended with {server.returncode}: {log.read_text()[-2000:]}')
    finally:
        server.kill()
        server.wait(10)

def _wait_for(port:int, server:subprocess.Popen, log:Path, seconds:float=60)->None:
    "Until the server answers a request"
    try:
        with socket.create_connection(('127.0.0.1', port), seconds) as s:
            s.settimeout(seconds)
            s.sendall(b'GET / HTTP/1.0\r\n\r\n')
            if s.recv(1): return
    except OSError: pass # what it logged says more
    raise RuntimeError(f'{" ".join(server.args[5:7])} does not answer: {log.read_text()[-2000:]}')


@dataclass(frozen=True)
class Run:
    "One app under one websocket class of uvicorn"
    app:str # 'ours', 'ours, /bytes' or 'starlette'
    ws:str # Name of the class
    cases:dict[str,Case] # By the number that Autobahn gives it
    seconds:float # How long it took
    log:str # What the server said

    def word(self, case:str)->str:
        "What the table says of a case"
        c = self.cases[case]
        return refused if self.app=='ours' and c.is_refused else c.word

    def by_group(self)->dict[str,dict[str,int]]:
        "Group -> word -> how many cases"
        res = {g:Counter() for g in groups if any(k.split('.')[0]==g for k in self.cases)}
        for k in self.cases: res[k.split('.')[0]][self.word(k)] += 1
        return {g:dict(sorted(n.items(), key=lambda o: columns.index(o[0]))) for g,n in res.items()}


def examine(
    app:str, # 'ours', 'ours, /bytes' or 'starlette'
    ws:str, # Websocket class, as uvicorn names it
    cases:list[str], # Numbers, and patterns of them such as '9.*'
    exclude:list[str]=(), # The same, to leave out
    minutes:float=120, # Longest that it may take
)->Run: # What Autobahn says
    "Let Autobahn examine an app"
    name,_,path = app.partition(', ')
    with tempfile.TemporaryDirectory() as d:
        d,began = Path(d),time.monotonic()
        with serving(name, ws, d/'server.log') as port:
            spec = dict(outdir=str(d/'reports'), servers=[dict(agent='it', url=f'ws://127.0.0.1:{port}{path or "/"}')], **{'cases':list(cases), 'exclude-cases':list(exclude)})
            (d/'spec.json').write_text(json.dumps(spec))
            with open(d/'suite.log', 'w') as f:
                subprocess.run([python2(), '-W', 'ignore', '-m', 'autobahntestsuite.wstest', '-m', 'fuzzingclient', '-s', d/'spec.json'], env=_env(), cwd=d,
                               stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT, timeout=minutes*60)
        return Run(app, ws, read(d/'reports', (d/'suite.log').read_text()), time.monotonic()-began, (d/'server.log').read_text())

def read(
    folder:Path, # Reports
    said:str, # What the suite printed
)->dict[str,Case]: # By number, in the order in which they ran
    "Read the reports of a run; one that is not whole is an error"
    asked = next((ast.literal_eval(o[8:]) for o in said.splitlines() if o.startswith('Cases = [')), None)
    index = json.loads((folder/'index.json').read_text())['it'] if (folder/'index.json').exists() else {}
    if not asked or set(asked)!=set(index): raise RuntimeError(f'the suite ran {len(index)} of {len(asked or [])} cases; it said: ...{said[-2000:]}')
    return {k:_case(json.loads((folder/index[k]['reportfile']).read_text())) for k in asked}

def _case(r:dict)->Case:
    says = ' '.join(dict.fromkeys([r['result'], r['resultClose']])) # of a wrong code it says the same twice
    return Case(r['behavior'], r['behaviorClose'], r['remoteCloseCode'], '2' in r['txFrameStats'], says)


# The judgement

def faults(run:Run, control:Run)->list[str]:
    "Cases in which an app of ours fails, or lacks something, and does worse than the control under the same class"
    def bad(k): return run.word(k) in words[3:] and words.index(run.word(k)) > words.index(control.cases[k].word)
    return [k for k in run.cases if bad(k)]

def logged(log:str)->dict[str,int]:
    "What a server said, without its tracebacks: line -> how often"
    said,in_trace = Counter(),False
    for o in log.splitlines():
        if o.startswith('Traceback'): in_trace = True
        elif not o.strip() or o[0].isspace() or o.startswith(('The above exception was','During handling of')): continue
        elif in_trace: in_trace = False # the exception
        else: said[o[:160]] += 1
    return dict(said.most_common(20))

def table(run:Run)->str:
    "Counts by group"
    def line(title, cells): return f'{title:32}' + ''.join(f'{o:>{max(len(c),4)+2}}' for c,o in zip(columns, cells))
    rows = [line(f'{g:>2} {groups[g]}', [n.get(c, '') for c in columns]) for g,n in run.by_group().items()]
    return '\n'.join([line(f'{run.app}, {run.ws}', columns), *rows])

def remarks(run:Run, control:Run)->list[str]:
    "One line for each case that is neither OK nor refused"
    bad = faults(run, control)
    def line(k): return f'  {k:8}{run.word(k):15}Starlette: {control.cases[k].word:15}{"OURS! " if k in bad else ""}{run.cases[k].says}'
    return [line(k) for k in run.cases if run.word(k) not in ('OK',refused)]

def as_json(run:Run, control:Run)->dict:
    "What is kept of a run: counts, and each case that is not OK"
    rest = {k:dict(word=run.word(k), starlette=control.cases[k].word, closing=c.closing, code=c.code, says=c.says)
            for k,c in run.cases.items() if run.word(k) not in ('OK',refused)}
    return dict(app=run.app, ws=run.ws, cases=len(run.cases), seconds=round(run.seconds), groups=run.by_group(),
                refused=[k for k in run.cases if run.word(k)==refused], not_ok=rest, faults=faults(run, control), log=logged(run.log))
