"picows, which has no compression"
from picows import WSListener, WSMsgType, ws_create_server

from bench.peers.kit import listening, loop, said, settings

conns = {} # in the order in which they came; the order of a set costs cache misses

class Socket(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT: self.on_text(transport, frame)

class Room(Socket):
    def on_ws_connected(self, transport): conns[transport] = True
    def on_ws_disconnected(self, transport): conns.pop(transport, None)
    def on_text(self, transport, frame):
        text = said().encode()
        for o in list(conns): o.send(WSMsgType.TEXT, text)

class Echo(Socket):
    def on_text(self, transport, frame): transport.send(WSMsgType.TEXT, frame.get_payload_as_bytes())

async def main():
    ping = dict(enable_auto_ping=True, auto_ping_idle_timeout=settings['ping'], auto_ping_reply_timeout=settings['ping']) if settings['ping'] else {}
    server = await ws_create_server(lambda request: Echo() if request.path == b'/echo' else Room(), sock=listening(), backlog=4096, **ping)
    await server.serve_forever()

loop(main)
