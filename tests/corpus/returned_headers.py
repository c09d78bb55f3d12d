"Response headers for htmx beside an element, as a route returns them."
from fasthtml.common import *

app, rt = fast_app(exts='ws')

@rt
def index():
    form = Form(Input(id='msg'), id='form', ws_send=True)
    return Titled('Headers', Div(Div(id='out'), form, hx_ext='ws', ws_connect='/ws'))

@app.ws('/ws')
def ws(msg:str): return HtmxResponseHeaders(trigger='done'), Div(f'{msg} with headers', id='out', hx_swap_oob='true')

serve()
