"python-socketio, on its websocket transport"
import socketio

from bench.peers import text, uvicorn

sio = socketio.AsyncServer(async_mode='asgi', http_compression=False, websocket_compression=False, ping_interval=3600)

@sio.on('say')
async def say(sid): await sio.emit('msg', text)

uvicorn(socketio.ASGIApp(sio))
