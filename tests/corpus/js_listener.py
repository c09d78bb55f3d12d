"An htmx page that listens: HTML is swapped by htmx, JSON with audio in it goes to a listener."
import base64, json
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Voice', Script('''
        const take = e => {
            const s = e.detail.message?.data ?? e.detail.message;
            if (!s.startsWith('{')) return;
            e.preventDefault();
            document.getElementById('audio').append(atob(JSON.parse(s).data) + ' ');
        };
        addEventListener('htmx:wsBeforeMessage', take);
        addEventListener('htmx-ws-before-message-incoming', take);'''),
        Div(Div(Div(id='audio'), Div(id='said'), id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
async def ws(msg:str, send):
    for word in msg.split():
        await send(json.dumps(dict(type='audio', data=base64.b64encode(word.encode()).decode())))
        await send(Div(f'said {word}', id='said', hx_swap_oob='true'))

serve()
