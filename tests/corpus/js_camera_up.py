"A page sends pictures as JSON with a bool, and gets JSON with the picture back."
import base64, json
from fasthtml.common import *

app, rt = fast_app()

@rt
def index():
    return Title('Gestures'), Main(Div(id='out'), Script('''
        const ws = new WebSocket(`ws://${location.host}/ws`);
        ws.onopen = () => ws.send(JSON.stringify({image: btoa('pixels'), draw_landmarks: true, quality: 0.5}));
        ws.onmessage = e => {
            const {image, labels, drawn, quality} = JSON.parse(e.data);
            document.getElementById('out').textContent = [atob(image), labels, drawn, quality].join('|');
        };'''))

@app.ws('/ws')
async def ws(image:str, draw_landmarks:bool, quality:float, send)->None:
    picture = base64.b64decode(image)
    loud = base64.b64encode(picture.upper()).decode()
    await send(json.dumps(dict(image=loud, labels=['<none>'], drawn=draw_landmarks, quality=quality)))

serve()
