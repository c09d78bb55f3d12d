"HTML, as FT and as a string, to a page's own WebSocket that puts it into the page."
from fasthtml.common import *

app, rt = fast_app()

@rt
def index():
    return Titled('HTML', Ul(id='out'), Script('''
        const out = document.getElementById('out'), ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onopen = () => ws.send('{"msg": "a < b"}');
        ws.onmessage = e => out.insertAdjacentHTML('beforeend', e.data);'''))

@app.ws('/ws')
async def ws(msg:str, send):
    await send(Li(f'FT: {msg}'))
    await send('<li>string: <b>bold</b></li>')
    await send(Li(NotStr('<i>NotStr</i> in FT')))
    return Li('returned')

serve()
