// Node's socket.io with its defaults: joins rooms, shows a message to its room and acknowledges it; stores nothing.
// usage: node node_server.js FOLDER_WITH_NODE_MODULES PORT
'use strict';

const { createRequire } = require('node:module');
const [folder, port] = process.argv.slice(2);
const { Server } = createRequire(`${folder}/peers.js`)('socket.io');

const server = new Server(Number(port), { transports: ['websocket'], serveClient: false });
server.on('connection', (client) => {
  client.on('join', ({ room }, acknowledge) => {
    client.join(room);
    acknowledge({ ok: true });
  });
  client.on('message', (message, acknowledge) => {
    server.to(message.room).emit('message', message);
    acknowledge({ ok: true });
  });
});
