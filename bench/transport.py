"""One Starlette app that echoes, under our class for uvicorn and under uvicorn's own.

Servers are processes of their own on the first core, the client is here, on the last. Both do the same in turns, and what counts is the ratio of
two rounds that follow each other, by the server's own CPU time; by the clock is beside it.
"""
import resource, select, socket, subprocess, sys, time
from contextlib import ExitStack
from statistics import median

from bench import Run
from bench.load import masked
from bench.pairs import cpu_time, memory, pin, root
from bench.peers import htmx2

what = 'one Starlette app that echoes, under our class for uvicorn and under uvicorn\'s own'
bar = 'echo with 64 connections at least 1.15 times, connects 1.2 times, and at most half of the memory of an idle connection'
echo_bar,connect_bar,memory_bar = 1.15,1.2,.5
more_is_better = True
runs = 3

classes = {'uvicorn':'websockets-sansio', 'ours':'fasthtml_ws.server:WebSocketProtocol'}
frame = masked(htmx2.encode())
handshake = (b'GET /ws HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nUser-Agent: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
             b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n')


class Server:
    "The app under one class"
    def __init__(self, ws:str):
        sock = socket.create_server(('127.0.0.1', 0), backlog=4096)
        self.port = sock.getsockname()[1]
        self.proc = subprocess.Popen([sys.executable, '-m', 'bench.transport', str(sock.fileno()), ws], pass_fds=[sock.fileno()], cwd=root)
        sock.close()
        self.socks = []

    def __enter__(self): self.grow(1); return self
    def __exit__(self, *exc): self.proc.kill(); self.proc.wait(10)

    def connect(self)->socket.socket:
        s = socket.create_connection(('127.0.0.1', self.port), 30)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(handshake)
        if not (head := s.recv(4096)).endswith(b'\r\n\r\n'): raise ConnectionError(f'not accepted: {head!r:.100}')
        return s

    def grow(self, n:int)->None: self.socks += [self.connect() for _ in range(n-len(self.socks))]

    def echo(self, n:int, seconds:float)->tuple[float,float]: # Echoes a second of the server's CPU, and by the clock
        "`n` connections, each sends again when it has its answer"
        self.grow(n)
        poll,socks,count = select.epoll(),{s.fileno():s for s in self.socks[:n]},0
        for fd,s in socks.items(): poll.register(fd, select.EPOLLIN); s.sendall(frame)
        cpu,start = cpu_time(self.proc.pid),time.perf_counter()
        while (now := time.perf_counter())-start < seconds:
            for fd,_ in poll.poll(30):
                socks[fd].recv(4096)
                count += 1
                socks[fd].sendall(frame)
        cpu = cpu_time(self.proc.pid)-cpu
        for s in socks.values(): s.recv(4096)
        return count/cpu,count/(now-start)

    def connects(self, n:int)->tuple[float,float]:
        "Connections that come and go, one after the other"
        cpu,start = cpu_time(self.proc.pid),time.perf_counter()
        for _ in range(n): self.connect().close()
        took = time.perf_counter()-start
        time.sleep(.1)
        return n/(cpu_time(self.proc.pid)-cpu),n/took


def measure(rounds:int=9, seconds:float=.6, idle:int=1000)->dict[str,list]:
    "What was measured -> for each round, ratios of ours to uvicorn's by server CPU and by the clock; and KiB of an idle connection"
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],)*2) # as many as the system allows
    with ExitStack() as stack:
        servers = {k: stack.enter_context(Server(v)) for k,v in classes.items()}
        jobs = {'echo, 1 connection': lambda o: o.echo(1, seconds), 'echo, 64 connections': lambda o: o.echo(64, seconds), 'connects': lambda o: o.connects(300)}
        res = {k: [] for k in jobs}
        for i in range(rounds+1):
            for k,job in jobs.items():
                got = {c: job(servers[c]) for c in list(servers)[::1 if i%2 else -1]}
                if i: res[k].append(tuple(a/b for a,b in zip(got['ours'], got['uvicorn']))) # the first round warms up
    with ExitStack() as stack:
        servers = {k: stack.enter_context(Server(v)) for k,v in classes.items()}
        for k,s in servers.items():
            s.grow(100)
            before = memory(s.proc.pid)
            s.grow(100+idle)
            time.sleep(.2)
            res[f'KiB, {k}'] = [(memory(s.proc.pid)-before)/idle/1024]
    return res


def main(out):
    res = measure()
    out(f'{"ours to the other":22}{"server CPU":>12}{"spread":>14}{"by the clock":>14}')
    for k,v in res.items():
        if k.startswith('KiB'): out(f'{k}: {v[0]:.1f} for an idle connection'); continue
        cpu,wall = zip(*v)
        out(f'{k:22}{median(cpu):12.2f}{f"{min(cpu):.2f}-{max(cpu):.2f}":>14}{median(wall):14.2f}')


def run(seed)->Run:
    res = measure()
    echo,connects = (median(a for a,_ in res[k]) for k in ('echo, 64 connections','connects'))
    kept = res['KiB, ours'][0]/res['KiB, uvicorn'][0]
    return Run(echo, echo>=echo_bar and connects>=connect_bar and kept<=memory_bar, f'echo {echo:.2f} times, connects {connects:.2f} times, memory {kept:.2f} of uvicorn\'s')


def serve(fd:str, ws:str)->None:
    pin(0)
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocketDisconnect
    async def echo(ws):
        await ws.accept()
        try:
            while True: await ws.send_text(await ws.receive_text())
        except WebSocketDisconnect: pass
    config = uvicorn.Config(Starlette(routes=[WebSocketRoute('/ws', echo)]), ws=ws, ws_per_message_deflate=False, loop='uvloop', http='httptools',
                            log_level='warning', access_log=False, timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(fd))])


if __name__ == '__main__': serve(*sys.argv[1:])
