//! What the bench's own leecher and seeder have in common of the peer protocol (BEP 3): the handshake, and heads of messages.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::sandbox::{RAW, ip};
use crate::support::Result;

pub(crate) const CHOKE: u8 = 0;
pub(crate) const UNCHOKE: u8 = 1;
pub(crate) const INTERESTED: u8 = 2;
pub(crate) const BITFIELD: u8 = 5;
pub(crate) const REQUEST: u8 = 6;
pub(crate) const PIECE: u8 = 7;
pub(crate) const REJECT: u8 = 16;
pub(crate) const EXTENDED: u8 = 20;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 16 << 10;

/// How long a peer may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection may take: refused ones are tried again.
const CONNECT: Duration = Duration::from_secs(1);

/// How many requests may wait here, said as an extension (BEP 10), so that nobody holds back.
const EXTENSIONS: &[u8] = b"\0d1:mde4:reqqi2000ee";

/// A connection with the client at `addr`, once both have said that they mean this torrent.
pub(crate) fn shake(addr: SocketAddr, info_hash: [u8; 20], id: &[u8; 20]) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // A client may refuse who has its own address.
    socket.bind(&SocketAddr::new(ip(RAW), 0).into())?;
    socket.connect_timeout(&addr.into(), CONNECT)?;
    let mut stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let flags = [0, 0, 0, 0, 0, 0x10, 0, 0];
    stream.write_all(&[b"\x13BitTorrent protocol", &flags[..], &info_hash, id].concat())?;
    let mut theirs = [0; 68];
    stream.read_exact(&mut theirs)?;
    if theirs[28..48] != info_hash {
        return Err("a peer means another torrent".into());
    }
    if theirs[25] & 0x10 != 0 {
        stream.write_all(&message(EXTENDED, EXTENSIONS))?;
    }
    Ok(stream)
}

/// A message, ready to be sent.
pub(crate) fn message(id: u8, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32 + 1).to_be_bytes()[..], &[id], payload].concat()
}

/// A number of four bytes.
pub(crate) fn number(bytes: &[u8]) -> Result<u32> {
    Ok(u32::from_be_bytes(bytes.get(..4).ok_or("a message is too short")?.try_into()?))
}
