"A chat with a model: bubbles are appended, the last one grows and is replaced, the input is emptied."
from asyncio import sleep
from fasthtml.common import *

app, rt = fast_app(exts='ws')
messages = []

def bubble(i):
    role, content = messages[i]['role'], messages[i]['content']
    return Div(Div(role, cls='chat-header'), Div(content, cls='chat-bubble'), id=f'message-{i}')
def chat_input(): return Input(type='text', name='msg', id='msg', placeholder='Type a message', hx_swap_oob='true')

@rt
def index():
    form = Form(chat_input(), Button('Send'), id='form', ws_send=True, hx_ext='ws', ws_connect='/wscon')
    return Title('Model'), Body(H1('Chat'), Div(*map(bubble, range(len(messages))), id='out'), form)

def add(role, content):
    messages.append(dict(role=role, content=content))
    return Div(bubble(len(messages)-1), id='out', hx_swap_oob='beforeend')

@app.ws('/wscon')
async def ws(msg:str, send):
    await send(add('user', msg))
    await send(chat_input())
    await send(add('assistant', ''))
    for word in ('I', 'heard', msg):
        messages[-1]['content'] += f' {word}'
        await send(bubble(len(messages)-1)(hx_swap_oob='true'))
        await sleep(.01)

serve()
