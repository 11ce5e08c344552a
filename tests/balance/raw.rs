//! Backends that are scripts, and a parser of requests that is independent of the code under test: what it finds odd is a failed test.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::PATIENCE;

/// A request as a strict server understands it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// Names in lower case, in order.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The number of the connection on which it came.
    pub(super) connection: usize,
}

impl Request {
    /// The values of a field.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Where its body ends.
    fn length(&self) -> Result<Length, String> {
        match (&self.all("transfer-encoding")[..], &self.all("content-length")[..]) {
            ([], []) => Ok(Length::Exactly(0)),
            (["chunked"], []) => Ok(Length::Chunked),
            ([], [digits]) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().map(Length::Exactly).map_err(|error| error.to_string())
            }
            other => Err(format!("unclear framing: {other:?}")),
        }
    }
}

enum Length {
    Exactly(usize),
    Chunked,
}

/// The head at the start of `bytes`, and its length; `None` when it is not whole.
pub(super) fn head(bytes: &[u8]) -> Result<Option<(Request, usize)>, String> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| "a head that is not text")?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let [method, target, "HTTP/1.1"] = first.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("a strange request line: {first:?}"));
    };
    let token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let visible = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !token(method) || !(target.starts_with('/') || target == "*") || !visible {
        return Err(format!("a strange request line: {first:?}"));
    }
    let mut request = Request { method: method.into(), target: target.into(), ..Request::default() };
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("no field: {line:?}"))?;
        if !token(name) || value.chars().any(|c| c != '\t' && c.is_control()) {
            return Err(format!("a strange field: {line:?}"));
        }
        request.fields.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).into()));
    }
    if request.all("host").len() != 1 {
        return Err(format!("not one Host: {text:?}"));
    }
    request.length()?;
    Ok(Some((request, end + 4)))
}

/// The body at the start of `bytes`, and how many of them it takes.
fn body(request: &Request, bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    match request.length()? {
        Length::Exactly(length) => Ok(bytes.get(..length).map(|body| (body.to_vec(), length))),
        Length::Chunked => chunks(bytes),
    }
}

fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut at, mut body) = (0, Vec::new());
    let line = |at: usize| bytes[at..].windows(2).position(|end| end == b"\r\n");
    loop {
        let Some(end) = line(at) else { return Ok(None) };
        let digits = std::str::from_utf8(&bytes[at..at + end]).unwrap_or("?");
        let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let size = plain.then(|| usize::from_str_radix(digits, 16).ok()).flatten();
        let size = size.ok_or_else(|| format!("a strange size of a chunk: {digits:?}"))?;
        at += end + 2;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        let data = chunk.strip_suffix(b"\r\n").ok_or("a chunk that does not end where it should")?;
        body.extend_from_slice(data);
        at += size + 2;
    }
    // Trailer fields, until an empty line.
    loop {
        let Some(end) = line(at) else { return Ok(None) };
        at += end + 2;
        if end == 0 {
            return Ok(Some((body, at)));
        }
    }
}

/// All requests in `bytes`, which must hold nothing else.
pub(super) fn whole(mut bytes: &[u8]) -> Result<Vec<Request>, String> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let (mut request, used) = head(bytes)?.ok_or("half a head")?;
        let (body, length) = body(&request, &bytes[used..])?.ok_or("half a body")?;
        request.body = body;
        bytes = &bytes[used + length..];
        requests.push(request);
    }
    Ok(requests)
}

/// An address where nobody listens.
pub(super) fn nobody() -> SocketAddr {
    (std::net::Ipv4Addr::LOCALHOST, crate::support::port::free()).into()
}

/// What backends have heard.
#[derive(Debug, Default)]
struct Log {
    /// By connection, every byte.
    bytes: Mutex<Vec<Vec<u8>>>,
    /// Every request of which the head came.
    requests: Mutex<Vec<Request>>,
    headed: Condvar,
    ended: Mutex<usize>,
    changed: Condvar,
}

/// A backend. Each connection is served by a thread of its own. Dropping it closes its listener.
pub(super) struct Backend {
    pub(super) addr: SocketAddr,
    log: Arc<Log>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// One connection of a backend.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    number: usize,
    unread: Vec<u8>,
    log: Arc<Log>,
}

impl Backend {
    /// One that does `act` with each connection, which are counted from 0. An error ends the connection.
    pub(super) fn start(act: impl Fn(usize, &mut Peer) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (log, stop, act) = (Arc::new(Log::default()), Arc::new(AtomicBool::new(false)), Arc::new(act));
        let (told, kept) = (Arc::clone(&stop), Arc::clone(&log));
        let thread = thread::spawn(move || {
            let count = AtomicUsize::new(0);
            for stream in listener.incoming() {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                let number = count.fetch_add(1, Ordering::SeqCst);
                kept.bytes.lock().unwrap().push(Vec::new());
                stream.set_read_timeout(Some(2 * PATIENCE)).unwrap();
                let (act, log) = (Arc::clone(&act), Arc::clone(&kept));
                thread::spawn(move || {
                    let mut peer = Peer { stream, number, unread: Vec::new(), log: Arc::clone(&log) };
                    // A connection that ends is how most scripts end.
                    drop(act(number, &mut peer));
                    drop(peer);
                    *log.ended.lock().unwrap() += 1;
                    log.changed.notify_all();
                });
            }
        });
        Self { addr, log, stop, thread: Some(thread) }
    }

    /// One whose first connection is `first`'s, and which serves all others well.
    pub(super) fn first(first: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::start(move |number, peer| if number == 0 { first(peer) } else { peer.serve("ok") })
    }

    /// What has come so far.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.log.requests.lock().unwrap().clone()
    }

    /// Every byte that has come so far, by connection.
    pub(super) fn bytes(&self) -> Vec<Vec<u8>> {
        self.log.bytes.lock().unwrap().clone()
    }

    /// Waits until the heads of so many requests have come.
    #[track_caller]
    pub(super) fn wait_for_heads(&self, count: usize) {
        let requests = self.log.requests.lock().unwrap();
        let (requests, waited) = self
            .log
            .headed
            .wait_timeout_while(requests, PATIENCE, |requests| requests.len() < count)
            .unwrap();
        assert!(!waited.timed_out(), "only {} of {count} requests have come", requests.len());
    }

    /// Waits until so many connections have ended.
    #[track_caller]
    pub(super) fn wait_for_ends(&self, count: usize) {
        let ended = self.log.ended.lock().unwrap();
        let (ended, waited) =
            self.log.changed.wait_timeout_while(ended, PATIENCE, |ended| *ended < count).unwrap();
        assert!(!waited.timed_out(), "only {ended} of {count} connections have ended");
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.addr));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Peer {
    fn fill(&mut self) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        let count = self.stream.read(&mut piece)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.unread.extend_from_slice(&piece[..count]);
        self.log.bytes.lock().unwrap()[self.number].extend_from_slice(&piece[..count]);
        Ok(())
    }

    /// Notes bytes that a script has read by itself.
    pub(super) fn note(&self, bytes: &[u8]) {
        self.log.bytes.lock().unwrap()[self.number].extend_from_slice(bytes);
    }

    /// The head of the next request.
    pub(super) fn head(&mut self) -> io::Result<Request> {
        loop {
            match head(&self.unread).map_err(io::Error::other)? {
                Some((mut request, used)) => {
                    self.unread.drain(..used);
                    request.connection = self.number;
                    self.log.requests.lock().unwrap().push(request.clone());
                    self.log.headed.notify_all();
                    return Ok(request);
                }
                None => self.fill()?,
            }
        }
    }

    /// The next request, with its body.
    pub(super) fn request(&mut self) -> io::Result<Request> {
        let mut request = self.head()?;
        loop {
            match body(&request, &self.unread).map_err(io::Error::other)? {
                Some((body, used)) => {
                    self.unread.drain(..used);
                    request.body = body;
                    return Ok(request);
                }
                None => self.fill()?,
            }
        }
    }

    pub(super) fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Answers one request with these bytes.
    pub(super) fn answer(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.request()?;
        self.say(bytes)
    }

    /// Answers every request with 200 and `text`.
    pub(super) fn serve(&mut self, text: &str) -> io::Result<()> {
        loop {
            let request = self.request()?;
            let body = if request.method == "HEAD" { "" } else { text };
            self.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", text.len()))?;
        }
    }

    /// Reads and says nothing, until the other side has ended.
    pub(super) fn hold(&mut self) -> io::Result<()> {
        loop {
            self.fill()?;
        }
    }

    /// Ends the connection by a reset.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }
}

#[test]
fn the_parser_takes_no_odd_request() {
    let good = "POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let two = format!("{good}GET / HTTP/1.1\r\nHost: b\r\n\r\n");
    let requests = whole(two.as_bytes()).unwrap();
    assert_eq!((requests.len(), &requests[0].body[..], &*requests[1].target), (2, &b"abc"[..], "/"));
    for bad in [
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nb: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\na\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nx",
    ] {
        assert!(whole(bad.as_bytes()).is_err(), "{bad:?}");
    }
}
