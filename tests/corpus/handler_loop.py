"A handler that never returns: a simulation that streams until another message stops it over HTTP."
from asyncio import sleep
from fasthtml.common import *

app, rt = fast_app(exts='ws')
run = dict(on=False, steps=0)

@rt
def index():
    start = Button('Run', id='run', ws_send=True, hx_vals='{"quick": true, "local_id": "abc"}')
    stop = Button('Stop', id='stop', hx_post='/stop', hx_target='#state')
    return Titled('Simulation', Div(Div(id='out'), start, hx_ext='ws', ws_connect='/run'), stop, Div(id='state'))

@app.ws('/run')
async def ws(send, quick:bool, local_id:str):
    run['on'] = True
    while run['on']:
        run['steps'] += 1
        await send(Div(f'{local_id} {quick} ', 'much' if run['steps'] > 5 else 'little', id='out', hx_swap_oob='true'))
        await sleep(.01)
    await send(Div(f'{local_id} ended', id='out', hx_swap_oob='true'))

@rt('/stop')
async def post():
    run['on'] = False
    return 'stopped'

serve()
