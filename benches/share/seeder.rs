//! The bench's own seeder: it connects to a client, and answers its requests out of memory. It reads whatever has come, and sends all
//! answers to that by as few calls as it can.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::Result;
use crate::torrent::Torrent;
use crate::wire::{BITFIELD, PIECE, REQUEST, UNCHOKE, message, number, shake};

/// How long a client may take until it knows the torrent.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes before a block: length, id, piece, begin.
const HEAD: usize = 13;
/// Blocks of a call; the system takes 1024 slices.
const BATCH: usize = 64;

/// Serves the client at `addr` until it closes the connection, or `stopped` is set before it has one.
pub(crate) fn serve(addr: SocketAddr, torrent: &Torrent, stopped: &AtomicBool) -> Result<()> {
    let mut stream = connect(addr, torrent, stopped)?;
    stream.write_all(&message(BITFIELD, &all_pieces(torrent)))?;
    stream.write_all(&message(UNCHOKE, &[]))?;
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => received.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let requests = requests(&mut received, torrent)?;
        for batch in requests.chunks(BATCH) {
            match answer(&mut stream, batch) {
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                    return Ok(());
                }
                sent => sent?,
            }
        }
    }
}

fn connect(addr: SocketAddr, torrent: &Torrent, stopped: &AtomicBool) -> Result<TcpStream> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match shake(addr, torrent.info_hash, b"-BN0001-benchseeder-") {
            Ok(stream) => return Ok(stream),
            Err(error) if stopped.load(Ordering::Relaxed) || Instant::now() > deadline => {
                return Err(format!("the client took no connection: {error}").into());
            }
            Err(_) => sleep(PAUSE),
        }
    }
}

/// The bits of a complete torrent, with those behind the last piece zero.
fn all_pieces(torrent: &Torrent) -> Vec<u8> {
    let pieces = torrent.content.len().div_ceil(torrent.piece);
    let mut bits = vec![0xff; pieces / 8];
    if !pieces.is_multiple_of(8) {
        bits.push(0xff << (8 - pieces % 8));
    }
    bits
}

/// The answer to a request: its head, and the block.
type Answer<'a> = ([u8; HEAD], &'a [u8]);

/// Takes whole messages out of `received`, and answers those that are requests.
fn requests<'a>(received: &mut Vec<u8>, torrent: &'a Torrent) -> Result<Vec<Answer<'a>>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(length) = received.get(at..at + 4) {
        let length = number(length)? as usize;
        let Some(message) = received.get(at + 4..at + 4 + length) else { break };
        at += 4 + length;
        let Some((&REQUEST, body)) = message.split_first() else { continue };
        let [piece, begin, length] = [0, 4, 8].map(|at| number(body.get(at..).unwrap_or_default()));
        let (piece, begin, length) = (piece?, begin?, length?);
        let from = piece as usize * torrent.piece + begin as usize;
        let block = torrent.content.get(from..from + length as usize).ok_or("a request is out of range")?;
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&(length + 9).to_be_bytes());
        head[4] = PIECE;
        head[5..].copy_from_slice(&body[..8]);
        found.push((head, block));
    }
    received.drain(..at);
    Ok(found)
}

fn answer(stream: &mut TcpStream, batch: &[Answer<'_>]) -> std::io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> =
        batch.iter().flat_map(|(head, block)| [IoSlice::new(head), IoSlice::new(block)]).collect();
    let mut slices = &mut slices[..];
    while !slices.is_empty() {
        let sent = stream.write_vectored(slices)?;
        IoSlice::advance_slices(&mut slices, sent);
    }
    Ok(())
}
