"""Text that is no HTML: byte for byte to JavaScript of the page, and never HTML to an htmx page, with the client script or without it.

What the script itself does with such text is in test_client.py; here are both halves together."""
import json

import pytest
from fasthtml.common import Div, Form, Input, Script, Titled

from fasthtml_ws.common import Policy
from .kit import expect, legacy, until

evil = '<img id="out" src=x onerror=window.pwned=1><script>window.pwned=1</script>'
texts = {
    'json': json.dumps({'a': 1}),
    'json with tags': json.dumps({'html': evil, 'list': [1, None]}),
    'array': json.dumps([1, evil]),
    'spaced json': ' {"a": [1, 2]}\n',
    'not quite json': '{"a": <b>',
    'base64': 'iVBORw0KGgoAAAANSUhEUgAA+/8=',
    'pong': 'pong',
    'terminal': '\x1b[1mtotal 4\x1b[0m\r\n-rw-r--r-- 1 a <b> 0',
    'number': '42',
    'unicode': 'Grüße, 世界 🎉',
    'html': '<p>Hello <b>you</b></p>',
    'row': ' <tr id="r1"><td>1</td></tr><!-- end -->',
    'htmx 4 envelope': json.dumps({'target': '#out', 'swap': 'innerHTML', 'payload': '<b>x</b>'}),
}
own = '''
    window.got = [];
    const ws = new WebSocket(location.href.replace('http', 'ws') + 'ws');
    ws.onmessage = e => got.push(e.data);
    ws.onopen = () => ws.send('{}');'''


@pytest.mark.parametrize('exts', [{}, dict(exts='ws')], ids=['own script alone', 'beside htmx'])
@pytest.mark.parametrize('kind', ['sent', 'returned', 'bytes', 'yielded'])
def test_every_text_reaches_the_page_s_own_websocket_as_it_is(web, exts, kind):
    "In `conn`, before anything is known of the client, and in the answer"
    app = web.app(**({'exts': None} | exts))
    app.get('/')(lambda: Titled('Own', Script(own)))
    async def conn(send):
        for o in texts.values(): await send(o)
    if kind=='sent': recv = conn
    elif kind=='bytes':
        async def recv(send):
            for o in texts.values(): await send(o.encode())
    elif kind=='yielded':
        async def recv():
            for o in texts.values(): yield o
    else:
        def recv(send): send(''); return texts['html']
    app.ws('/ws', conn=conn)(recv)
    tab = web.tab(web.serve(app))
    expected = [*texts.values(), *([texts['html']] if kind=='returned' else texts.values())]
    tab.wait('n => window.got?.length == n', len(expected))
    assert tab.page.evaluate('got')==expected


def typed(web, script, recv, policy=None):
    "A page on which `evil` was typed, and answered by `recv`"
    app = web.app(policy=policy)
    if not script: web.allow,app.hdrs = [legacy],[o for o in app.hdrs if not str(o.attrs.get('src')).startswith('/fasthtml_ws/')]
    app.get('/')(lambda: Titled('Typed', Div(Div('before', id='out'), Form(Input(id='msg'), id='form', ws_send=True), Div(id='mark'), id='owner', hx_ext='ws', ws_connect='/ws')))
    app.ws('/ws')(recv)
    tab = web.tab(web.serve(app))
    if script: expect(tab('#owner')).to_have_attribute('ws-status', 'open')
    else: until(lambda: app.hub.connections, 'the socket')
    tab.say(evil)
    expect(tab('#mark')).to_have_text('done')
    assert not tab.page.evaluate('window.pwned') and tab('img').count()==0
    return tab


async def as_json(msg:str, send):
    await send(json.dumps({'said': msg}))
    await send(json.dumps([msg]))
    await send(Div('done', id='mark'))

@pytest.mark.parametrize('script', [True, False], ids=['with script', 'without'])
def test_typed_markup_in_json_is_no_html(web, script):
    tab = typed(web, script, as_json)
    expect(tab('#out')).to_have_text('before')


async def as_text(msg:str, send):
    await send(f'Ann: {msg}')
    await send(Div('done', id='mark'))

@pytest.mark.parametrize('policy', [None, Policy(placement='htmx')], ids=['auto', 'htmx'])
@pytest.mark.parametrize('script', [True, False], ids=['with script', 'without'])
def test_typed_markup_in_text_is_seen_as_it_was_typed(web, script, policy):
    tab = typed(web, script, as_text, policy)
    expect(tab('#owner')).to_contain_text(f'Ann: {evil}')
    expect(tab('#out')).to_have_text('before')


# What was wrong with a message

@pytest.mark.parametrize('form_id', ['form', 'my form', 'f"1', None])
def test_error_stands_beside_its_form_and_goes_away(web, form_id):
    app = web.app()
    form = lambda: Form(Input(id='n', name='n'), id=form_id, ws_send=True)
    app.get('/')(lambda: Titled('Error', Div(Div(form(), id='box'), Div(id='out'), id='owner', hx_ext='ws', ws_connect='/ws')))
    async def recv(n:int): return Div(n, id='out')
    app.ws('/ws')(recv)
    tab = web.tab(web.serve(app))
    expect(tab('#owner')).to_have_attribute('ws-status', 'open')
    for _ in range(2):
        tab.say('x', '#n')
        expect(tab('.ws-error')).to_contain_text('expected a whole number, got "x"')
        if form_id: expect(tab('form + .ws-error')).to_have_count(1)
        else: expect(tab('#owner > .ws-error')).to_have_count(1)
        tab.say('y', '#n')
        expect(tab('.ws-error')).to_contain_text('got "y"')
        expect(tab('.ws-error')).to_have_count(1)
        tab.say('7', '#n')
        expect(tab('.ws-error')).to_have_count(0)
        expect(tab('#out')).to_have_text('7')
