//! A small blocking client: it proves that a server answers, and opens the silent connections.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::{Result, reset, silent};

/// The longest that a server may keep this client waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks once on a connection of its own, and refuses anything but a 200 with a body of `body` bytes.
pub(crate) fn probe(addr: SocketAddr, path: &str, body: usize) -> Result<()> {
    let mut stream = connect(addr)?;
    let got = ask(&mut stream, path)?;
    reset(vec![stream]);
    if got == body { Ok(()) } else { Err(format!("{path}: {got} bytes of body, {body} expected").into()) }
}

/// Opens `count` connections; each asks once, so that the server has had to do with it.
pub(crate) fn connect_many(addr: SocketAddr, path: &str, count: usize) -> Result<Vec<TcpStream>> {
    silent::connect_many(count, |_| {
        let mut stream = connect(addr)?;
        ask(&mut stream, path)?;
        Ok(stream)
    })
}

fn connect(addr: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One request and its whole response; returns the length of the body.
pub(crate) fn ask(stream: &mut TcpStream, path: &str) -> Result<usize> {
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
