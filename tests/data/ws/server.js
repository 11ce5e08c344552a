// An echo by npm's ws, that says where it listens.
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered) => (offered.has('v1.chat') ? 'v1.chat' : false),
});
server.on('listening', () => console.log(`listening ws 127.0.0.1:${server.address().port}`));
server.on('connection', (socket) => {
  socket.on('message', (data, binary) => {
    if (String(data) === 'close') socket.close(4000, 'as you wish');
    else socket.send(data, { binary });
  });
});
