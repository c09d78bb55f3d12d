"A login by `Beforeware`; the socket knows the user by the session."
from fasthtml.common import *

def before(req, sess):
    req.scope['auth'] = sess.get('auth')
    if not req.scope['auth']: return RedirectResponse('/login', status_code=303)

app, rt = fast_app(exts='ws', before=Beforeware(before, skip=[r'/favicon\.ico', r'/login']))

@rt('/login')
def get(): return Titled('Login', Form(Input(id='name'), Button('Log in', id='go'), action='/login', method='post'))

@rt('/login')
def post(name:str, sess):
    sess['auth'] = name
    return RedirectResponse('/', status_code=303)

@rt
def index(auth):
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled(f'For {auth}', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
async def ws(msg:str, sess): return Div(f'{sess["auth"]}: {msg}', id='out', hx_swap_oob='true')

serve()
