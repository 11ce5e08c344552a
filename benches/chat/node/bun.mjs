// bun, whose WebSockets are uWebSockets: a topic for each room. `bun` passes messages on as they come; `bun-chat` reads them
// and publishes an event with the fields that wireworks gives it.
const chat = process.argv[2] === "bun-chat";
const encoding = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const numbers = new Map();

// Like a ULID: the time, and a random part.
function id(now) {
  let text = "";
  for (let at = 0, rest = now; at < 10; at++, rest = Math.floor(rest / 32)) text = encoding[rest % 32] + text;
  for (let at = 0; at < 16; at++) text += encoding[(Math.random() * 32) | 0];
  return text;
}

function event(from, message) {
  const { room, text } = JSON.parse(message);
  const seq = (numbers.get(room) ?? 0) + 1;
  numbers.set(room, seq);
  const at = Date.now();
  return JSON.stringify({ t: "message", room, seq, id: id(at), at, from, text });
}

let members = 0;
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    const { pathname } = new URL(request.url);
    const data = { topic: pathname, name: `m${members++}` };
    return server.upgrade(request, { data }) ? undefined : new Response("", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    backpressureLimit: 16 * 1024 * 1024,
    open(socket) {
      socket.subscribe(socket.data.topic);
      socket.send('{"t":"hello"}');
    },
    message(socket, message) {
      const { topic, name } = socket.data;
      server.publish(topic, chat ? event(name, message) : message);
    },
  },
});

console.log(`listening bun ${server.hostname}:${server.port}`);
