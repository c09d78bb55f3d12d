"A room is an object; its methods are `conn`, `disconn` and handler."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

class Room:
    def __init__(self, name): self.name, self.members, self.said = name, {}, []

    def joined(self, ws, send): self.members[ws] = send
    def left(self, ws): self.members.pop(ws, None)

    async def said_something(self, msg:str, ws):
        self.said.append(msg)
        for o in self.members.values(): await o(self.page())

    def page(self): return Div(f'{self.name}: {" ".join(self.said)}', id='out', hx_swap_oob='true')

room = Room('lobby')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Room', Div(room.page(), form, hx_ext='ws', ws_connect='/ws'))

app.ws('/ws', conn=room.joined, disconn=room.left)(room.said_something)

serve()
