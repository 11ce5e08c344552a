//! A small blocking client that reads whole answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::Result;

/// The longest that a server may keep this client waiting.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an answer has: its status, and its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Asks on a connection of its own.
pub(crate) fn get(addr: SocketAddr, path: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request(path, "close").as_bytes())?;
    let mut received = Vec::with_capacity(1 << 20);
    stream.read_to_end(&mut received)?;
    let (head, length) = parse(&received)?.ok_or("the answer has no end")?;
    let body = received.get(head.length..head.length + length).ok_or("the answer is cut short")?.to_vec();
    Ok(Answer { status: head.status, body })
}

/// The text of a playlist.
pub(crate) fn playlist(addr: SocketAddr, path: &str) -> Result<String> {
    let Answer { status, body } = get(addr, path)?;
    match status {
        200 => Ok(String::from_utf8(body)?),
        _ => Err(format!("{path}: status {status}").into()),
    }
}

/// The first URI of a playlist, as a path.
pub(crate) fn first_uri(path: &str, playlist: &str) -> Result<String> {
    let uri = playlist.lines().find(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(beside(path, uri.ok_or_else(|| format!("{path} names nothing"))?))
}

/// A reference in the playlist at `path`, as a path.
pub(crate) fn beside(path: &str, uri: &str) -> String {
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    let path = path.split('?').next().unwrap_or(path);
    let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
    format!("{folder}{uri}")
}

/// A request.
pub(crate) fn request(path: &str, connection: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n")
}

/// The head of an answer.
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) length: usize,
}

/// The head of an answer, once it is whole, and the bytes of the body.
pub(crate) fn parse(received: &[u8]) -> Result<Option<(Head, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = response.parse(received)? else { return Ok(None) };
    let status = response.code.unwrap_or_default();
    let body = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let body = body.ok_or("no content-length")?;
    Ok(Some((Head { status, length }, std::str::from_utf8(body.value)?.parse()?)))
}
