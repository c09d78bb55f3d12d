"Both clients come back after a restart of the server, and after it has cut a line."
import re

from fasthtml.common import Div, Titled
from playwright.sync_api import expect

from tests.kit import behind
from .kit import until

ours = 'fasthtml_ws.server:WebSocketProtocol'
patience = 60_000 # a new process, and the clients' own backoff, ms

code = '''
import os
from fasthtml.common import *
app = FastHTML(exts='ws', secret_key='not-a-secret')

@app.get('/')
def home(): return Titled('Restart', Div('nobody', id='pid'), Div(hx_ext='ws', ws_connect='/ws'))

async def conn(send): await send(Div(str(os.getpid()), id='pid'))
app.ws('/ws', conn=conn)(lambda: None)
'''

# Remembers the sockets, and how each ended
ends_js = '''window.ends = [], window.sockets = [];
window.WebSocket = class extends WebSocket {
    constructor(...args) { super(...args); sockets.push(this); this.addEventListener('close', e => ends.push([e.code, e.reason])); }
}'''


def watched(web, url):
    "A tab at `url` that remembers how its sockets ended"
    web.allow = ['WebSocket connection to', 'htmx:wsError', 'htmx:ws:error', '^Event$'] # nobody is there for a while
    tab = web.tab('about:blank')
    tab.ctx.add_init_script(ends_js)
    return tab.goto(url)


def test_clients_come_back_after_sigterm(web):
    path,args = web.script(code),('--ws', ours)
    tab = watched(web, web.serve(path, args=args))
    pid = tab('#pid')
    expect(pid).to_have_text(re.compile(r'^\d+$'))
    old,server = pid.inner_text(),web.servers.pop()
    server.close(); server.join()
    until(lambda: tab.page.evaluate('ends.length'), 'the end of the socket')
    assert tab.page.evaluate('ends')[0]==[1012, 'retry-after-ms=0']
    web.serve(path, port=server.port, args=args)
    expect(pid).not_to_have_text(old, timeout=patience)


def test_clients_come_back_after_their_line_was_cut(web):
    "As it is for a peer that answers no ping; a browser always does, so the time is over by decree"
    app,conns = web.app(),[]
    app.get('/')(lambda: Titled('Cut', Div(hx_ext='ws', ws_connect='/ws')))
    app.ws('/ws', conn=lambda ws: conns.append(behind(ws)))(lambda: None)
    tab = watched(web, web.serve(app, ws=ours))
    until(lambda: conns, 'the connection')
    def cut():
        p = conns[0]._receive.__self__
        p.heard_at = p.ping_sent_at = p.loop.time()-2*p.ping_timeout
        p.keepalive_timeout(looked=True)
    conns[0]._loop.call_soon_threadsafe(cut)
    tab.page.wait_for_function('ends.length', timeout=patience)
    assert tab.page.evaluate('ends')[0][0]==1006
    tab.page.wait_for_function('sockets.length == 2 && sockets[1].readyState == 1', timeout=patience)
    until(lambda: len(conns)==2, 'the second connection')
