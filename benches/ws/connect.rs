//! Connections, each with its handshake made and checked.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::poll::Poll;
use crate::support::{Result, silent};

/// The longest that a server may keep this client waiting.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest that all connections may be silent while something is owed.
const SILENCE: Duration = Duration::from_secs(10);
/// Connections from one address, well below the number of ports that the system gives out.
const PER_ADDRESS: usize = 10_000;

/// The key of RFC 6455 section 1.3, and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Looks after connections; they keep their places.
pub(crate) fn watched(sockets: Vec<TcpStream>) -> Result<Poll> {
    let mut poll = Poll::new()?;
    for socket in sockets {
        poll.add(socket)?;
    }
    Ok(poll)
}

/// Those that may have become readable or writable: at least one.
pub(crate) fn ready(poll: &mut Poll) -> Result<Vec<usize>> {
    let ready = poll.wait(SILENCE)?;
    if ready.is_empty() {
        return Err(format!("silence for {SILENCE:?}").into());
    }
    Ok(ready)
}

/// What a connection begins with.
#[derive(Clone, Copy)]
pub(crate) enum Opening {
    /// Nothing: a server that speaks no WebSocket.
    Bare,
    /// The handshake.
    Handshake { path: &'static str, deflate: Deflate },
}

/// Whether compression is offered; then the server has to agree, else it has to abstain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deflate {
    Offered,
    Off,
}

/// Opens `count` connections, which block with a deadline.
pub(crate) fn connect_many(server: SocketAddr, opening: Opening, count: usize) -> Result<Vec<TcpStream>> {
    silent::connect_many(count, |nth| connect(server, opening, nth / PER_ADDRESS))
}

/// One connection from the loopback address of that number.
fn connect(server: SocketAddr, opening: Opening, address: usize) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let from = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + 1 + address as u32);
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&server.into(), PATIENCE)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    if let Opening::Handshake { path, deflate } = opening {
        handshake(&mut stream, path, deflate)?;
    }
    Ok(stream)
}

fn handshake(stream: &mut TcpStream, path: &str, deflate: Deflate) -> Result<()> {
    let offer = match deflate {
        Deflate::Offered => "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        Deflate::Off => "",
    };
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{offer}\r\n"
    )?;
    let mut received = Vec::new();
    let mut buffer = [0; 1024];
    while !received.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err("the connection ended in the handshake".into());
        }
        received.extend_from_slice(&buffer[..read]);
    }
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(&received)?;
    if response.code != Some(101) {
        return Err(format!("status {}", response.code.unwrap_or_default()).into());
    }
    let field = |name: &str| {
        let field = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        field.map_or("", |field| std::str::from_utf8(field.value).unwrap_or_default())
    };
    if field("sec-websocket-accept") != ACCEPT {
        return Err("a wrong Sec-WebSocket-Accept".into());
    }
    let agreed = field("sec-websocket-extensions").starts_with("permessage-deflate");
    if agreed != (deflate == Deflate::Offered) {
        return Err(format!("extensions: {:?}", field("sec-websocket-extensions")).into());
    }
    Ok(())
}

/// Sends one message and takes its echo: both as the bytes of a frame.
pub(crate) fn ask(stream: &mut TcpStream, request: &[u8], reply: &[u8]) -> Result<()> {
    stream.write_all(request)?;
    let mut received = vec![0; reply.len()];
    stream.read_exact(&mut received)?;
    if received == reply { Ok(()) } else { Err("a wrong echo".into()) }
}
