//! Two connections joined, over memory and over sockets.

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::*;
use crate::net::clock::Clock;

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

fn relay(first: impl Into<Io>, second: impl Into<Io>) -> tokio::task::JoinHandle<Relayed> {
    let (first, second): (Io, Io) = (first.into(), second.into());
    let timer = Clock::new().timer();
    tokio::spawn(Relay::new(first.into(), second.into(), timer, RelaySettings::default()).run())
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 251) as u8).collect()
}

/// Sends so much one way and waits for it at the other end, both ways at once; then both close.
async fn exchange<A, B>(mut near: A, mut far: B, length: usize)
where
    A: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    B: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let sent = pattern(length);
    let (mut near_read, mut near_write) = tokio::io::split(&mut near);
    let (mut far_read, mut far_write) = tokio::io::split(&mut far);
    let (mut there, mut back) = (Vec::new(), Vec::new());
    let (one, two, three, four) = tokio::join!(
        async {
            near_write.write_all(&sent).await?;
            near_write.shutdown().await
        },
        async {
            far_write.write_all(&sent).await?;
            far_write.shutdown().await
        },
        near_read.read_to_end(&mut back),
        far_read.read_to_end(&mut there),
    );
    one.and(two).unwrap();
    three.and(four).unwrap();
    assert!(there == sent && back == sent, "{} and {} of {length} bytes", there.len(), back.len());
}

#[tokio::test]
async fn everything_arrives_both_ways_whatever_its_size() {
    for length in [0, 1, 8192, 8193, 300_000, 8 << 20] {
        let ((near, first), (second, far)) = (tcp().await, tcp().await);
        let joined = relay(first, second);
        exchange(near, far, length).await;
        let relayed = joined.await.unwrap();
        assert!(matches!(relayed.end, RelayEnd::Closed), "{:?}", relayed.end);
        assert_eq!((relayed.there, relayed.back), (length as u64, length as u64));

        let ((near, first), (second, far)) = (UnixStream::pair().unwrap(), tcp().await);
        let joined = relay(first, second);
        exchange(near, far, length).await;
        assert!(matches!(joined.await.unwrap().end, RelayEnd::Closed));

        let ((near, first), (second, far)) = (duplex(1000), duplex(100_000));
        let joined = relay(first, second);
        exchange(near, far, length).await;
        assert!(matches!(joined.await.unwrap().end, RelayEnd::Closed));
    }
}

#[tokio::test]
async fn what_was_read_before_comes_first() {
    let ((mut near, first), (second, mut far)) = (tcp().await, tcp().await);
    let first = Side { io: first.into(), unread: BytesMut::from("hello ") };
    let second = Side { io: second.into(), unread: BytesMut::from("welcome ") };
    tokio::spawn(Relay::new(first, second, Clock::new().timer(), RelaySettings::default()).run());
    near.write_all(b"there").await.unwrap();
    far.write_all(b"back").await.unwrap();
    let (mut there, mut back) = ([0; 11], [0; 12]);
    far.read_exact(&mut there).await.unwrap();
    near.read_exact(&mut back).await.unwrap();
    assert_eq!((&there, &back), (b"hello there", b"welcome back"));
}

#[tokio::test]
async fn one_side_may_go_on_talking_after_the_other_has_ended() {
    let ((mut near, first), (second, mut far)) = (tcp().await, tcp().await);
    let joined = relay(first, second);
    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"question");
    far.write_all(b"answer").await.unwrap();
    drop(far);
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
    let relayed = joined.await.unwrap();
    assert!(matches!(relayed.end, RelayEnd::Closed), "{:?}", relayed.end);
}

#[tokio::test]
async fn a_reset_of_one_side_is_told_apart_and_passes_as_one() {
    for of_first in [true, false] {
        let ((near, first), (second, far)) = (tcp().await, tcp().await);
        let joined = relay(first, second);
        let (mut lost, mut kept) = if of_first { (near, far) } else { (far, near) };
        lost.write_all(b"half of it").await.unwrap();
        let mut heard = [0; 10];
        kept.read_exact(&mut heard).await.unwrap();
        rustix::net::sockopt::set_socket_linger(&lost, Some(Duration::ZERO)).unwrap();
        drop(lost);
        let end = joined.await.unwrap().end;
        match of_first {
            true => assert!(matches!(end, RelayEnd::FirstFailed(_)), "{end:?}"),
            false => assert!(matches!(end, RelayEnd::SecondFailed(_)), "{end:?}"),
        }
        let error = kept.read(&mut heard).await.expect_err("an end that looks orderly");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_reset_does_not_overtake_what_came_before_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // So that most of it waits on our side.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut near = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    let (first, (second, mut far)) = (listener.accept().await.unwrap().0, tcp().await);
    let joined = relay(first, second);
    let sent = pattern(200_000);
    far.write_all(&sent).await.unwrap();
    while Transport::queued(&far) != Some(0) {
        tokio::task::yield_now().await;
    }
    // The relay has read the last of it when it waits for more, or for the client: it is woken by the reset.
    far.set_zero_linger().unwrap();
    drop(far);
    let mut heard = vec![0; sent.len()];
    near.read_exact(&mut heard).await.unwrap();
    assert!(heard == sent);
    assert_eq!(near.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(matches!(joined.await.unwrap().end, RelayEnd::SecondFailed(_)));
}

/// A server that refuses an upload: it answers and closes, while its client goes on to send.
#[tokio::test]
async fn an_answer_arrives_from_a_peer_that_takes_no_more() {
    let ((mut near, first), (second, mut far)) = (tcp().await, tcp().await);
    let joined = relay(first, second);
    near.write_all(b"question, and more").await.unwrap();
    far.read_exact(&mut [0; 8]).await.unwrap();
    let answer = pattern(10_000);
    far.write_all(&answer).await.unwrap();
    far.shutdown().await.unwrap();
    drop(far);
    // What follows reaches a socket that is closed, before the answer was read of it.
    near.write_all(&pattern(1000)).await.unwrap();
    let mut heard = vec![0; answer.len()];
    near.read_exact(&mut heard).await.unwrap();
    assert!(heard == answer);
    // Whoever sends all before it listens is not held up, nor reset: the rest is dropped.
    near.write_all(&pattern(8 << 20)).await.unwrap();
    assert_eq!(near.read(&mut [0]).await.unwrap(), 0, "an orderly end");
    near.shutdown().await.unwrap();
    let relayed = joined.await.unwrap();
    assert!(matches!(relayed.end, RelayEnd::SecondFailed(_)), "{:?}", relayed.end);
    assert_eq!(relayed.back, 10_000);
}

#[tokio::test(start_paused = true)]
async fn silence_has_a_limit_and_half_a_connection_a_shorter_one() {
    for (half, expected) in [(false, 600), (true, 60)] {
        let ((mut near, first), (second, _far)) = (duplex(10), duplex(10));
        let began = Instant::now();
        let joined = relay(first, second);
        if half {
            near.shutdown().await.unwrap();
        }
        assert!(matches!(joined.await.unwrap().end, RelayEnd::Idle));
        assert_eq!(began.elapsed().as_secs(), expected);
    }
}

/// A flow that waits holds no buffer; the future is what a connection costs while it is idle.
#[test]
fn a_relay_is_small() {
    assert!(size_of::<Relay>() <= 512, "{}", size_of::<Relay>());
}
