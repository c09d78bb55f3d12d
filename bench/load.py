"""The client of the broadcast bench: one process, many sockets, no more work for a frame than counting it.

`python -m bench.load PORT N PEER` connects, says `ready`, and then answers each line `IN_FLIGHT SECONDS` with one line of JSON.
"""
import json, os, select, socket, sys, time
from collections import defaultdict

from bench.peers import Peer, msg, peers

patience = 30 # seconds without a byte after which a server is given up
htmx2 = json.dumps({'msg': msg, 'HEADERS': {'HX-Request': 'true', 'HX-Trigger': 'form', 'HX-Trigger-Name': None, 'HX-Target': 'form',
                                            'HX-Current-URL': 'http://localhost/'}}, separators=(',',':')).encode()


def masked(data:bytes)->bytes:
    "A text frame of a client (RFC 6455, section 5.2); a mask of zeros leaves the text as it is"
    n = len(data)
    size = bytes([0x80|n]) if n < 126 else b'\xfe' + n.to_bytes(2)
    return b'\x81' + size + bytes(4) + data


def count(data:bytes)->tuple[int,bytes]:
    "How many whole text frames of a server `data` begins with, and what is left"
    n = at = 0
    while len(data)-at >= 2:
        size,begin = data[at+1],at+2
        if size == 126: size,begin = int.from_bytes(data[at+2:at+4]),at+4
        elif size == 127: size,begin = int.from_bytes(data[at+2:at+10]),at+10
        if len(data) < begin+size: break
        if data[at] != 0x81: raise ConnectionError(f'the server sent a frame that is not text: {data[at:at+40]!r}')
        n += 1
        at = begin+size
    return n,data[at:]


class Load:
    "`n` sockets to one server"
    def __init__(self, port:int, n:int, peer:Peer):
        self.say = masked(peer.say or htmx2)
        self.poll = select.epoll()
        self.socks = {s.fileno(): s for at in range(0, n, 200) for s in self._connect(port, min(200, n-at), peer)}
        for fd in self.socks: self.poll.register(fd, select.EPOLLIN)
        self.got = dict.fromkeys(self.socks, 0) # frames
        self.rest:dict[int,bytes] = {} # what has come of a frame
        self.size = 0 # of a whole frame
        self._settle()

    def _connect(self, port, n, peer)->list[socket.socket]:
        "Many at once, or 5,000 handshakes would take their time one after the other"
        socks = [socket.create_connection(('127.0.0.1', port), patience) for _ in range(n)]
        for s in socks:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.sendall(f'GET {peer.path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'.encode())
        for s in socks:
            if b' 101 ' not in (answer := _until(s, b'\r\n\r\n')): raise ConnectionError(f'refused: {answer!r:.200}')
        if peer.hello:
            for s in socks: s.sendall(masked(peer.hello))
            for s in socks: _until(s, peer.welcome)
        return socks

    def _settle(self):
        "Broadcast until everyone hears it: a server may subscribe its clients some time after the handshake"
        for _ in range(20):
            for fd in self.got: self.got[fd] = 0
            next(iter(self.socks.values())).sendall(self.say)
            while found := self.poll.poll(2 if sum(self.got.values()) < len(self.got) else .2):
                for fd,_ in found: self._read(fd)
            if set(self.got.values()) == {1} and not self.rest: return
        raise TimeoutError(f'{sum(map(bool, self.got.values()))} of {len(self.got)} sockets got a broadcast')

    def _read(self, fd:int)->int: # How many frames came
        data = os.read(fd, 65536)
        if not data: raise ConnectionError('the server closed a connection')
        n,odd = divmod(len(data), self.size or 1<<30)
        if odd or fd in self.rest: # not just whole frames of the usual size
            n,rest = count(self.rest.pop(fd, b'') + data)
            if rest: self.rest[fd] = rest
            elif n: self.size = len(data)//n
        self.got[fd] += n
        return n

    def publish(self, in_flight:int, seconds:float)->dict:
        "Keep `in_flight` broadcasts under way for `seconds`, then wait for the last"
        first,got,read,poll,now = next(iter(self.socks.values())),self.got,self._read,self.poll.poll,time.perf_counter
        base,n = got[first.fileno()],len(self.socks)
        missing,began,took = defaultdict(lambda: n),{},[]
        said = base
        cpu,start = time.process_time(),now()
        while True:
            while said-base-len(took) < in_flight and now()-start < seconds:
                said += 1
                began[said] = now()
                first.sendall(self.say)
            if said-base == len(took): break
            found = poll(patience, 256)
            if not found: raise TimeoutError(f'{said-base-len(took)} broadcasts did not reach everyone')
            for fd,_ in found:
                k = got[fd]
                for i in range(k+1, k+1+read(fd)):
                    missing[i] -= 1
                    if not missing[i]: took.append(now()-began[i])
        return dict(deliveries=len(took)*n, wall=now()-start, cpu=time.process_time()-cpu, took=took)


def _until(s:socket.socket, end:bytes)->bytes:
    "Read until `end` was there"
    data = b''
    while end not in data:
        if not (more := s.recv(4096)): break
        data += more
    return data


if __name__ == '__main__':
    port,n,name = sys.argv[1:]
    load = Load(int(port), int(n), peers[name])
    print('ready', flush=True)
    for line in sys.stdin:
        in_flight,seconds = line.split()
        print(json.dumps(load.publish(int(in_flight), float(seconds))), flush=True)
