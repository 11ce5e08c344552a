//! The bench's own leecher: it asks for all blocks of a torrent, and looks at no byte of them, so that it is the client that takes its time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::Result;
use crate::torrent::Torrent;
use crate::wire::{BLOCK, CHOKE, INTERESTED, PIECE, REJECT, REQUEST, UNCHOKE, message, shake};

/// How long a client may take until it has looked at its files and lets somebody fetch.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(50);
/// Requests under way.
const DEPTH: usize = 256;
/// Requests that are sent at once.
const BATCH: usize = 32;
/// How much one call reads.
const READ: usize = 1 << 20;

/// A connection on which the client answers requests.
pub(crate) struct Leecher<'a> {
    stream: TcpStream,
    torrent: &'a Torrent,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are there.
    filled: usize,
}

/// What the client has said.
#[derive(Default)]
struct Heard {
    blocks: usize,
    unchoked: bool,
}

impl<'a> Leecher<'a> {
    /// Waits until the client at `addr` answers requests, which none does before it has looked at its files.
    pub(crate) fn connect(addr: SocketAddr, torrent: &'a Torrent) -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Self::attempt(addr, torrent) {
                Ok(leecher) => return Ok(leecher),
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("the client does not seed: {error}").into());
                }
                Err(_) => sleep(PAUSE),
            }
        }
    }

    fn attempt(addr: SocketAddr, torrent: &'a Torrent) -> Result<Self> {
        let stream = shake(addr, torrent.info_hash, b"-BN0001-benchleecher")?;
        let mut leecher = Self { stream, torrent, buffer: vec![0; READ], filled: 0 };
        leecher.stream.write_all(&message(INTERESTED, &[]))?;
        while !leecher.hear()?.unchoked {}
        Ok(leecher)
    }

    /// Fetches everything.
    pub(crate) fn fetch(&mut self) -> Result<()> {
        let Torrent { content, piece, .. } = self.torrent;
        let mut wanted = (0..content.len()).step_by(*piece).flat_map(|from| {
            let until = content.len().min(from + piece);
            (from..until).step_by(BLOCK).map(move |at| (from / piece, at - from, BLOCK.min(until - at)))
        });
        let mut under_way = 0;
        loop {
            let asked: Vec<_> = wanted.by_ref().take(DEPTH - under_way).collect();
            let requests: Vec<u8> = asked.iter().flat_map(|block| request(*block)).collect();
            self.stream.write_all(&requests)?;
            under_way += asked.len();
            if under_way == 0 {
                return Ok(());
            }
            let least = under_way.min(BATCH);
            let mut blocks = 0;
            while blocks < least {
                blocks += self.hear()?.blocks;
            }
            under_way = under_way.checked_sub(blocks).ok_or("more blocks came than were asked for")?;
        }
    }

    /// Reads once, and takes whole messages, of which blocks may be as long as the buffer.
    fn hear(&mut self) -> Result<Heard> {
        let read = self.stream.read(&mut self.buffer[self.filled..])?;
        if read == 0 {
            return Err("the client closed the connection".into());
        }
        self.filled += read;
        let mut heard = Heard::default();
        let mut at = 0;
        while let Some(length) = self.buffer[..self.filled].get(at..at + 4) {
            let length = crate::wire::number(length)? as usize;
            let Some(message) = self.buffer[..self.filled].get(at + 4..at + 4 + length) else { break };
            at += 4 + length;
            match message.first() {
                Some(&PIECE) => heard.blocks += 1,
                Some(&UNCHOKE) => heard.unchoked = true,
                Some(&(CHOKE | REJECT)) => return Err("the client refuses requests".into()),
                _ => {}
            }
        }
        self.buffer.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(heard)
    }
}

/// A request for a block: its piece, where it begins there, and its bytes.
fn request((piece, begin, length): (usize, usize, usize)) -> Vec<u8> {
    let payload: Vec<u8> =
        [piece, begin, length].iter().flat_map(|number| (*number as u32).to_be_bytes()).collect();
    message(REQUEST, &payload)
}
