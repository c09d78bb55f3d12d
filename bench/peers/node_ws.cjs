// Node's ws, with bufferutil as its documentation recommends, and the heartbeat that it shows
'use strict';
const http = require('node:http');
const {WebSocketServer} = require('ws');
const {fd, settings, said, answer} = require('./kit.cjs');

const server = http.createServer();
const room = new WebSocketServer({noServer: true, perMessageDeflate: settings.deflate});
const echo = new WebSocketServer({noServer: true, perMessageDeflate: settings.deflate});

room.on('connection', ws => ws.on('message', () => {
    const text = said();
    room.clients.forEach(o => o.send(text));
}));
echo.on('connection', ws => ws.on('message', data => ws.send(data, {binary: false})));
server.on('upgrade', (request, socket, head) => {
    const to = request.url === '/echo' ? echo : room;
    to.handleUpgrade(request, socket, head, ws => {
        ws.isAlive = true;
        ws.on('pong', () => { ws.isAlive = true; });
        ws.on('error', () => {});
        to.emit('connection', ws, request);
    });
});
if (settings.ping) setInterval(() => room.clients.forEach(ws => {
    if (!ws.isAlive) return ws.terminate();
    ws.isAlive = false;
    ws.ping();
}), settings.ping * 1000);
server.listen({fd}, answer);
