//! A small blocking client: it proves that a server answers, and holds the silent connections.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::Result;

/// The longest that a server may keep this client waiting.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest that a round over all silent connections may take.
const ROUND: Duration = Duration::from_secs(30);

/// Asks once on a connection of its own, and refuses anything but a 200 with a body of `body` bytes.
pub(crate) fn probe(addr: SocketAddr, path: &str, body: usize) -> Result<()> {
    let mut stream = connect(addr)?;
    let got = ask(&mut stream, path)?;
    reset(vec![stream]);
    if got == body { Ok(()) } else { Err(format!("{path}: {got} bytes of body, {body} expected").into()) }
}

/// Opens `count` connections; each asks once, so that the server has had to do with it.
pub(crate) fn connect_many(addr: SocketAddr, path: &str, count: usize) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(count);
    let deadline = Instant::now() + ROUND;
    for nth in 0..count {
        if Instant::now() > deadline {
            return Err(format!("only {nth} connections in {} s", ROUND.as_secs()).into());
        }
        let stream = connect(addr).and_then(|mut stream| ask(&mut stream, path).map(|_| stream));
        streams.push(stream.map_err(|error| format!("connection {nth}: {error}"))?);
    }
    Ok(streams)
}

/// Asks once more on every connection, and counts those that fail or have no answer when time is up.
pub(crate) fn count_lost(streams: &mut [TcpStream], path: &str) -> u64 {
    let deadline = Instant::now() + ROUND;
    let lost = |stream: &mut TcpStream| Instant::now() > deadline || ask(stream, path).is_err();
    streams.iter_mut().map(|stream| u64::from(lost(stream))).sum()
}

/// Closes by reset, which leaves no port in TIME_WAIT for the next server.
pub(crate) fn reset(streams: Vec<TcpStream>) {
    for stream in streams {
        // When this fails the port waits a minute, and nothing else happens.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

fn connect(addr: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One request and its whole response; returns the length of the body.
fn ask(stream: &mut TcpStream, path: &str) -> Result<usize> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut received = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into());
        }
        received.extend_from_slice(&buffer[..read]);
        if let Some((head, body)) = parse(&received)?
            && received.len() >= head + body
        {
            return Ok(body);
        }
    }
}

/// The lengths of head and body, once the head is whole.
fn parse(received: &[u8]) -> Result<Option<(usize, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = response.parse(received)? else {
        return Ok(None);
    };
    if response.code != Some(200) {
        return Err(format!("status {}", response.code.unwrap_or_default()).into());
    }
    let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.ok_or("no content-length")?;
    Ok(Some((head, std::str::from_utf8(length.value)?.parse()?)))
}
