//! Peers that do not read, do not answer, or do not end; and the end of the server.

use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use wireworks::net::pace::MinRate;
use wireworks::proto::ws::keeper::Patience;
use wireworks::server::ws::{CloseCode, Settings, Socket, SocketError, Upgrade};

use super::peer::{End, Stand, frame};

/// Short, and not so short that a busy machine would be taken for a bad peer.
const SOON: Duration = Duration::from_millis(200);

fn stand(settings: Settings) -> Stand {
    Stand::of(Upgrade::new().settings(settings))
}

const CHUNK: usize = 64 << 10;
const MAX_UNSENT: usize = 1 << 20;

/// Says more than anybody reads, without waiting.
async fn feeding(mut socket: Socket, ends: Sender<End>) {
    let end = loop {
        let _ = futures_util::FutureExt::now_or_never(socket.turn());
        if let Err(error) = socket.feed(vec![0; CHUNK]) {
            break error;
        }
        assert!(socket.unsent() <= MAX_UNSENT + CHUNK + 10, "{} bytes wait", socket.unsent());
    };
    // The close frame stands behind them.
    assert!(socket.unsent() <= MAX_UNSENT + CHUNK + 200, "{} bytes wait", socket.unsent());
    drop(socket);
    let _ = ends.send(Err(end));
}

#[test]
fn who_does_not_read_is_dropped_when_too_much_waits() {
    let settings = Settings { max_unsent: MAX_UNSENT, ..Settings::default() };
    let stand = Stand::doing(Upgrade::new().settings(settings), feeding);
    let mut peer = stand.open();
    assert!(matches!(stand.end(), Err(SocketError::Slow)));
    // What had left is there, and the end.
    let (heard, _) = peer.wire.read_to_close();
    assert!(heard.starts_with(b"\x82\x7f\0\0\0\0\0\x01\0\0"));
}

/// Says one message after the other, and waits for each to leave.
async fn sending(mut socket: Socket, ends: Sender<End>) {
    let end = loop {
        if let Err(error) = socket.send(vec![0; CHUNK]).await {
            break error;
        }
    };
    assert!(socket.unsent() <= CHUNK + 200, "{} bytes wait", socket.unsent());
    let _ = ends.send(Err(end));
}

#[test]
fn who_reads_too_slowly_is_dropped_while_the_server_waits() {
    let settings = Settings {
        min_write_rate: MinRate { rate: 1 << 30, grace: SOON },
        stall_timeout: SOON,
        ..Settings::default()
    };
    let stand = Stand::doing(Upgrade::new().settings(settings), sending);
    let _peer = stand.open();
    assert!(matches!(stand.end(), Err(SocketError::Slow)));
}

/// Closes, and says how that went.
async fn closing(mut socket: Socket, ends: Sender<End>) {
    let end = socket.close(CloseCode::NORMAL).await;
    drop(socket);
    let _ = ends.send(end);
}

#[test]
fn who_does_not_finish_the_close_handshake_is_cut() {
    let patience = Patience { close_timeout: SOON, ..Patience::default() };
    let settings = Settings { patience, ..Settings::default() };
    let stand = Stand::doing(Upgrade::new().settings(settings), closing);
    let mut peer = stand.open();
    peer.hears(0x88, b"\x03\xe8");
    // Whatever else it says does not put it off.
    peer.wire.send([frame(0x81, b"wait"), frame(0x89, b"")].concat());
    peer.wire.expect_close();
    drop(peer);
    assert!(matches!(stand.end(), Err(SocketError::Unclosed)));
}

/// Pings soon, and gives up soon.
fn pinging(pong_timeout: Duration) -> Settings {
    let patience = Patience { ping_interval: Some(SOON), pong_timeout, ..Patience::default() };
    Settings { patience, ..Settings::default() }
}

#[test]
fn a_peer_that_is_gone_without_a_word_is_found_by_a_ping() {
    let stand = stand(pinging(SOON));
    let mut peer = stand.open();
    peer.hears(0x89, b"");
    // There is nobody to be told why.
    peer.wire.expect_close();
    assert!(matches!(stand.end(), Err(SocketError::Silent)));
}

#[test]
fn a_peer_that_answers_pings_stays() {
    let stand = stand(pinging(Duration::from_secs(20)));
    let mut peer = stand.open();
    for _ in 0..3 {
        peer.hears(0x89, b"");
        peer.say(0x8a, b"");
    }
    peer.say(0x88, b"");
    peer.hears(0x88, b"");
    drop(peer);
    assert!(stand.end().is_ok());
}

#[test]
fn a_flood_of_control_frames_is_refused() {
    let patience = Patience { controls: 10, ..Patience::default() };
    let stand = stand(Settings { patience, ..Settings::default() });
    for first in [0x89, 0x8a] {
        let mut peer = stand.open();
        peer.wire.send(frame(first, b"").repeat(200));
        loop {
            let (first, payload) = peer.hear();
            if first == 0x88 {
                assert_eq!(payload[..2], 1008_u16.to_be_bytes());
                break;
            }
        }
        peer.wire.expect_close();
        drop(peer);
        assert!(matches!(stand.end(), Err(SocketError::Peer(_))));
    }
}

#[test]
fn a_message_that_does_not_go_on_is_refused() {
    let patience = Patience { message_grace: SOON, message_rate: 1 << 30, ..Patience::default() };
    let stand = stand(Settings { patience, ..Settings::default() });
    for wire in [frame(0x01, b"half"), frame(0x82, &[0; 100])[..50].to_vec()] {
        let mut peer = stand.open();
        peer.is_heard();
        peer.wire.send(wire);
        peer.hears_close(1008);
        assert!(matches!(stand.end(), Err(SocketError::Peer(_))));
    }
}

#[test]
fn a_server_that_stops_says_1001_to_all_and_waits_for_them() {
    let stand = Stand::new();
    let mut peers: Vec<_> = (0..5).map(|_| stand.open()).collect();
    peers.iter_mut().for_each(super::peer::Peer::is_heard);
    let running = stand.into_running();
    let stopping = thread::spawn(move || running.stop().unwrap().aborted);
    for peer in &mut peers {
        peer.hears(0x88, b"\x03\xe9");
        // A message on its way is not answered any more.
        peer.say(0x81, b"crossed");
    }
    assert!(!stopping.is_finished(), "it waits for the answers");
    for peer in &mut peers {
        peer.say(0x88, b"\x03\xe9");
        peer.wire.expect_close();
    }
    assert_eq!(stopping.join().unwrap(), 0);
}

#[test]
fn a_server_that_stops_does_not_wait_for_ever() {
    let patience = Patience { close_timeout: SOON, ..Patience::default() };
    let stand = stand(Settings { patience, ..Settings::default() });
    let mut peer = stand.open();
    peer.is_heard();
    let running = stand.into_running();
    let stopping = thread::spawn(move || running.stop().unwrap().aborted);
    peer.hears(0x88, b"\x03\xe9");
    peer.wire.expect_close();
    assert_eq!(stopping.join().unwrap(), 0);
}
