//! What is said to a peer, word by word.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::*;
use super::info;
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::wire::Block;

struct Talk {
    torrent: Torrent,
    now: Instant,
    met: u32,
}

impl Talk {
    /// One of four pieces of two blocks, of which these are there.
    fn with(have: &[u32]) -> Self {
        let now = Instant::now();
        let mut pieces = Bitfield::none(4);
        have.iter().for_each(|piece| assert!(pieces.set(*piece)));
        let settings = Settings { slots: 2, requests: 3, super_seeding: false };
        Self { torrent: Torrent::new(info(4, 2), pieces, settings, now, 1), now, met: 0 }
    }

    fn meets(&mut self, fast: bool) -> PeerKey {
        self.met += 1;
        let addr = SocketAddr::from(([10, 0, 0, self.met as u8], 6881));
        self.torrent.join(self.now, Newcomer { addr, fast, impatient: false, greeted: false, runs: false })
    }

    fn hears(&mut self, key: PeerKey, message: Message) -> Heard {
        self.torrent.heard(self.now, key, message).unwrap()
    }

    fn refuses(&mut self, key: PeerKey, message: Message) -> Violation {
        self.torrent.heard(self.now, key, message).unwrap_err()
    }

    fn does(&mut self, key: PeerKey) -> Vec<Todo> {
        std::iter::from_fn(|| self.torrent.next(self.now, key, true)).collect()
    }

    fn says(&mut self, key: PeerKey) -> Vec<Message> {
        let word = |todo| match todo {
            Todo::Say(message) => message,
            Todo::Send(block) => panic!("it sends {block:?}"),
        };
        self.does(key).into_iter().map(word).collect()
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.torrent.poll(self.now);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.torrent.event()).collect()
    }

    /// Sends a piece of two blocks, which is checked.
    fn gets(&mut self, senders: [PeerKey; 2], piece: u32, right: bool, bytes: [u8; 2]) -> Fate {
        for (number, (sender, byte)) in (0..).zip(senders.into_iter().zip(bytes)) {
            let data = Bytes::from(vec![byte; BLOCK as usize]);
            let heard = self.hears(sender, Message::Piece { piece, begin: number * BLOCK, data });
            assert!(matches!(heard, Heard::Block { whole, .. } if whole == (number == 1)), "{heard:?}");
        }
        let blocks = bytes.iter().map(|byte| Sha1::of(&[*byte])).collect();
        self.torrent.checked(piece, &Checked { right, blocks })
    }
}

fn block(piece: u32, number: u32) -> Block {
    Block { piece, begin: number * BLOCK, length: BLOCK }
}

fn requests(said: &[Message]) -> Vec<(u32, u32)> {
    let request = |message: &Message| match message {
        Message::Request(block) => Some((block.piece, block.begin / BLOCK)),
        _ => None,
    };
    said.iter().filter_map(request).collect()
}

#[test]
fn what_is_there_is_said_first() {
    for (have, fast, expected) in [
        (&[][..], false, vec![]),
        (&[], true, vec![Message::HaveNone]),
        (&[1, 3], false, vec![Message::Bitfield(Bytes::from_static(&[0x50]))]),
        (&[0, 1, 2, 3], false, vec![Message::Bitfield(Bytes::from_static(&[0xf0]))]),
    ] {
        let mut talk = Talk::with(have);
        let peer = talk.meets(fast);
        assert_eq!(talk.says(peer), expected);
    }
    let mut talk = Talk::with(&[0, 1, 2, 3]);
    let peer = talk.meets(true);
    let said = talk.says(peer);
    assert_eq!(said[0], Message::HaveAll);
    assert_eq!(said[1..].len(), 4, "what it may ask for although it is choked");
    assert!(said[1..].iter().all(|message| matches!(message, Message::AllowedFast(_))));
}

#[test]
fn what_is_wanted_is_asked_for_when_it_is_given() {
    let mut talk = Talk::with(&[0]);
    let peer = talk.meets(false);
    talk.says(peer);
    talk.hears(peer, Message::Bitfield(Bytes::from_static(&[0x80])));
    assert_eq!(talk.says(peer), [], "what it has is here");
    talk.hears(peer, Message::Have(2));
    assert_eq!(talk.says(peer), [Message::Interested]);
    talk.hears(peer, Message::Unchoke);
    assert_eq!(talk.says(peer), [Message::Request(block(2, 0)), Message::Request(block(2, 1))]);
    assert_eq!(talk.gets([peer; 2], 2, true, [7, 7]), Fate::Kept);
    assert_eq!(talk.says(peer), [Message::NotInterested, Message::Have(2)]);
    assert_eq!(talk.events(), [Event::Piece(2)]);
}

#[test]
fn who_chokes_is_not_waited_for() {
    for fast in [false, true] {
        let mut talk = Talk::with(&[]);
        let (one, two) = (talk.meets(fast), talk.meets(false));
        let mut only = Bitfield::none(4);
        only.set(1);
        for peer in [one, two] {
            talk.hears(peer, Message::Bitfield(only.as_bytes().to_vec().into()));
            talk.says(peer);
        }
        talk.hears(one, Message::Unchoke);
        assert_eq!(requests(&talk.says(one)).len(), 2);
        talk.hears(one, Message::Choke);
        if fast {
            // It says of each that it will not come.
            talk.hears(one, Message::Reject(block(1, 0)));
            talk.hears(one, Message::Reject(block(1, 1)));
        }
        talk.hears(two, Message::Unchoke);
        assert_eq!(requests(&talk.says(two)).len(), 2, "the other one is asked");
    }
}

#[test]
fn pieces_that_are_allowed_are_asked_for_while_choked() {
    let mut talk = Talk::with(&[]);
    let peer = talk.meets(true);
    talk.hears(peer, Message::HaveAll);
    talk.says(peer);
    talk.hears(peer, Message::AllowedFast(3));
    assert_eq!(requests(&talk.says(peer)), [(3, 0), (3, 1)]);
}

#[test]
fn requests_are_answered_when_there_is_room() {
    let mut talk = Talk::with(&[0, 1, 2, 3]);
    let peer = talk.meets(true);
    talk.says(peer);
    talk.hears(peer, Message::Interested);
    assert_eq!(talk.says(peer), [Message::Unchoke], "at once, as a slot is free");
    for number in 0..4 {
        talk.hears(peer, Message::Request(block(number / 2, number % 2)));
    }
    talk.hears(peer, Message::Cancel(block(0, 1)));
    let said = [Message::Reject(block(1, 1)), Message::Reject(block(0, 1))].map(Todo::Say);
    assert_eq!(std::iter::from_fn(|| talk.torrent.next(talk.now, peer, false)).collect::<Vec<_>>(), said);
    assert_eq!(talk.does(peer), [Todo::Send(block(0, 0)), Todo::Send(block(1, 0))]);
    talk.torrent.refuse(peer, block(1, 0));
    assert_eq!(talk.says(peer), [Message::Reject(block(1, 0))]);
}

#[test]
fn who_is_choked_gets_nothing_but_what_is_allowed() {
    let mut talk = Talk::with(&[0, 1, 2]);
    let (fast, plain) = (talk.meets(true), talk.meets(false));
    let allowed: Vec<u32> = talk
        .says(fast)
        .iter()
        .filter_map(|message| if let Message::AllowedFast(piece) = message { Some(*piece) } else { None })
        .collect();
    assert_eq!(allowed.len(), 3);
    talk.says(plain);
    talk.hears(fast, Message::Request(block(allowed[0], 0)));
    talk.hears(fast, Message::Request(block(3, 0)));
    talk.hears(plain, Message::Request(block(0, 0)));
    assert_eq!(talk.does(fast), [Todo::Say(Message::Reject(block(3, 0))), Todo::Send(block(allowed[0], 0))]);
    assert_eq!(talk.does(plain), []);
}

#[test]
fn a_later_bitfield_tells_of_what_has_come() {
    let mut talk = Talk::with(&[0]);
    let peer = talk.meets(true);
    talk.says(peer);
    talk.hears(peer, Message::Bitfield(Bytes::from_static(&[0x80])));
    assert_eq!(talk.says(peer), [], "piece 0 is here");
    talk.hears(peer, Message::Bitfield(Bytes::from_static(&[0xc0])));
    assert_eq!(talk.torrent.view(talk.now, peer).unwrap().has, 2);
    assert_eq!(talk.says(peer), [Message::Interested]);
    assert_eq!(talk.refuses(peer, Message::HaveAll), Violation::Late);
}

#[test]
fn nobody_may_say_that() {
    let bits = |byte: u8| Message::Bitfield(Bytes::from(vec![byte]));
    for (before, message, expected) in [
        (vec![], bits(0x08), Violation::Bitfield),
        (vec![], Message::Bitfield(Bytes::new()), Violation::Bitfield),
        (vec![Message::Have(1)], bits(0x08), Violation::Bitfield),
        (vec![], Message::Have(4), Violation::Piece(4)),
        (vec![], Message::Have(u32::MAX), Violation::Piece(u32::MAX)),
        (vec![], Message::HaveAll, Violation::NotFast),
        (vec![], Message::Reject(block(0, 0)), Violation::NotFast),
        (vec![], Message::Piece { piece: 9, begin: 0, data: Bytes::new() }, Violation::Piece(9)),
    ] {
        let mut talk = Talk::with(&[0]);
        let peer = talk.meets(false);
        before.into_iter().for_each(|message| drop(talk.hears(peer, message)));
        assert_eq!(talk.refuses(peer, message.clone()), expected, "{message:?}");
    }
    for (begin, length) in
        [(0, 0), (0, 2 * BLOCK + 1), (2 * BLOCK, 1), (u32::MAX, u32::MAX), (BLOCK, BLOCK + 1)]
    {
        let mut talk = Talk::with(&[0]);
        let peer = talk.meets(false);
        let block = Block { piece: 0, begin, length };
        assert_eq!(talk.refuses(peer, Message::Request(block)), Violation::Block(block));
    }
    // What others have to say comes in between.
    let mut talk = Talk::with(&[0]);
    let peer = talk.meets(true);
    let hello = Message::Extended { id: 0, payload: Bytes::from_static(b"de") };
    assert_eq!(talk.hears(peer, hello.clone()), Heard::Other(hello));
    talk.hears(peer, Message::HaveAll);
}

#[test]
fn who_sends_what_nobody_wants_is_borne_for_a_while() {
    let mut talk = Talk::with(&[]);
    let peer = talk.meets(false);
    let piece = Message::Piece { piece: 0, begin: 0, data: Bytes::from_static(b"x") };
    for _ in 0..250 {
        assert_eq!(talk.hears(peer, piece.clone()), Heard::Nothing);
    }
    assert_eq!(talk.refuses(peer, piece), Violation::Unasked);
}

#[test]
fn who_sends_all_of_a_wrong_piece_is_banned() {
    let mut talk = Talk::with(&[]);
    let peer = talk.meets(true);
    talk.hears(peer, Message::HaveAll);
    talk.hears(peer, Message::Unchoke);
    let piece = requests(&talk.says(peer))[0].0;
    assert_eq!(talk.gets([peer; 2], piece, false, [1, 2]), Fate::Again);
    let ip = SocketAddr::from(([10, 0, 0, 1], 0)).ip();
    assert_eq!(talk.events(), [Event::Banned { ip, piece }, Event::Leave(peer, Reason::Liar)]);
}

#[test]
fn of_several_the_one_who_lied_is_banned() {
    let mut talk = Talk::with(&[]);
    let peers = [talk.meets(true), talk.meets(true), talk.meets(true)];
    let mut only = Bitfield::none(4);
    only.set(2);
    for peer in peers {
        talk.hears(peer, Message::Bitfield(only.as_bytes().to_vec().into()));
    }
    // Two are asked for a block each, as each takes one request at a time.
    for peer in &peers[..2] {
        talk.torrent.peers.get_mut(peer).unwrap().pipeline.set_taken(1);
        talk.hears(*peer, Message::Unchoke);
    }
    assert_eq!(talk.gets([peers[0], peers[1]], 2, false, [1, 66]), Fate::Again);
    assert_eq!(talk.events(), [], "it is not known yet who");
    assert!(talk.torrent.is_suspicious(2));
    talk.torrent.leave(peers[0]);
    talk.torrent.leave(peers[1]);
    talk.hears(peers[2], Message::Unchoke);
    assert_eq!(talk.gets([peers[2]; 2], 2, true, [1, 2]), Fate::Kept);
    let ip = SocketAddr::from(([10, 0, 0, 2], 0)).ip();
    assert_eq!(talk.events()[0], Event::Banned { ip, piece: 2 });
    assert!(!talk.torrent.is_suspicious(2));
}

#[test]
fn silence_and_uselessness_have_an_end() {
    let mut talk = Talk::with(&[0, 1, 2, 3]);
    let (seed, silent, lively) = (talk.meets(true), talk.meets(true), talk.meets(false));
    talk.hears(seed, Message::HaveAll);
    talk.passes(Duration::from_secs(1));
    assert_eq!(talk.events(), [Event::Leave(seed, Reason::Useless)]);
    talk.torrent.leave(seed);
    for peer in [silent, lively] {
        talk.says(peer);
    }
    talk.passes(Duration::from_secs(99));
    assert_eq!(talk.says(lively), []);
    talk.passes(Duration::from_secs(2));
    assert_eq!(talk.says(lively), [Message::KeepAlive]);
    talk.hears(lively, Message::KeepAlive);
    talk.passes(Duration::from_secs(60));
    assert_eq!(talk.events(), [Event::Leave(silent, Reason::Silent)]);
}

#[test]
fn who_keeps_us_waiting_is_not_waited_for() {
    let mut talk = Talk::with(&[]);
    let (slow, other) = (talk.meets(true), talk.meets(true));
    for peer in [slow, other] {
        talk.hears(peer, Message::HaveAll);
    }
    talk.hears(slow, Message::Unchoke);
    let asked = requests(&talk.says(slow));
    assert_eq!(asked.len(), 4);
    for _ in 0..21 {
        talk.passes(Duration::from_secs(1));
    }
    talk.hears(other, Message::Unchoke);
    let now = requests(&talk.says(other));
    assert!(asked.iter().any(|block| now.contains(block)), "{asked:?} {now:?}");
}

#[test]
fn the_only_seed_shows_its_pieces_one_by_one() {
    let now = Instant::now();
    let settings = Settings::default();
    let torrent = Torrent::new(info(4, 2), Bitfield::all(4), settings, now, 1);
    let mut talk = Talk { torrent, now, met: 0 };
    let (one, two) = (talk.meets(true), talk.meets(true));
    let shown = |said: &[Message]| -> Vec<u32> {
        said.iter()
            .filter_map(|word| if let Message::Have(piece) = word { Some(*piece) } else { None })
            .collect()
    };
    let said = talk.says(one);
    assert_eq!(said[0], Message::HaveNone);
    let (first, second) = (shown(&said), shown(&talk.says(two)));
    assert_eq!((first.len(), second.len()), (2, 2));
    assert!(first.iter().all(|piece| !second.contains(piece)), "to each others");
    for peer in [one, two] {
        talk.hears(peer, Message::HaveNone);
        talk.hears(peer, Message::Interested);
    }
    talk.hears(one, Message::Request(block(second[0], 0)));
    let refused = talk.says(one);
    assert!(
        refused.contains(&Message::Reject(block(second[0], 0))),
        "what was not shown is not given: {refused:?}"
    );
    talk.hears(one, Message::Have(first[0]));
    assert_eq!(shown(&talk.says(one)).len(), 1, "another one for one that came");
    // When there is another seed, there is nothing to gain.
    for piece in 0..4 {
        talk.hears(two, Message::Have(piece));
    }
    assert_eq!(shown(&talk.says(one)).len(), 1, "the last one");
}

#[test]
fn who_says_nothing_of_what_it_got_or_wants_nothing_is_shown_more() {
    let torrent = Torrent::new(info(64, 1), Bitfield::all(64), Settings::default(), Instant::now(), 1);
    let mut talk = Talk { torrent, now: Instant::now(), met: 0 };
    let peers = [talk.meets(true), talk.meets(true)];
    let count = |said: &[Message]| said.iter().filter(|word| matches!(word, Message::Have(_))).count();
    let [silent, other] = peers;
    let said = talk.says(silent);
    let Some(Message::Have(piece)) = said.iter().rfind(|word| matches!(word, Message::Have(_))) else {
        panic!("{said:?}")
    };
    talk.hears(silent, Message::HaveNone);
    talk.hears(silent, Message::Interested);
    talk.hears(silent, Message::Request(block(*piece, 0)));
    talk.does(silent);
    let sent = Block { piece: *piece, begin: 0, length: BLOCK };
    talk.torrent.sent(talk.now, silent, sent);
    assert_eq!(count(&talk.says(silent)), 1, "it was sent all of a piece");
    assert_eq!(count(&talk.says(other)), 2);
    let mut shown = 2;
    for more in [2, 4, 8, 16, 32] {
        talk.passes(Duration::from_secs(1));
        assert_eq!(count(&talk.says(other)), more, "it is not interested");
        shown += more;
    }
    assert_eq!(shown, 64);
    talk.torrent.set_super_seeding(false);
    assert_eq!(count(&talk.says(silent)), 64 - 3, "all of it, as our line is wide now");
}

#[test]
fn who_only_uploads_is_left_when_nothing_is_missing_here() {
    let mut talk = Talk::with(&[]);
    let peer = talk.meets(true);
    talk.hears(peer, Message::Bitfield(Bytes::from_static(&[0x80])));
    talk.torrent.uploads_only(peer, true);
    talk.torrent.set_priorities([(1, 0), (2, 0), (3, 0)]);
    talk.passes(TICK);
    assert_eq!((talk.events(), talk.torrent.is_useless(peer)), (vec![], false), "it has the first piece");
    assert!(talk.torrent.woken().any(|key| key == peer));
    talk.torrent.set_priorities([(0, 0)]);
    assert!(talk.torrent.is_finished() && talk.torrent.is_useless(peer));
    assert!(talk.torrent.woken().any(|key| key == peer), "it may be told that we only upload, too");
    talk.passes(TICK);
    assert_eq!(talk.events(), [Event::Leave(peer, Reason::Useless)]);
    talk.torrent.uploads_only(peer, false);
    assert!(!talk.torrent.is_useless(peer), "it wants something after all");
}

#[test]
fn who_snubs_us_need_not_send_what_it_was_asked_for() {
    let mut talk = Talk::with(&[1, 2, 3]);
    let peer = talk.meets(true);
    talk.hears(peer, Message::HaveAll);
    talk.hears(peer, Message::Unchoke);
    assert_eq!(requests(&talk.says(peer)).len(), 2);
    talk.passes(Duration::from_secs(60));
    let said = talk.says(peer);
    let cancels = [0, 1].map(|number| Message::Cancel(block(0, number)));
    assert_eq!(said[..2], cancels);
    assert_eq!(requests(&said[2..]).len(), 1, "one at a time");
}
