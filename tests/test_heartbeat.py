"A silent line says that it is alive, at no cost to the others."
import time

import pytest

from tests.kit import *
from tests.script import *


def idle_app(web, **policy):
    app = web.app(**policy)
    app.ws('/ws', conn=lambda ws: ws.subscribe('t'))(lambda: None)
    return app

def arrivals(s, seconds):
    "When heartbeats come, for a while"
    res,end = [],time.monotonic()+seconds
    s.c.sock.settimeout(.01)
    try:
        while time.monotonic() < end:
            try: s.read()
            except TimeoutError: continue
            res.append(time.monotonic())
    finally: s.c.sock.settimeout(wait_s)
    return res


def test_hello_comes_first_and_says_when_to_give_up(web):
    app = web.app(heartbeat=2.5)
    app.ws('/ws', conn=lambda send: send('first'))(lambda: None)
    web.serve(app)
    s = Script(web).open()
    assert (s.hello['hello'], s.hello['beat'], s.hello['acked'])==(1, 5, 0) and 'recovered' in s.hello
    assert s.told[0] is s.hello and not s.html


def test_a_silent_line_gets_heartbeats_and_one_without_a_script_none(web):
    web.serve(idle_app(web, heartbeat=.2))
    s,plain = Script(web).open(),web.connect()
    at = arrivals(s, 2)
    assert 5<=s.beats<=12 and max(b-a for a,b in zip(at, at[1:]))<1
    assert not s.html and plain.silent(.3)


def test_a_line_that_is_not_silent_gets_none(web):
    app = idle_app(web, heartbeat=.4)
    srv = web.serve(app)
    s = Script(web).open()
    srv.run(_talk(app, 40))
    s.drain()
    assert len(s.html)==40 and s.beats<=1


async def _talk(app, n):
    import asyncio
    for i in range(n):
        app.hub.publish('t', f'<i id="n{i}"></i>')
        await asyncio.sleep(.04)


def test_heartbeats_end_with_the_connections_and_begin_again(web):
    app = idle_app(web, heartbeat=.1)
    web.serve(app)
    for _ in range(3):
        s = [Script(web).open() for _ in range(5)]
        for o in s:
            while not o.beats: o.read()
        for o in s: o.drop()
        until(lambda: not app.hub.connections)
        until(lambda: app.hub.heart._timer is None)
        assert len(app.hub.heart)==0


def test_a_client_that_takes_nothing_is_not_sent_heartbeats(web):
    app = idle_app(web, heartbeat=.1, stall_timeout=5.)
    srv = web.serve(app, buffer=4_096)
    s = Script(web).open(buffer=4_096)
    conn, = app.hub.connections
    srv.call(lambda: [app.hub.publish('t', f'<i id="n{i}">{"x"*20_000}</i>') for i in range(20)])
    until(lambda: not conn.writer.is_idle)
    n = srv.call(lambda: len(conn.writer.outbox))
    time.sleep(.5)
    assert srv.call(lambda: len(conn.writer.outbox))<=n
    s.drain()
    while len(s.html)<20: s.read()


def test_those_who_are_found_to_be_gone_hold_nobody_up(web):
    "Lines that are dead already, which the server has not been told"
    app = idle_app(web, heartbeat=60)
    srv = web.serve(app, ws='fasthtml_ws.server:WebSocketProtocol')
    s = [Script(web).open() for _ in range(6)]
    conns = list(app.hub.connections)
    def go():
        for o in (0, 2, 3): conns[o].writer.transport.abort()
        for _ in range(app.hub.heart.parts*2): app.hub.heart.look()
        return [o.is_open for o in conns]
    assert srv.call(go)==[False,True,False,False,True,True]
    for o in (1, 4, 5):
        while not s[o].beats: s[o].read()
    until(lambda: len(app.hub.connections)==3)


@pytest.mark.parametrize('ws', ['websockets','websockets-sansio','wsproto'])
def test_under_other_classes_of_the_server(web, ws):
    web.serve(idle_app(web, heartbeat=.2), ws=ws)
    s = Script(web).open()
    while s.beats<3: s.read()
    s.c.leave()
