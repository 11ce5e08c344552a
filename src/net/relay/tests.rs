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
async fn a_reset_of_one_side_is_told_apart() {
    for of_first in [true, false] {
        let ((near, first), (second, far)) = (tcp().await, tcp().await);
        let joined = relay(first, second);
        let (lost, kept) = if of_first { (near, far) } else { (far, near) };
        rustix::net::sockopt::set_socket_linger(&lost, Some(Duration::ZERO)).unwrap();
        drop(lost);
        let end = joined.await.unwrap().end;
        drop(kept);
        match of_first {
            true => assert!(matches!(end, RelayEnd::FirstFailed(_)), "{end:?}"),
            false => assert!(matches!(end, RelayEnd::SecondFailed(_)), "{end:?}"),
        }
    }
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
