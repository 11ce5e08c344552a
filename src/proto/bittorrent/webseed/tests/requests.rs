//! Requests that become asks, and bytes that become blocks.

use super::*;

const BYTES: u64 = BLOCK as u64;

fn range(ask: &Ask) -> Range<u64> {
    ask.range.clone().unwrap()
}

#[test]
fn adjacent_requests_are_one_ask() {
    let mut desk = Desk::files(single(BYTES * 16, 4));
    // The one that has waited longest comes first; what follows it goes with it, beyond its piece.
    desk.request(&[
        block(1, 2),
        block(1, 3),
        block(2, 0),
        block(0, 0),
        block(3, 0),
        block(2, 2),
        block(2, 1),
    ]);
    let (id, ask) = desk.ask();
    assert_eq!(ask.target, "/x/a%20b.bin");
    assert_eq!(range(&ask), 6 * BYTES..11 * BYTES);
    assert_eq!(ask.range_field().as_deref(), Some("bytes=98304-180223"));
    assert_eq!(desk.seed.state(), State::Busy(1));
    // One at a time.
    desk.request(&[block(0, 1), block(0, 3)]);
    assert_eq!(desk.todo(), []);
    let body = desk.bytes[range(&ask).start as usize..range(&ask).end as usize].to_vec();
    desk.give(id, &ask, 16 * BYTES, &body);
    let came =
        [block(1, 2), block(1, 3), block(2, 0), block(2, 1), block(2, 2)].map(|block| desk.piece(block));
    let todo = desk.todo();
    assert_eq!(todo[..5], came.map(Todo::Say));
    let [Todo::Ask(_, ask)] = &todo[5..] else { panic!("{todo:?}") };
    assert_eq!(range(ask), 0..2 * BYTES);
}

#[test]
fn asks_have_a_limit() {
    for (limit, asks, expected) in [
        (0, 0, &[(0, 1)][..]),
        (2 * BYTES, 1, &[(0, 2)]),
        (3 * BYTES - 1, 2, &[(0, 2), (2, 4)]),
        (3 * BYTES, 3, &[(0, 3), (3, 6), (6, 8)]),
        (BYTES, 99, &[(0, 1), (1, 2), (2, 3), (3, 4)]),
        (MAX_ASK, 4, &[(0, 8)]),
    ] {
        let mut desk = Desk::new(single(BYTES * 8, 4), Kind::Files, Settings { asks, ask: limit });
        desk.request(&[0, 1, 2, 3, 4, 5, 6, 7].map(|number| block(number / 4, number % 4)));
        let found: Vec<_> = desk.asks().iter().map(|(_, ask)| range(ask)).collect();
        let expected: Vec<_> = expected.iter().map(|(start, end)| start * BYTES..end * BYTES).collect();
        assert_eq!(found, expected, "{limit} {asks}");
    }
}

#[test]
fn blocks_are_given_as_soon_as_their_bytes_are_there() {
    for step in [1usize, 1000, 16 << 10, 16 << 10 | 1, 40_000, 1 << 20] {
        let mut desk = Desk::files(single(BYTES * 3 + 5, 4));
        let last = Block { piece: 0, begin: 3 * BLOCK, length: 5 };
        let blocks = [block(0, 0), block(0, 1), block(0, 2), last];
        desk.request(&blocks);
        let (id, ask) = desk.ask();
        assert_eq!(range(&ask), 0..BYTES * 3 + 5);
        desk.seed.answered(desk.now, id, &head(206, None, Some("bytes 0-49156/49157")));
        let mut come = 0;
        let mut said = Vec::new();
        for chunk in desk.bytes.clone().chunks(step) {
            desk.seed.came(desk.now, id, Bytes::copy_from_slice(chunk));
            come += chunk.len();
            said.extend(desk.words());
            let whole = if come == desk.bytes.len() { 4 } else { come / BLOCK as usize };
            assert_eq!(said.len(), whole, "{step} {come}");
        }
        assert_eq!(said, blocks.map(|block| desk.piece(block)), "{step}");
        desk.seed.finished(desk.now, id);
        assert_eq!((desk.todo(), desk.seed.state()), (vec![], State::Idle));
    }
}

#[test]
fn a_block_may_lie_in_many_files() {
    let files = &[
        ("a", 10_000, ""),
        ("none", 0, ""),
        ("b", 384, ""),
        (".pad/6000", 6000, "p"),
        ("c", BYTES + 100, ""),
        (".pad/2", BYTES - 100, "p"),
        ("d", BYTES, ""),
    ];
    let mut desk = Desk::files(folder(b"t", files, 4 * BLOCK));
    desk.request(&[block(0, 0), block(0, 1), block(0, 2), block(0, 3)]);
    let mut asked = Vec::new();
    let mut said = Vec::new();
    let site = Site::of(&desk.info, &desk.bytes, "/x/");
    for _ in 0..10 {
        for todo in desk.todo() {
            match todo {
                Todo::Ask(id, ask) => {
                    let file = site.get(&ask.target).unwrap();
                    let body = &file[range(&ask).start as usize..range(&ask).end as usize];
                    asked.push((ask.target.clone(), range(&ask)));
                    desk.give(id, &ask, file.len() as u64, body);
                }
                Todo::Say(word) => said.push(word),
                other => panic!("{other:?}"),
            }
        }
    }
    let expected =
        [("/x/t/a", 0..10_000), ("/x/t/b", 0..384), ("/x/t/c", 0..BYTES + 100), ("/x/t/d", 0..BYTES)];
    assert_eq!(asked, expected.map(|(target, range)| (target.to_owned(), range)));
    assert_eq!(said, [0, 1, 2, 3].map(|number| desk.piece(block(0, number))));
}

#[test]
fn padding_is_asked_of_nobody() {
    let mut desk = Desk::files(folder(b"t", &[("a", BYTES, ""), ("p", 3 * BYTES, "p"), ("b", 9, "")], BLOCK));
    let tail = Block { piece: 4, begin: 0, length: 9 };
    desk.request(&[block(2, 0), block(3, 0)]);
    assert_eq!(desk.words(), [desk.piece(block(2, 0)), desk.piece(block(3, 0))]);
    // Also at the end of a block, and what is behind it is another ask.
    desk.request(&[block(1, 0), tail]);
    let todo = desk.todo();
    assert_eq!(todo[0], Todo::Say(desk.piece(block(1, 0))));
    assert!(matches!(&todo[1..], [Todo::Ask(_, ask)] if range(ask) == (0..9)), "{todo:?}");
}

#[test]
fn files_that_begin_with_pieces_leave_gaps() {
    // Version 2: the end of the first file is not the beginning of the second.
    let leaf = |length: u64| {
        let leaf = Tree::dictionary([("length", length)]).with("pieces root", vec![7; 32]);
        Tree::dictionary([("", leaf)])
    };
    let info = Tree::dictionary([("name", "t")])
        .with("piece length", 2 * BLOCK)
        .with("meta version", 2i64)
        .with("file tree", Tree::dictionary([("a", leaf(BYTES + 10)), ("b", leaf(3 * BYTES))]));
    let info = Arc::new(Info::read(info.to_bytes().into()).unwrap());
    let mut desk =
        Desk::new((info, vec![1; 6 * BLOCK as usize]), Kind::Files, Settings { asks: 4, ask: MAX_ASK });
    let tail = Block { piece: 0, begin: BLOCK, length: 10 };
    desk.request(&[block(0, 0), tail, block(1, 0), block(1, 1), block(2, 0)]);
    let asks: Vec<_> = desk.asks().into_iter().map(|(_, ask)| (ask.target.clone(), range(&ask))).collect();
    assert_eq!(asks, [("/x/t/a".to_owned(), 0..BYTES + 10), ("/x/t/b".to_owned(), 0..3 * BYTES)]);
    // Behind the end of a file there is nothing.
    desk.request(&[block(0, 1)]);
    assert_eq!(desk.words(), [Message::Reject(block(0, 1))]);
}

#[test]
fn scripts_give_several_ranges_of_a_piece() {
    let mut desk = Desk::new(single(BYTES * 16, 8), Kind::Pieces, Settings::default());
    desk.request(&[block(0, 5), block(0, 1), block(1, 0), block(0, 4)]);
    let (id, ask) = desk.ask();
    let (_, query) = ask.target.split_once("&piece=").unwrap();
    assert_eq!((query, &ask.range), ("0&ranges=16384-32767,65536-98303", &None));
    desk.seed.answered(desk.now, id, &head(200, Some(3 * BYTES), None));
    let body = [
        &desk.bytes[BLOCK as usize..2 * BLOCK as usize],
        &desk.bytes[4 * BLOCK as usize..6 * BLOCK as usize],
    ];
    desk.seed.came(desk.now, id, Bytes::from(body.concat()));
    desk.seed.finished(desk.now, id);
    let todo = desk.todo();
    let came = [block(0, 1), block(0, 4), block(0, 5)].map(|block| Todo::Say(desk.piece(block)));
    assert_eq!(todo[..3], came);
    assert!(matches!(&todo[3..], [Todo::Ask(_, ask)] if ask.target.ends_with("&piece=1&ranges=0-16383")));
    // Padding is left out here, too; a piece that is wanted as a whole is asked for without ranges.
    let files = &[("a", 100, ""), ("p", BYTES - 100, "p"), ("b", 2 * BYTES, "")];
    let mut desk =
        Desk::new(folder(b"t", files, 2 * BLOCK), Kind::Pieces, Settings { asks: 2, ask: MAX_ASK });
    desk.request(&[block(0, 1), block(0, 0), block(1, 0)]);
    let targets: Vec<_> = desk.asks().into_iter().map(|(_, ask)| ask.target).collect();
    assert!(targets[0].ends_with("&piece=0&ranges=0-99,16384-32767"), "{targets:?}");
    assert!(targets[1].ends_with("&piece=1"), "{targets:?}");
}

#[test]
fn what_is_cancelled_is_not_asked_for() {
    let mut desk = Desk::files(single(BYTES * 8, 8));
    desk.request(&[block(0, 0), block(0, 1), block(0, 2), block(0, 4), block(0, 5)]);
    desk.seed.said(&Message::Cancel(block(0, 4)));
    let (id, ask) = desk.ask();
    assert_eq!(range(&ask), 0..3 * BYTES);
    // What flows is passed over, unless it is wanted again.
    desk.seed.said(&Message::Cancel(block(0, 1)));
    desk.seed.said(&Message::Cancel(block(0, 2)));
    desk.request(&[block(0, 2), block(0, 0)]);
    let body = desk.bytes[..3 * BLOCK as usize].to_vec();
    desk.give(id, &ask, 8 * BYTES, &body);
    let todo = desk.todo();
    assert_eq!(todo[..2], [block(0, 0), block(0, 2)].map(|block| Todo::Say(desk.piece(block))));
    let [Todo::Ask(id, ask)] = &todo[2..] else { panic!("{todo:?}") };
    assert_eq!(range(ask), 5 * BYTES..6 * BYTES);
    // Another block that begins there is another one.
    desk.seed.said(&Message::Cancel(Block { length: 5, ..block(0, 5) }));
    let body = desk.bytes[5 * BLOCK as usize..6 * BLOCK as usize].to_vec();
    desk.give(*id, ask, 8 * BYTES, &body);
    assert_eq!(desk.words(), [desk.piece(block(0, 5))]);
    // A block of several files, of which the rest is not asked for.
    let mut desk = Desk::files(folder(b"t", &[("a", 100, ""), ("b", BYTES, "")], 2 * BLOCK));
    desk.request(&[block(0, 0)]);
    let (id, ask) = desk.ask();
    desk.seed.said(&Message::Cancel(block(0, 0)));
    let body = desk.bytes[..100].to_vec();
    desk.give(id, &ask, 100, &body);
    assert_eq!((desk.todo(), desk.seed.state()), (vec![], State::Idle));
}

#[test]
fn requests_that_cannot_be_are_refused() {
    let mut desk = Desk::files(single(BYTES * 2 + 1, 2));
    let wrong = [
        block(0, 2),
        block(2, 0),
        block(1, 0),
        block(u32::MAX, u32::MAX / BLOCK),
        Block { length: u32::MAX, ..block(0, 1) },
        Block { length: 0, ..block(0, 0) },
        Block { piece: 1, begin: 1, length: 1 },
    ];
    desk.request(&wrong);
    assert_eq!(desk.words(), wrong.map(Message::Reject));
    // Twice is once, of two that begin at one place the second is refused, and what is beyond the limit.
    let other = Block { length: 5, ..block(0, 0) };
    desk.request(&[block(0, 0), block(0, 0), other]);
    let todo = desk.todo();
    assert!(
        matches!(&todo[..], [Todo::Say(Message::Reject(block)), Todo::Ask(..)] if *block == other),
        "{todo:?}"
    );
    let many = u64::from(MAX_REQUESTS) + 2;
    let mut desk = Desk::files(single(many, 1));
    let blocks: Vec<_> = (0..many as u32).map(|begin| Block { piece: 0, begin, length: 1 }).collect();
    desk.request(&blocks);
    assert_eq!(
        desk.words_before_asks(),
        [blocks[blocks.len() - 2], blocks[blocks.len() - 1]].map(Message::Reject)
    );
    // Words that are not about blocks mean nothing.
    for word in [Message::HaveAll, Message::Interested, Message::Choke, Message::KeepAlive, Message::Have(7)]
    {
        desk.seed.said(&word);
        assert_eq!(desk.todo(), []);
    }
}

#[test]
fn a_server_without_ranges_gives_files_from_their_beginning() {
    let length = MAX_SKIP + 3 * BYTES;
    let mut desk = Desk::files(single(length, 4));
    let number = (MAX_SKIP / BYTES) as u32;
    desk.request(&[block(number / 4, number % 4)]);
    let (id, ask) = desk.ask();
    assert_eq!(range(&ask), MAX_SKIP..MAX_SKIP + BYTES);
    desk.seed.answered(desk.now, id, &head(200, Some(length), None));
    for chunk in desk.bytes.clone().chunks(100_000) {
        desk.seed.came(desk.now, id, Bytes::copy_from_slice(chunk));
    }
    // What follows is not read.
    let piece = Todo::Say(desk.piece(block(number / 4, number % 4)));
    assert_eq!(desk.todo(), [piece, Todo::Abort(id)]);
    assert_eq!(desk.seed.state(), State::Idle);
    desk.request(&[block((number + 1) / 4, (number + 1) % 4)]);
    let (id, _) = desk.ask();
    desk.seed.answered(desk.now, id, &head(200, Some(length), None));
    assert_eq!(desk.todo(), [Todo::Abort(id), Todo::Leave(Ended::NoRanges)]);
    assert_eq!(desk.seed.state(), State::Ended(Ended::NoRanges));
}

#[test]
fn less_than_was_asked_for_is_asked_for_again() {
    let mut desk = Desk::files(single(BYTES * 4, 4));
    desk.request(&[block(0, 0), block(0, 1), block(0, 2)]);
    let (first, _) = desk.ask();
    desk.seed.answered(desk.now, first, &head(206, None, Some("bytes 0-19999/65536")));
    desk.seed.came(desk.now, first, Bytes::copy_from_slice(&desk.bytes[..20_000]));
    desk.seed.finished(desk.now, first);
    let todo = desk.todo();
    assert_eq!(todo[0], Todo::Say(desk.piece(block(0, 0))));
    let [Todo::Ask(id, ask)] = &todo[1..] else { panic!("{todo:?}") };
    assert_eq!(range(ask), 20_000..3 * BYTES);
    let body = desk.bytes[20_000..3 * BLOCK as usize].to_vec();
    desk.give(*id, ask, 4 * BYTES, &body);
    assert_eq!(desk.words(), [desk.piece(block(0, 1)), desk.piece(block(0, 2))]);
    // Words about an ask that is over mean nothing.
    desk.seed.answered(desk.now, first, &head(404, None, None));
    desk.seed.came(desk.now, first, Bytes::from_static(b"x"));
    desk.seed.finished(desk.now, first);
    desk.seed.failed(desk.now, first);
    assert_eq!(desk.todo(), []);
}

impl Desk {
    /// Words that are to be said before anything is asked.
    fn words_before_asks(&mut self) -> Vec<Message> {
        let word = |todo| match todo {
            Todo::Say(word) => Some(word),
            _ => None,
        };
        self.todo().into_iter().map_while(word).collect()
    }
}
