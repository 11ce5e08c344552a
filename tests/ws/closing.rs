//! Sections 5.5.1 and 7.1: how a connection ends.

use std::sync::mpsc::Sender;

use wireworks::server::ws::{CloseCode, CloseReason, Socket, SocketError, Upgrade};

use super::peer::{End, Peer, Stand, frame, is_refused};

#[test]
fn r32_a_close_frame_is_answered_with_its_code_and_the_server_ends_tcp() {
    let stand = Stand::new();
    for code in [1000_u16, 1001, 3000, 4999] {
        let mut peer = stand.open();
        peer.say(0x88, &[&code.to_be_bytes()[..], b"why"].concat());
        // No reset, and nobody waits for our end of TCP.
        peer.hears_close(code);
        let reason = stand.end().unwrap().unwrap();
        assert_eq!((reason.code().get(), reason.reason()), (code, "why"));
    }
}

#[test]
fn r33_what_follows_a_close_frame_is_not_heard() {
    let stand = Stand::new();
    let mut peer = stand.open();
    peer.wire.send([frame(0x81, b"before"), frame(0x88, b"\x03\xe8"), frame(0x81, b"behind")].concat());
    peer.hears(0x81, b"before");
    peer.hears_close(1000);
    // Not even a fault.
    let mut peer = stand.open();
    peer.wire.send([&frame(0x88, b"\x03\xe9")[..], b"\xff\xff\xff\xff"].concat());
    peer.hears_close(1001);
}

/// Closes as soon as it has said something.
async fn closing(mut socket: Socket, ends: Sender<End>) {
    socket.send("last words").await.unwrap();
    let end = socket.close(CloseReason::new(CloseCode::new(4000).unwrap(), "enough")).await;
    let late = socket.send("late").await;
    assert!(late.is_err());
    let _ = ends.send(end);
}

/// A peer that has heard that the server closes.
fn closed_by_the_server(stand: &Stand) -> Peer {
    let mut peer = stand.open();
    peer.hears(0x81, b"last words");
    peer.hears(0x88, b"\x0f\xa0enough");
    peer
}

#[test]
fn r34_a_server_closes_with_code_and_reason_and_says_no_more() {
    let stand = Stand::doing(Upgrade::new(), closing);
    let mut peer = closed_by_the_server(&stand);
    // Neither a message nor a ping is answered any more.
    peer.wire.send([frame(0x81, b"one more"), frame(0x89, b"ping")].concat());
    peer.say(0x88, b"\x0f\xa0");
    peer.wire.expect_close();
    drop(peer);
    assert_eq!(stand.end().unwrap(), Some(CloseCode::new(4000).unwrap().into()));
}

#[test]
fn r35_a_close_frame_has_a_whole_code_and_a_reason_in_utf8() {
    let stand = Stand::new();
    is_refused(&stand, &frame(0x88, b"\x03"), 1002);
    is_refused(&stand, &frame(0x88, b"\x03\xe8\xff"), 1007);
    is_refused(&stand, &frame(0x88, b"\x03\xe8\xe2\x82"), 1007);
}

#[test]
fn r36_a_close_frame_without_a_code_is_answered_without_one() {
    let stand = Stand::new();
    let mut peer = stand.open();
    peer.say(0x88, b"");
    peer.hears(0x88, b"");
    peer.wire.expect_close();
    drop(peer);
    assert_eq!(stand.end().unwrap(), None);
}

#[test]
fn r37_both_may_close_at_once() {
    let stand = Stand::doing(Upgrade::new(), closing);
    let mut peer = stand.open();
    // Said before the server's close frame is read.
    peer.say(0x88, b"\x03\xe8");
    peer.hears(0x81, b"last words");
    let (first, _) = peer.hear();
    assert_eq!(first, 0x88);
    peer.wire.expect_close();
    drop(peer);
    assert_eq!(stand.end().unwrap(), Some(CloseCode::NORMAL.into()));
}

#[test]
fn r38_an_end_without_a_close_frame_is_told_from_a_close() {
    let stand = Stand::new();
    for wire in [&b""[..], &frame(0x01, b"half"), &frame(0x81, b"cut")[..5]] {
        let mut peer = stand.open();
        peer.wire.send(wire);
        peer.wire.half_close();
        let _ = peer.wire.read_to_close();
        drop(peer);
        let end = stand.end();
        assert!(matches!(end, Err(SocketError::Torn)), "{end:?}");
    }
    stand.open().wire.reset();
    let end = stand.end();
    assert!(matches!(end, Err(SocketError::Torn | SocketError::Io(_))), "{end:?}");
}
