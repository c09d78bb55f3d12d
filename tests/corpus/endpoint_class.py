"Starlette's `WebSocketEndpoint` by `add_websocket_route`, and a page with a WebSocket of its own."
from starlette.endpoints import WebSocketEndpoint
from fasthtml.common import *

app, rt = fast_app()

@rt
def index():
    return Titled('Echo', Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/echo`);
        ws.onmessage = e => {
            document.getElementById('out').textContent += e.data + ';';
            if (e.data == 'welcome') { ws.send('one'); ws.send('{"two": 2}'); }
        };'''))

class Echo(WebSocketEndpoint):
    encoding = 'text'
    count = 0

    async def on_connect(self, websocket):
        await websocket.accept()
        await websocket.send_text('welcome')

    async def on_receive(self, websocket, data):
        self.count += 1
        await websocket.send_text(f'{self.count} {data}')

    async def on_disconnect(self, websocket, close_code): pass

app.add_websocket_route('/echo', Echo)

serve()
