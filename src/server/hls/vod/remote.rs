//! A resource of a web server, read by ranges (RFC 9110 section 14): what is asked for is fetched in blocks, the last of which are kept. From a server that gives no ranges it
//! comes as a stream.
//!
//! Every answer has to be of the resource that was there at first, by its `ETag` or its date. Whoever reads waits: this is for threads that may.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Uri};

use crate::net::client::Connector;
use crate::server::http::body::BodyError;
use crate::server::http::client::fetch::{Ask, FetchError, Fetched, Fetcher, Part, Retry};

/// Bytes that are asked for at once.
const BLOCK: u64 = 1024 * 1024;

/// Blocks that are kept.
const KEPT: usize = 4;

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
    fetched: Fetched,
    /// What has come and was not read.
    come: Bytes,
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.come.is_empty() {
            match self.waiter.wait(self.fetched.piece()) {
                None => return Ok(0),
                Some(piece) => self.come = piece.map_err(io::Error::other)?.bytes,
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
    fetcher: Fetcher,
    /// Where it was in the end.
    uri: Uri,
    /// By which the resource is known again.
    validator: Option<HeaderValue>,
    length: u64,
    /// Blocks by their number, the one that was used last at the end.
    blocks: Vec<(u64, Bytes)>,
}

impl Remote {
    /// Asks for the first bytes of a URL, and follows where it leads.
    pub(super) fn open(url: &str) -> io::Result<Opened> {
        let waiter = Waiter::new()?;
        let uri: Uri = url.parse().map_err(io::Error::other)?;
        let (fetcher, opened) = waiter.wait(async {
            let fetcher = Fetcher::new(Connector::new(), Retry::default());
            let opened = first(&fetcher, uri).await;
            (fetcher, opened)
        });
        let (fetched, block) = opened.map_err(|error| match error {
            FetchError::Range => io::Error::other("it is empty"),
            error => failed(error),
        })?;
        let Part::Range { bytes, length: Some(length) } = &fetched.part else {
            return Ok(Opened::Stream(Download { waiter, fetched, come: Bytes::new() }));
        };
        let length = *length;
        // A server may give less than it was asked for: the block is asked for again, then.
        let blocks = if bytes.end == BLOCK.min(length) { vec![(0, block)] } else { Vec::new() };
        let (validator, uri) = (fetched.validator(), fetched.uri.clone());
        let state = State { waiter, fetcher, uri, validator, length, blocks };
        Ok(Opened::Ranges(Self { length, state: Mutex::new(state) }))
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
        let wanted = from..(from + BLOCK).min(self.length);
        let ask = Ask::of(self.uri.clone()).range(wanted).same(self.validator.clone());
        let fetched = self.waiter.wait(self.fetcher.whole(&ask, BLOCK));
        let bytes = match fetched {
            Ok((bytes, Fetched { part: Part::Range { length, .. }, .. })) if length == Some(self.length) => {
                bytes
            }
            // It was longer, or was given by ranges, a moment ago.
            Ok(_) | Err(FetchError::Range | FetchError::Body(BodyError::TooLarge(_))) => {
                return Err(failed(FetchError::Changed));
            }
            Err(error) => return Err(failed(error)),
        };
        if self.blocks.len() == KEPT {
            self.blocks.remove(0);
        }
        self.blocks.push((number, bytes.clone()));
        Ok(bytes)
    }
}

/// What a server gives first: the first block, or the beginning of all.
async fn first(fetcher: &Fetcher, uri: Uri) -> Result<(Fetched, Bytes), FetchError> {
    let mut fetched = fetcher.get(&Ask::of(uri.clone()).range(0..BLOCK)).await?;
    match fetched.part {
        Part::Range { length: Some(_), .. } => {
            let block = fetched.collect(BLOCK).await?;
            Ok((fetched, block))
        }
        // Ranges of what nobody knows the length of cannot be gone to.
        Part::Range { length: None, .. } => Ok((fetcher.get(&Ask::of(uri)).await?, Bytes::new())),
        Part::Whole => Ok((fetched, Bytes::new())),
    }
}

fn failed(error: FetchError) -> io::Error {
    match error.status().map(|status| status.as_u16()) {
        Some(404 | 410) => io::Error::other("the server does not have it"),
        _ => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
