// The package ws on node: a set for each room, and a send for each member.
import { WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false }, () => {
  const { address, port } = server.address();
  console.log(`listening npm-ws ${address}:${port}`);
});
const rooms = new Map();

server.on("connection", (socket, request) => {
  if (!rooms.has(request.url)) rooms.set(request.url, new Set());
  const room = rooms.get(request.url);
  room.add(socket);
  socket.on("message", (data) => {
    for (const member of room) member.send(data, { binary: false });
  });
  socket.on("close", () => room.delete(socket));
  // A peer that goes away is no news.
  socket.on("error", () => {});
  socket.send('{"t":"hello"}');
});
