// The package ws on node: an echo.
import { WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false }, () => {
  const { address, port } = server.address();
  console.log(`listening npm-ws ${address}:${port}`);
});

server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  // A peer that goes away is no news.
  socket.on("error", () => {});
});
