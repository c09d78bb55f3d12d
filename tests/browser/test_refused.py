"""A socket that is refused: the page goes where the refusal says only if its own address leads there too."""
import pytest
from fasthtml.common import Beforeware, Div, Form, HtmxResponseHeaders, Input, Redirect, Titled

from .kit import expect
from .test_client import calm, status, wait
from .wire import Wire

refused_js = "() => { window.refusals = []; addEventListener('ws:refused', e => { refusals.push([e.target.id || e.target.nodeName, e.detail.code, e.detail.location, e.detail.follows]); window.veto && e.preventDefault() }) }"


class Site(Wire):
    "Sockets that are refused with `code` and `reason`; `pages` may also be functions, which get the number of the request and send the whole answer"
    def __init__(self, web, reason='/login', code=4401, **kw):
        self.reason, self.code, self.seen = reason, code, []
        super().__init__(web, auto=False, **kw)
        self.pages['/login'] = '<title>Login</title><h1>Who are you?</h1>'

    async def http(self, scope, receive, send):
        path = scope['path']
        self.seen.append((scope['method'], path))
        f = self.pages.get(path)
        if not callable(f): return await super().http(scope, receive, send)
        status,headers,body = f(self.seen.count((scope['method'], path)))
        if status is None: return await receive() and await receive() # no answer until the client has left
        await send({'type': 'http.response.start', 'status': status, 'headers': [(k.encode(), v.encode()) for k,v in ({'content-type': 'text/html'}|headers).items()]})
        await send({'type': 'http.response.body', 'body': body.encode()})

    def answer(self, *then):
        "The page the first time, and each of `then`, the last of them for ever, after that"
        self.pages['/'] = lambda n: (200, {}, self.page(self.body)) if n==1 else then[min(n-2, len(then)-1)]


def redirect(where, status=303): return status, {'location': where}, ''


def visit(web, site):
    "The page, whose socket is then refused"
    tab = calm(web, 'about:blank')
    tab.ctx.add_init_script(f'({refused_js})()')
    tab.goto(site.url+'/')
    site.line(1).close(site.code, site.reason)
    return tab


def stays(tab, site, code, target='/login'):
    "The page is still there, says so, and the refusal was an event"
    wait(tab, 'refusals.length == 1')
    assert tab.page.evaluate('refusals')==[['owner', code, target, False]]
    status(tab, 'closed')
    assert tab.page.url==site.url+'/' and len(site.lines)==1


def goes(tab, site, path='/login'):
    expect(tab('h1')).to_have_text('Who are you?')
    assert tab.page.url==site.url+path and len(site.lines)==1


@pytest.mark.parametrize('code', [4401, 4403])
def test_a_public_page_stays(web, code):
    site = Site(web, code=code)
    tab = visit(web, site)
    stays(tab, site, code)
    assert ('GET', '/login') not in site.seen


@pytest.mark.parametrize('code', [4401, 4403])
@pytest.mark.parametrize('reason', ['/login', '/login?next=/ws'])
def test_a_page_that_leads_away_itself(web, code, reason):
    site = Site(web, reason, code)
    site.answer(redirect('/login?next=/'))
    goes(visit(web, site), site, reason)


def test_a_page_that_leads_elsewhere_stays(web):
    site = Site(web)
    site.pages['/home'] = '<h1>Home</h1>'
    site.answer(redirect('/home'))
    stays(visit(web, site), site, 4401)


def test_a_login_that_leads_on(web):
    "To a slash, or to where logins really are: both end there"
    site = Site(web, '/in')
    site.pages['/in'] = lambda n: redirect('/login')
    site.answer(redirect('/in?next=/'))
    goes(visit(web, site), site)


def test_a_login_of_another_origin(web):
    "Where a page may not read what it is redirected to, it sees that it is"
    other = Site(web)
    for reason in ('/in', other.url+'/login'):
        site = Site(web, reason)
        site.pages['/in'] = lambda n: redirect(other.url+'/login')
        site.answer(redirect(other.url+'/login'))
        web.allow += ['blocked by CORS policy', 'Content Security Policy', 'ERR_FAILED']
        site.headers = {'content-security-policy': ''}
        tab = visit(web, site)
        expect(tab('h1')).to_have_text('Who are you?')
        assert tab.page.url==other.url+'/login'


@pytest.mark.parametrize('where,moves', [('/login?x=1', True), ('/elsewhere', False)])
def test_hx_redirect(web, where, moves):
    site = Site(web)
    site.answer((200, {'hx-redirect': where}, ''))
    tab = visit(web, site)
    if moves: goes(tab, site)
    else: stays(tab, site, 4401)


@pytest.mark.parametrize('answer', [(401, {}, 'who?'), (405, {}, ''), (500, {}, ''), (204, {}, '')])
def test_an_answer_that_leads_nowhere(web, answer):
    web.allow = ['Failed to load resource']
    site = Site(web)
    site.answer(answer)
    stays(visit(web, site), site, 4401)


def test_a_page_that_cannot_be_fetched(web):
    web.allow = ['Failed to load resource']
    site = Site(web)
    tab = calm(web, 'about:blank')
    tab.ctx.add_init_script(f'({refused_js})()')
    tab.goto(site.url+'/')
    tab.page.route(site.url+'/', lambda route: route.abort())
    site.line(1).close(4401, '/login')
    stays(tab, site, 4401)


def test_a_page_that_never_answers(web):
    "The wait has an end; the status does not wait for it"
    site = Site(web)
    site.answer((None, {}, ''))
    tab = calm(web, 'about:blank')
    tab.ctx.add_init_script(f"({refused_js})(); AbortSignal.timeout = ms => {{ const c = new AbortController(); window.patience = ms; window.giveUp = () => c.abort(); return c.signal }}")
    tab.goto(site.url+'/')
    site.line(1).close(4401, '/login')
    status(tab, 'closed')
    wait(tab, 'window.patience')
    assert tab.page.evaluate('patience')==15_000 and tab.page.evaluate('refusals')==[]
    tab.page.evaluate('giveUp()')
    stays(tab, site, 4401)


def test_a_page_that_changed_its_address_meanwhile(web):
    "The answer is about a page that is no longer shown"
    site = Site(web)
    site.answer(redirect('/login'))
    tab = calm(web, 'about:blank')
    tab.ctx.add_init_script(f"({refused_js})(); const get = fetch; window.fetch = async (...args) => {{ const r = await get(...args); history.pushState({{}}, '', '/next'); return r }}")
    tab.goto(site.url+'/')
    site.line(1).close(4401, '/login')
    wait(tab, 'refusals.length == 1')
    assert tab.page.evaluate('refusals')==[['owner', 4401, '/login', False]] and tab.page.url==site.url+'/next'


def test_a_refusal_without_an_address(web):
    "As a page of another origin gets it: nothing is fetched"
    site = Site(web, reason='', code=4403)
    tab = visit(web, site)
    stays(tab, site, 4403, '')
    assert site.seen.count(('GET', '/'))==1


def test_an_app_that_prevents_it(web):
    site = Site(web)
    site.answer(redirect('/login'))
    tab = calm(web, 'about:blank')
    tab.ctx.add_init_script(f'window.veto = true; ({refused_js})()')
    tab.goto(site.url+'/')
    site.line(1).close(4401, '/login')
    wait(tab, 'refusals.length == 1')
    assert tab.page.evaluate('refusals')==[['owner', 4401, '/login', True]]
    tab.page.evaluate('() => new Promise(done => setTimeout(done, 300))') # proves that nothing happens
    assert tab.page.url==site.url+'/'


@pytest.mark.parametrize('code', [4401, 4403])
def test_the_app_sends_an_open_page_away(web, code):
    "A connection that was greeted is closed on purpose; the page's address is not asked"
    site = Site(web, '/login')
    tab = calm(web, site.url)
    site.line(1).hello()
    status(tab, 'open')
    site.line(1).close(code, '/login')
    goes(tab, site)
    assert site.seen.count(('GET', '/'))==1


def test_a_connection_greeted_before_and_refused_now(web):
    "Only the connection that ends counts: this refusal came before a greeting"
    site = Site(web)
    tab = calm(web, 'about:blank')
    tab.ctx.add_init_script(f'({refused_js})()')
    tab.goto(site.url+'/')
    site.line(1).hello()
    status(tab, 'open')
    site.line(1).close(1012)
    second = site.line(2)
    second.send('<div hx-swap-oob="beforeend:#log">You are not logged in</div>')
    second.close(4401, '/login')
    wait(tab, 'refusals.length == 1')
    assert tab.page.evaluate('refusals')==[['owner', 4401, '/login', False]] and tab.page.url==site.url+'/'
    expect(tab('#log')).to_have_text('You are not logged in')


# A whole app

def members(web, guarded, answer):
    "An app whose socket is for people who are logged in, and its page too if `guarded`"
    def check(req, sess):
        if not sess.get('name'): return answer
    app = web.app(before=Beforeware(check, skip=['/in', '/login', '/out', '/bye', *([] if guarded else ['/'])]))
    @app.get('/login')
    def login(): return 'Who are you?'
    @app.get('/in')
    def enter(sess): sess['name'] = 'Ann'; return 'in'
    @app.get('/out')
    def out(sess): app.hub.close(session=sess, reason='/bye'); sess.clear(); return 'out'
    @app.get('/')
    def home(): return Titled('Home', Div(Form(Input(id='msg'), id='form', ws_send=True), Div(id='log'), id='owner', hx_ext='ws', ws_connect='/ws'))
    @app.get('/bye')
    def bye(): return 'Bye'
    @app.ws('/ws')
    def answer_(msg:str): return Div(msg, id='log')
    return app


@pytest.mark.parametrize('answer', [Redirect('/login'), HtmxResponseHeaders(redirect='/login')], ids=['redirect', 'hx_redirect'])
def test_public_page_of_an_app(web, answer):
    url = web.serve(members(web, False, answer))
    tab = web.tab('about:blank')
    tab.ctx.add_init_script(f'({refused_js})()')
    tab.goto(url+'/')
    expect(tab.page.get_by_role('alert')).to_contain_text('You are not logged in, so this page is not kept up to date.')
    expect(tab.page.get_by_role('alert').locator('a')).to_have_attribute('href', '/login')
    status(tab, 'closed')
    wait(tab, 'refusals.length == 1')
    assert tab.page.evaluate('refusals')==[['owner', 4401, '/login', False]]
    assert tab.page.url==url+'/' and tab('#form').count()==1
    tab.goto(url+'/in').goto(url+'/')
    tab.say('hello')
    expect(tab('#log')).to_have_text('hello')


def test_guarded_page_of_an_app(web):
    web.allow = ['WebSocket connection to']
    app = members(web, True, Redirect('/login'))
    url = web.serve(app)
    tab = web.tab(url+'/in').goto(url+'/')
    status(tab, 'open')
    tab.ctx.clear_cookies()
    for p in list(web.servers[-1].server.server_state.connections):
        if getattr(p, 'handshake_complete', False): p.loop.call_soon_threadsafe(p.transport.abort)
    expect(tab('body')).to_contain_text('Who are you?')
    assert tab.page.url==url+'/login'


def test_an_app_logs_a_user_out(web):
    "On a public page as well: the app said where to go"
    app = members(web, False, Redirect('/login'))
    url = web.serve(app)
    tab = web.tab(url+'/in').goto(url+'/')
    status(tab, 'open')
    other = tab.ctx.new_page()
    other.goto(url+'/out')
    tab.page.wait_for_url(url+'/bye')
