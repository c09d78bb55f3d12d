"An endpoint class on a page that has the client script: what is typed arrives as it is, and what it sends is shown."
import importlib, json

from starlette.endpoints import WebSocketEndpoint

from .kit import expect


class Chat(WebSocketEndpoint):
    encoding = 'text'
    async def on_receive(self, ws, data):
        msg = json.loads(data)['msg'] # no number before it
        await ws.send_text(f'<div id="log" hx-swap-oob="beforeend"><p>{msg}</p></div><input id="msg" name="msg" hx-swap-oob="true">')


def test_endpoint_class(web):
    lib = importlib.import_module(web.lib)
    app = web.app()
    app.add_websocket_route('/ws', Chat)
    @app.route('/', methods=['get'])
    def page(): return lib.Titled('t', lib.Div(id='log'), lib.Form(lib.Input(id='msg', name='msg'), ws_send=True), hx_ext='ws', ws_connect='/ws')
    tab = web.tab(web.serve(app))
    for o in ('one', 'two'):
        tab.say(o)
        expect(tab('#log p').last).to_have_text(o)
    assert tab.nodes('#log') == ['<p>one</p>', '<p>two</p>'] and len(tab.sockets) == 1
