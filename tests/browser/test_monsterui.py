"MonsterUI's own package: its theme, and sockets of ours, whatever is imported first."
import re

import pytest

from .kit import expect, legacy

page = '''
app,rt = fast_app(exts='ws', secret_key='x', hdrs=Theme.blue.headers())
{hub}
async def on_conn(send): await send(P('hello', id='hello'))

@app.ws('/ws', conn=on_conn)
async def ws(msg:str, send): await send(Card(P(msg), id='card'))

@rt('/')
def get(): return Titled('Monster', Div(P(id='hello'), Div(id='card'), Form(Input(id='msg', name='msg'), ws_send=True), hx_ext='ws', ws_connect='/ws'))
'''
ours,monster = 'from fasthtml.common import *\n','from monsterui.all import *\n' # the first becomes our import line

def open_page(web, code):
    mod = web.module(code)
    tab = web.tab('about:blank')
    tab.ctx.route(re.compile('cdn.tailwindcss.com'), lambda r: r.fulfill(body='window.tailwind = {}', content_type='text/javascript'))
    return mod, tab.goto(web.serve(mod.app))

def works(tab):
    expect(tab('#hello')).to_have_text('hello')
    tab.say('Ann')
    expect(tab('#card p')).to_have_text('Ann')


@pytest.mark.parametrize('order', [ours+monster, monster+ours], ids=['ours first', 'monsterui first'])
def test_both_orders(web, order):
    "With `Hub(app)` after MonsterUI's `fast_app`; in the other order `fast_app` is ours"
    mod,tab = open_page(web, order+page.format(hub="if not hasattr(app, 'hub'): Hub(app)"))
    works(tab)
    themed = order.startswith(ours)
    assert ('bg-background' in (tab('body').get_attribute('class') or '')) == themed and mod.app.hub.connections
    tab.wait('() => document.querySelector("[ws-status=open]")')


def test_without_a_hub(web):
    "The app is stock's, and what stock cannot do it cannot do: on htmx 4 what is sent replaces the page"
    web.allow = [legacy]
    mod,tab = open_page(web, ours+monster+page.format(hub=''))
    expect(tab('#hello')).to_have_text('hello')
    assert not hasattr(mod.app, 'hub') and tab('form').count() == (1 if web.htmx==2 else 0)
