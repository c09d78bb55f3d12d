"python-socketio, on its websocket transport"
import socketio

from bench.peers.kit import said, settings, uvicorn

ping = settings['ping']
sio = socketio.AsyncServer(async_mode='asgi', http_compression=False, websocket_compression=settings['deflate'], ping_interval=ping or 3600, ping_timeout=ping or 20)

@sio.on('say')
async def say(sid): await sio.emit('msg', said())

@sio.on('ask')
async def ask(sid, data): await sio.emit('msg', data, to=sid)

uvicorn(socketio.ASGIApp(sio))
