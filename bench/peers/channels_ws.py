"Django Channels with its in-memory layer, on uvicorn; without the session and the user that its tutorial looks up"
import django
from django.conf import settings as conf

conf.configure(SECRET_KEY='x', ALLOWED_HOSTS=['*'], INSTALLED_APPS=['channels'],
               CHANNEL_LAYERS={'default': {'BACKEND': 'channels.layers.InMemoryChannelLayer'}})
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer # noqa: E402, wants the settings
from channels.routing import ProtocolTypeRouter, URLRouter # noqa: E402
from django.urls import path # noqa: E402

from bench.peers.kit import said, uvicorn # noqa: E402

class Room(AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add('room', self.channel_name)
        await self.accept()
    async def disconnect(self, code): await self.channel_layer.group_discard('room', self.channel_name)
    async def receive(self, text_data): await self.channel_layer.group_send('room', {'type': 'chat.message', 'message': said()})
    async def chat_message(self, event): await self.send(text_data=event['message'])

class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data): await self.send(text_data=text_data)

uvicorn(ProtocolTypeRouter({'websocket': URLRouter([path('ws', Room.as_asgi()), path('echo', Echo.as_asgi())])}), lifespan='off')
