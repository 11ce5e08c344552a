// bun, whose WebSockets are uWebSockets: an echo, and a topic for all.
const TOPIC = "all";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    const { pathname } = new URL(request.url);
    return server.upgrade(request, { data: pathname }) ? undefined : new Response("", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    // What may wait for a slow peer: as much as with wireworks.
    backpressureLimit: 4 * 1024 * 1024,
    open(socket) {
      if (socket.data === "/broadcast") socket.subscribe(TOPIC);
    },
    message(socket, message) {
      if (socket.data === "/broadcast") server.publish(TOPIC, message);
      else socket.send(message);
    },
  },
});

console.log(`listening bun ${server.hostname}:${server.port}`);
