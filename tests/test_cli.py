"The command `fasthtml-ws`: it prints its link, serves the chat there, and ends when it is told to."
import re, signal, socket, subprocess, sys
from pathlib import Path

import pytest

import fasthtml_ws
from tests.kit import *

command = Path(sys.executable).with_name('fasthtml-ws')
start_s = wait_s*6 # a process that imports everything, on a busy machine


class Command:
    "The command in a process of its own"
    def __init__(self, folder:Path, *args):
        self.out = folder/'out.txt'
        with open(self.out, 'w') as f:
            self.proc = subprocess.Popen([command, *args], cwd=folder, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT)

    def said(self)->str: return self.out.read_text()

    def port(self)->int:
        "Port of the link, when it is printed and taken"
        def ready():
            assert self.proc.poll() is None, f'it ended with {self.proc.returncode}: {self.said()}'
            m = re.search(r'Link: http://localhost:(\d+)\s', self.said())
            if not m: return None
            with socket.socket() as s: return int(m[1]) if s.connect_ex(('127.0.0.1', int(m[1])))==0 else None
        return until(ready, 'the link', start_s)

    def end(self, sig=signal.SIGTERM)->int:
        self.proc.send_signal(sig)
        return self.proc.wait(start_s)


@pytest.fixture
def chat(tmp_path):
    started = []
    def start(*args): started.append(Command(tmp_path, 'chat', *args)); return started[-1]
    yield start
    for o in started:
        if o.proc.poll() is None: o.proc.kill(); o.proc.wait(start_s)


def ask(port, request:str, cookie='', body='')->tuple[str,dict,str]:
    "Status line, headers and body of the answer to `request`, such as 'GET /'"
    with socket.create_connection(('127.0.0.1', port), wait_s) as s:
        s.sendall((f'{request} HTTP/1.0\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Length: {len(body)}\r\n'
                   f'Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}').encode())
        head,_,text = b''.join(iter(lambda: s.recv(65536), b'')).decode().partition('\r\n\r\n')
    status,*lines = head.split('\r\n')
    return status, {k.lower():v for k,_,v in (o.partition(': ') for o in lines)}, text


def named(port, name:str)->str:
    "The cookie of somebody who has given a name"
    return ask(port, 'POST /name', body=f'name={name}&room=lobby')[1]['set-cookie'].split(';')[0]

def member(port, name:str)->Client:
    "A client that has given its name"
    return Client(port, '/ws/lobby', headers={'Cookie':named(port, name)})


def until_said(c, text)->str:
    "Read until a message has `text`"
    while text not in (msg := c.recv()): pass
    return msg


def run(*args): return subprocess.run([command, *args], text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=start_s)

def test_version(): assert run('--version').stdout.strip()==fasthtml_ws.__version__

@pytest.mark.parametrize('args', [(), ('dance',), ('chat', '--port', 'x')])
def test_wrong_arguments_show_the_usage(args):
    res = run(*args)
    assert res.returncode==2 and res.stderr.startswith('usage: fasthtml-ws') and 'Traceback' not in res.stderr


def test_two_people_talk_and_a_third_reads_what_was_said(chat):
    port = chat('--port', '0').port()
    with member(port, 'Ann') as ann, member(port, 'Bob') as bob:
        ann.send(msg='hello')
        for c in (ann, bob): assert 'Ann' in (got := until_said(c, 'hello')) and got.count('hello')==1
        assert 'hello' in ask(port, 'GET /room/lobby', named(port, 'Cem'))[2]
        with member(port, 'Cem') as cem:
            until_said(ann, 'Cem')
            cem.reset()
        def alone(): return 'Cem' not in until_said(ann, 'id="people"')
        until(alone)


@pytest.mark.parametrize('flag,ext', [((), 'htmx-ext-ws'), (('--htmx4',), 'hx-ws')])
def test_page_names_the_client_that_was_asked_for(chat, flag, ext):
    port = chat('--port', '0', *flag).port()
    assert ask(port, 'GET /')[1]['location'].endswith('/room/lobby')
    cookie = ask(port, 'POST /name', body='name=Ann&room=lobby')[1]['set-cookie'].split(';')[0]
    status,_,page = ask(port, 'GET /room/lobby', cookie)
    assert ' 200 ' in status and ext in page


def test_stranger_without_a_name_is_closed_with_1008(chat):
    port = chat('--port', '0').port()
    with Client(port, '/ws/lobby') as c: assert c.all()[1].code==1008


@pytest.mark.parametrize('sig', [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_with_people_in_it(chat, sig):
    s = chat('--port', '0')
    with member(s.port(), 'Ann') as ann:
        until_said(ann, 'Ann')
        assert s.end(sig) in (0, -sig)
        assert ann.all()[1].code==1012
    assert 'Traceback' not in s.said()


def test_port_that_is_taken_is_said(chat):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen()
        res = run('chat', '--port', str(s.getsockname()[1]))
    assert res.returncode!=0 and 'address already in use' in res.stderr.lower() and 'Traceback' not in res.stderr
