"What the servers in Python have in common: the socket that listens, the event loop, the settings, and a line on which they are asked things."
import asyncio, json, os, socket, sys, time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.peers import text

fd,control_fd,given = sys.argv[1:4]
settings:dict[str,Any] = {'ping': None, 'deflate': False, 'texts': '', 'serve': False} | json.loads(given)
_texts = cycle(json.loads(Path(settings['texts']).read_text()) if settings['texts'] else [text])

def said()->str:
    "What is broadcast next"
    return next(_texts)

def listening()->socket.socket:
    "The socket that a server was given"
    return socket.socket(fileno=int(fd))


class Ticker:
    "A millisecond after the other: how late, and after how much CPU"
    def __init__(self, loop:asyncio.AbstractEventLoop): self.loop,self.on = loop,False

    def start(self)->None:
        self.on = True
        self.lap()
        self._again()

    def lap(self)->dict[str,float]:
        "Seconds that it was late at worst, and of CPU between two ticks, since the last time"
        res = {'late': getattr(self, 'late', 0.), 'cpu': getattr(self, 'cpu', 0.)}
        self.late = self.cpu = 0.
        return res

    def _again(self)->None:
        self.due,self.used = time.perf_counter()+.001,time.process_time()
        self.loop.call_later(.001, self._tick)

    def _tick(self)->None:
        self.late = max(self.late, time.perf_counter()-self.due)
        self.cpu = max(self.cpu, time.process_time()-self.used)
        if self.on: self._again()


does:dict[str,Callable[...,Any]] = {} # name -> what a server does when it is asked; it may be a coroutine function

def answer(loop:asyncio.AbstractEventLoop)->None:
    "Answer on the control socket, and end when it ends"
    line,ticker = socket.socket(fileno=int(control_fd)),Ticker(loop)
    line.setblocking(False)
    known = {'tick': ticker.start, 'lap': ticker.lap, 'tell': lambda: {}} | does
    async def reply(do:str, **kw:Any)->None:
        res = known[do](**kw)
        res = await res if asyncio.iscoroutine(res) else res
        if do == 'tell': res['tasks'] = len(asyncio.all_tasks(loop))-1 # this one
        line.send(json.dumps(res or {}).encode() + b'\n')
    def readable()->None:
        data = line.recv(4096)
        if not data: os._exit(0) # who asked is gone
        tasks.append(loop.create_task(reply(**json.loads(data))))
        del tasks[:-1]
    tasks:list[asyncio.Task[None]] = []
    loop.add_reader(line.fileno(), readable)


def uvicorn(app:Any, **config:Any)->None:
    "Serve an ASGI app with the settings that all of them have here"
    import uvicorn
    class Server(uvicorn.Server):
        async def startup(self, sockets:Any=None)->None:
            await super().startup(sockets=sockets)
            answer(asyncio.get_running_loop())
    ping = settings['ping']
    config = dict(ws='websockets-sansio', loop='uvloop', http='httptools', log_level='warning', access_log=False, timeout_graceful_shutdown=1) | config
    config |= dict(ws_per_message_deflate=settings['deflate'], ws_ping_interval=ping, ws_ping_timeout=ping)
    Server(uvicorn.Config(app, **config)).run(sockets=[listening()])

def loop(main:Callable[[],Any])->None:
    "Run a server that is no ASGI app, on the same event loop"
    import uvloop
    async def run()->None:
        answer(asyncio.get_running_loop())
        await main()
    asyncio.run(run(), loop_factory=uvloop.new_event_loop) if sys.version_info >= (3,12) else uvloop.run(run())
