"""The script in the browser, on both versions of htmx, against a server that does what the test says (`wire.py`).

A tab is hidden by decree here, and goes into no bfcache: a headless Chromium shows all its tabs, and Playwright switches that cache off. What the page hears then is
dispatched as the browser does."""
import json, re, time

import pytest

from .kit import expect, until
from .wire import Wire, form, frame, owner, script

# Delays are the shortest that chance allows, a page heals at once, and every event of the script is remembered.
calm_js = '''Math.random = () => 0;
window.told = [];
for (const name of ['ws:status', 'ws:missed', 'ws:overflow', 'htmx:wsOpen', 'htmx:wsClose', 'htmx:wsConnecting', 'htmx:wsBeforeMessage', 'htmx:wsBeforeSend', 'htmx-ws-after-connection',
                    'htmx-ws-close', 'htmx-ws-before-connection', 'htmx-ws-before-message-incoming', 'htmx-ws-after-message-outgoing'])
    addEventListener(name, e => told.push([name, e.detail.status ?? e.detail.missed ?? e.detail.code ?? e.detail.event?.code ?? e.detail.limit ?? null]), true);'''


only_htmx2,only_htmx4 = (pytest.mark.parametrize('htmx', [o], ids=[f'htmx{o}']) for o in (2,4)) # what the other one does not have

def calm(web, url, clock=False):
    "A tab at `url` in which chance does not play, and, if told, time passes only when the test says so"
    web.allow = [r'WebSocket connection to', *web.allow] # Chromium's own words about a line that was refused or reset
    tab = web.tab('about:blank')
    tab.ctx.add_init_script(calm_js)
    if clock: tab.page.clock.install()
    return tab.goto(url)


def told(tab, name): return [v for n,v in tab.page.evaluate('told') if n==name]


def wait(tab, js, arg=None):
    "Playwright's own way of waiting is a call of `eval`, which the page's policy forbids"
    return until(lambda: tab.page.evaluate(js, arg), js)


def typed(msg):
    "Number and text of a message of the form"
    n,_,data = msg.partition(' ')
    return int(n), json.loads(data)['msg']


def status(tab, want, sel='#owner'): expect(tab(sel)).to_have_attribute('ws-status', want)


def only(wire, line):
    "Is `line` the one open connection?"
    until(lambda: [o for o in wire.lines if o.open]==[line], 'one connection')


def fire(tab, target, name, **kw): tab.page.evaluate(f'([name, init]) => {target}.dispatchEvent(Object.assign(new Event(name), init))', [name, kw])


def hide(tab, hidden):
    tab.page.evaluate('''hidden => {
        Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
        Object.defineProperty(document, 'visibilityState', {configurable: true, get: () => hidden ? 'hidden' : 'visible'});
        document.dispatchEvent(new Event('visibilitychange'));
    }''', hidden)


# Where the page is

def test_every_attempt_names_client_position_and_token(web):
    wire = Wire(web)
    tab = calm(web, wire.url)
    first = wire.line(1)
    client,*rest = first.at
    assert re.fullmatch(r'[\w-]{22}', client) and rest==['', 'first']
    first.send(frame('<p>a</p>', 17))
    first.send(frame('<p>b</p>', '18-1'))
    expect(tab('#log')).to_have_text('ab')
    first.close(1012)
    second = wire.line(2)
    assert second.at==[client, '18-1', 'first']
    second.send(frame('<p>c</p>', 18))
    second.send(frame('<p>late</p>', 16)) # of another topic, held while the rest was replayed
    second.say(cursor='second', at='25')
    second.send('<div hx-swap-oob="beforeend:#log"><p>mine</p></div>') # to this client alone, with no position
    expect(tab('#log')).to_have_text('abclatemine')
    second.close(1001)
    third = wire.line(3)
    assert third.at==[client, '25', 'second']
    third.send(frame('<p>d</p>', 24))
    expect(tab('#log')).to_have_text('abclatemined')
    third.close(1001)
    assert wire.line(4).at==[client, '25', 'second']
    wire.lines[-1].say(cursor='third', at='3') # a new epoch, in which positions are smaller
    wire.lines[-1].close(1011)
    assert wire.line(5).at==[client, '3', 'third']


def test_query_is_kept_in_front(web):
    wire = Wire(web, owner(url='/ws?room=a%20b&amp;x=1'))
    calm(web, wire.url)
    assert re.fullmatch(r'room=a%20b&x=1&ws-at=[\w-]{22}~~first', wire.line(1).scope['query_string'].decode())


def test_a_position_in_the_attribute(web):
    wire = Wire(web, owner(cursor='tok~12-3'))
    calm(web, wire.url)
    assert wire.line(1).at[1:]==['12-3', 'tok']


def test_owners_of_one_path_are_apart(web):
    a,b = (owner(f'<div id="log-{o}"></div><form ws-send id="form-{o}"><input name="msg" id="msg-{o}"></form>', id=o, cursor=f'tok-{o}') for o in 'ab')
    wire = Wire(web, a+b)
    tab = calm(web, wire.url)
    wire.line(2)
    one,two = sorted(wire.lines, key=lambda o: o.at[2])
    assert one.at[0]!=two.at[0] and [one.at[2], two.at[2]]==['tok-a', 'tok-b']
    one.send(frame('x', 5, 'log-a')); two.send(frame('y', 7, 'log-b'))
    expect(tab('#log-b')).to_have_text('y'); expect(tab('#log-a')).to_have_text('x')
    tab.say('from b', '#msg-b')
    assert typed(two.wait(1)[0])==(1, 'from b') and not one.got
    one.cut()
    assert wire.line(3).at==[one.at[0], '5', 'tok-a']
    only_open = [o for o in wire.lines if o.open]
    assert len(only_open)==2 and two in only_open


# Messages upward

def test_messages_come_in_order_once_greeted(web):
    wire = Wire(web, auto=False)
    tab = calm(web, wire.url)
    line = wire.line(1)
    for o in ('one', 'two'): tab.say(o)
    status(tab, 'connecting')
    assert not line.got
    line.hello()
    assert [typed(o) for o in line.wait(2)]==[(1, 'one'), (2, 'two')]
    tab.say('three')
    assert typed(line.wait(3)[2])==(3, 'three')


def test_what_was_not_handled_is_sent_again(web):
    wire = Wire(web, auto=False)
    tab = calm(web, wire.url)
    line = wire.line(1)
    line.hello()
    for o in ('one', 'two', 'three'): tab.say(o)
    line.wait(3)
    line.say(ack=1)
    line.send(frame('acked', 1))
    expect(tab('#log')).to_have_text('acked')
    line.cut()
    status(tab, 'offline')
    tab.say('four')
    second = wire.line(2)
    tab.say('five')
    assert not second.got
    second.hello(acked=2)
    assert [typed(o) for o in second.wait(3)]==[(3, 'three'), (4, 'four'), (5, 'five')]
    second.say(ack=5)
    second.send(frame('again', 2))
    expect(tab('#log')).to_have_text('ackedagain')
    second.close(1013)
    third = wire.line(3)
    third.hello(acked=0)
    tab.say('six')
    assert [typed(o) for o in third.wait(1)]==[(6, 'six')]


def test_what_waits_is_bounded(web):
    wire = Wire(web)
    tab = calm(web, wire.url)
    def burst(n): tab.page.evaluate("""n => { for (let i = 0; i < n; i++) {
        document.querySelector('#msg').value = i;
        document.querySelector('#form').requestSubmit();
    } }""", n)
    line = wire.line(1)
    status(tab, 'open')
    burst(5)
    line.wait(5)
    line.say(ack=3)
    line.send(frame('acked', 1))
    expect(tab('#log')).to_have_text('acked')
    wire.down = True
    line.cut()
    status(tab, 'offline')
    burst(100) # two are there already
    wait(tab, "told.filter(t => t[0] == 'ws:overflow').length == 2")
    assert told(tab, 'ws:overflow')==[100, 100]
    wire.down = False
    fire(tab, 'window', 'online')
    second = wire.line(2)
    assert [typed(o)[0] for o in second.wait(100)]==list(range(4, 104))
    burst(120) # on a line that works more may be on the way
    assert typed(second.wait(220)[-1])==(223, '119') and len(told(tab, 'ws:overflow'))==2


# Lines that end

def test_status_and_indicator(web):
    wire = Wire(web, auto=False)
    tab = calm(web, wire.url)
    line = wire.line(1)
    status(tab, 'connecting')
    line.hello()
    status(tab, 'open')
    wire.down = True
    line.cut()
    status(tab, 'offline')
    wait(tab, "document.querySelector('#owner').getAttribute('ws-next') > Date.now()")
    after = "getComputedStyle(document.querySelector('#owner'), '::after')"
    assert tab.page.evaluate(after+'.visibility')=='hidden' # for the first second
    wait(tab, after+".visibility == 'visible'")
    assert 'Reconnecting' in tab.page.evaluate(after+'.content')
    tab.page.evaluate("document.body.style.setProperty('--ws-offline', 'none')")
    assert tab.page.evaluate(after+'.content')=='none'
    wire.down = False
    wire.line(2).hello()
    status(tab, 'open')
    expect(tab('#owner')).not_to_have_attribute('ws-next', re.compile('.'))
    seen = told(tab, 'ws:status')
    assert seen[:3]==['connecting', 'open', 'offline'] and seen[-1]=='open' and set(seen[3:-1])=={'offline'}


def test_which_codes_end_it(web):
    back,over = [1001, 1011, 1012, 1013, 1014, 3000],[1000, 1002, 1003, 1007, 1008, 1009, 1010, 4000, 4400, 4401, 4403]
    wire = Wire(web, ''.join(owner(f'{o}', url=f'/ws{o}', id=f'o{o}') for o in back+over))
    tab = calm(web, wire.url)
    for o in back+over: wire.line(1, f'/ws{o}')
    for o in back+over: status(tab, 'open', f'#o{o}')
    for o in back+over: wire.line(1, f'/ws{o}').close(o)
    for o in back: wire.line(2, f'/ws{o}')
    for o in over: status(tab, 'closed', f'#o{o}')
    for o in back: status(tab, 'open', f'#o{o}')
    fire(tab, 'window', 'online'); hide(tab, True); hide(tab, False) # what is over stays so
    for o in back: wire.line(3, f'/ws{o}')
    assert all(sum(l.path==f'/ws{o}' for l in wire.lines)==1 for o in over)


def test_an_ending_with_no_close_frame(web):
    wire = Wire(web)
    tab = calm(web, wire.url)
    for n in range(1, 4):
        line = wire.line(n)
        status(tab, 'open')
        line.cut()
    wire.line(4)
    only(wire, wire.lines[3])


def test_delays_grow_and_are_short_again(web):
    wire = Wire(web)
    tab = calm(web, wire.url, clock=True)
    wire.line(1)
    status(tab, 'open')
    tab.page.evaluate('Math.random = () => 0.5')
    tab.page.clock.pause_at(tab.page.evaluate('Date.now()/1000 + 1'))
    wire.down = True
    wire.lines[0].cut()
    for ms in (500, 1000, 2000, 4000, 8000, 16000, 30000, 30000):
        status(tab, 'offline')
        wait(tab, "ms => document.querySelector('#owner').getAttribute('ws-next') - Date.now() == ms", ms)
        if ms==30000: wire.down = False
        tab.page.clock.run_for(ms)
        if not wire.down: break
    wire.line(2)
    status(tab, 'open')
    tab.page.clock.run_for(3000)
    wire.lines[1].cut()
    wait(tab, "document.querySelector('#owner').getAttribute('ws-next') - Date.now() == 500")
    tab.page.clock.run_for(500)
    wire.line(3)


def test_a_silent_line_is_dead(web):
    wire = Wire(web, auto=False)
    tab = calm(web, wire.url)
    line = wire.line(1)
    line.hello(beat=1)
    status(tab, 'open')
    for _ in range(8): # heartbeats of a live one
        line.send('<!--ws-->')
        tab.page.wait_for_timeout(200)
    assert len(wire.lines)==1
    began = time.monotonic()
    wire.line(2).hello()
    assert time.monotonic()-began<3
    status(tab, 'open')
    assert told(tab, 'ws:status')==['connecting', 'open', 'offline', 'offline', 'open']
    only(wire, wire.lines[1])


def test_an_open_line_nobody_greets_on_is_dead(web):
    wire = Wire(web, auto=False)
    tab = calm(web, wire.url, clock=True)
    wire.line(1)
    tab.page.clock.fast_forward(18_001)
    status(tab, 'offline')
    tab.page.clock.fast_forward(1000)
    wire.line(2).hello()
    status(tab, 'open')


def test_the_server_says_when_to_come_back(web):
    wire = Wire(web)
    tab = calm(web, wire.url, clock=True)
    wire.line(1).close(1013, 'retry-after-ms=20000')
    status(tab, 'offline')
    fire(tab, 'window', 'online')
    tab.page.clock.fast_forward(19_000)
    fire(tab, 'window', 'online')
    left = tab.page.evaluate("document.querySelector('#owner').getAttribute('ws-next') - Date.now()")
    assert 0<left<=1000 and len(wire.lines)==1
    tab.page.clock.fast_forward(1_001)
    wire.line(2).close(1012, 'retry-after-ms=0')
    wire.line(3)


@pytest.mark.parametrize('how', ['online', 'visible', 'pageshow'])
def test_back_at_once(web, how):
    wire = Wire(web)
    tab = calm(web, wire.url, clock=True)
    wire.line(1)
    status(tab, 'open')
    if web.htmx==4 and how=='visible': hide(tab, False)
    tab.page.clock.pause_at(tab.page.evaluate('Date.now()/1000 + 1')) # no delay of the script's ever ends
    wire.lines[0].cut()
    status(tab, 'offline')
    if how=='visible': hide(tab, False)
    else: fire(tab, 'window', how, persisted=True)
    wire.line(2)
    status(tab, 'open')


def test_a_change_of_network_leaves_no_dead_line(web):
    wire = Wire(web)
    tab = calm(web, wire.url)
    wire.line(1).send(frame('x', 3))
    expect(tab('#log')).to_have_text('x')
    tab.ctx.set_offline(True)
    tab.ctx.set_offline(False)
    assert wire.line(2).at[1]=='3'
    status(tab, 'open')
    only(wire, wire.lines[1])


def test_hidden_tab(web):
    wire = Wire(web)
    tab = calm(web, wire.url)
    line = wire.line(1)
    line.send(frame('x', 3))
    expect(tab('#log')).to_have_text('x')
    hide(tab, True)
    if web.htmx==2: # it keeps its line
        line.send(frame('y', 4))
        expect(tab('#log')).to_have_text('xy')
        hide(tab, False)
        return only(wire, line)
    until(lambda: not line.open, 'the end of the line')
    status(tab, 'offline')
    tab.say('meanwhile')
    assert len(wire.lines)==1
    hide(tab, False)
    second = wire.line(2)
    assert second.at==[line.at[0], '3', 'first']
    assert typed(second.wait(1)[0])==(1, 'meanwhile')
    status(tab, 'open')


def test_page_in_the_bfcache(web):
    wire = Wire(web)
    tab = calm(web, wire.url)
    line = wire.line(1)
    line.send(frame('x', 3))
    expect(tab('#log')).to_have_text('x')
    fire(tab, 'window', 'pagehide', persisted=True)
    until(lambda: not line.open, 'the end of the line')
    fire(tab, 'window', 'pageshow', persisted=True)
    second = wire.line(2)
    assert second.at[1]=='3'
    second.send(frame('y', 4))
    expect(tab('#log')).to_have_text('xy')
    tab.say('hi')
    assert typed(second.wait(1)[0])==(1, 'hi')


def test_refusal_leads_to_the_login(web):
    wire = Wire(web)
    wire.pages['/login'] = '<title>Login</title><h1>Who are you?</h1>'
    tab = calm(web, wire.url)
    wire.line(1).close(4401 if web.htmx==2 else 4403, '/login?next=/')
    expect(tab('h1')).to_have_text('Who are you?')
    assert tab.page.url==wire.url+'/login?next=/' and len(wire.lines)==1


def test_refusal_leads_nowhere_else(web):
    reasons = ['//evil.example/', '/\\evil.example/', '/\t/evil.example', 'javascript:alert(1)', 'data:text/html,x', 'login', '']
    wire = Wire(web, ''.join(owner('x', url=f'/ws{i}', id=f'o{i}') for i in range(len(reasons))))
    tab = calm(web, wire.url)
    for i,o in enumerate(reasons): wire.line(1, f'/ws{i}').close(4401, o)
    for i in range(len(reasons)): status(tab, 'closed', f'#o{i}')
    fire(tab, 'window', 'online')
    assert tab.page.url==wire.url+'/' and len(wire.lines)==len(reasons)


def test_idle_line_comes_back_with_the_next_message(web):
    wire = Wire(web)
    tab = calm(web, wire.url)
    line = wire.line(1)
    line.close(4408)
    status(tab, 'closed')
    fire(tab, 'window', 'online')
    tab.say('hello?')
    second = wire.line(2)
    assert second.at[0]==line.at[0] and typed(second.wait(1)[0])==(1, 'hello?')
    status(tab, 'open')


# What htmx gets

def test_comments_never_reach_htmx(web):
    wire = Wire(web)
    tab = calm(web, wire.url)
    line = wire.line(1)
    line.send('<!--ws-->')
    line.say(ack=0, cursor='c', at='9')
    line.say(unknown=1)
    line.send('<!--ws 10-->')
    line.send(frame('x<!-- a comment -->', 11))
    expect(tab('#log')).to_have_text('x')
    name = 'htmx:wsBeforeMessage' if web.htmx==2 else 'htmx-ws-before-message-incoming'
    assert len(told(tab, name))==1
    expect(tab('#form')).to_have_count(1)
    assert 'ws 11' not in tab('#owner').inner_html()


def test_append_of_what_is_there_already(web):
    wire = Wire(web, owner('<div id="log"><p id="m1">1</p><p id="m2">2</p><p id="m3">3</p></div><div id="other"></div>'))
    tab = calm(web, wire.url)
    line = wire.line(1)
    line.send(frame('<p id="m2">2 again</p><p id="m4">4</p>', 1))
    expect(tab('#m4')).to_have_text('4')
    assert tab.nodes('#log')==['<p id="m1">1</p>', '<p id="m2">2 again</p>', '<p id="m3">3</p>', '<p id="m4">4</p>']
    tab.mark('#m1', '#m3')
    line.send(frame('<p id="m1">1</p>', 2)) # the same: it stays, and what was typed into it
    line.send(frame('<p id="m3">3</p>', 3, 'other')) # elsewhere: it moves
    expect(tab('#other')).to_have_text('3')
    assert tab.nodes('#log')==['<p id="m1">1</p>', '<p id="m2">2 again</p>', '<p id="m4">4</p>'] and tab.same('#m1')
    line.send(frame('<p id="m4">4!</p>', 4, swap='afterbegin'))
    line.send(frame('<p id="m1">1!</p>', 5, 'm4', swap='beforebegin'))
    line.send(frame('<p id="m5">5</p>', 6, 'm4', swap='afterend'))
    expect(tab('#m5')).to_have_text('5')
    assert tab.nodes('#log')==['<p id="m1">1!</p>', '<p id="m2">2 again</p>', '<p id="m4">4!</p>', '<p id="m5">5</p>']
    line.send(frame('<p id="m6">six</p>', 7)); line.send(frame('<p id="m6">6</p>', 8)); line.send(frame('<p id="m7">7</p>', 9))
    expect(tab('#m7')).to_have_text('7')
    assert tab.nodes('#log')[-2:]==['<p id="m6">6</p>', '<p id="m7">7</p>']
    expect(tab('template, [ws-spot]')).to_have_count(0)


def test_append_to_the_owner_and_to_tables(web):
    wire = Wire(web, owner('<p id="a">a</p><table><tbody id="rows"><tr id="r1"><td>1</td></tr><tr id="r2"><td>2</td></tr></tbody></table>'))
    tab = calm(web, wire.url)
    line = wire.line(1)
    line.send('''<div hx-swap-oob='beforeend:[ws-connect="/ws"],[hx-ws-connect="/ws"]'><p id="a">a again</p></div><!--ws 1-->''')
    line.send('<tbody hx-swap-oob="beforeend:#rows"><tr id="r1"><td>one</td></tr><tr id="r3"><td>3</td></tr></tbody><!--ws 2-->')
    expect(tab('#r3')).to_have_text('3')
    assert tab.nodes('#rows')==['<tr id="r1"><td>one</td></tr>', '<tr id="r2"><td>2</td></tr>', '<tr id="r3"><td>3</td></tr>']
    expect(tab('#owner > p')).to_have_text(['a again'])


def test_what_replaces_an_append_works(web):
    "It is htmx that swaps, so a form in it sends"
    item = '<div id="m1"><form id="form" ws-send><input id="msg" name="msg"><b>{}</b></form></div>'
    wire = Wire(web, owner('<div id="log">'+item.format('old')+'</div>'))
    tab = calm(web, wire.url)
    line = wire.line(1)
    line.send(frame(item.format('new'), 1))
    expect(tab('#m1 b')).to_have_text('new')
    tab.say('from the new one')
    assert [typed(o) for o in line.wait(1)]==[(1, 'from the new one')]


# Healing

def content(n):
    "What the owner holds in the `n`th rendering of the page"
    return f'''<h2>rendering {n}</h2><div id="log">{''.join(f"<p id=m{n}-{i}>{n}-{i}</p>" for i in range(60))}</div>
        <form id="form" ws-send><input id="msg" name="msg" hx-swap-oob="true" value="from {n}"><input name="untouched" value="server {n}"><textarea name="note"></textarea>
        <input type="checkbox" name="tick" value="1"><select name="pick"><option>a<option>b</select><button>Send</button></form>'''


def healing(web, clock=False, attrs='', body=None):
    "A page that was told it missed something, and the line that told it"
    wire = Wire(web, body or (lambda n: '<i>outside</i>'+owner(content(n), cursor=f'cursor-{n}', attrs=attrs)), beat=0 if clock else 18)
    tab = calm(web, wire.url, clock)
    status(tab, 'open')
    return wire, tab, wire.line(1)


def test_a_page_heals(web):
    wire,tab,line = healing(web)
    tab('[name=note]').fill('a long note')
    tab('[name=tick]').check()
    tab('[name=pick]').select_option('b')
    tab('#msg').fill('half a sentence')
    tab.page.evaluate("document.querySelector('#msg').setSelectionRange(5, 8)")
    tab.page.evaluate("document.querySelector('i').wasHere = true")
    line.send(frame('live', 7))
    line.say(missed='page')
    second = wire.line(2)
    assert second.at==[line.at[0], '', 'cursor-2']
    expect(tab('h2')).to_have_text('rendering 2')
    expect(tab('#m1-1')).to_have_count(0)
    expect(tab('#m2-1')).to_have_count(1)
    status(tab, 'open')
    assert tab.page.evaluate('''() => { const m = document.activeElement; return [m.id, m.value, m.selectionStart, m.selectionEnd] }''')==['msg', 'half a sentence', 5, 8]
    got = {o: tab(f'[name={o}]').input_value() for o in ('untouched', 'note', 'pick')}
    assert got==dict(untouched='server 2', note='a long note', pick='b') and tab('[name=tick]').is_checked()
    assert tab.same('i')
    tab('#msg').press('Enter')
    assert typed(second.wait(1)[0])==(1, 'half a sentence')
    second.send(frame('<p>on it goes</p>', 9))
    expect(tab('#log')).to_contain_text('on it goes')
    assert told(tab, 'ws:missed')==['page'] and wire.gets==2
    only(wire, second)


def test_scrolling_is_kept(web):
    wire,tab,line = healing(web, body=lambda n: owner('<div id="log">'+'<p>x</p>'*50+'</div><div id="top">'+'<p>y</p>'*50+'</div>', cursor=f'c{n}'))
    tab.page.evaluate('''() => { const sheet = new CSSStyleSheet(); sheet.replaceSync('#log, #top { height: 100px; overflow: auto }'); document.adoptedStyleSheets.push(sheet);
        document.querySelector('#log').scrollTop = 1e6; document.querySelector('#top').scrollTop = 40 }''')
    line.say(missed='page')
    wire.line(2)
    status(tab, 'open')
    assert tab.page.evaluate('''() => { const log = document.querySelector('#log'); return [log.scrollHeight - log.clientHeight - log.scrollTop < 2, document.querySelector('#top').scrollTop] }''')==[True, 40]


def test_a_page_heals_once_in_30_s(web):
    wire,tab,line = healing(web, clock=True)
    line.say(missed='page')
    second = wire.line(2)
    status(tab, 'open')
    second.say(missed='page')
    wait(tab, "told.filter(t => t[0] == 'ws:missed').length == 2")
    tab.page.clock.fast_forward(29_000)
    second.send(frame('<p id="still">still here</p>', 9))
    expect(tab('#still')).to_have_text('still here')
    assert wire.gets==2 and len(wire.lines)==2
    tab.page.clock.fast_forward(2_000)
    second.say(missed='page')
    tab.page.clock.fast_forward(10)
    assert wire.line(3).at[2]=='cursor-3'


@pytest.mark.parametrize('why', ['off', 'prevented', 'event'])
def test_a_page_may_not_heal(web, why):
    wire,tab,line = healing(web, attrs='ws-heal="off"' if why=='off' else '')
    if why=='prevented': tab.page.evaluate("addEventListener('ws:missed', e => e.preventDefault())")
    line.say(missed='event' if why=='event' else 'page')
    line.send(frame('<p id="still">still here</p>', 9))
    expect(tab('#still')).to_have_text('still here')
    assert told(tab, 'ws:missed')==['event' if why=='event' else 'page']
    tab.page.wait_for_timeout(50)
    assert wire.gets==1 and len(wire.lines)==1


def test_a_page_that_cannot_be_fetched_heals_later(web):
    web.allow.append('the server responded with a status of 500')
    wire,tab,line = healing(web, clock=True, body=lambda n: 500 if n==2 else owner(f'<h2>{n}</h2>'+form(), cursor=f'c{n}'))
    line.say(missed='page')
    wait(tab, "told.filter(t => t[0] == 'ws:missed').length == 2")
    line.send(frame('meanwhile', 4))
    expect(tab('#log')).to_have_text('meanwhile')
    assert wire.lines==[line]
    tab.page.clock.fast_forward(30_001)
    assert wire.line(2).at[1:]==['', 'c3']
    expect(tab('h2')).to_have_text('3')
    only(wire, wire.lines[1])


def test_a_page_whose_address_has_become_another_goes_on(web):
    wire,tab,line = healing(web, clock=True, body=lambda n: owner(form(), cursor='c1') if n==1 else '<h1>Login</h1>')
    line.say(missed='page')
    wait(tab, "told.filter(t => t[0] == 'ws:missed').length == 2")
    tab.page.clock.fast_forward(60_000)
    line.send(frame('live', 4))
    expect(tab('#log')).to_have_text('live')
    assert wire.gets==2 and wire.lines==[line]


def test_owners_without_an_id_heal_by_their_place(web):
    def body(n): return ''.join(owner(f'<b class="x{i}">{n}</b>', id='', cursor=f'c{n}{i}') for i in (1, 2))
    wire,tab = (w := Wire(web, body)),calm(web, w.url)
    wire.line(2)
    next(o for o in wire.lines if o.at[2]=='c12').say(missed='page')
    assert wire.line(3).at[2]=='c22'
    expect(tab('.x2')).to_have_text('2')
    expect(tab('.x1')).to_have_text('1')


# The rest of the page

@only_htmx4
def test_status_outlives_a_morph_of_the_owner(web):
    wire = Wire(web)
    tab = calm(web, wire.url)
    line = wire.line(1)
    status(tab, 'open')
    new = '<div id="owner" ws-connect="/ws" data-hx-ws-connect="/ws" {} hx-swap-oob="outerMorph"><p id="log">{}</p></div><!--ws {}-->'
    line.send(new.format('hx-ext="ws"', 'morphed', 1))
    expect(tab('#log')).to_have_text('morphed')
    line.send('<!--ws-->')
    status(tab, 'open')
    only(wire, line)
    line.send(new.format('', 'connected anew', 2)) # as htmx 4 does when an attribute of its own has changed
    second = wire.line(2)
    assert second.at==[line.at[0], '2', 'first']
    expect(tab('#log')).to_have_text('connected anew')
    status(tab, 'open')
    only(wire, second)


def test_session_tokens_are_brought_home(web):
    wire = Wire(web)
    calm(web, wire.url)
    for o in ('tok.1', 'tok/2'): wire.line(1).say(session=o)
    until(lambda: len(wire.posts)==2, 'two posts')
    assert wire.posts==[('POST', 'token=tok.1'), ('POST', 'token=tok%2F2')]


def test_owner_that_comes_later_and_goes(web):
    wire = Wire(web, '<button hx-get="/part" hx-target="#here">more</button><button id="off" hx-get="/none" hx-target="#here">less</button><div id="here"></div>')
    wire.pages |= {'/part': owner(cursor='late'), '/none': '<p>gone</p>'}
    tab = calm(web, wire.url)
    assert not wire.lines
    tab('button >> nth=0').click()
    line = wire.line(1)
    assert line.at[2]=='late'
    line.send(frame('x', 1))
    expect(tab('#log')).to_have_text('x')
    tab('#off').click()
    expect(tab('#here')).to_have_text('gone')
    until(lambda: not line.open, 'the end of the line')
    fire(tab, 'window', 'online')
    tab('button >> nth=0').click()
    second = wire.line(2)
    assert second.at[0]!=line.at[0]
    only(wire, second)


def test_owner_that_leaves_without_htmx(web):
    wire = Wire(web)
    tab = calm(web, wire.url)
    line = wire.line(1)
    status(tab, 'open')
    tab.page.evaluate("document.querySelector('#owner').remove()")
    line.send('<!--ws-->')
    until(lambda: not line.open, 'the end of the line')
    assert len(wire.lines)==1


def test_owner_that_is_processed_again(web):
    "htmx 2 makes a new socket then, and forgets the old one"
    wire = Wire(web)
    tab = calm(web, wire.url)
    line = wire.line(1)
    line.send(frame('x', 3))
    expect(tab('#log')).to_have_text('x')
    tab.say('one')
    line.wait(1)
    tab.page.evaluate('htmx.process(document.body)')
    last = wire.line(2) if web.htmx==2 else line
    only(wire, last)
    last.send(frame('y', 4))
    expect(tab('#log')).to_have_text('xy')
    tab.say('two')
    assert typed(last.wait(2)[1])==(2, 'two')
    assert last.at[0]==line.at[0] and typed(last.got[0])==(1, 'one')


def test_extension_on_the_whole_page(web):
    "Where the ws extension of htmx 2 opens two sockets itself"
    wire = Wire(web, f'<body hx-ext="ws"><form></form>{owner().replace("hx-ext=", "data-x=")}<form></form></body>')
    tab = calm(web, wire.url)
    line = wire.line(1)
    status(tab, 'open')
    line.send(frame('x', 3))
    expect(tab('#log')).to_have_text('x')
    tab.say('one')
    line.wait(1)
    tab.page.wait_for_timeout(100)
    assert wire.lines==[line] and tab('#log').inner_text()=='x'


def test_script_that_is_loaded_twice(web):
    wire = Wire(web, head=f'<script src="{script}"></script>', late=f'<script src="{script}"></script>')
    tab = calm(web, wire.url)
    line = wire.line(1)
    tab.say('one')
    assert typed(line.wait(1)[0])==(1, 'one')
    line.close(1012)
    wire.line(2)
    only(wire, wire.lines[1])


@only_htmx2
def test_page_without_htmx(web):
    wire = Wire(web)
    wire.pages['/bare'] = f'<link rel="icon" href="data:,"><script src="{script}"></script>{owner()}'
    calm(web, wire.url+'/bare')('#form').wait_for()
    assert not wire.lines


def test_server_that_does_not_speak_the_wire(web):
    wire = Wire(web, owner(cursor=''), auto=False)
    tab = calm(web, wire.url, clock=True)
    line = wire.line(1)
    tab.say('one')
    if web.htmx==2: line.send('<div id="log" hx-swap-oob="true">x</div>') # it is told so by the first frame, or by silence
    else: tab.page.clock.fast_forward(3_001)
    assert json.loads(line.wait(1)[0])['msg']=='one'
    status(tab, 'open')
    line.send('<div id="log" hx-swap-oob="true">y</div>')
    expect(tab('#log')).to_have_text('y')
    tab.page.clock.fast_forward(60_000)
    tab.say('two')
    assert json.loads(line.wait(2)[1])['msg']=='two' and len(wire.lines)==1


def test_server_of_another_host_is_left_alone(web):
    other = Wire(web, auto=False)
    wire = Wire(web, owner(url=other.url.replace('http', 'ws')+'/ws'))
    wire.headers = {'content-security-policy': ''}
    tab = calm(web, wire.url)
    line = other.line(1)
    assert line.at is None
    tab.say('one')
    assert json.loads(line.wait(1)[0])['msg']=='one'
    expect(tab('#owner')).not_to_have_attribute('ws-status', re.compile('.'))


@only_htmx2
def test_history_snapshot_is_as_current_as_it_was(web):
    wire = Wire(web, owner(form()+'<a hx-get="/part" hx-target="body" hx-push-url="true" id="go">go</a>'))
    wire.pages['/part'] = '<p id="there">there</p>'
    tab = calm(web, wire.url)
    line = wire.line(1)
    line.send(frame('x', 3))
    line.say(cursor='newer', at='8')
    line.send(frame('y', 9))
    expect(tab('#log')).to_have_text('xy')
    tab('#go').click()
    expect(tab('#there')).to_have_text('there')
    until(lambda: not line.open, 'the end of the line')
    tab.page.go_back()
    second = wire.line(2)
    assert second.at[1:]==['9', 'newer'] and second.at[0]!=line.at[0]
    expect(tab('#log')).to_have_text('xy')
    second.send(frame('z', 10))
    expect(tab('#log')).to_have_text('xyz')


@only_htmx2
def test_events_of_htmx_2(web):
    wire = Wire(web)
    tab = calm(web, wire.url)
    line = wire.line(1)
    status(tab, 'open')
    tab.page.evaluate('''() => addEventListener('htmx:wsOpen', e => e.detail.socketWrapper.send('{"msg":"hello again"}'))''')
    line.close(1012)
    second = wire.line(2)
    assert typed(second.wait(1)[0])==(1, 'hello again')
    assert told(tab, 'htmx:wsOpen')==[None, None] and told(tab, 'htmx:wsClose')==[1012] and len(told(tab, 'htmx:wsConnecting'))==2
    tab.page.evaluate('''() => addEventListener('htmx:wsBeforeSend', e => { if (e.detail.message.includes('secret')) e.preventDefault() })''')
    tab.say('secret'); tab.say('plain')
    assert typed(second.wait(2)[1])==(2, 'plain')
    tab.page.evaluate("document.querySelector('#owner')['htmx-internal-data'].webSocket.publicInterface.reconnect()")
    third = wire.line(3)
    assert [typed(o) for o in third.wait(3)]==[(1, 'hello again'), (2, 'plain'), (3, 'hello again')]
    only(wire, third)
    third.close(1008)
    status(tab, 'closed')
    assert told(tab, 'htmx:wsClose')[-1]==1008


@only_htmx4
def test_events_of_htmx_4(web):
    wire = Wire(web)
    tab = calm(web, 'about:blank')
    tab.ctx.add_init_script('''let n = 0; addEventListener('htmx-ws-before-connection', e => { if (e.target != window) e.detail.connection.url = e.detail.connection.url.replace(/\\?try=.*|$/, '?try=' + ++n) }, true)''')
    tab.goto(wire.url)
    line = wire.line(1)
    assert line.query['try']==['1'] and line.at[2]=='first'
    tab.say('one')
    assert typed(line.wait(1)[0])==(1, 'one')
    line.close(1012)
    second = wire.line(2)
    assert second.query['try']==['2'] and second.at[0]==line.at[0]
    status(tab, 'open')
    assert told(tab, 'htmx-ws-close')==[1012] and len(told(tab, 'htmx-ws-after-connection'))==2 and len(told(tab, 'htmx-ws-after-message-outgoing'))==1
    tab.page.evaluate("document.addEventListener('htmx-ws-before-connection', e => e.preventDefault())")
    second.close(1012)
    status(tab, 'closed')
    assert len(wire.lines)==2
