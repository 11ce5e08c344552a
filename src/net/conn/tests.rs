//! A connection over memory, with a codec of lines.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

use super::super::clock::Clock;
use super::*;

/// Lines that end with LF. `!` alone is against the protocol.
#[derive(Debug)]
struct Lines;

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("a bad line")]
struct BadLine;

impl Codec for Lines {
    type In = String;
    type Out = Bytes;
    type Error = BadLine;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<String>, BadLine> {
        let Some(end) = src.iter().position(|&byte| byte == b'\n') else {
            return Ok(None);
        };
        let line = String::from_utf8(src.split_to(end).to_vec()).map_err(|_| BadLine)?;
        src.advance(1);
        if line == "!" { Err(BadLine) } else { Ok(Some(line)) }
    }

    fn encode(&mut self, item: Bytes, dst: &mut Outbox) -> Result<(), BadLine> {
        dst.push(item);
        Ok(())
    }
}

fn pair(capacity: usize) -> (Conn<DuplexStream, Lines>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(capacity);
    (Conn::new(ours, Lines, Clock::new().timer()), theirs)
}

fn item(text: &str) -> Turn<String> {
    Turn::Item(text.to_owned())
}

#[tokio::test]
async fn items_then_the_end() {
    let (mut conn, mut peer) = pair(1024);
    peer.write_all(b"a\nb\nc\n").await.unwrap();
    drop(peer);
    for expected in ["a", "b", "c"] {
        assert_eq!(conn.turn().await.unwrap(), item(expected));
    }
    assert_eq!(conn.turn().await.unwrap(), Turn::Closed);
}

#[tokio::test]
async fn the_ends_of_a_connection() {
    let (mut conn, mut peer) = pair(1024);
    peer.write_all(b"a\nhalf").await.unwrap();
    drop(peer);
    assert_eq!(conn.recv().await.unwrap().as_deref(), Some("a"));
    assert!(matches!(conn.recv().await, Err(ConnError::Torn)));

    let (mut conn, mut peer) = pair(1024);
    peer.write_all(b"!\n").await.unwrap();
    assert!(matches!(conn.recv().await, Err(ConnError::Proto(BadLine))));
}

#[tokio::test]
async fn a_connection_is_quiet_until_somebody_has_something_to_say() {
    for (said, quiet) in
        [(Some(""), true), (Some("a\n"), false), (Some("ha"), false), (Some("!\n"), false), (None, false)]
    {
        let (mut conn, mut peer) = pair(1024);
        assert!(conn.is_quiet(), "at first");
        match said {
            Some(said) => peer.write_all(said.as_bytes()).await.unwrap(),
            None => peer.shutdown().await.unwrap(),
        }
        assert_eq!(conn.is_quiet(), quiet, "{said:?}");
    }
    // What has to leave is tried, and may leave.
    let (mut conn, mut peer) = pair(4);
    conn.feed(Bytes::from_static(b"12345678")).unwrap();
    assert!(!conn.is_quiet());
    peer.read_exact(&mut [0; 4]).await.unwrap();
    assert!(conn.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_waiting() {
    let (mut conn, _peer) = pair(1024);
    conn.set_deadline(Instant::now() + Duration::from_secs(3));
    assert!(matches!(conn.recv().await, Err(ConnError::Idle)));
}

#[tokio::test(start_paused = true)]
async fn a_trickle_meets_the_minimum_rate_and_a_steady_peer_does_not() {
    let min = MinRate { rate: 10, grace: Duration::from_secs(5) };
    for (bytes_per_second, survives) in [(1_usize, false), (20, true)] {
        let (mut conn, mut peer) = pair(1024);
        conn.set_pace(Direction::Reading, min, Duration::from_secs(30));
        let sending = async {
            for _ in 0..60 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                peer.write_all(&vec![b'x'; bytes_per_second]).await.unwrap();
            }
            peer.write_all(b"\n").await.unwrap();
            std::future::pending::<()>().await;
        };
        let result = tokio::select! {
            result = conn.recv() => result,
            () = sending => unreachable!(),
        };
        assert_eq!(result.is_ok(), survives, "{bytes_per_second} bytes/s");
    }
}

#[tokio::test]
async fn what_was_fed_leaves_when_the_input_is_dry() {
    let (mut conn, mut peer) = pair(1024);
    peer.write_all(b"1\n2\n3\n").await.unwrap();
    for _ in 0..3 {
        let line = conn.recv().await.unwrap().unwrap();
        conn.feed(Bytes::from(format!("<{line}>"))).unwrap();
    }
    assert_eq!(conn.unsent(), 9, "nothing leaves before the input is dry");
    let mut buffer = [0; 9];
    tokio::select! {
        _ = conn.recv() => unreachable!("the peer says nothing more"),
        read = peer.read_exact(&mut buffer) => assert_eq!(read.unwrap(), 9),
    }
    assert_eq!(&buffer, b"<1><2><3>");
}

#[tokio::test]
async fn reading_goes_on_while_the_outbox_is_full_and_room_is_told() {
    let (mut conn, mut peer) = pair(1024);
    conn.feed(Bytes::from(vec![b'x'; 2 * HIGH_WATER])).unwrap();
    assert!(!conn.has_room());
    peer.write_all(b"a\n").await.unwrap();
    assert_eq!(conn.turn().await.unwrap(), item("a"));
    let drain = async {
        let mut sink = vec![0; HIGH_WATER + 1];
        peer.read_exact(&mut sink).await.unwrap();
    };
    let (turn, ()) = tokio::join!(conn.turn(), drain);
    assert_eq!(turn.unwrap(), Turn::Room);
}

#[tokio::test]
async fn a_dropped_turn_loses_nothing() {
    let (mut conn, mut peer) = pair(1);
    let wire = b"hello\nworld\n";
    let mut got = VecDeque::new();
    for byte in wire {
        peer.write_all(&[*byte]).await.unwrap();
        // One poll, then the future is gone.
        let polled = futures_util::poll!(std::pin::pin!(conn.turn()));
        if let Poll::Ready(Ok(Turn::Item(line))) = polled {
            got.push_back(line);
        }
    }
    assert_eq!(got, ["hello", "world"]);
}

#[tokio::test]
async fn a_switch_keeps_what_was_read() {
    let (mut conn, mut peer) = pair(1024);
    peer.write_all(b"upgrade\nraw bytes").await.unwrap();
    assert_eq!(conn.recv().await.unwrap().as_deref(), Some("upgrade"));
    conn.feed(Bytes::from_static(b"ok\n")).unwrap();
    let mut raw = conn.switch(crate::codec::Raw);
    assert_eq!(raw.recv().await.unwrap().unwrap(), "raw bytes");
    raw.flush().await.unwrap();
    let (_, rest) = raw.into_raw();
    assert!(rest.is_empty());
    let mut buffer = [0; 3];
    peer.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"ok\n");
}

#[tokio::test]
async fn an_idle_connection_holds_no_buffer() {
    let (mut conn, mut peer) = pair(1024);
    peer.write_all(b"a\n").await.unwrap();
    conn.recv().await.unwrap();
    conn.feed(Bytes::from_static(b"b\n")).unwrap();
    assert!(futures_util::poll!(std::pin::pin!(conn.turn())).is_pending());
    assert_eq!(conn.rbuf.capacity(), 0);
    assert!(conn.out.is_bare());
}

#[tokio::test]
async fn a_lingering_close_reads_on_until_the_peer_closes() {
    let (mut conn, mut peer) = pair(64);
    conn.feed(Bytes::from_static(b"413")).unwrap();
    let talking = async {
        let mut reply = [0; 3];
        peer.read_exact(&mut reply).await.unwrap();
        peer.write_all(&[b'x'; 1000]).await.unwrap();
        assert_eq!(peer.read(&mut [0; 1]).await.unwrap(), 0, "the end is told first");
        drop(peer);
        reply
    };
    let ((), reply) = tokio::join!(conn.linger(1 << 20), talking);
    assert_eq!(&reply, b"413");
}

/// A stream that takes all bytes at once and sends them when it is flushed, as TLS does when the socket is full.
struct Holding {
    inner: DuplexStream,
    held: VecDeque<u8>,
}

impl Transport for Holding {}

impl AsyncRead for Holding {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Holding {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.held.extend(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let Self { inner, held } = &mut *self;
            let sent = ready!(Pin::new(inner).poll_write(cx, held.make_contiguous()))?;
            held.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn what_a_stream_holds_back_is_flushed_until_it_has_left() {
    let (inner, mut peer) = tokio::io::duplex(64);
    let held = VecDeque::new();
    let mut conn = Conn::new(Holding { inner, held }, Lines, Clock::new().timer());
    conn.feed(Bytes::from(vec![b'x'; 1000])).unwrap();
    let mut got = vec![0; 1000];
    tokio::select! {
        _ = conn.turn() => unreachable!("the peer says nothing"),
        read = peer.read_exact(&mut got) => assert_eq!(read.unwrap(), 1000),
    }
    assert!(futures_util::poll!(std::pin::pin!(conn.flush())).is_ready() && conn.is_flushed());
}

/// A stream that takes everything at once.
struct Swallowing(DuplexStream);

impl Transport for Swallowing {}

impl AsyncRead for Swallowing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Swallowing {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_peer_that_takes_everything_at_once_is_heard_all_the_same() {
    let (inner, mut peer) = tokio::io::duplex(64);
    let mut conn = Conn::new(Swallowing(inner), Lines, Clock::new().timer());
    let (mut heard, mut rooms) = (0, 0);
    for _ in 0..10 {
        peer.write_all(b"a\n").await.unwrap();
        // A producer that goes on as soon as it may.
        for _ in 0..2 {
            conn.feed(Bytes::from(vec![b'x'; HIGH_WATER])).unwrap();
            match conn.turn().await.unwrap() {
                Turn::Item(line) => {
                    assert_eq!(line, "a");
                    heard += 1;
                }
                Turn::Room => rooms += 1,
                Turn::Closed => unreachable!("the peer is there"),
            }
        }
    }
    assert_eq!((heard, rooms), (10, 10), "each has every other turn");
}
