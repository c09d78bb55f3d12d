// Socket.IO on Node, on its websocket transport, with bufferutil
'use strict';
const http = require('node:http');
const {Server} = require('socket.io');
const {fd, settings, said, answer} = require('./kit.cjs');

const server = http.createServer();
const io = new Server(server, {transports: ['websocket'], serveClient: false, perMessageDeflate: settings.deflate,
    pingInterval: (settings.ping || 3600) * 1000, pingTimeout: (settings.ping || 20) * 1000});

io.on('connection', socket => {
    socket.on('say', () => io.emit('msg', said()));
    socket.on('ask', data => socket.emit('msg', data));
});
server.listen({fd}, answer);
