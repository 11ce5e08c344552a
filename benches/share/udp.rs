//! Announces by UDP (BEP 15), as many under way as there is room for in the buffers of sockets.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::sandbox::{RAW, ip};
use crate::support::Result;
use crate::tracker::{TORRENTS, info_hash};

/// Announces under way. Each takes 768 bytes of the buffer of a socket, which has 208 KiB unless its owner asks for more.
const UNDER_WAY: usize = 200;
/// After that, what was not answered is lost.
const PATIENCE: Duration = Duration::from_millis(200);
/// What tells a tracker that this is its protocol.
const MAGIC: u64 = 0x417_2710_1980;
/// How many ports the peers have, of one address.
const PORTS: u16 = 200;

/// What became of announces.
#[derive(Clone, Copy, Default)]
pub(crate) struct Answers {
    pub(crate) answered: u64,
    pub(crate) lost: u64,
}

/// Announces for some seconds.
pub(crate) fn load(addr: SocketAddr, seconds: u64) -> Result<Answers> {
    let socket = UdpSocket::bind((ip(RAW), 0))?;
    socket.connect(addr)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let connection = connect(&socket)?;
    let hashes: Vec<[u8; 20]> = (0..TORRENTS).map(info_hash).collect();
    let mut random = fastrand::Rng::with_seed(15);
    let mut answers = Answers::default();
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut under_way = 0;
    while Instant::now() < deadline {
        while under_way < UNDER_WAY {
            let hash = &hashes[random.usize(..hashes.len())];
            socket.send(&announce(connection, hash, &mut random))?;
            under_way += 1;
        }
        // Half of them at a time, so that neither side runs dry.
        while under_way > UNDER_WAY / 2 {
            match receive(&socket)? {
                true => (under_way, answers.answered) = (under_way - 1, answers.answered + 1),
                false => (under_way, answers.lost) = (0, answers.lost + under_way as u64),
            }
        }
    }
    Ok(answers)
}

/// Asks for a connection id.
fn connect(socket: &UdpSocket) -> Result<u64> {
    let request = [&MAGIC.to_be_bytes()[..], &0_u32.to_be_bytes(), &7_u32.to_be_bytes()].concat();
    let mut answer = [0; 16];
    for _ in 0..10 {
        socket.send(&request)?;
        match socket.recv(&mut answer) {
            Ok(16) if answer[..8] == [0, 0, 0, 0, 0, 0, 0, 7] => {
                return Ok(u64::from_be_bytes(answer[8..].try_into()?));
            }
            // What was under way of the load before comes first.
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => {
                std::thread::sleep(PATIENCE);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err("the tracker gives no connection id".into())
}

/// An announce of a leecher.
fn announce(connection: u64, info_hash: &[u8; 20], random: &mut fastrand::Rng) -> [u8; 98] {
    let mut packet = [0; 98];
    packet[..8].copy_from_slice(&connection.to_be_bytes());
    packet[11] = 1;
    packet[16..36].copy_from_slice(info_hash);
    packet[36..44].copy_from_slice(b"-BN0001-");
    random.fill(&mut packet[44..56]);
    // Left: one block; key: none; as many peers as the tracker tells.
    packet[64..72].copy_from_slice(&16_384_u64.to_be_bytes());
    packet[92..96].copy_from_slice(&(-1_i32).to_be_bytes());
    packet[96..].copy_from_slice(&(1024 + random.u16(..PORTS)).to_be_bytes());
    packet
}

/// Takes an answer; none comes when announces were lost.
fn receive(socket: &UdpSocket) -> Result<bool> {
    let mut answer = [0; 2048];
    match socket.recv(&mut answer) {
        Ok(20..) if answer[..4] == [0, 0, 0, 1] => Ok(true),
        Ok(length) => {
            let text = String::from_utf8_lossy(&answer[8.min(length)..length]);
            Err(format!("an answer of {length} bytes is no list of peers: {text}").into())
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error.into()),
    }
}
