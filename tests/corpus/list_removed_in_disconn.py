"A streaming chat: `disconn` removes its `send` from a list, and a broadcast removes those that fail."
from fasthtml.common import *

app, rt = fast_app(exts='ws')
users, said = [], []

@rt
def index():
    form = Form(Input(id='msg'), id='form', hx_post='/say', hx_swap='none')
    return Titled('Model', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/wscon'))

async def update(content):
    for i,send in enumerate(users):
        try: await send(content)
        except: users.pop(i)

async def on_connect(send): users.append(send)
async def on_disconnect(send): users.remove(send)

@app.ws('/wscon', conn=on_connect, disconn=on_disconnect)
async def ws(msg:str, send): pass

@rt('/say')
async def post(msg:str):
    said.append(msg)
    answer = ''
    for word in ('you', 'said', msg):
        answer += f' {word}'
        await update(Div(answer, Span(f' to {len(users)}'), id='out', hx_swap_oob='true'))

serve()
