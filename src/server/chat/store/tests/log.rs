//! Appending, numbering and paging, by tables.

use super::super::history::{Entry, Place, Reaction};
use super::super::sqlite::SENT_PERIOD;
use super::*;
use crate::proto::chat::event::{List, Media, Role, Setting, Style};
use crate::proto::chat::mask::Mask;
use crate::proto::chat::room::Room;

fn direct(one: u64, other: u64) -> Change {
    let member = |number| (Who::Account(AccountId(number)), account(number).nick);
    Change::Create { kind: RoomKind::Direct, name: None, members: vec![member(one), member(other)] }
}

fn drafts_become_events_or_not(bed: &Bed) {
    type Outcome = Result<Vec<Appended>, &'static str>;
    let store = bed.open();
    let rows: [(&str, Vec<Draft>, Outcome); 11] = [
        ("no room yet", vec![draft(1, 1, account(1), say("a"))], Ok(vec![Appended::NoRoom])),
        (
            "a room and its first message",
            vec![draft(1, 2, account(1), create("#a")), draft(1, 3, account(1), say("a"))],
            Ok(vec![Appended::New(1), Appended::New(2)]),
        ),
        ("the name is taken in any case", vec![draft(2, 4, account(1), create("#A"))], Err("taken")),
        ("so is the number", vec![draft(1, 5, account(1), create("#b"))], Err("taken")),
        (
            "a name that is taken takes all back",
            vec![
                draft(1, 6, account(2), say("no")),
                draft(3, 7, account(1), create("#c")),
                draft(2, 8, account(1), create("#a")),
            ],
            Err("taken"),
        ),
        (
            "what was taken back is free",
            vec![draft(3, 9, account(1), create("#c")), draft(1, 10, account(1), say("b"))],
            Ok(vec![Appended::New(1), Appended::New(3)]),
        ),
        ("a direct room", vec![draft(4, 11, account(1), direct(1, 2))], Ok(vec![Appended::New(1)])),
        ("of the same two", vec![draft(5, 12, account(2), direct(2, 1))], Err("taken")),
        ("of another two", vec![draft(5, 13, account(2), direct(2, 12))], Ok(vec![Appended::New(1)])),
        (
            "a room that is closed takes nothing more, and its name is free",
            vec![
                draft(1, 14, account(1), Change::Close),
                draft(1, 15, account(1), say("c")),
                draft(6, 16, account(1), create("#a")),
            ],
            Ok(vec![Appended::New(4), Appended::NoRoom, Appended::New(1)]),
        ),
        ("nothing", vec![], Ok(vec![])),
    ];
    for (what, drafts, expected) in rows {
        let outcome = wait(store.append(drafts));
        let outcome = outcome.map_err(|error| error.to_string().replace("the name is ", ""));
        assert_eq!(outcome, expected.map_err(str::to_owned), "{what}");
    }
    assert_eq!(seqs(&everything(&*store, 1)), [1, 2, 3, 4], "a closed room can still be read");
    assert!(
        wait(store.room("#A".parse().unwrap())).unwrap().is_some_and(|room| room.snapshot.id() == RoomId(6))
    );
    assert!(wait(store.room("#b".parse().unwrap())).unwrap().is_none());
    assert_eq!(wait(store.rooms()).unwrap().len(), 4);
    assert_eq!(wait(store.last_id()).unwrap(), Some(id(16)));
}

fn a_draft_that_is_sent_twice_is_one_event(bed: &Bed) {
    let mut store = bed.open();
    room_with(&*store, 1, "#a", &[]);
    let sent = |at, by: Author, word: &str| Draft {
        client_id: Some(word.to_owned()),
        ..draft(1, at, by, say("hello"))
    };
    let rows = [
        (sent(2000, account(1), "x"), Appended::New(2)),
        (sent(2001, account(1), "x"), Appended::Known(2, id(2000))),
        (sent(2002, account(2), "x"), Appended::New(3)),
        (sent(2003, account(1), "y"), Appended::New(4)),
        // Guests are nobody in particular.
        (sent(2004, guest("g"), "x"), Appended::New(5)),
        (sent(2005, guest("g"), "x"), Appended::New(6)),
        // Once it is known it is known, whatever has become of the room.
        (Draft { room: RoomId(9), ..sent(2006, account(2), "x") }, Appended::Known(3, id(2002))),
    ];
    for (draft, expected) in &rows {
        assert_eq!(unraised(wait(store.append(vec![draft.clone()])).unwrap()), [*expected]);
    }
    let both = vec![sent(2007, account(3), "z"), sent(2008, account(3), "z")];
    assert_eq!(wait(store.append(both)).unwrap(), [Appended::New(7), Appended::Known(7, id(2007))]);
    drop(store);
    store = bed.open();
    // A draft of the next period leaves them known, one of the period after it does not.
    let period = |periods, word: &str| sent(3000 + periods * SENT_PERIOD, account(9), word);
    wait(store.append(vec![period(1, "later")])).unwrap();
    assert_eq!(
        wait(store.append(vec![sent(2009, account(1), "x")])).unwrap(),
        [Appended::Known(2, id(2000))]
    );
    wait(store.append(vec![period(2, "much later")])).unwrap();
    let again = vec![sent(2010, account(1), "x"), Draft { id: id(2011), ..period(1, "later") }];
    let expected = [Appended::New(10), Appended::Known(8, period(1, "later").id)];
    assert_eq!(unraised(wait(store.append(again)).unwrap()), expected);
}

fn every_change_is_read_as_it_was_written(bed: &Bed) {
    let mut store = bed.open();
    let who = Who::Account(AccountId(u64::MAX));
    let nick = || "[Nick]".parse().unwrap();
    let mask = || Mask::parse("*!*@host").unwrap();
    let message = Message {
        text: "\0 any text \u{1f600} \"quoted\"".into(),
        style: Style::Action,
        reply: Some(id(1)),
        thread: Some(id(1)),
        media: vec![Media {
            digest: "00ff".into(),
            name: "a.png".into(),
            kind: "image/png".into(),
            size: u64::MAX,
            dimensions: Some((1, 2)),
        }],
        mentions: vec![AccountId(u64::MAX)],
        tags: vec![("+draft/reply".into(), "x".into())],
    };
    let settings = [
        Setting::InviteOnly(true),
        Setting::Secret(false),
        Setting::Moderated(true),
        Setting::MembersOnly(true),
        Setting::TopicLocked(true),
        Setting::AccountsOnly(true),
        Setting::Key(Some("key".into())),
        Setting::Key(None),
        Setting::Limit(Some(u32::MAX)),
        Setting::Limit(None),
        Setting::Slow(Some(5)),
        Setting::AccountsSpeak(true),
        Setting::OpModerated(true),
        Setting::NoCtcp(true),
        Setting::Auditorium(true),
        Setting::Forward(Some("#b".parse().unwrap())),
        Setting::Forward(None),
    ];
    let mut changes = vec![
        create("#all"),
        Change::Message(message),
        Change::Edit { of: id(500), text: "new".into() },
        Change::Delete { of: id(500), reason: Some("why".into()) },
        Change::React { to: id(500), reaction: "👍".into() },
        Change::Unreact { to: id(500), reaction: "👍".into() },
        Change::Tags { tags: vec![("+a".into(), "b;c".into())] },
        Change::Join,
        Change::Leave { reason: None, quit: false },
        Change::Leave { reason: Some("bye".into()), quit: true },
        Change::Rename { nick: nick(), account: Some(AccountId(u64::MAX)) },
        Change::Kick { who: who.clone(), nick: nick(), reason: None },
        Change::Invite { who: Who::Guest("g".into()), nick: nick() },
        Change::Role { who, nick: nick(), role: Role::Owner },
        Change::Topic { text: "topic".into() },
        Change::Listed { list: List::Bans, mask: mask(), until: Some(5), reason: None },
        Change::Unlisted { list: List::BanExceptions, mask: mask() },
        Change::Pin { message: id(1) },
        Change::Unpin { message: id(1) },
    ];
    changes.extend(settings.map(Change::Set));
    changes.push(Change::Close);
    let authors =
        [account(u64::MAX), account(0), guest("A"), guest("a"), Author { host: "h2".into(), ..guest("a") }];
    let drafts: Vec<Draft> = changes
        .iter()
        .zip(authors.iter().cycle())
        .zip(1..)
        .map(|((change, by), at)| draft(u64::MAX, at, by.clone(), change.clone()))
        .collect();
    wait(store.append(drafts.clone())).unwrap();
    for _ in 0..2 {
        let read = everything(&*store, u64::MAX).entries;
        assert_eq!(read.len(), drafts.len());
        for (entry, (draft, seq)) in read.iter().zip(drafts.iter().zip(1..)) {
            let event = &entry.event;
            assert_eq!((event.seq, event.id, &event.change), (seq, draft.id, &draft.change));
            let (by, nick) = (&event.by, event.by.nick.as_str());
            assert_eq!((by, nick), (&draft.by, draft.by.nick.as_str()), "with its case");
        }
        drop(store);
        store = bed.open();
    }
}

fn messages_are_what_became_of_them(bed: &Bed) {
    let store = bed.open();
    room_with(&*store, 1, "#a", &["first", "second", "third"]);
    let [first, second, third] = [1001, 1002, 1003].map(id);
    let react = |to, reaction: &str| Change::React { to, reaction: reaction.into() };
    let unreact = |to, reaction: &str| Change::Unreact { to, reaction: reaction.into() };
    let answer =
        Change::Message(Message { text: "answer".into(), thread: Some(first), ..Message::default() });
    let steps = [
        (account(1), react(first, "a")),
        (account(2), react(first, "b")),
        (account(2), react(first, "a")),
        (account(2), react(first, "a")),
        (account(1), unreact(first, "a")),
        (account(1), unreact(first, "b")),
        (guest("G"), react(first, "a")),
        (account(1), Change::Edit { of: second, text: "second, better".into() }),
        (account(1), Change::Edit { of: second, text: "second, best".into() }),
        (account(3), answer),
        (account(1), react(third, "gone")),
        (account(1), Change::Edit { of: third, text: "secret".into() }),
        (account(1), Change::Delete { of: third, reason: None }),
        (account(1), Change::Edit { of: third, text: "late".into() }),
        (account(1), react(third, "late")),
        (account(1), Change::Delete { of: third, reason: None }),
    ];
    let drafts = steps.into_iter().zip(2000..).map(|((by, change), at)| draft(1, at, by, change)).collect();
    wait(store.append(drafts)).unwrap();
    let entry = |id| wait(store.event(RoomId(1), id)).unwrap().unwrap();
    let of = |number| Who::Account(AccountId(number));

    let one = entry(first);
    let reactions = [
        Reaction { text: "b".into(), by: vec![of(2)] },
        Reaction { text: "a".into(), by: vec![of(2), Who::Guest("g".into())] },
    ];
    assert_eq!((one.reactions, one.replies, one.edited), (reactions.to_vec(), 1, None));
    let two = entry(second);
    assert_eq!((text_of(&two.event.change), two.edited), ("second, best", Some(NOW + 2008)));
    let three = entry(third);
    assert_eq!((text_of(&three.event.change), three.deleted), ("", Some(NOW + 2012)));
    assert_eq!((three.reactions, three.edited), (vec![], Some(NOW + 2011)));
    let told = |entry: &Entry| text_of(&entry.event.change) == "secret";
    assert!(!everything(&*store, 1).entries.iter().any(told), "the text of an edit goes with the message");
    let thread = page(&*store, 1, Part::Latest, Which::Thread(first), 10);
    assert_eq!(seqs(&thread), [2, 14]);
    assert_eq!(wait(store.event(RoomId(1), id(77))).unwrap(), None);
    assert_eq!(wait(store.event(RoomId(2), first)).unwrap(), None);
}

fn pages(bed: &Bed) {
    let store = bed.open();
    room_with(&*store, 1, "#a", &["2", "3", "4", "5", "6", "7", "8", "9"]);
    let seq = Place::Seq;
    let time = |at| Place::Time(NOW + 1000 + at);
    let rows: [(Part, usize, &[Seq], bool); 22] = [
        (Part::Latest, 3, &[7, 8, 9], true),
        (Part::Latest, 9, &[1, 2, 3, 4, 5, 6, 7, 8, 9], false),
        (Part::Latest, 0, &[], true),
        (Part::LatestAfter(seq(6)), 2, &[8, 9], true),
        (Part::LatestAfter(seq(6)), 3, &[7, 8, 9], false),
        (Part::LatestAfter(seq(9)), 3, &[], false),
        (Part::Before(seq(4)), 2, &[2, 3], true),
        (Part::Before(seq(4)), 3, &[1, 2, 3], false),
        (Part::Before(seq(1)), 3, &[], false),
        (Part::Before(seq(u64::MAX)), 1, &[9], true),
        (Part::After(seq(0)), 2, &[1, 2], true),
        (Part::After(seq(7)), 2, &[8, 9], false),
        (Part::After(Place::Id(id(1001))), 1, &[3], true),
        (Part::After(time(1)), 1, &[3], true),
        (Part::Before(time(1)), 9, &[1], false),
        (Part::After(Place::Time(0)), 1, &[1], true),
        (Part::After(Place::Time(u64::MAX)), 1, &[], false),
        (Part::Around(seq(5)), 3, &[4, 5, 6], true),
        (Part::Around(seq(5)), 4, &[3, 4, 5, 6], true),
        (Part::Between(seq(2), seq(6)), 2, &[3, 4], true),
        (Part::Between(seq(6), seq(2)), 2, &[4, 5], true),
        (Part::Between(seq(3), seq(3)), 2, &[], false),
    ];
    for (part, limit, expected, more) in rows {
        let page = page(&*store, 1, part, Which::All, limit);
        assert_eq!((&seqs(&page)[..], page.more), (expected, more), "{part:?} {limit}");
    }
    assert_eq!(page(&*store, 7, Part::Latest, Which::All, 5), Page::default());
}

fn a_room_is_its_snapshot_and_what_came_since(bed: &Bed) {
    let mut store = bed.open();
    let drafts = [
        create("#a"),
        Change::Join,
        say("pinned"),
        Change::Pin { message: id(3) },
        Change::Topic { text: "old".into() },
        say("no state"),
    ];
    wait(store.append((1..).zip(drafts).map(|(at, change)| draft(1, at, account(1), change)).collect()))
        .unwrap();
    let name = || "#a".parse().unwrap();
    let read = |store: &Opened| {
        let stored = wait(store.room(name())).unwrap().unwrap();
        let mut room = stored.snapshot.clone();
        stored.since.iter().for_each(|event| room.apply(event));
        (stored, room)
    };
    let (stored, room) = read(&store);
    assert_eq!((stored.head, stored.since.len(), room.pins().len()), (6, 4, 1));
    wait(store.snapshot(room.clone())).unwrap();
    wait(store.snapshot(Room::new(RoomId(1)))).unwrap();
    assert!(matches!(wait(store.snapshot(Room::new(RoomId(5)))), Err(StoreError::None)));
    let later = vec![
        draft(1, 7, account(1), Change::Topic { text: "new".into() }),
        draft(1, 8, account(1), Change::Delete { of: id(3), reason: None }),
    ];
    wait(store.append(later)).unwrap();
    for _ in 0..2 {
        let (stored, room) = read(&store);
        assert_eq!(stored.snapshot.head(), 5, "an older snapshot does not replace a newer one");
        assert_eq!((stored.head, stored.since.len()), (8, 2));
        assert_eq!(room.topic().unwrap().text, "new");
        assert_eq!((room.pins().len(), room.members().len()), (0, 1), "a deletion takes the pin with it");
        drop(store);
        store = bed.open();
    }
}

both!(
    drafts_become_events_or_not,
    a_draft_that_is_sent_twice_is_one_event,
    every_change_is_read_as_it_was_written,
    messages_are_what_became_of_them,
    pages,
    a_room_is_its_snapshot_and_what_came_since
);
