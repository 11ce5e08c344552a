//! Large bodies, which go from socket to socket past the balancer: every byte, in order, and an end that cannot be mistaken.

use super::Balancer;
use super::load::GET;
use super::raw::{Backend, Peer};

/// Bytes that tell where they stand.
fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// Answers every request with `sent` of `length` bytes, in pieces of `piece`.
fn answer(peer: &mut Peer, length: usize, sent: usize, piece: usize) -> std::io::Result<()> {
    peer.answer(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"))?;
    bytes(length)[..sent].chunks(piece).try_for_each(|piece| peer.say(piece))
}

#[test]
fn bodies_of_every_length_arrive_and_the_connection_goes_on() {
    const LENGTHS: [usize; 7] =
        [32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, 100_000, 256 * 1024, 1 << 20, 9_999_999];
    for piece in [4_000, 1 << 20] {
        let backend = Backend::start(move |_, peer| {
            LENGTHS.iter().try_for_each(|length| answer(peer, *length, *length, piece))?;
            peer.hold()
        });
        let balancer = Balancer::over(&[backend.addr], |_| {});
        let mut wire = balancer.connect();
        for length in LENGTHS {
            wire.send(GET);
            let response = wire.read_response();
            assert_eq!(response.header("content-length"), Some(&*length.to_string()));
            assert!(response.body == bytes(length), "{length} bytes in pieces of {piece}");
        }
        let connections: Vec<_> = backend.requests().iter().map(|request| request.connection).collect();
        assert_eq!(connections, [0; 7], "the backend's connection is used again");
    }
}

#[test]
fn a_part_is_not_taken_for_the_whole() {
    for sent in [0, 100, 40_000, 1_000_000, (4 << 20) - 1] {
        let backend = Backend::start(move |_, peer| answer(peer, 4 << 20, sent, 1 << 20));
        let balancer = Balancer::over(&[backend.addr], |_| {});
        let mut wire = balancer.connect();
        wire.send(GET);
        let (got, _) = wire.read_to_close();
        let body = got.windows(4).position(|four| four == b"\r\n\r\n").map_or(&[][..], |at| &got[at + 4..]);
        assert!(bytes(4 << 20).starts_with(body), "{sent}");
        assert!(body.len() <= sent, "{sent}");
    }
}

#[test]
fn a_client_that_reads_slowly_gets_all_of_it() {
    const LENGTH: usize = 8 << 20;
    let backend = Backend::start(move |_, peer| {
        answer(peer, LENGTH, LENGTH, 1 << 20)?;
        peer.hold()
    });
    let balancer = Balancer::over(&[backend.addr], |_| {});
    let mut wire = balancer.connect();
    wire.send(GET);
    let head = wire.read_until(b"\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", head.escape_ascii());
    let (expected, mut at) = (bytes(LENGTH), 0);
    for piece in [1, 1_000, 100_000].into_iter().cycle() {
        let piece = piece.min(LENGTH - at);
        assert!(wire.read_exact(piece) == expected[at..at + piece], "at {at}");
        at += piece;
        if at == LENGTH {
            break;
        }
    }
}
