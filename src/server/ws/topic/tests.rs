use super::super::testing::{end, pair};
use super::super::{CloseCode, Settings};
use super::*;
use crate::net::drain::Drain;
use crate::proto::ws::codec::Role;
use crate::proto::ws::deflate::Params;

fn agreed(forget: bool, bits: u8) -> Agreed {
    let params = Params {
        server_no_context_takeover: forget,
        client_no_context_takeover: forget,
        server_window_bits: bits,
        client_window_bits: 15,
    };
    Agreed { params, level: 3, threshold: 100 }
}

fn compressed(agreed: Option<Agreed>) -> (Socket, Socket) {
    let (a, b) = tokio::io::duplex(1 << 16);
    let drain = Drain::new();
    (
        end(Role::Server, a, Settings::default(), &drain, agreed),
        end(Role::Client, b, Settings::default(), &drain, agreed),
    )
}

#[tokio::test]
async fn everyone_gets_everything_from_when_they_came() {
    let topic = Topic::default();
    topic.publish(&"before".into());
    let kinds = [None, Some(agreed(true, 15)), Some(agreed(false, 15)), Some(agreed(true, 10))];
    let mut clients = Vec::new();
    for kind in kinds {
        let (mut server, client) = compressed(kind);
        let (relay, topic) = (topic.clone(), topic.clone());
        tokio::spawn(async move { server.relay(&relay, |message| topic.publish(&message)).await });
        clients.push(client);
    }
    while topic.subscribers() < clients.len() {
        tokio::task::yield_now().await;
    }
    let long = "long ".repeat(1000);
    topic.publish(&"short".into());
    topic.publish(&Message::from(&*long));
    clients[3].send("from a client").await.unwrap();
    for client in &mut clients {
        for expected in ["short", &long, "from a client"] {
            assert_eq!(client.recv().await.unwrap().unwrap().as_text(), Some(expected));
        }
    }
    for mut client in clients {
        client.close(CloseCode::NORMAL).await.unwrap();
    }
    while topic.subscribers() > 0 {
        tokio::task::yield_now().await;
    }
    let lanes = topic.lock();
    assert_eq!(lanes.plain.kept + lanes.deflated.kept, 0, "nobody listens, nothing is kept");
}

#[tokio::test]
async fn messages_published_together_are_delivered_together_and_shared() {
    let topic = Topic::default();
    let (socket, _client) = pair(Settings::default(), 4096);
    let mut first = topic.subscribe(&socket);
    let mut second = topic.subscribe(&socket);
    for text in ["a", "b", "c"] {
        topic.publish(&text.into());
    }
    let [one, other] = [first.ready().await.unwrap(), second.ready().await.unwrap()];
    assert_eq!(one.chunk.frames, b"\x81\x01a\x81\x01b\x81\x01c"[..]);
    assert_eq!(one.chunk.frames.as_ptr(), other.chunk.frames.as_ptr());
    topic.publish(&"d".into());
    assert_eq!(first.ready().await.unwrap().chunk.frames, b"\x81\x01d"[..]);
}

#[tokio::test]
async fn who_does_not_keep_up_costs_no_memory_and_is_told() {
    let topic = Topic::new(100_000);
    let (mut server, client) = pair(Settings::default(), 4096);
    let relay = {
        let topic = topic.clone();
        tokio::spawn(async move { server.relay(&topic, |_| {}).await })
    };
    while topic.subscribers() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..1000 {
        topic.publish(&vec![0; 1000].into());
        tokio::task::yield_now().await;
        let lanes = topic.lock();
        assert!(lanes.plain.kept + lanes.plain.tail.len() <= 100_000 + 1004);
    }
    // The client reads at last: what was under way, and then the end.
    let reading = async {
        let mut client = client;
        loop {
            if let Event::Closed(reason) = client.turn().await.unwrap() {
                break reason.unwrap().code();
            }
        }
    };
    assert_eq!(reading.await, CloseCode::TRY_AGAIN_LATER);
    assert!(matches!(relay.await.unwrap(), Err(SocketError::Slow)));
    let (socket, _client) = pair(Settings::default(), 64);
    let mut late = topic.subscribe(&socket);
    for _ in 0..200 {
        topic.publish(&vec![0; 1000].into());
    }
    assert_eq!(late.ready().await.map(drop), Err(Lagged));
}

#[tokio::test]
async fn a_subscriber_that_waits_is_woken_wherever_it_is_polled() {
    let topic = Topic::default();
    let (socket, _client) = pair(Settings::default(), 64);
    let mut subscription = topic.subscribe(&socket);
    // Polled once by this task, then by another.
    assert!(futures_util::FutureExt::now_or_never(subscription.ready()).is_none());
    let waiting = tokio::spawn(async move { subscription.ready().await.map(|frames| frames.chunk.frames) });
    tokio::task::yield_now().await;
    topic.publish(&"x".into());
    assert_eq!(waiting.await.unwrap().unwrap(), b"\x81\x01x"[..]);
}

#[tokio::test]
async fn frames_made_for_another_kind_of_socket_are_refused() {
    let topic = Topic::default();
    let (server, mut client) = compressed(Some(agreed(true, 15)));
    let (mut plain, _peer) = pair(Settings::default(), 64);
    let mut subscription = topic.subscribe(&server);
    topic.publish(&"x".repeat(1000).into());
    let frames = subscription.ready().await.unwrap();
    for socket in [&mut client, &mut plain] {
        assert!(matches!(socket.feed_frames(frames.clone()), Err(SocketError::Foreign)));
        assert!(socket.is_open());
    }
}

#[tokio::test]
async fn places_are_used_again() {
    let topic = Topic::default();
    let (socket, _client) = pair(Settings::default(), 64);
    let _stays = topic.subscribe(&socket);
    for _ in 0..100 {
        drop(topic.subscribe(&socket));
    }
    assert_eq!(topic.lock().plain.readers.len(), 2);
    assert_eq!(topic.subscribers(), 1);
}
