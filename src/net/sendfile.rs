//! Bytes of a file to a TCP socket without passing through this process.
//!
//! One call sends at most one [`SLICE`], so a fast client with a huge file does not starve the others of its thread.

use std::fs::File;
use std::io;

use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Bytes that one call sends at most. nginx's `sendfile_max_chunk` is 2 MiB, by default none in older versions.
pub const SLICE: u64 = 512 * 1024;

/// Sends bytes of `file` from `offset`, at most `length` and at most [`SLICE`]; waits until the socket takes some. Says how
/// many left; 0 when the file ends at `offset`: it is shorter than it was.
///
/// # Errors
/// The socket's or the file's.
pub async fn sendfile(socket: &TcpStream, file: &File, offset: u64, length: u64) -> io::Result<u64> {
    let count = usize::try_from(length.min(SLICE)).unwrap_or(usize::MAX);
    let mut at = offset;
    let sent = socket
        .async_io(Interest::WRITABLE, || {
            Ok(rustix::fs::sendfile(socket, file, Some(&mut at), count)?)
        })
        .await?;
    Ok(sent as u64)
}

/// Writes `bytes` to a socket that more will follow on, so that they can share a segment (`MSG_MORE`). Says how many left.
///
/// # Errors
/// The socket's.
pub async fn send_more(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
    socket
        .async_io(Interest::WRITABLE, || {
            Ok(rustix::net::send(socket, bytes, flags)?)
        })
        .await
}

#[cfg(test)]
mod tests {
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
            assert_eq!(send_more(&socket, b"head").await.unwrap(), 4);
            let (mut offset, end) = (1_000, 1_900_000);
            while offset < end {
                let sent = sendfile(&socket, &file, offset, end - offset).await.unwrap();
                assert!((1..=SLICE).contains(&sent));
                offset += sent;
            }
            assert_eq!(
                sendfile(&socket, &file, 2_000_000, 1).await.unwrap(),
                0,
                "beyond the end of the file"
            );
        };
        let reading = async {
            let mut got = Vec::new();
            TcpStream::connect(address)
                .await
                .unwrap()
                .read_to_end(&mut got)
                .await
                .unwrap();
            got
        };
        let ((), got) = tokio::join!(sending, reading);
        assert_eq!(&got[..4], b"head");
        assert_eq!(&got[4..], &content[1_000..1_900_000]);
    }
}
