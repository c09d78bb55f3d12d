"""The gate as a user meets it: a page of another origin gets nowhere with the user's session, and a login that is over is seen on the page.

The other origin is another port of the same host, which a browser sends the same cookies to."""
from fasthtml.common import Beforeware, Div, Redirect, Titled

from .kit import expect

later = 1500 # ms in which both clients would have come back: htmx 2 within 1 s, htmx 4 within 0.65 s


def guarded(web):
    "Pages for people who are logged in, and what the handlers of their socket did"
    ran, asked = [], []
    def check(req, sess):
        if req.url.path in ('/ws','/'): asked.append(req.url.path)
        if not sess.get('name'): return Redirect('/login')
        req.scope['auth'] = sess['name']
    app = web.app(before=Beforeware(check, skip=['/login', '/plain']))
    @app.get('/login')
    def login(sess, name:str=''):
        if name: sess['name'] = name
        return 'who are you?'
    @app.get('/out')
    def out(sess): app.hub.close(session=sess); sess.clear(); return 'bye'
    @app.get('/')
    def home(): return Titled('Secrets', Div(Div(id='secret'), id='owner', hx_ext='ws', ws_connect='/ws'))
    def conn(auth): ran.append(auth); return Div(f'secret of {auth}', id='secret')
    app.ws('/ws', conn=conn)(lambda: None)
    return app, ran, asked


def closed(tab):
    "Wait until the page's first socket is closed; Playwright hears of it only while it waits itself"
    for _ in range(100):
        if tab.sockets and tab.sockets[0].is_closed(): return
        tab.page.wait_for_timeout(50)
    raise AssertionError('the socket stayed open')


def test_page_of_another_origin_gets_nothing(web):
    app, ran, _ = guarded(web)
    url = web.serve(app)
    other = web.app()
    @other.get('/')
    def evil(): return Titled('Evil', Div(Div(id='secret'), id='owner', hx_ext='ws', ws_connect=url.replace('http', 'ws')+'/ws'))
    bad = web.serve(other)
    tab = web.tab(url+'/login?name=Ann').goto(url+'/')
    expect(tab('#secret')).to_have_text('secret of Ann')
    ran.clear()
    tab.goto(bad+'/')
    closed(tab)
    code = tab.page.evaluate('''url => new Promise(done => { const w = new WebSocket(url); const got = [];
        w.onmessage = e => got.push(e.data); w.onclose = e => done([e.code, got.join('')]) })''', url.replace('http', 'ws')+'/ws')
    assert code[0]==4403 and 'secret' not in code[1]
    assert not ran and 'secret' not in tab('body').inner_text()
    n = len(tab.sockets)
    tab.page.wait_for_timeout(later)
    assert len(tab.sockets)==n
    tab.console.clear()


def test_login_that_is_over_is_seen_and_not_asked_for_again(web):
    app, ran, asked = guarded(web)
    url = web.serve(app)
    tab = web.tab(url+'/login?name=Ann').goto(url+'/')
    expect(tab('#secret')).to_have_text('secret of Ann')
    tab.ctx.clear_cookies() # the login is over, and the network breaks
    asked.clear()
    for p in list(web.servers[-1].server.server_state.connections):
        if getattr(p, 'handshake_complete', False): p.loop.call_soon_threadsafe(p.transport.abort)
    expect(tab('body')).to_contain_text('who are you?') # the script follows the way to the login
    assert tab.page.url==url+'/login'
    tab.page.wait_for_timeout(later)
    assert asked==['/ws','/'] and ran==['Ann'] # the page's own address as well, which leads there
    tab.console.clear()


def test_logging_out_in_one_tab_closes_the_other(web):
    app, ran, asked = guarded(web)
    url = web.serve(app)
    tab = web.tab(url+'/login?name=Ann').goto(url+'/')
    expect(tab('#secret')).to_have_text('secret of Ann')
    second = tab.ctx.new_page()
    second.goto(url+'/out')
    closed(tab)
    tab.page.wait_for_timeout(later)
    assert len(tab.sockets)==1 and ran==['Ann']
    tab.console.clear()
