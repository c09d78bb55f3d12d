"""A TCP line between a client and a server that goes bad when it is told to; loopback only.

`Net` is an event loop in a thread of its own, `net.line(port)` a listening port whose connections are carried on to `port`. What a line does to the
connections that are open is called from any thread: `swallow`, `reset`, `half_close`, `cut`; what it does to those that come as well is set: `delay`, `rate`,
`refuse`, `hold`.
"""
import asyncio, contextlib, random, socket, struct, threading, time

__all__ = ['Line', 'Net', 'rough']


class Link:
    "One connection: the client's socket and the server's"
    def __init__(self, client:socket.socket):
        self.client,self.server,self.task = client,None,asyncio.current_task()
        self.dead,self.cut_after,self.shut,self.rst = False,None,set(),False

    def reset(self):
        "RST to both sides"
        self.rst = True
        self.task.cancel()

    def fin(self, sock:socket.socket|None):
        "FIN to one side; what the other one says is not carried there any more"
        self.shut.add(sock)
        if sock: sock.shutdown(socket.SHUT_WR)

    def close(self):
        for o in (self.client, self.server):
            if not o: continue
            with contextlib.suppress(OSError):
                if self.rst: o.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            o.close()


class Line:
    "A listening port of loopback, `port`, whose connections go to another port"
    def __init__(self, net:'Net', to:int,
        buffer:int=0, # Bytes of the kernel's buffer on the server's side; 0 for its own choice
        seed=0, # Where the choice of bytes comes from
    ):
        self.net,self.to,self.buffer,self.rng = net,to,buffer,random.Random(f'line {seed}')
        self.links:set[Link] = set()
        self.delay = 0. # Each piece of data is kept for up to that long, seconds
        self.rate = 0 # Bytes a second that go to the client; 0 for no limit
        self.refuse = False # Are new connections cut at once?
        self.hold = 0. # Seconds that a handshake of a websocket waits
        self.sockets = 0 # Handshakes of websockets that came
        self.sock = socket.socket()
        self.sock.bind(('127.0.0.1', 0))
        self.sock.listen(100)
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]

    # What is done to the connections that are open; for any thread

    def swallow(self):
        "From now on nothing gets through on them, either way, and nobody is told, ever"
        self.net.call(self._each, lambda o: setattr(o, 'dead', True))

    def reset(self):
        "RST to both sides"
        self.net.call(self._each, Link.reset)

    def half_close(self, client:bool):
        "FIN to the client, or to the server, while the other way stays open"
        self.net.call(self._each, lambda o: o.fin(o.client if client else o.server))

    def cut(self):
        "RST in the middle of what the server sends next"
        self.net.call(self._each, lambda o: setattr(o, 'cut_after', self.rng.randrange(1, 200)))

    def _each(self, f):
        for o in list(self.links):
            if not o.dead:
                with contextlib.suppress(OSError): f(o)

    # Carrying

    async def serve(self):
        while True:
            client,_ = await self.net.loop.sock_accept(self.sock)
            client.setblocking(False)
            self.net.spawn(self._carry(client))

    async def _carry(self, client:socket.socket):
        loop,link = self.net.loop,Link(client)
        link.rst = self.refuse
        if not self.refuse: self.links.add(link)
        try:
            if self.refuse: return
            first = await loop.sock_recv(client, 65536)
            if b'upgrade: websocket' in first.lower():
                self.sockets += 1
                if self.hold: await asyncio.sleep(self.hold)
            link.server = server = socket.socket()
            server.setblocking(False)
            if self.buffer: server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
            await loop.sock_connect(server, ('127.0.0.1', self.to))
            await loop.sock_sendall(server, first)
            both = [loop.create_task(self._pump(link, client, server, False)), loop.create_task(self._pump(link, server, client, True))]
            try: await asyncio.gather(*both)
            finally:
                for o in both: o.cancel()
                await asyncio.wait(both)
        except OSError: link.rst = True # reset by either
        except asyncio.CancelledError: pass
        finally:
            if link.dead and not self.net.ending:
                with contextlib.suppress(asyncio.CancelledError): await asyncio.Event().wait() # until the net ends
            link.close()
            self.links.discard(link)

    async def _pump(self, link:Link, src:socket.socket, dst:socket.socket, down:bool):
        loop = self.net.loop
        while data := await loop.sock_recv(src, 65536):
            if self.delay: await asyncio.sleep(self.rng.uniform(0, self.delay))
            if link.dead or dst in link.shut: continue
            if down and link.cut_after is not None:
                await loop.sock_sendall(dst, data[:link.cut_after])
                return link.reset()
            while down and self.rate and data and not link.dead:
                await loop.sock_sendall(dst, data[:(n := max(self.rate//10, 1))])
                data = data[n:]
                await asyncio.sleep(.1)
            if data and not link.dead: await loop.sock_sendall(dst, data)
        if not link.dead and dst not in link.shut: link.fin(dst)


class Net:
    "The event loop of lines"
    def __init__(self):
        self.loop,self.tasks,self.lines,self.ending = asyncio.new_event_loop(),set(),[],False
        self.thread = threading.Thread(target=self.loop.run_forever, name='net', daemon=True)
        self.thread.start()

    def line(self, to:int, **kw)->Line:
        "A new line to port `to`"
        self.lines.append(line := Line(self, to, **kw))
        self.call(self.spawn, line.serve())
        return line

    def spawn(self, coro):
        self.tasks.add(t := self.loop.create_task(coro))
        t.add_done_callback(self.tasks.discard)

    def call(self, f, *args): self.loop.call_soon_threadsafe(f, *args)

    def close(self):
        "End all of it; what was swallowed is reset"
        async def end():
            self.ending = True
            for t in (mine := list(self.tasks)): t.cancel()
            await asyncio.gather(*mine, return_exceptions=True)
            for line in self.lines: line.sock.close()
            self.loop.stop()
        self.call(lambda: self.loop.create_task(end()))
        self.thread.join(5)
        if not self.thread.is_alive(): self.loop.close()


def rough(
    line:Line,
    rng:random.Random, # Where the points in time and the choices come from
    seconds:float, # How long
):
    "Delays, half-closes, resets and cuts at random points: a generator of seconds to wait"
    end = time.monotonic()+seconds
    while time.monotonic()<end:
        yield rng.uniform(.3, 3)
        act = rng.choice(['delay', 'half to client', 'half to server', 'reset', 'cut', 'refuse'])
        line.delay,line.refuse = rng.uniform(.05, .5) if act=='delay' else 0., act=='refuse'
        if act.startswith('half'): line.half_close(act=='half to client')
        elif act=='cut': line.cut()
        elif act!='delay': line.reset()
    line.delay,line.refuse = 0.,False
