//! Servers that fail, want to be left alone, or have not what was asked for.

use super::*;

const BYTES: u64 = BLOCK as u64;

/// A desk with one ask under way, for the first block.
fn asked(torrent: (Arc<Info>, Vec<u8>), kind: Kind) -> (Desk, AskId) {
    let mut desk = Desk::new(torrent, kind, Settings::default());
    desk.request(&[block(0, 0)]);
    let (id, _) = desk.ask();
    (desk, id)
}

fn rejected(blocks: &[Block]) -> Vec<Message> {
    std::iter::once(Message::Choke).chain(blocks.iter().copied().map(Message::Reject)).collect()
}

#[test]
fn a_server_that_fails_is_left_alone_ever_longer() {
    let mut desk = Desk::files(single(BYTES * 4, 4));
    for seconds in [5, 10, 20, 40, 80, 160, 320, 600, 600, 600] {
        desk.request(&[block(0, 0), block(0, 2)]);
        let (id, _) = desk.ask();
        desk.seed.failed(desk.now, id);
        assert_eq!(desk.words(), rejected(&[block(0, 0), block(0, 2)]), "{seconds}");
        let until = desk.now + Duration::from_secs(seconds);
        assert_eq!(desk.seed.state(), State::Rests { until, fault: Fault::Connection });
        // What is asked for now is refused.
        desk.request(&[block(0, 1)]);
        assert_eq!(desk.words(), [Message::Reject(block(0, 1))]);
        desk.wait(Duration::from_secs(seconds) - Duration::from_millis(1));
        let words = desk.words();
        assert!(words.iter().all(|word| *word == Message::KeepAlive), "{words:?}");
        assert_eq!(desk.seed.deadline(), Some(until));
        desk.wait(Duration::from_millis(1));
        assert_eq!(desk.words(), [Message::Unchoke]);
        assert_eq!(desk.seed.state(), State::Idle);
    }
    // What goes well is a new beginning.
    desk.request(&[block(0, 0)]);
    let (id, ask) = desk.ask();
    let body = desk.bytes[..BLOCK as usize].to_vec();
    desk.give(id, &ask, 4 * BYTES, &body);
    assert_eq!(desk.words(), [desk.piece(block(0, 0))]);
    desk.request(&[block(0, 1)]);
    let (id, _) = desk.ask();
    desk.seed.failed(desk.now, id);
    assert_eq!(desk.seed.rest.under_way(), Some((desk.now + Duration::from_secs(5), Fault::Connection)));
}

#[test]
fn a_server_says_how_long_it_wants_to_be_left_alone() {
    for (status, said, expected) in [
        (503, Some(30), 30),
        (429, Some(7), 7),
        (503, Some(0), 5),
        (503, Some(u64::MAX), LONGEST_REST.as_secs()),
        (503, None, 5),
        (500, None, 5),
    ] {
        let (mut desk, id) = asked(single(BYTES * 4, 4), Kind::Files);
        let retry_after = said.map(Duration::from_secs);
        desk.seed.answered(desk.now, id, &Head { status, length: None, range: None, retry_after });
        let todo = desk.todo();
        assert_eq!(todo[0], Todo::Abort(id));
        assert_eq!(todo[1..], rejected(&[block(0, 0)]).into_iter().map(Todo::Say).collect::<Vec<_>>());
        let until = desk.now + Duration::from_secs(expected);
        assert_eq!(desk.seed.state(), State::Rests { until, fault: Fault::Status(status) }, "{said:?}");
    }
}

#[test]
fn a_script_says_it_in_its_body() {
    for (body, expected) in
        [("45", 45), ("90\n", 90), ("soon", 5), ("", 5), ("99999999999999999999999999", 3600)]
    {
        let (mut desk, id) = asked(single(BYTES * 4, 4), Kind::Pieces);
        desk.seed.answered(desk.now, id, &head(503, None, None));
        for byte in body.bytes() {
            desk.seed.came(desk.now, id, Bytes::copy_from_slice(&[byte]));
        }
        desk.seed.finished(desk.now, id);
        assert_eq!(desk.words(), rejected(&[block(0, 0)]), "{body}");
        let until = desk.now + Duration::from_secs(expected);
        assert_eq!(desk.seed.state(), State::Rests { until, fault: Fault::Status(503) }, "{body}");
    }
}

#[test]
fn asks_that_fail_together_count_once() {
    let mut desk = Desk::new(single(BYTES * 8, 2), Kind::Files, Settings { asks: 3, ask: BYTES });
    desk.request(&[block(0, 0), block(1, 0), block(2, 0), block(3, 0)]);
    let asks = desk.asks();
    assert_eq!(asks.len(), 3);
    desk.seed.failed(desk.now, asks[0].0);
    assert_eq!(desk.words(), rejected(&[block(0, 0), block(3, 0)]));
    desk.seed.failed(desk.now, asks[1].0);
    assert_eq!(desk.words(), [Message::Reject(block(1, 0))]);
    let rest = Duration::from_secs(5);
    assert_eq!(desk.seed.state(), State::Rests { until: desk.now + rest, fault: Fault::Connection });
    // The third goes on meanwhile.
    let body = desk.bytes[4 * BLOCK as usize..5 * BLOCK as usize].to_vec();
    desk.give(asks[2].0, &asks[2].1, 8 * BYTES, &body);
    assert_eq!(desk.words(), [desk.piece(block(2, 0))]);
    desk.wait(rest);
    assert_eq!(desk.words(), [Message::Unchoke]);
}

#[test]
fn a_server_that_sends_nothing_is_not_waited_for() {
    let (mut desk, id) = asked(single(BYTES * 4, 4), Kind::Files);
    // From each byte on.
    desk.wait(PATIENCE - Duration::from_secs(1));
    desk.seed.answered(desk.now, id, &head(206, None, Some("bytes 0-16383/65536")));
    desk.wait(PATIENCE - Duration::from_secs(1));
    assert_eq!(desk.todo(), []);
    desk.seed.came(desk.now, id, Bytes::from_static(b"x"));
    assert_eq!(desk.seed.deadline(), Some(desk.now + Duration::from_secs(2)), "a word to the torrent");
    desk.wait(Duration::from_secs(2));
    assert_eq!(desk.words(), [Message::KeepAlive]);
    assert_eq!(desk.seed.deadline(), Some(desk.now + PATIENCE - Duration::from_secs(2)));
    desk.wait(PATIENCE - Duration::from_secs(2));
    let todo = desk.todo();
    assert_eq!(todo[0], Todo::Abort(id));
    assert_eq!(todo[1..], rejected(&[block(0, 0)]).into_iter().map(Todo::Say).collect::<Vec<_>>());
    assert!(matches!(desk.seed.state(), State::Rests { fault: Fault::Silent, .. }));
}

#[test]
fn bodies_that_are_too_short_or_too_long() {
    let ranged = |desk: &mut Desk, id| {
        desk.seed.answered(desk.now, id, &head(206, None, Some("bytes 0-16383/65536")));
    };
    // Too short.
    let (mut desk, id) = asked(single(BYTES * 4, 4), Kind::Files);
    ranged(&mut desk, id);
    desk.seed.came(desk.now, id, Bytes::copy_from_slice(&desk.bytes[..16_383]));
    desk.seed.finished(desk.now, id);
    assert_eq!(desk.words(), rejected(&[block(0, 0)]));
    assert!(matches!(desk.seed.state(), State::Rests { fault: Fault::Short, .. }));
    // Too long: what was right of it is given.
    let (mut desk, id) = asked(single(BYTES * 4, 4), Kind::Files);
    ranged(&mut desk, id);
    desk.seed.came(desk.now, id, Bytes::copy_from_slice(&desk.bytes[..16_385]));
    let piece = desk.piece(block(0, 0));
    assert_eq!(desk.todo(), [Todo::Say(piece), Todo::Abort(id), Todo::Say(Message::Choke)]);
    assert!(matches!(desk.seed.state(), State::Rests { fault: Fault::Long, .. }));
    // No answer at all, and bytes without a head.
    let (mut desk, id) = asked(single(BYTES * 4, 4), Kind::Files);
    desk.seed.came(desk.now, id, Bytes::from_static(b"x"));
    desk.seed.finished(desk.now, id);
    assert_eq!(desk.words(), rejected(&[block(0, 0)]));
    assert!(matches!(desk.seed.state(), State::Rests { fault: Fault::Connection, .. }));
}

#[test]
fn files_that_are_not_there_are_not_asked_for_again() {
    let files = &[("a", 2 * BYTES, ""), ("b", 2 * BYTES + 5, ""), ("c", 3 * BYTES, "")];
    let mut desk = Desk::new(folder(b"t", files, BLOCK), Kind::Files, Settings { asks: 2, ask: BYTES });
    desk.request(&[block(2, 0), block(0, 0), block(1, 0)]);
    let asks = desk.asks();
    assert_eq!(asks[0].1.target, "/x/t/b");
    desk.seed.answered(desk.now, asks[0].0, &head(404, None, None));
    // It joins again, without the pieces that have a byte of the file.
    assert_eq!(desk.todo(), [Todo::Abort(asks[0].0), Todo::Abort(asks[1].0), Todo::Rejoin]);
    desk.request(&[block(0, 0)]);
    assert_eq!((desk.todo(), desk.seed.deadline()), (vec![], None), "it is no peer now");
    desk.seed.joined(desk.now);
    assert_eq!(desk.words(), [Message::Bitfield(Bytes::from_static(&[0b1100_0111])), Message::Unchoke]);
    desk.request(&[block(4, 0), block(5, 0)]);
    let todo = desk.todo();
    assert_eq!(todo[0], Todo::Say(Message::Reject(block(4, 0))));
    let [Todo::Ask(id, ask)] = &todo[1..] else { panic!("{todo:?}") };
    assert_eq!((&*ask.target, ask.range.clone()), ("/x/t/c", Some(BYTES - 5..2 * BYTES - 5)));
    // Another file of that name is as good as none.
    desk.seed.answered(desk.now, *id, &head(206, None, Some("bytes 16379-32762/49153")));
    assert_eq!(desk.todo(), [Todo::Abort(*id), Todo::Rejoin]);
    desk.seed.joined(desk.now);
    assert_eq!(desk.words(), [Message::Bitfield(Bytes::from_static(&[0b1100_0000])), Message::Unchoke]);
    // Without the last one it has nothing.
    desk.request(&[block(0, 0)]);
    let (id, _) = desk.ask();
    desk.seed.answered(desk.now, id, &head(410, None, None));
    assert_eq!(desk.todo(), [Todo::Abort(id), Todo::Leave(Ended::NoFiles)]);
    desk.seed.joined(desk.now);
    assert_eq!((desk.todo(), desk.seed.deadline()), (vec![], None));
    assert_eq!(desk.seed.state(), State::Ended(Ended::NoFiles));
}

#[test]
fn a_url_without_any_of_the_files_is_given_up() {
    let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let files: Vec<_> = names.iter().map(|name| (&**name, BYTES, "")).collect();
    let mut desk = Desk::files(folder(b"t", &files, BLOCK));
    for piece in 0..MAX_MISSES {
        // One that is there is a new beginning.
        if piece == MAX_MISSES / 2 {
            desk.request(&[block(99, 0)]);
            let (id, ask) = desk.ask();
            desk.give(id, &ask, BYTES, &content(99, BYTES));
            assert_eq!(desk.words(), [desk.piece(block(99, 0))]);
        }
        desk.request(&[block(piece, 0)]);
        let (id, _) = desk.ask();
        desk.seed.answered(desk.now, id, &head(403, None, None));
        assert_eq!(desk.todo(), [Todo::Abort(id), Todo::Rejoin]);
        desk.seed.joined(desk.now);
        assert_eq!(desk.words().len(), 2);
    }
    for piece in MAX_MISSES.. {
        desk.request(&[block(piece, 0)]);
        let (id, _) = desk.ask();
        desk.seed.answered(desk.now, id, &head(403, None, None));
        match &desk.todo()[..] {
            [_, Todo::Rejoin] => desk.seed.joined(desk.now),
            [_, Todo::Leave(Ended::NoFiles)] => {
                assert_eq!(piece + 1, MAX_MISSES + MAX_MISSES / 2);
                break;
            }
            other => panic!("{other:?}"),
        }
        desk.words();
    }
}

#[test]
fn a_server_that_sends_another_range_is_given_up() {
    let (mut desk, id) = asked(single(BYTES * 4, 4), Kind::Files);
    desk.seed.answered(desk.now, id, &head(206, None, Some("bytes 1-16384/65536")));
    assert_eq!(desk.todo(), [Todo::Abort(id), Todo::Leave(Ended::WrongRange)]);
    desk.request(&[block(0, 0)]);
    assert_eq!(desk.todo(), []);
}

#[test]
fn who_is_banned_is_asked_no_more() {
    let (mut desk, id) = asked(single(BYTES * 4, 4), Kind::Files);
    desk.seed.banned();
    desk.seed.banned();
    assert_eq!(desk.todo(), [Todo::Abort(id), Todo::Leave(Ended::Banned)]);
    desk.seed.joined(desk.now);
    desk.request(&[block(0, 0)]);
    assert_eq!((desk.todo(), desk.seed.state()), (vec![], State::Ended(Ended::Banned)));
}

#[test]
fn it_may_part_and_join_again() {
    let (mut desk, id) = asked(single(BYTES * 4, 4), Kind::Files);
    desk.seed.failed(desk.now, id);
    // What was to be said is not said to another.
    desk.seed.parted();
    assert_eq!((desk.todo(), desk.seed.deadline()), (vec![], None));
    desk.wait(Duration::from_secs(4));
    desk.seed.joined(desk.now);
    assert_eq!(desk.words(), [Message::HaveAll], "it still rests");
    desk.wait(Duration::from_secs(1));
    assert_eq!(desk.words(), [Message::Unchoke]);
    desk.request(&[block(0, 0), block(0, 2)]);
    let (id, _) = desk.ask();
    desk.seed.joined(desk.now);
    assert_eq!(desk.todo(), [Todo::Abort(id), Todo::Say(Message::HaveAll), Todo::Say(Message::Unchoke)]);
}

#[test]
fn the_torrent_is_not_left_without_a_word() {
    let mut desk = Desk::files(single(BYTES, 1));
    for _ in 0..3 {
        assert_eq!(desk.seed.deadline(), Some(desk.now + KEEP_ALIVE));
        desk.wait(KEEP_ALIVE);
        assert_eq!(desk.words(), [Message::KeepAlive]);
    }
}
