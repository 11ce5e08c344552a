use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::super::settings::Settings;
use super::super::testing::{end, pair, server};
use super::*;
use crate::net::pace::MinRate;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::proto::ws::deflate::Params;
use crate::proto::ws::keeper::Patience;
use crate::proto::ws::limits::Limits;
use crate::proto::ws::reject::Reject;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The reason of a normal end.
fn normal() -> CloseReason {
    CloseCode::NORMAL.into()
}

#[tokio::test]
async fn messages_both_ways_and_an_orderly_end() {
    let (mut server, mut client) = pair(Settings::default(), 4096);
    let echo = tokio::spawn(async move {
        while let Some(message) = server.recv().await.unwrap() {
            server.send(message).await.unwrap();
        }
        server.turn().await
    });
    let large = vec![7; 1_000_000];
    for message in [Message::from("héllo"), Message::from(vec![1, 2, 3]), Message::from(""), large.into()] {
        let asked = message.clone();
        // Both at once: the pipe is smaller than the message.
        client.feed(asked).unwrap();
        assert_eq!(client.recv().await.unwrap(), Some(message));
    }
    assert_eq!(client.close(CloseReason::new(CloseCode::NORMAL, "done")).await.unwrap(), Some(normal()));
    let reason = CloseReason::new(CloseCode::NORMAL, "done");
    assert_eq!(echo.await.unwrap().unwrap(), Event::Closed(Some(reason)), "told again");
    assert!(matches!(client.feed("late"), Err(SocketError::Closing)));
}

#[tokio::test]
async fn what_is_fed_leaves_together_when_the_input_is_dry() {
    let (mut server, mut wire, _) = server(Settings::default(), 1 << 16);
    for _ in 0..3 {
        wire.say(0x81, b"a").await;
    }
    for _ in 0..3 {
        let message = server.recv().await.unwrap().unwrap();
        server.feed(message).unwrap();
        assert!(server.unsent() > 0, "nothing leaves before the input is dry");
    }
    assert!(timeout(seconds(0), server.recv()).await.is_err());
    assert_eq!(wire.hear(9).await, b"\x81\x01a\x81\x01a\x81\x01a");
}

#[tokio::test]
async fn a_dropped_turn_loses_nothing() {
    let (mut server, mut wire, _) = server(Settings::default(), 1 << 16);
    let frame = [&b"\x81\x85\0\0\0\0"[..], b"hello"].concat();
    for (i, byte) in frame.iter().enumerate() {
        assert!(timeout(seconds(0), server.recv()).await.is_err(), "after {i} bytes");
        wire.raw(&[*byte]).await;
    }
    assert_eq!(server.recv().await.unwrap(), Some("hello".into()));
}

#[tokio::test]
async fn pings_are_answered_and_pongs_told() {
    let (mut server, mut client) = pair(Settings::default(), 4096);
    client.ping(Bytes::from_static(b"are you there")).unwrap();
    let both = async { tokio::join!(timeout(seconds(1), server.turn()), client.turn()) };
    let (nothing, pong) = both.await;
    assert!(nothing.is_err(), "a ping is no event");
    assert_eq!(pong.unwrap(), Event::Pong(Bytes::from_static(b"are you there")));
}

#[tokio::test]
async fn a_peer_that_pings_and_does_not_read_gets_the_last_pong() {
    let (mut server, mut wire, _) = server(Settings::default(), 64);
    while server.has_room() {
        server.feed(vec![0; 8 * 1024]).unwrap();
    }
    server.feed(vec![0; 8 * 1024]).unwrap();
    let unsent = server.unsent();
    for n in 0..50_u8 {
        let payload = [n];
        let _ = tokio::join!(wire.say(0x89, &payload), timeout(Duration::from_millis(1), server.turn()));
    }
    assert!(server.unsent() <= unsent, "no pong is queued behind a full outbox");
    let reader = tokio::spawn(async move {
        let mut tail = Vec::new();
        while !tail.ends_with(b"\x8a\x01\x31") {
            tail.extend(wire.hear(1).await);
        }
        tail.windows(2).filter(|bytes| *bytes == b"\x8a\x01").count()
    });
    let turn = timeout(seconds(5), async {
        loop {
            if server.turn().await.is_err() {
                break;
            }
        }
    });
    let (pongs, _) = tokio::join!(reader, turn);
    assert_eq!(pongs.unwrap(), 1);
}

#[tokio::test]
async fn who_breaks_the_protocol_is_told_and_cut() {
    for (first, payload, reject) in [
        (0x83, &b""[..], Reject::ReservedOpcode(3)),
        (0xc1, b"", Reject::ReservedBits),
        (0x81, b"\xff", Reject::TextNotUtf8),
        (0x80, b"", Reject::StrayContinuation),
        (0x88, b"\x03", Reject::HalfCloseCode),
        (0x88, b"\x03\xe7", Reject::BadCloseCode(999)),
    ] {
        let (mut server, mut wire, _) = server(Settings::default(), 4096);
        wire.say(first, payload).await;
        let end = server.recv().await;
        assert!(matches!(end, Err(SocketError::Peer(found)) if found == reject), "{end:?}");
        assert!(matches!(server.recv().await, Err(SocketError::Peer(_))), "told again");
        drop(server);
        let told = wire.rest().await;
        let reason = CloseReason::from(reject);
        let (close, size) = reason.to_payload();
        assert_eq!(told[2..], close[..size], "{reject}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_peer_is_pinged_and_a_silent_one_given_up() {
    let start = Instant::now();
    let (mut server, mut wire, _) = server(Settings::default(), 4096);
    let peer = async {
        assert_eq!(wire.hear(2).await, b"\x89\x00");
        assert!((30..31).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        wire.say(0x8a, b"").await;
        assert_eq!(wire.hear(2).await, b"\x89\x00");
        assert!((60..61).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    };
    let turns = async {
        assert_eq!(server.turn().await.unwrap(), Event::Pong(Bytes::new()));
        server.turn().await
    };
    let (end, ()) = tokio::join!(turns, peer);
    assert!(matches!(end, Err(SocketError::Silent)), "{end:?}");
    assert!((80..81).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_close_is_cut_at_the_deadline() {
    let (mut server, _wire, _) = server(Settings::default(), 4096);
    let start = Instant::now();
    let end = server.close(CloseCode::NORMAL).await;
    assert!(matches!(end, Err(SocketError::Unclosed)), "{end:?}");
    assert!((5..6).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_for_the_server_to_close_tcp_but_not_for_ever() {
    let (a, mut wire) = tokio::io::duplex(4096);
    let mut client = end(Role::Client, a, Settings::default(), &Drain::new(), None);
    let start = Instant::now();
    tokio::io::AsyncWriteExt::write_all(&mut wire, b"\x88\x02\x03\xe8").await.unwrap();
    assert_eq!(client.turn().await.unwrap(), Event::Closed(Some(normal())));
    assert!((5..6).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_end_without_a_close_frame_is_torn() {
    for sent in [&b""[..], b"\x81", b"\x81\x85\0\0\0\0he"] {
        let (mut server, mut wire, _) = server(Settings::default(), 4096);
        wire.raw(sent).await;
        drop(wire);
        assert!(matches!(server.recv().await, Err(SocketError::Torn)), "{sent:02x?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_dropped_with_1013() {
    let settings = Settings {
        min_write_rate: MinRate { rate: 1000, grace: seconds(10) },
        max_unsent: 100_000,
        ..Settings::default()
    };
    // Too slow while we wait, and too far behind while we do not.
    let (mut slow, wire, _) = server(settings.clone(), 64);
    let start = Instant::now();
    let end = slow.send(vec![0; 1000]).await;
    assert!(matches!(end, Err(SocketError::Slow)), "{end:?}");
    assert!((10..12).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(slow.unsent() <= 1000 + 200);
    drop(wire);

    let (mut flooded, mut wire, _) = server(settings, 64);
    let end = (0..1000).find_map(|_| flooded.feed(vec![0; 1000]).err());
    assert!(matches!(end, Some(SocketError::Slow)), "{end:?}");
    assert!(flooded.unsent() < 102_000);
    assert!(matches!(flooded.recv().await, Err(SocketError::Slow)));
    // The reason stands behind what was queued: a peer that wakes up in time reads it.
    drop(flooded);
    assert!(wire.rest().await.windows(2).any(|bytes| bytes == b"\x03\xf5"), "1013");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_found_while_we_listen() {
    let min_write_rate = MinRate { rate: 1000, grace: seconds(10) };
    let (mut server, mut wire, _) = server(Settings { min_write_rate, ..Settings::default() }, 64);
    let start = Instant::now();
    server.feed(vec![0; 1000]).unwrap();
    wire.say(0x81, b"still here").await;
    assert_eq!(server.recv().await.unwrap(), Some("still here".into()));
    let end = server.recv().await;
    assert!(matches!(end, Err(SocketError::Slow)), "{end:?}");
    assert!((10..12).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pause_between_two_messages_is_not_the_readers_fault() {
    let min_write_rate = MinRate { rate: 1000, grace: seconds(10) };
    let (mut server, mut wire, _) = server(Settings { min_write_rate, ..Settings::default() }, 64);
    for _ in 0..2 {
        let (sent, _) = tokio::join!(server.send(vec![0; 1000]), wire.hear(1004));
        sent.unwrap();
        tokio::time::sleep(seconds(3600)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_leaves_before_the_end_however_long_it_takes() {
    for polite in [true, false] {
        let (mut server, mut wire, _) = server(Settings::default(), 64);
        server.feed(vec![0; 20_000]).unwrap();
        let start = Instant::now();
        let reading = async {
            for _ in 0..20 {
                tokio::time::sleep(seconds(1)).await;
                wire.hear(1000).await;
            }
            // The rest of the frame, and our last word.
            wire.hear(4).await;
            assert_eq!(wire.hear(2).await, b"\x88\x02");
            wire.hear(2).await;
            if polite {
                wire.say(0x88, b"\x03\xe8").await;
            }
            drop(wire);
        };
        let closing = async move {
            match polite {
                true => drop(server.close(CloseCode::NORMAL).await.unwrap()),
                false => drop(server),
            }
        };
        tokio::join!(closing, reading);
        assert!(start.elapsed() >= seconds(20));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_is_refused() {
    let (mut server, mut wire, _) = server(Settings::default(), 4096);
    let trickle = tokio::spawn(async move {
        wire.raw(b"\x82\xfe\x01\x00\0\0\0\0").await;
        for _ in 0..60 {
            tokio::time::sleep(seconds(1)).await;
            if !wire.try_raw(b"x").await {
                break;
            }
        }
        wire.rest().await
    });
    let start = Instant::now();
    let end = server.recv().await;
    assert!(matches!(end, Err(SocketError::Peer(Reject::SlowMessage))), "{end:?}");
    assert!(start.elapsed() < seconds(40), "{:?}", start.elapsed());
    drop(server);
    assert!(trickle.await.unwrap().windows(2).any(|bytes| bytes == b"\x03\xf0"), "1008");
}

#[tokio::test]
async fn a_flood_of_pings_is_refused() {
    let patience = Patience { controls: 10, ..Patience::default() };
    let (mut server, mut wire, _) = server(Settings { patience, ..Settings::default() }, 1 << 16);
    for _ in 0..11 {
        wire.say(0x89, b"").await;
    }
    let end = server.recv().await;
    assert!(matches!(end, Err(SocketError::Peer(Reject::ControlFlood { limit: 10 }))), "{end:?}");
}

#[tokio::test]
async fn a_stopping_server_says_1001_and_waits_for_the_answer() {
    let (mut server, mut wire, drain) = server(Settings::default(), 4096);
    let serving = tokio::spawn(async move { server.recv().await });
    tokio::task::yield_now().await;
    drain.stop();
    assert_eq!(wire.hear(4).await, b"\x88\x02\x03\xe9");
    wire.say(0x81, b"not heard any more").await;
    wire.say(0x88, b"\x03\xe9").await;
    assert_eq!(wire.rest().await, b"");
    drop(wire);
    assert_eq!(serving.await.unwrap().unwrap(), None);
}

#[tokio::test]
async fn a_shutdown_that_aborts_ends_everything() {
    let (mut server, _wire, drain) = server(Settings::default(), 4096);
    let serving = tokio::spawn(async move { server.recv().await });
    tokio::task::yield_now().await;
    drain.abort().await;
    assert!(matches!(serving.await.unwrap(), Err(SocketError::Stopped)));
}

#[tokio::test]
async fn a_socket_that_is_dropped_says_so() {
    let (dropped, mut wire, _) = server(Settings::default(), 4096);
    drop(dropped);
    assert_eq!(wire.rest().await, b"\x88\x02\x03\xe9");
    let (mut panicking, mut wire, _) = server(Settings::default(), 4096);
    let task = tokio::spawn(async move {
        panicking.feed("half").unwrap();
        panic!("a bug");
    });
    assert!(task.await.is_err());
    assert_eq!(wire.rest().await, b"\x81\x04half\x88\x02\x03\xf3");
}

#[tokio::test]
async fn a_full_socket_tells_when_there_is_room() {
    let (mut server, mut client) = pair(Settings::default(), 4096);
    let mut fed = 0;
    while server.has_room() {
        server.feed(vec![0; 10_000]).unwrap();
        fed += 1;
    }
    let reading = tokio::spawn(async move {
        for _ in 0..fed {
            client.recv().await.unwrap();
        }
        client
    });
    assert_eq!(server.turn().await.unwrap(), Event::Room);
    assert!(server.has_room());
    server.flush().await.unwrap();
    reading.await.unwrap();
}

#[tokio::test]
async fn large_messages_are_compressed_by_the_workers() {
    let workers = Blocking::new(BlockingConfig::default());
    let params = Params {
        server_no_context_takeover: false,
        client_no_context_takeover: false,
        server_window_bits: 15,
        client_window_bits: 15,
    };
    let agreed = Some(Agreed { params, level: 3, threshold: 0 });
    let settings = Settings { workers: Some(workers.clone()), offload: 10_000, ..Settings::default() };
    let (a, b) = tokio::io::duplex(1 << 20);
    let drain = Drain::new();
    let mut server = end(Role::Server, a, settings.clone(), &drain, agreed);
    let mut client = end(Role::Client, b, settings, &drain, agreed);
    for text in ["a".repeat(20_000), "b".repeat(100), "c".repeat(30_000), "c".repeat(30_000)] {
        server.send(&*text).await.unwrap();
        assert_eq!(client.recv().await.unwrap(), Some(text.into()));
    }
    while workers.stats().done < 3 {
        tokio::task::yield_now().await; // a job is counted after its result has gone
    }
}

#[tokio::test]
async fn limits_are_told_by_1009() {
    let limits = Limits { message: 100, frame: 100, ..Limits::default() };
    let (mut server, mut wire, _) = server(Settings { limits, ..Settings::default() }, 4096);
    wire.say(0x82, &[0; 101]).await;
    let end = server.recv().await;
    drop(server);
    let told = wire.rest().await;
    assert!(
        matches!(end, Err(SocketError::Peer(Reject::FrameTooLong { length: 101, limit: 100 }))),
        "{end:?}"
    );
    assert_eq!(told[2..4], [0x03, 0xf1]);
}

#[test]
fn an_idle_socket_is_small() {
    // Beside it a connection has its task, its timer, and the descriptor: some 600 bytes.
    assert!(size_of::<Link>() <= 576, "{} bytes", size_of::<Link>());
}
