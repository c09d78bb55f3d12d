"""One client that floods, and fifty others that ask something now and then: how long they wait for their answers with it and without it.

The server is a process of its own, plain `python -m uvicorn module:app` with every setting as it is by default. The client that floods is another one
(`python -m tests.proofs.flood PORT PATH FRAMES`): it sends as fast as its socket takes it, reads what it gets, and when it is told to come back, it does,
with what was not answered. The others are in this process, in one loop over `epoll` that does little else, since it should not be what they wait for.

Each of them asks every `pause` seconds. If an answer is late, so is the next question, and its time counts from when it was due.
"""
import base64, heapq, json, os, select, socket, subprocess, sys, tempfile, time
from dataclasses import dataclass, field
from pathlib import Path

from tests.proofs.stalled import Server, frame, patience, root

source = '''
import json
from dataclasses import asdict
from fasthtml_ws.common import *

app = FastHTML(secret_key='for a proof')
handled = dict(echo=0, thread=0, publish=0)

@app.ws('/ask')
async def ask(n:int): return Div(f'answer {n}', id='answer')

@app.ws('/echo')
async def echo(n:int): handled['echo'] += 1; return Div(f'answer {n}', id='answer')

@app.ws('/thread')
def thread(n:int): handled['thread'] += 1; return Div(f'answer {n}', id='answer')

@app.ws('/publish')
async def publish(n:int, hub): handled['publish'] += 1; hub.publish_to_all(Div(Div(f'news {n}'), hx_swap_oob='beforeend:#log'))

@app.get('/figures')
async def figures(): return JSONResponse(dict(stats=asdict(app.hub.stats()), handled=handled))
'''

kinds = 'echo', 'thread', 'publish'


@dataclass
class Result:
    "What one flood showed"
    kind:str # What its handler does: answers on the loop, answers in a thread, or publishes to all
    frames:int # How many it was to send
    others:int # Clients that ask
    bar:float # Longest p99 that will do above the p99 without a flood, seconds
    alone:list[float] = field(default_factory=list) # Time from asking to the answer without the flood, seconds
    flooded:list[float] = field(default_factory=list) # With it
    seconds:float = 0. # From its first frame to its last answer
    handled:int = 0 # Frames that its handler got
    news:int = 0 # Publications that each of the others got
    codes:list[int] = field(default_factory=list) # How its connections ended before it was done
    grown:float = 0. # What the server's memory grew by, MB
    share:float = 0. # How much of a core the server got during the flood; less than all of one means that something else had it
    problems:list[str] = field(default_factory=list) # What should not have happened

    @property
    def more(self)->float: return p(self.flooded, .99)-p(self.alone, .99)
    @property
    def ok(self)->bool: return not self.problems and self.handled>=self.frames and self.more<=self.bar
    def __str__(self):
        ms = lambda ts: f'p50 {p(ts, .5)*1000:.1f} ms, p99 {p(ts, .99)*1000:.1f} ms, slowest {max(ts, default=0)*1000:.0f} ms ({len(ts):,} answers)'
        news = f'{self.news:,} publications to each; ' if self.news else ''
        told = f'told to come back {len(self.codes)} times ({self.codes}); ' if self.codes else ''
        return (f'{self.kind}: {self.handled:,} frames in {self.seconds:.1f} s ({self.handled/(self.seconds or 1):,.0f}/s); {news}{told}{self.others} others: alone {ms(self.alone)}; '
                f'flooded {ms(self.flooded)}; p99 +{self.more*1000:.1f} ms, {p(self.flooded, .99)/(p(self.alone, .99) or 1):.1f} times; server at {self.share:.0%} of a core; memory +{self.grown:.1f} MB; '
                + ('ok' if self.ok else f'FAILED {self.problems[:5]}'))


def p(ts:list[float], part:float)->float: return sorted(ts)[int(len(ts)*part)] if ts else 0.


class Line:
    "One websocket of a browser, without waiting"
    def __init__(self, port:int, path:str):
        self.buf,self.out,self.code = b'',bytearray(),0
        self.sock = socket.create_connection(('127.0.0.1', port), patience)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall((f'GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
            f'Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n').encode())
        while b'\r\n\r\n' not in self.buf:
            if not (more := self.sock.recv(4096)): break
            self.buf += more
        head,_,self.buf = self.buf.partition(b'\r\n\r\n')
        if b' 101 ' not in head: raise ConnectionError(f'refused: {head!r:.200}')
        self.sock.setblocking(False)

    def read(self)->list[bytes]: # Empty at the end, and `code` is set
        "The texts that have come; answers pings, notes a close code"
        try: more = self.sock.recv(1<<18)
        except BlockingIOError: return []
        except ConnectionError: more = b''
        if not more: self.code = self.code or 1006; return []
        b,at,texts = self.buf+more,0,[]
        while len(b)-at >= 2:
            op,n,start = b[at]&15,b[at+1],at+2
            if n==126: n,start = int.from_bytes(b[at+2:at+4]),at+4
            elif n==127: n,start = int.from_bytes(b[at+2:at+10]),at+10
            if len(b) < start+n: break
            data,at = b[start:start+n],start+n
            if op==1: texts.append(data)
            elif op==9: self.out += frame(data, 10)
            elif op==8: self.code = int.from_bytes(data[:2]) or 1005
        self.buf = b[at:]
        return texts

    def write(self)->None:
        "Send as much as the socket takes"
        try:
            while self.out: del self.out[:self.sock.send(self.out)]
        except BlockingIOError: pass
        except OSError: self.code = self.code or 1006


# The client that floods

def flood(port:int, path:str, frames:int)->dict:
    "Send `frames` frames as fast as it goes, until each of them was answered"
    codes,begun,end,seen = [],time.monotonic(),time.monotonic()+10*patience,0
    while seen<frames:
        line,sent,poll = Line(port, path),seen,select.epoll()
        poll.register(line.sock.fileno(), select.EPOLLIN|select.EPOLLOUT|select.EPOLLET)
        while seen<frames and not line.code:
            if time.monotonic()>end: raise TimeoutError(f'{seen} of {frames} answered; sent {sent}, closed with {codes}')
            while sent<frames and len(line.out)<1<<16:
                line.out += frame(b'{"n":%d}' % sent)
                sent += 1
            line.write()
            while texts := line.read(): seen += len(texts)
            if sent==frames or line.out: poll.poll(.1)
        if seen<frames: codes.append(line.code)
        poll.close(); line.sock.close()
    return dict(seconds=time.monotonic()-begun, codes=codes)


# The others

class Others:
    "Clients that ask every `pause` seconds"
    def __init__(self, port:int, n:int, pause:float):
        self.lines = {o.sock.fileno(): o for o in (Line(port, '/ask') for _ in range(n))}
        self.pause,self.poll,self.news,self.problems = pause,select.epoll(),dict.fromkeys(self.lines, 0),[]
        for fd in self.lines: self.poll.register(fd, select.EPOLLIN)

    def ask(self, go)->list[float]: # Seconds from when a question was due to its answer
        "Go on while `go()`, which is called every now and then"
        now = time.perf_counter()
        due = [(now+self.pause*i/len(self.lines), fd) for i,fd in enumerate(self.lines)]
        heapq.heapify(due)
        asked,res,look,i = {},[],0.,0
        while True:
            now = time.perf_counter()
            if now>=look:
                if not (going := go()) and not asked: return res
                look = now+.05
            while going and due and due[0][0]<=now:
                at,fd = heapq.heappop(due)
                line = self.lines[fd]
                asked[fd],i = (at, b'answer %d<' % i),i+1
                line.out += frame(b'{"n":%d}' % (i-1))
                line.write()
            wait = min(due[0][0], look) if due and going else look
            for fd,_ in self.poll.poll(max(0, wait-time.perf_counter())):
                for text in (line := self.lines[fd]).read():
                    if b'news ' in text: self.news[fd] += 1
                    elif fd in asked and asked[fd][1] in text:
                        at,_ = asked.pop(fd)
                        res.append((now := time.perf_counter())-at)
                        heapq.heappush(due, (max(at+self.pause, now), fd))
                    else: self.problems.append(f'unexpected: {text!r:.100}')
                if line.out: line.write()
                if line.code:
                    self.problems.append(f'one of the others was closed with {line.code}')
                    self.poll.unregister(fd); asked.pop(fd, None)
            late = [o for o,_ in asked.values() if time.perf_counter()-o > patience]
            if late: self.problems.append(f'{len(late)} of the others got no answer in {patience} s'); return res

    def close(self):
        for o in self.lines.values(): o.sock.close()
        self.poll.close()


def run(
    kind:str, # One of `kinds`
    frames:int=50_000, # Of the client that floods
    others:int=50, # Clients that ask
    pause:float=.1, # Seconds between two questions of one
    seconds:float=5., # How long they ask without the flood
    bar:float=.1, # Longest p99 above the one without it, seconds
)->Result:
    "Measure the others alone, and then with the flood"
    res = Result(kind, frames, others, bar)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(source, Path(folder))
        try:
            crowd = Others(server.port, others, pause)
            warm = time.monotonic()+.5
            crowd.ask(lambda: time.monotonic()<warm)
            end = time.monotonic()+seconds
            res.alone = crowd.ask(lambda: time.monotonic()<end)
            before,cpu,begun = server.memory(),sum(server.ps.cpu_times()[:2]),time.monotonic()
            proc = subprocess.Popen([sys.executable, '-m', 'tests.proofs.flood', str(server.port), f'/{kind}', str(frames)], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                res.flooded = crowd.ask(lambda: proc.poll() is None)
                res.grown,res.share = server.memory()-before,(sum(server.ps.cpu_times()[:2])-cpu)/(time.monotonic()-begun)
                out,err = proc.communicate(timeout=patience)
            finally: proc.kill(); proc.wait()
            if proc.returncode: res.problems.append(err[-500:])
            else: res.seconds,res.codes = (o := json.loads(out))['seconds'],o['codes']
            figures = json.loads(server.get('/figures'))
            res.handled = figures['handled'][kind]
            end = time.monotonic()+2*patience
            while kind=='publish' and min(crowd.news.values())<res.handled and time.monotonic()<end: # what is still on its way
                crowd.ask(lambda t=time.monotonic()+.1: time.monotonic()<t)
                res.handled = json.loads(server.get('/figures'))['handled'][kind]
            res.news = min(crowd.news.values())
            if kind=='publish' and set(crowd.news.values())!={res.handled}: res.problems.append(f'{res.handled} publications, and the others got {sorted(set(crowd.news.values()))[:5]}')
            res.problems += crowd.problems + [f'log: {o}' for o in server.log.read_text().splitlines() if 'Traceback' in o or 'ERROR' in o]
            crowd.close()
        finally: server.stop()
    return res


if __name__=='__main__':
    if len(sys.argv)==4: print(json.dumps(flood(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
    else:
        for o in kinds: print(run(o), flush=True)
