//! A resource of a web server, read by ranges (RFC 9110 section 14): what is asked for is fetched in blocks, the last of which are kept. From a server that gives no ranges it
//! comes as a stream.
//!
//! One connection is used for all requests, as long as the server keeps it. Every answer has to be of the resource that was there at first, by its `ETag` or its date, and of
//! the range that was asked for. Whoever reads waits: this is for threads that may.

use std::io::{self, Read};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, HeaderValue, IF_RANGE, RANGE, USER_AGENT};
use http::{Method, Uri};

use crate::net::client::Connector;
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::net::resilience::backoff::{Backoff, Policy};
use crate::proto::http::client::{ClientCodec, Finish, RequestWriter};
use crate::proto::http::limits::Limits;
use crate::server::hls::location::Location;
use crate::server::http::body::Body;
use crate::server::http::client::exchange::{Answer, ClientConn, Lent, Timeouts, exchange};

/// Bytes that are asked for at once.
const BLOCK: u64 = 1024 * 1024;

/// Blocks that are kept.
const KEPT: usize = 4;

/// How often a block is asked for before its server is given up: with the default backoff that is some ten seconds.
const ATTEMPTS: u32 = 6;

/// Redirections that are followed.
const REDIRECTIONS: usize = 5;

/// A resource.
pub(super) struct Remote {
    length: u64,
    state: Mutex<State>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("length", &self.length).finish_non_exhaustive()
    }
}

/// A resource, as its server gives it.
pub(super) enum Opened {
    /// By ranges.
    Ranges(Remote),
    /// From its beginning to its end.
    Stream(Download),
}

/// A resource that comes once, as its server sends it.
pub(super) struct Download {
    waiter: Waiter,
    body: Body,
    /// What has come and was not read.
    come: Bytes,
    // The client keeps what the connection needs.
    _client: Client,
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.come.is_empty() {
            match self.waiter.wait(self.body.data()) {
                None => return Ok(0),
                Some(data) => self.come = data.map_err(io::Error::other)?,
            }
        }
        let piece = self.come.split_to(self.come.len().min(buffer.len()));
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// Waits for a server, on the thread of whoever reads.
struct Waiter(Option<tokio::runtime::Runtime>);

impl Waiter {
    fn new() -> io::Result<Self> {
        Ok(Self(Some(tokio::runtime::Builder::new_current_thread().enable_all().build()?)))
    }

    fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(runtime) => runtime.block_on(what),
            None => unreachable!("it is taken by dropping alone"),
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        // Whoever drops it may be a task, and tasks may not wait for the end of a runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct State {
    waiter: Waiter,
    client: Client,
    /// Blocks by their number, the one that was used last at the end.
    blocks: Vec<(u64, Bytes)>,
}

impl Remote {
    /// Asks for the first bytes of a URL, and follows where it leads.
    pub(super) fn open(url: &str) -> io::Result<Opened> {
        let waiter = Waiter::new()?;
        let uri: Uri = url.parse().map_err(io::Error::other)?;
        let (mut client, given) = waiter.wait(Client::open(uri))?;
        Ok(match given {
            Given::Range { length, first } => {
                client.length = length;
                let state = State { waiter, client, blocks: vec![(0, first)] };
                Opened::Ranges(Self { length, state: Mutex::new(state) })
            }
            Given::Whole(answer) => {
                let Answer { length, body, .. } = *answer;
                let body = body.into_body(length);
                Opened::Stream(Download { waiter, body, come: Bytes::new(), _client: client })
            }
        })
    }

    /// Bytes of it.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `buffer` with the bytes from `at` on.
    pub(super) fn read(&self, buffer: &mut [u8], mut at: u64) -> io::Result<()> {
        if at.saturating_add(buffer.len() as u64) > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filled = 0;
        while filled < buffer.len() {
            let block = state.block(at / BLOCK)?;
            let into = (at % BLOCK) as usize;
            let piece = block.get(into..).unwrap_or_default();
            let size = piece.len().min(buffer.len() - filled);
            if size == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer[filled..filled + size].copy_from_slice(&piece[..size]);
            (filled, at) = (filled + size, at + size as u64);
        }
        Ok(())
    }
}

impl State {
    fn block(&mut self, number: u64) -> io::Result<Bytes> {
        if let Some(at) = self.blocks.iter().position(|(known, _)| *known == number) {
            let block = self.blocks.remove(at);
            let bytes = block.1.clone();
            self.blocks.push(block);
            return Ok(bytes);
        }
        let from = number * BLOCK;
        let to = (from + BLOCK).min(self.client.length);
        let bytes = self.waiter.wait(self.client.fetch_at_last(from, to))?;
        if self.blocks.len() == KEPT {
            self.blocks.remove(0);
        }
        self.blocks.push((number, bytes.clone()));
        Ok(bytes)
    }
}

/// What asks.
struct Client {
    connector: Connector,
    clock: Clock,
    uri: Uri,
    /// By which the resource is known again: `ETag`, or `Last-Modified`.
    validator: Option<HeaderValue>,
    length: u64,
    /// The connection of the last request, if it can be used again.
    idle: Slot,
    /// Whether the last request was sent over a connection that had been used before.
    was_kept: bool,
}

type Slot = Arc<Mutex<Option<Box<ClientConn>>>>;

/// A connection that goes back to its slot.
struct Kept {
    conn: Box<ClientConn>,
    slot: Slot,
}

impl Deref for Kept {
    type Target = ClientConn;

    fn deref(&self) -> &ClientConn {
        &self.conn
    }
}

impl DerefMut for Kept {
    fn deref_mut(&mut self) -> &mut ClientConn {
        &mut self.conn
    }
}

impl Lent for Kept {
    fn give_back(self, reusable: bool) {
        if reusable {
            *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.conn);
        }
    }
}

/// What a server gave first.
enum Given {
    /// The first block, and the length of the resource.
    Range { length: u64, first: Bytes },
    /// All of it.
    Whole(Box<Answer<Kept>>),
}

impl Client {
    /// A client of where `uri` leads, and what that gave.
    async fn open(uri: Uri) -> io::Result<(Self, Given)> {
        let mut client = Self {
            connector: Connector::new(),
            clock: Clock::new(),
            uri,
            validator: None,
            length: 0,
            idle: Slot::default(),
            was_kept: false,
        };
        for _ in 0..=REDIRECTIONS {
            let answer = client.ask(0, BLOCK).await.map_err(Failed::into_io)?;
            let status = answer.head.status().as_u16();
            if matches!(status, 301 | 302 | 303 | 307 | 308) {
                let place = answer.head.field_str("location").unwrap_or_default().to_owned();
                client.uri = target(&client.uri, &place)?;
                *client.idle.lock().unwrap_or_else(PoisonError::into_inner) = None;
                continue;
            }
            if status == 200 {
                return Ok((client, Given::Whole(Box::new(answer))));
            }
            let range = content_range(answer.head.field_str("content-range"));
            let (Some((0, _, length)), 206) = (range, status) else {
                return Err(refused(status));
            };
            let strong = |etag: &&[u8]| !etag.starts_with(b"W/");
            let validator =
                answer.head.field("etag").filter(strong).or_else(|| answer.head.field("last-modified"));
            client.validator = validator.and_then(|value| HeaderValue::from_bytes(value).ok());
            let first = whole(answer, BLOCK.min(length)).await.map_err(Failed::into_io)?;
            return Ok((client, Given::Range { length, first }));
        }
        Err(io::Error::other("it leads from one place to the next without end"))
    }

    /// The bytes from `from` to `to`, asked for until they come: a film of hours meets a lost connection or a server that starts anew.
    async fn fetch_at_last(&mut self, from: u64, to: u64) -> io::Result<Bytes> {
        let mut backoff = Backoff::new(Policy::default(), fastrand::u64(..));
        for _ in 1..ATTEMPTS {
            match self.fetch(from, to).await {
                Ok(bytes) => return Ok(bytes),
                Err(Failed::Refused(error)) => return Err(error),
                // The server may have closed a connection that was kept, just as it was used: that tells nothing of it.
                Err(Failed::Lost(_)) if self.was_kept => {}
                Err(Failed::Lost(_)) => tokio::time::sleep(backoff.wait()).await,
            }
        }
        self.fetch(from, to).await.map_err(Failed::into_io)
    }

    /// The bytes from `from` to `to`.
    async fn fetch(&mut self, from: u64, to: u64) -> Result<Bytes, Failed> {
        let answer = self.ask(from, to).await?;
        let status = answer.head.status().as_u16();
        let range = content_range(answer.head.field_str("content-range"));
        match (status, range) {
            (206, Some(range)) if range == (from, to - 1, self.length) => whole(answer, to - from).await,
            (200 | 206, _) => {
                Err(Failed::Refused(io::Error::other("it has changed on the server while it was read")))
            }
            (429 | 500..=599, _) => Err(Failed::Lost(refused(status))),
            _ => Err(Failed::Refused(refused(status))),
        }
    }

    async fn ask(&mut self, from: u64, to: u64) -> Result<Answer<Kept>, Failed> {
        let (scheme, authority) = (self.uri.scheme_str(), self.uri.authority());
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (scheme, authority) else {
            let error = io::Error::other(format!("{} is no address of the web", self.uri));
            return Err(Failed::Refused(error));
        };
        let path = self.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut writer =
            RequestWriter::new(&Method::GET, path, authority.as_str()).map_err(Failed::refused)?;
        let range = HeaderValue::from_str(&format!("bytes={from}-{}", to.saturating_sub(1)));
        writer.field(&RANGE, &range.map_err(Failed::refused)?);
        writer
            .field(&USER_AGENT, &HeaderValue::from_static(concat!("wireworks/", env!("CARGO_PKG_VERSION"))));
        writer.field(&ACCEPT_ENCODING, &HeaderValue::from_static("identity"));
        if let Some(validator) = &self.validator {
            writer.field(&IF_RANGE, validator);
        }
        let request = writer.finish(Finish { length: Some(0), upgrade: None, close: false });
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.was_kept = idle.is_some();
        let conn = match idle {
            Some(conn) => conn,
            None => {
                let is_tls = scheme == "https";
                let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
                let host = authority.host();
                let io = if is_tls {
                    self.connector.connect(host, port, Some(&[b"http/1.1"])).await
                } else {
                    self.connector.connect(host, port, None).await
                };
                let io = io.map_err(Failed::lost)?;
                // A film may have any length; what is held of it are blocks.
                let limits = Limits { body: u64::MAX, ..Limits::default() };
                Box::new(Conn::new(io, ClientCodec::new(limits), self.clock.timer()))
            }
        };
        let kept = Kept { conn, slot: Arc::clone(&self.idle) };
        let asked = exchange(kept, request, Body::empty(), Timeouts::default()).await;
        asked.map_err(|(error, _)| Failed::lost(error))
    }
}

/// Why bytes did not come.
enum Failed {
    /// They may come if they are asked for again.
    Lost(io::Error),
    /// They will not.
    Refused(io::Error),
}

impl Failed {
    fn lost(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Lost(io::Error::other(error))
    }

    fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Refused(io::Error::other(error))
    }

    fn into_io(self) -> io::Error {
        match self {
            Self::Lost(error) | Self::Refused(error) => error,
        }
    }
}

/// The body of an answer, which has so many bytes.
async fn whole(answer: Answer<Kept>, size: u64) -> Result<Bytes, Failed> {
    let mut content = BytesMut::new();
    let mut body = answer.body.into_body(answer.length);
    while let Some(data) = body.data().await {
        let data = data.map_err(Failed::lost)?;
        if (content.len() + data.len()) as u64 > size {
            return Err(Failed::refused("the server sent more than it was asked for"));
        }
        content.extend_from_slice(&data);
    }
    match content.len() as u64 == size {
        true => Ok(content.freeze()),
        false => Err(Failed::lost("the server sent less than it was asked for")),
    }
}

fn refused(status: u16) -> io::Error {
    io::Error::other(match status {
        404 | 410 => "the server does not have it".to_owned(),
        416 => "it is empty".to_owned(),
        status => format!("the server answered {status}"),
    })
}

/// First and last byte, and length, of `bytes 0-1023/4096`.
fn content_range(value: Option<&str>) -> Option<(u64, u64, u64)> {
    let (range, length) = value?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, length.parse().ok()?))
}

/// Where `place` leads from `base`.
fn target(base: &Uri, place: &str) -> io::Result<Uri> {
    let base = Location::parse(&base.to_string()).map_err(io::Error::other)?;
    base.join(place).map_err(io::Error::other)?.to_string().parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_are_told() {
        for (value, expected) in [
            (Some("bytes 0-1023/4096"), Some((0, 1023, 4096))),
            (Some("bytes 0-1023/*"), None),
            (Some("bytes */4096"), None),
            (Some("items 0-1/2"), None),
            (None, None),
        ] {
            assert_eq!(content_range(value), expected, "{value:?}");
        }
    }

    #[test]
    fn where_redirections_lead() {
        let base: Uri = "https://a.example/films/one.mp4?x=1".parse().unwrap();
        for (place, expected) in [
            ("http://b.example/two.mp4", "http://b.example/two.mp4"),
            ("//c.example/two.mp4", "https://c.example/two.mp4"),
            ("/two.mp4?y", "https://a.example/two.mp4?y"),
            ("two.mp4", "https://a.example/films/two.mp4"),
            ("../two.mp4", "https://a.example/two.mp4"),
            ("?y", "https://a.example/films/one.mp4?y"),
            ("/login?next=http://b.example/", "https://a.example/login?next=http://b.example/"),
        ] {
            assert_eq!(target(&base, place).unwrap().to_string(), expected);
        }
    }

    /// A server that says what it is told, a connection each, and closes it then.
    fn server(replies: Vec<Vec<u8>>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/film", listener.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            let answer = |reply: Vec<u8>| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    asked.push(byte[0]);
                }
                std::io::Write::write_all(&mut stream, &reply).unwrap();
                String::from_utf8(asked).unwrap()
            };
            replies.into_iter().map(answer).collect()
        });
        (url, serving)
    }

    #[test]
    fn a_block_that_is_lost_is_asked_for_again() {
        let film: Vec<u8> = (0..BLOCK as usize + 1000).map(|at| (at / 7) as u8).collect();
        let range = |from: usize, to: usize, sent: usize| {
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\nETag: \"a\"\r\nConnection: close\r\nContent-Length: {}\r\n\
                 Content-Range: bytes {from}-{}/{}\r\n\r\n",
                to - from,
                to - 1,
                film.len()
            );
            [head.as_bytes(), &film[from..from + sent]].concat()
        };
        let block = BLOCK as usize;
        let (url, serving) = server(vec![
            range(0, block, block),
            // Breaks off, is not there, comes.
            range(block, film.len(), 10),
            b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec(),
            range(block, film.len(), 1000),
        ]);
        let Opened::Ranges(remote) = Remote::open(&url).unwrap() else {
            panic!("a server that gives ranges")
        };
        let mut read = vec![0; 900];
        remote.read(&mut read, BLOCK + 50).unwrap();
        assert_eq!(read, film[block + 50..][..900]);
        let asked = serving.join().unwrap();
        assert!(asked[1..].iter().all(|asked| asked.contains(&format!("bytes={block}-"))), "{asked:?}");
        // What has changed meanwhile is not mixed.
        let other = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nnew".to_vec();
        let (url, _serving) = server(vec![range(0, block, block), other]);
        let Opened::Ranges(remote) = Remote::open(&url).unwrap() else {
            panic!("a server that gives ranges")
        };
        assert!(remote.read(&mut read, BLOCK).unwrap_err().to_string().contains("it has changed"));
    }
}
