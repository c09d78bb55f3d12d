"""The same app under `serve()`, uvicorn's own class, hypercorn and granian: what works under each, and what is lost there.

What differs stands in `table`, and in nbs/explains/differences.ipynb.
"""
import inspect, json, re, select, socket, time

import granian, hypercorn.config, pytest, uvicorn
from websockets.sync.client import connect

from tests.kit import *
from tests.test_asgi import Raw, hello
from tests.test_frames import TEXT, client_frame
from tests.test_recovery import Page
from tests.test_serve import Process, free_ports, start_s

app = 'tests.foreign:app'
servers = {
    'serve': ['-c', "from fasthtml_ws.common import serve; serve('tests.foreign', host='127.0.0.1', port={port}, reload=False)"],
    'uvicorn': ['-m', 'uvicorn', '--port', '{port}', '--timeout-graceful-shutdown', '5', app],
    'hypercorn': ['-m', 'hypercorn', '--bind', '127.0.0.1:{port}', '--graceful-timeout', '1', app],
    'granian': ['-m', 'granian', '--interface', 'asgi', '--port', '{port}', app],
}
gone = 1006 # the line was cut, with no close frame


class Served(Process):
    "The app under one server"
    def __init__(self, folder, name):
        super().__init__(folder, servers[name], free_ports(1))
        self.name,self.clients,self.servers = name,[],[self]
        until(lambda: self.up(self.port), name, start_s)

    def client(self, query='', path='/ws', browser=False, **kw)->Client:
        headers = kw.pop('headers', {}) | ({'Origin':f'http://127.0.0.1:{self.port}'} if browser else {})
        return self.connect(f'{path}?{query}', headers=headers, **kw)

    def connect(self, path, **kw)->Client:
        self.clients.append(Client(self.port, path, **kw))
        return self.clients[-1]

    def get(self, path)->tuple[str,str]: # Head and body
        with socket.create_connection(('127.0.0.1', self.port), wait_s) as s:
            s.sendall(f'GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'.encode())
            return b''.join(iter(lambda: s.recv(65536), b'')).decode().partition('\r\n\r\n')[::2]

    def seen(self)->dict: return json.loads(self.get('/seen')[1])
    def count(self, what, who)->int: return self.seen()['ends'].count([what, who])
    def came(self, who): until(lambda: self.count('came', who), f'{who} at {self.name}')
    def left(self, who): until(lambda: self.count('left', who), f'end of {who} at {self.name}')

    def holds(self, c:Client)->bool:
        "Does the server still hold its socket of `c`?"
        port = c.sock.getsockname()[1]
        return any(o.status=='ESTABLISHED' and o.raddr and o.raddr.port==port for p in self.alive() for o in p.net_connections('tcp'))

    def end(self):
        for o in self.clients: o.drop()
        try: self.term()
        finally: self.kill()


def number(html:str)->int:
    "Of what `/publish` published"
    return int(re.search(r'(\d+) ', html)[1])


@pytest.fixture(scope='module', params=servers)
def server(request, tmp_path_factory):
    s = Served(tmp_path_factory.mktemp(request.param), request.param)
    yield s
    s.end()


# What works under each

@pytest.mark.parametrize('frame', ['{"msg":"Ann","HEADERS":{"HX-Request":"true"}}', '{"msg":"Ann","headers":{"HX-Request":"true","HX-Source":"form#form"}}', '{"msg":"Ann"}'],
                         ids=['htmx 2', 'htmx 4', 'JSON'])
def test_echo(server, frame):
    "A page's form is answered as under `serve()`, with a swap by id for htmx alone"
    c = server.client()
    c.send(frame)
    got = c.recv()
    assert '>Ann</div>' in got and ('hx-swap-oob="true"' in got)==('HX' in frame)
    c.ping()
    c.leave()


@pytest.mark.parametrize('how', ['leave', 'reset', 'drop', 'go away'])
def test_conn_and_disconn_run_once(server, how):
    c = server.client(f'who={how.replace(" ","-")}')
    who = how.replace(' ', '-')
    server.came(who)
    if how=='go away': c.send(msg=how); c.closed()
    else: getattr(c, how)()
    server.left(who)
    until(lambda: not server.seen()['places'])
    assert server.count('came', who)==server.count('left', who)==1


def test_everyone_gets_what_is_published_in_order(server):
    cs = [server.client('t=all&who=all') for _ in range(40)]
    until(lambda: server.count('came', 'all')==40)
    server.get('/publish?t=all&n=50')
    for c in cs: assert [number(c.recv()) for _ in range(50)]==list(range(50))
    for c in cs: c.leave()


def test_codes_and_reasons_arrive(server):
    "Of the app, of a refusal, of limits"
    c = server.client()
    c.send(msg='go away')
    end = c.closed()
    assert (end.code, end.reason)==(4321, 'because é')
    msgs,end = server.client('stranger=1', browser=True).all()
    assert len(msgs)==1 and 'not logged in' in msgs[0] and end.code==4401
    assert server.client(headers={'Origin':'http://evil.example'}).all()[1].code==4403
    c = server.client()
    c.send(b'\x00')
    assert c.closed().code==1003
    c = server.client()
    c.send(msg='x'*2_000_000)
    assert c.closed().code==1009
    assert server.client(path='/idle').closed().code==4408


def test_a_refused_handshake_is_answered_and_keeps_no_place(server):
    "What is no browser gets the HTTP response of `before`; a server that keeps the line open does not keep it counted"
    raw = Raw(server.port, hello('/ws?stranger=1'))
    raw.until(1000, b'who are you?')
    assert raw.data.startswith(b'HTTP/1.1 401 ') and raw.data.endswith(b'\r\n\r\nwho are you?')
    until(lambda: not server.seen()['places'])
    raw.sock.close()


def test_a_large_message_both_ways(server):
    c = server.client()
    c.send(msg='x'*1_900_000)
    assert c.recv().count('x')==1_900_000
    c.leave()


def test_the_session_is_that_of_the_page(server):
    cookie = re.search('set-cookie: ([^;]*)', server.get('/login?name=Ann')[0], re.I)[1]
    c = server.client(headers={'Cookie':cookie})
    c.send(msg='who am I')
    assert c.recv().strip()=='Ann'
    c.leave()


def test_the_address_is_known(server):
    c = server.client()
    c.send(msg='where am I')
    assert c.recv().strip()=='127.0.0.1'
    c.leave()


def test_what_was_missed_comes_after_a_reconnect(server):
    "Of a client that runs the script"
    page = Page(server, '/ws?t=missed&who=page').open()
    page.drop()
    server.left('page')
    server.get('/publish?t=missed&n=3')
    page.open()
    page.see('0', '1', '2')
    assert page.recovered is True
    page.drop()


# What is lost

@pytest.fixture
def lost(server):
    "What the table says of this server"
    return table[server.name]

table = { # what a client sees
    'serve':     dict(shutdown=1012, too_big=1009, not_text=1007, deflate=True,  cookie=True,  stalled='cut'),
    'uvicorn':   dict(shutdown=1012, too_big=1009, not_text=1007, deflate=True,  cookie=True,  stalled='cut'),
    'hypercorn': dict(shutdown=1011, too_big=1009, not_text=gone, deflate=True,  cookie=True,  stalled='stays'),
    'granian':   dict(shutdown=gone, too_big=1005, not_text=1005, deflate=False, cookie=False, stalled='cut'),
}


def test_a_message_that_is_too_large_for_the_server(server, lost):
    "Above 16 MiB the server itself ends it, and the app is not asked"
    c = server.client()
    n,piece = 17<<20,bytes(1<<16)
    c.sock.sendall(client_frame(TEXT, b'', length=n, form=64, key=bytes(4)))
    if not select.select([c.sock], [], [], .2)[0]: # it judges by what comes, and not by the length that was announced
        while n and not select.select([c.sock], [], [], 0)[0]: c.sock.sendall(piece); n -= len(piece)
    while not c.proto.close_rcvd and c.proto.state.name!='CLOSED': c._read()
    assert (c.proto.close_rcvd.code if c.proto.close_rcvd else gone)==lost['too_big']
    c.drop()


def test_text_that_is_not_utf8(server, lost):
    c = server.client()
    c.sock.sendall(client_frame(TEXT, b'\xff'))
    assert c.closed().code==lost['not_text']


def test_compression(server, lost):
    with connect(f'ws://127.0.0.1:{server.port}/ws') as c:
        assert ('permessage-deflate' in c.response.headers.get('Sec-WebSocket-Extensions', ''))==lost['deflate']
        c.send(json.dumps(dict(msg='so '*1000)))
        assert 'so so so' in c.recv()


def test_cookie_of_the_handshake(server, lost):
    "A `before` that changed the session"
    raw = Raw(server.port, hello('/ws?renew=1'))
    assert ('set-cookie: session_=' in raw.head().lower())==lost['cookie']
    raw.sock.close()


def test_a_client_that_takes_nothing(server, lost):
    "The other one gets everything, what waits is bounded and dropped, `disconn` runs, and the socket goes where the server has a way"
    before = server.seen()['stats']
    bad,good = server.client('t=s&who=stalled', buffer=4096),server.client('t=s&who=good')
    server.came('stalled'); server.came('good')
    server.get('/publish?t=s&n=500&size=20000')
    assert [number(good.recv()) for _ in range(500)]==list(range(500))
    server.left('stalled')
    until(lambda: server.seen()['stats']['aborted']==before['aborted']+1)
    stats = server.seen()['stats']
    assert (stats['slow'], stats['waiting'], stats['connections'])==(before['slow']+1, 0, 1)
    if lost['stalled']=='cut': until(lambda: not server.holds(bad))
    else: time.sleep(.5); assert server.holds(bad)
    msgs,end = bad.all()
    assert list(map(number, msgs))==list(range(len(msgs))) and len(msgs)<500
    assert end.code==(1013 if lost['stalled']=='stays' else gone)
    good.send(msg='still here')
    assert 'still here' in good.recv()
    good.leave()


@pytest.mark.parametrize('name', servers)
def test_sigterm(tmp_path, name):
    "`disconn` runs for everyone, and the process is gone with all that it started"
    s = Served(tmp_path, name)
    try:
        cs = [s.client(f'who=w{i}') for i in range(3)]
        for i in range(3): s.came(f'w{i}')
        cs[0].send(msg='hello')
        cs[0].recv()
        s.proc.terminate()
        told = time.monotonic()
        ends = [c.closed() for c in cs]
        assert {o.code for o in ends}=={table[name]['shutdown']}
        assert all(o.reason.startswith('retry-after-ms=') for o in ends)==(name=='serve')
        assert (time.monotonic()-told>.9)==(name=='hypercorn') # its `--graceful-timeout`
        s.term()
        assert sorted(o for o in s.said().split('\n') if o.startswith('left'))==['left w0', 'left w1', 'left w2']
    finally: s.kill()


def test_who_pings_by_itself():
    "Where nobody does, `Policy.idle_timeout` ends what is silent, and pages with the script notice by their own"
    assert uvicorn.Config(app, log_config=None).ws_ping_interval==20
    assert hypercorn.config.Config().websocket_ping_interval is None
    assert not [o for o in inspect.signature(granian.Granian).parameters if 'ping' in o]
