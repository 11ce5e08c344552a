//! The first bytes of a TLS connection that is passed through, read until they identify its route.
//!
//! They stay in a buffer and are forwarded unchanged. A client that has sent nothing yet costs no buffer; one that has sent a
//! part of a ClientHello costs what it has sent. [`client_hello`](crate::proto::tls::client_hello) limits the length of a ClientHello,
//! the listener the time that it may take.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::net::io::Io;
use crate::proto::tls::client_hello::{ClientHello, NotTls, Peek, peek};

/// The default time limit of a ClientHello: that of the whole handshake where TLS is terminated.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// The buffer size before a read: most ClientHellos are shorter.
const ROOM: usize = 2048;

/// The beginning of a connection.
#[derive(Debug)]
pub(super) struct Opening {
    /// The ClientHello, or why there is none.
    pub(super) hello: Result<ClientHello, NotTls>,
    /// All bytes that were read, of the ClientHello and after it.
    pub(super) bytes: BytesMut,
}

/// Why a connection could not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum HelloError {
    /// It took too long.
    #[error("no ClientHello came within {0:?}")]
    TooSlow(Duration),
    /// The client closed the connection too early.
    #[error("the client closed the connection within its ClientHello")]
    Torn,
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the beginning of a connection, for `limit` at most.
pub(super) async fn read(io: &mut Io, limit: Duration) -> Result<Opening, HelloError> {
    timeout(limit, opening(io)).await.map_err(|_| HelloError::TooSlow(limit))?
}

async fn opening(io: &mut Io) -> Result<Opening, HelloError> {
    let mut bytes = BytesMut::new();
    let mut wanted = 1;
    loop {
        match io {
            Io::Tcp(tcp) => tcp.readable().await?,
            Io::Unix(unix) => unix.readable().await?,
            // No listener hands these over: within the process there is nothing to wait for before a read.
            Io::Tls(_) | Io::Memory(_) | Io::Other(_) => {}
        }
        bytes.reserve(ROOM);
        if io.read_buf(&mut bytes).await? == 0 {
            return Err(HelloError::Torn);
        }
        if bytes.len() < wanted {
            continue;
        }
        let hello = match peek(&bytes) {
            Peek::NeedMore(more) => {
                wanted = bytes.len() + more;
                continue;
            }
            Peek::Found(hello) => Ok(hello),
            Peek::NotTls(why) => Err(why),
        };
        return Ok(Opening { hello, bytes });
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    /// A ClientHello of 46 bytes without extensions.
    fn hello() -> Vec<u8> {
        let body = [&[3, 3][..], &[7; 32], b"\x00\x00\x02\x13\x01\x01\x00"].concat();
        [&[0x16, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8][..], &body].concat()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_is_kept() {
        let rows = [
            (hello(), Ok(ClientHello::default())),
            ([hello(), b"more".to_vec()].concat(), Ok(ClientHello::default())),
            (b"GET / HTTP/1.1\r\n".to_vec(), Err(NotTls::OtherProtocol)),
        ];
        for (wire, expected) in rows {
            let (ours, mut theirs) = duplex(1024);
            theirs.write_all(&wire).await.unwrap();
            let opening = read(&mut ours.into(), HELLO_TIMEOUT).await.unwrap();
            assert_eq!((opening.hello, &opening.bytes[..]), (expected, &wire[..]));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_of_a_byte_and_ends_and_silence() {
        let wire = hello();
        let (ours, mut theirs) = duplex(1);
        let sending = async {
            theirs.write_all(&wire).await.unwrap();
            theirs
        };
        let mut io = ours.into();
        let (opening, _theirs) = tokio::join!(read(&mut io, HELLO_TIMEOUT), sending);
        assert_eq!(&opening.unwrap().bytes[..], &wire[..]);
        for end in [0, 1, 20, wire.len() - 1] {
            let (ours, mut theirs) = duplex(1024);
            theirs.write_all(&wire[..end]).await.unwrap();
            drop(theirs);
            let error = read(&mut ours.into(), HELLO_TIMEOUT).await.unwrap_err();
            assert!(matches!(error, HelloError::Torn), "{end}: {error}");
            let (ours, mut theirs) = duplex(1024);
            theirs.write_all(&wire[..end]).await.unwrap();
            let error = read(&mut ours.into(), HELLO_TIMEOUT).await.unwrap_err();
            assert!(matches!(error, HelloError::TooSlow(_)), "{end}: {error}");
        }
    }
}
