"`websocket`, unannotated in `conn` and `disconn` and annotated in the handler, as FastAPI's programs call it."
from fasthtml.common import *
from starlette.websockets import WebSocket

app, rt = fast_app(exts='ws')

@rt('/chat/{chat_id}')
def page(chat_id:str):
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled(f'Chat {chat_id}', Div(Div(id='out'), form, hx_ext='ws', ws_connect=f'/ws/{chat_id}'))

async def on_connect(websocket): print('Client connected')
async def on_disconnect(websocket): print('Client disconnected')

@app.ws('/ws/{chat_id}', conn=on_connect, disconn=on_disconnect)
async def websocket_endpoint(msg:str, websocket:WebSocket, send):
    await send(Div(f'{msg} in {websocket.path_params["chat_id"]}', id='out', hx_swap_oob='true'))

serve()
