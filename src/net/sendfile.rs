//! Bytes of a file to a TCP socket without passing through this process.
//!
//! One call sends at most one [`SLICE`], so a fast client with a huge file does not starve the others of its thread.

use std::fs::File;
use std::io;
use std::task::{Context, Poll, ready};

use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Bytes that one call sends at most. nginx's `sendfile_max_chunk` is 2 MiB, by default none in older versions.
pub const SLICE: u64 = 2 * 1024 * 1024;

/// Sends bytes of `file` from `offset`, at most `length` and at most [`SLICE`], when the socket takes some. Says how many left;
/// 0 when the file ends at `offset`: it is shorter than it was.
///
/// # Errors
/// The socket's or the file's.
pub fn poll_sendfile(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    file: &File,
    offset: u64,
    length: u64,
) -> Poll<io::Result<u64>> {
    let count = usize::try_from(length.min(SLICE)).unwrap_or(usize::MAX);
    poll_write(
        socket,
        cx,
        || Ok(rustix::fs::sendfile(socket, file, Some(&mut offset.clone()), count)? as u64),
    )
}

/// Writes `bytes` to a socket on which more will follow, so that they can share a segment (`MSG_MORE`). Says how many left.
///
/// # Errors
/// The socket's.
pub fn poll_send_more(socket: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
    poll_write(socket, cx, || Ok(rustix::net::send(socket, bytes, flags)?))
}

fn poll_write<T>(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        match socket.try_io(Interest::WRITABLE, &mut write) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return Poll::Ready(result),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_range_of_a_file_arrives_behind_its_head() {
        let content: Vec<u8> = (0..2_000_000_u32).map(|i| (i % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sending = async move {
            let (socket, _) = listener.accept().await.unwrap();
            let head = poll_fn(|cx| poll_send_more(&socket, cx, b"head")).await;
            assert_eq!(head.unwrap(), 4);
            let send = async |offset, length| {
                poll_fn(|cx| poll_sendfile(&socket, cx, &file, offset, length)).await.unwrap()
            };
            let (mut offset, end) = (1_000, 1_900_000);
            while offset < end {
                let sent = send(offset, end - offset).await;
                assert!((1..=SLICE).contains(&sent));
                offset += sent;
            }
            assert_eq!(send(2_000_000, 1).await, 0, "beyond the end of the file");
        };
        let reading = async {
            let mut got = Vec::new();
            TcpStream::connect(address).await.unwrap().read_to_end(&mut got).await.unwrap();
            got
        };
        let ((), got) = tokio::join!(sending, reading);
        assert_eq!(&got[..4], b"head");
        assert_eq!(&got[4..], &content[1_000..1_900_000]);
    }
}
