"""The load client: one process, many sockets, no more work for a frame than counting it.

`python -m bench.load PORT PEER PLACE` connects to `PLACE` (room or echo) of a server and answers each line of JSON with one: `{"do": "connect", "n": 100}`.
What it can do is in `can`. Between two lines it answers pings, and it ends when its input does.
"""
import errno, json, os, resource, select, socket, sys, time, zlib
from collections import defaultdict
from statistics import quantiles

from bench.peers import Peer, peers

patience = 30 # seconds without a byte after which a server is given up
ports = 20_000 # connections from one address; there are about 28,000 ports
can = 'connect', 'settle', 'broadcast', 'echo', 'hear', 'leave'


def masked(data:bytes, opcode:int=1)->bytes:
    "A frame of a client (RFC 6455, section 5.2); a mask of zeros leaves the data as it is"
    n = len(data)
    size = bytes([0x80|n]) if n < 126 else b'\xfe' + n.to_bytes(2)
    return bytes([0x80|opcode]) + size + bytes(4) + data


def head(data:bytes, at:int)->tuple[int,int]:
    "Where the data of the frame at `at` begins and ends; ends beyond `data` if not all of it is there"
    if len(data)-at < 2: return 0,len(data)+1
    size,begin = data[at+1],at+2
    if size == 126: size,begin = int.from_bytes(data[at+2:at+4]),at+4
    elif size == 127: size,begin = int.from_bytes(data[at+2:at+10]),at+10
    return begin,begin+size if begin <= len(data) else len(data)+1


def count(data:bytes)->tuple[int,bytes]:
    "How many whole text frames of a server `data` begins with, and what is left"
    n = at = 0
    while (end := head(data, at)[1]) <= len(data):
        if data[at] not in (0x81, 0xc1): raise ConnectionError(f'the server sent a frame that is not text: {data[at:at+40]!r}')
        n += 1
        at = end
    return n,data[at:]


def latency(took:list[float])->dict[str,float]:
    "In seconds"
    qs = quantiles(took, n=100) if len(took) > 1 else (took or [0.])*99
    return {'p50': qs[49], 'p99': qs[98]}


class Load:
    "Sockets to one server"
    def __init__(self, port:int, peer:Peer, place:str):
        self.port,self.peer,self.path = port,peer,getattr(peer, place)
        self.poll = select.epoll()
        self.socks:dict[int,socket.socket] = {}
        self.got:dict[int,int] = {} # frames
        self.rest:dict[int,bytes] = {} # what has come of a frame
        self.size = self.bytes = self.made = 0 # of a whole frame, if all have one size; that have come; connections so far
        self.deflate = self.varies = False # did the server agree to that? do frames differ in size?
        self.kept:bytes|None = None # what came on the first socket, until it is known to be right

    def connect(self, n:int, in_flight:int=64, deflate:bool=False)->dict:
        "Connect until there are `n`, so many at a time"
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard < n+100: raise OSError(f'{n:,} sockets need more open files than the {hard:,} that the system allows: raise the limit with `ulimit -Hn`, as root')
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        busy,poll,took = {},select.epoll(),[] # fd -> socket, what has come, when it began, what is waited for
        want,begun,cpu,start = n-len(self.socks),0,time.process_time(),time.perf_counter()
        while begun < want or busy:
            while begun < want and len(busy) < in_flight:
                s = self._open()
                busy[s.fileno()] = [s, b'', time.perf_counter(), self._ask(deflate)]
                poll.register(s, select.EPOLLOUT)
                begun += 1
            if not (found := poll.poll(patience)): raise TimeoutError(f'{len(busy)} handshakes were not answered')
            for fd,event in found:
                s,data,t,todo = busy[fd]
                if isinstance(todo, bytes):
                    s.sendall(todo)
                    busy[fd][3] = None
                    poll.modify(fd, select.EPOLLIN)
                    continue
                if not (more := s.recv(4096)): raise ConnectionError(f'refused: {data!r:.200}')
                data += more
                if todo is None:
                    busy[fd][1] = data
                    if b'\r\n\r\n' not in data: continue
                    answer,_,data = data.partition(b'\r\n\r\n')
                    if b' 101 ' not in answer: raise ConnectionError(f'refused: {answer!r:.200}')
                    self.deflate = self.varies = b'permessage-deflate' in answer
                    if self.peer.hello: s.sendall(masked(self.peer.hello))
                    todo = busy[fd][3] = 0
                busy[fd][1] = data
                if self.peer.hello and count(data)[0] < self.peer.welcome: continue
                took.append(time.perf_counter()-t)
                poll.unregister(fd)
                del busy[fd]
                self._keep(s, b'' if self.peer.hello else data)
        poll.close()
        return dict(n=want, wall=time.perf_counter()-start, cpu=time.process_time()-cpu, deflate=self.deflate, **latency(took))

    def _open(self)->socket.socket:
        s = socket.socket()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.setblocking(False)
        if self.made >= ports: s.bind((f'127.0.0.{2+self.made//ports}', 0))
        self.made += 1
        if (err := s.connect_ex(('127.0.0.1', self.port))) not in (0, errno.EINPROGRESS): raise OSError(err, os.strerror(err))
        return s

    def _ask(self, deflate:bool)->bytes:
        path = self.path.format(self.made) if '{' in self.path else self.path
        offer = 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n' if deflate or self.peer.deflate else ''
        return (f'GET {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{offer}'
                'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n').encode()

    def _keep(self, s:socket.socket, data:bytes)->None:
        fd = s.fileno()
        s.setblocking(True)
        if data: self.rest[fd] = data
        self.socks[fd],self.got[fd] = s,0
        self.poll.register(fd, select.EPOLLIN)

    def settle(self)->dict:
        "Broadcast until everyone hears it: a server may subscribe its clients some time after the handshake"
        if self.deflate and not self.bytes and not self.peer.hello: self.kept = b''
        for _ in range(20):
            for fd in self.got: self.got[fd] = 0
            next(iter(self.socks.values())).sendall(masked(self.peer.say))
            while found := self.poll.poll(2 if sum(self.got.values()) < len(self.got) else .2):
                for fd,_ in found: self._read(fd)
            if set(self.got.values()) == {1} and not self.rest: break
        else: raise TimeoutError(f'{sum(map(bool, self.got.values()))} of {len(self.got)} sockets got a broadcast')
        if self.kept is not None: self._check(self.kept)
        self.kept = None
        return {}

    def _check(self, data:bytes)->None:
        "Does the first frame hold HTML that was compressed?"
        begin,end = head(data, 0)
        text = zlib.decompressobj(-15).decompress(data[begin:end] + b'\0\0\xff\xff')
        if data[0] != 0xc1 or b'</' not in text: raise ConnectionError(f'the server sent no compressed HTML: {data[:40]!r}')

    def _read(self, fd:int)->int: # How many frames came
        data = os.read(fd, 65536)
        if not data: raise ConnectionError('the server closed a connection')
        self.bytes += len(data)
        if self.kept is not None and fd == next(iter(self.socks)): self.kept += data
        n,odd = divmod(len(data), self.size or 1<<30)
        if odd or fd in self.rest: # not just whole frames of the usual size
            n,rest = count(self.rest.pop(fd, b'') + data)
            if rest: self.rest[fd] = rest
            elif n and not self.varies: self.size = len(data)//n
        self.got[fd] += n
        return n

    def broadcast(self, in_flight:int, seconds:float)->dict:
        "Keep `in_flight` broadcasts under way for `seconds`, then wait for the last"
        first,got,read,poll,now,say = next(iter(self.socks.values())),self.got,self._read,self.poll.poll,time.perf_counter,masked(self.peer.say)
        base,n = got[first.fileno()],len(self.socks)
        if set(got.values()) != {base}: raise RuntimeError('not everyone has got as much: settle first')
        missing,began,took = defaultdict(lambda: n),{},[]
        said,bytes = base,self.bytes
        cpu,start = time.process_time(),now()
        while True:
            while said-base-len(took) < in_flight and now()-start < seconds:
                said += 1
                began[said] = now()
                first.sendall(say)
            if said-base == len(took): break
            if not (found := poll(patience, 256)): raise TimeoutError(f'{said-base-len(took)} broadcasts did not reach everyone')
            for fd,_ in found:
                k = got[fd]
                for i in range(k+1, k+1+read(fd)):
                    missing[i] -= 1
                    if not missing[i]: took.append(now()-began[i])
        return dict(n=len(took)*n, wall=now()-start, cpu=time.process_time()-cpu, bytes=self.bytes-bytes, took=took)

    def echo(self, n:int, seconds:float)->dict:
        "On each of the first `n` sockets, say something, wait for the answer, and so on for `seconds`"
        fds,ask,read,write,poll,now = list(self.socks)[:n],masked(self.peer.ask),os.read,os.write,self.poll.poll,time.perf_counter
        size = self._answer(fds[0], ask)
        part:dict[int,bytes] = {}
        began,took,open = {},[],n
        cpu,start = time.process_time(),now()
        end = start+seconds
        for fd in fds:
            began[fd] = now()
            write(fd, ask)
        while open:
            if not (found := poll(patience, 256)): raise TimeoutError(f'{open} answers did not come')
            for fd,_ in found:
                data = read(fd, 4096)
                if len(data) != size:
                    if not data: raise ConnectionError('the server closed a connection')
                    data = part.pop(fd, b'') + data
                    if len(data) < size: part[fd] = data; continue
                    if len(data) > size: raise ConnectionError(f'the server answered twice: {data!r:.300}')
                t = now()
                took.append(t-began[fd])
                if t < end:
                    began[fd] = t
                    write(fd, ask)
                else: open -= 1
        return dict(n=len(took), wall=now()-start, cpu=time.process_time()-cpu, bytes=len(took)*size, **latency(took))

    def _answer(self, fd:int, ask:bytes)->int:
        "How long an answer is"
        os.write(fd, ask)
        data = b''
        while not count(data)[0]:
            if not self.poll.poll(patience) or not (more := os.read(fd, 4096)): raise TimeoutError('no answer came')
            data += more
        return len(data)

    def hear(self, n:int)->dict:
        "Wait until `n` frames have come to all of them together"
        begun,start = sum(self.got.values()),time.perf_counter()
        left,self.size,self.varies = n,0,True
        while left > 0:
            if not (found := self.poll.poll(patience, 256)): raise TimeoutError(f'{left} of {n} frames did not come')
            for fd,_ in found: left -= self._read(fd)
        return dict(n=sum(self.got.values())-begun, wall=time.perf_counter()-start)

    def leave(self)->dict:
        "Go: every other one says goodbye, the rest just go"
        for i,s in enumerate(self.socks.values()):
            if i%2: s.sendall(masked((1000).to_bytes(2), 8))
            s.close() # which takes it out of the epoll
        self.socks.clear(); self.got.clear(); self.rest.clear()
        return {}

    def idle(self)->None:
        "Read what has come, and answer what is a ping"
        for fd,_ in self.poll.poll(0):
            data = os.read(fd, 65536)
            if not data: raise ConnectionError('the server closed a connection that was idle')
            data,at = self.rest.pop(fd, b'') + data,0
            while (h := head(data, at))[1] <= len(data):
                body = data[h[0]:h[1]]
                if data[at] == 0x89: os.write(fd, masked(body, 10))
                elif data[at] == 0x88: raise ConnectionError(f'the server closed a connection that was idle: {body!r}')
                elif data[at] in (0x81, 0xc1):
                    if self.peer.ping and body == self.peer.ping: os.write(fd, masked(self.peer.pong))
                    self.got[fd] += 1
                at = h[1]
            if at < len(data): self.rest[fd] = data[at:]


def main(port:str, name:str, place:str)->None:
    load,any = Load(int(port), peers[name], place),select.epoll()
    any.register(0, select.EPOLLIN)
    any.register(load.poll.fileno(), select.EPOLLIN)
    try:
        while True:
            if 0 not in dict(any.poll()): load.idle(); continue
            if not (line := os.read(0, 4096)): return
            kw = json.loads(line)
            do = kw.pop('do')
            assert do in can
            print(json.dumps(getattr(load, do)(**kw)), flush=True)
    except Exception as e: print(json.dumps({'error': f'{type(e).__name__}: {e}'}), flush=True)


if __name__ == '__main__': main(*sys.argv[1:])
