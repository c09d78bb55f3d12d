"`setup_toasts` in an app with a socket: toasts come with HTTP answers, the rest by the socket."
from fasthtml.common import *

app, rt = fast_app(exts='ws')
setup_toasts(app, duration=60_000)

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    save = Button('Save', id='save', hx_post='/save', hx_target='#saved')
    out = Div(Div(id='saved'), Div(id='said'), id='out')
    return Titled('Toasts', save, Div(out, form, hx_ext='ws', ws_connect='/ws'))

@rt('/save')
def post(session):
    add_toast(session, 'It is saved', 'success', dismiss=True)
    return P('saved')

@app.ws('/ws')
async def ws(msg:str, session): return Div(f'{msg} over the socket', id='said', hx_swap_oob='true')

serve()
