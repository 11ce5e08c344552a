//! Reads a header in front of a connection and not one byte more, so that the socket can be handed on as it is.
//!
//! An incomplete header owns every byte seen so far, so those are taken for good; only the piece that completes it is
//! looked at first (`MSG_PEEK`) and then taken up to its end. The bytes behind stay in the socket.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::addr::PeerAddr;
use super::serve::{BoxError, ParsePreamble, Preamble};

/// Bytes of a header at most, whatever its parser says.
const MAX: usize = 4 * 1024 + 256;

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(super) enum PreambleError {
    #[error("the header did not come in time")]
    TooSlow,
    #[error("the connection ended within the header")]
    Torn,
    #[error("the header is longer than {MAX} bytes")]
    TooLong,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(BoxError),
}

/// Whom a header names, and where that client has connected to, as far as it says so.
type Named = (Option<PeerAddr>, Option<SocketAddr>);

/// Reads the header; whom it names, if anybody.
pub(super) async fn read(tcp: &TcpStream, parse: ParsePreamble) -> Result<Named, PreambleError> {
    let mut seen = Vec::new();
    let mut piece = [0; 536];
    loop {
        let taken = seen.len();
        let n = tcp.peek(&mut piece).await?;
        if n == 0 {
            return Err(PreambleError::Torn);
        }
        seen.extend_from_slice(&piece[..n]);
        match parse(&seen).map_err(PreambleError::Malformed)? {
            Preamble::Complete { consumed, client, server } => {
                take(tcp, consumed.saturating_sub(taken)).await?;
                return Ok((client, server));
            }
            Preamble::Incomplete if seen.len() > MAX => return Err(PreambleError::TooLong),
            Preamble::Incomplete => take(tcp, n).await?,
        }
    }
}

/// Takes `n` bytes off the socket, which are there.
async fn take(tcp: &TcpStream, mut n: usize) -> Result<(), PreambleError> {
    let mut sink = [0; 536];
    while n > 0 {
        tcp.readable().await?;
        let step = n.min(sink.len());
        match tcp.try_read(&mut sink[..step]) {
            Ok(0) => return Err(PreambleError::Torn),
            Ok(read) => n -= read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A header of this test: `<length of the rest><rest>`.
    fn parse(bytes: &[u8]) -> Result<Preamble, BoxError> {
        let [length, rest @ ..] = bytes else {
            return Ok(Preamble::Incomplete);
        };
        if *length == 0xFF {
            return Err("not a header".into());
        }
        let consumed = 1 + usize::from(*length);
        Ok(if rest.len() + 1 < consumed {
            Preamble::Incomplete
        } else {
            Preamble::Complete { consumed, client: None, server: None }
        })
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ours, theirs) = tokio::join!(
            async { listener.accept().await.unwrap().0 },
            TcpStream::connect(listener.local_addr().unwrap())
        );
        (ours, theirs.unwrap())
    }

    #[tokio::test]
    async fn the_bytes_behind_the_header_stay_in_the_socket() {
        let wire = [&[200][..], &[b'h'; 200], b"GET / HTTP/1.1"].concat();
        for first in [1, 100, 200, 201, 205, wire.len()] {
            let (mut ours, mut theirs) = pair().await;
            let sending = async {
                theirs.write_all(&wire[..first]).await.unwrap();
                tokio::task::yield_now().await;
                theirs.write_all(&wire[first..]).await.unwrap();
                drop(theirs);
            };
            let (result, ()) = tokio::join!(read(&ours, parse), sending);
            result.unwrap();
            let mut rest = String::new();
            ours.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "GET / HTTP/1.1", "split at {first}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header() {
        let cases: [(&[u8], &str); 2] =
            [(&[0xFF], "not a header"), (&[5, 1, 2], "the connection ended within the header")];
        for (wire, expected) in cases {
            let (ours, mut theirs) = pair().await;
            theirs.write_all(wire).await.unwrap();
            drop(theirs);
            assert_eq!(read(&ours, parse).await.unwrap_err().to_string(), expected);
        }
    }
}
