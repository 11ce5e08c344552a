//! Notices for absent members.

use super::super::account::{NewAccount, Profile, Session};
use super::super::notices::{
    Counts, Device, Kind, Level, MAX_DEVICES, MAX_WAITING, NewNotice, Notice, Notices, Settled,
};
use super::*;

const ANN: AccountId = AccountId(7);
const BOB: AccountId = AccountId(8);
const ROOM: RoomId = RoomId(5);

fn session(store: &Opened, account: AccountId, at: u64) -> MessageId {
    let id = id(at);
    let session = Session {
        id,
        account,
        digest: [u8::try_from(at % 251).unwrap(); 32],
        device: String::new(),
        created: NOW,
        used: NOW,
        expires: NOW * 2,
    };
    wait(store.create_session(session)).unwrap();
    id
}

fn device(account: AccountId, session: MessageId, endpoint: &str) -> Device {
    let endpoint = endpoint.to_owned();
    Device { account, session, endpoint, key: [4; 65], auth: [1; 16], created: NOW }
}

fn author() -> Author {
    let nick = "ann".parse().unwrap();
    Author { nick, account: Some(ANN), user: "a".into(), host: "h".into() }
}

fn drafted(at: u64, change: Change, client_id: Option<&str>) -> Draft {
    Draft { room: ROOM, id: id(at), by: author(), change, client_id: client_id.map(str::to_owned) }
}

fn message(at: u64) -> Draft {
    drafted(at, Change::Message(Message { text: "x".into(), ..Message::default() }), None)
}

fn for_bob(webhook: Option<&str>) -> NewNotice {
    NewNotice { draft: 0, account: BOB, kind: Kind::Mention, webhook: webhook.map(str::to_owned) }
}

/// A store with a room, and one device of Bob's.
fn with_device(bed: &Bed) -> Opened {
    let store = bed.open();
    let create =
        Change::Create { kind: RoomKind::Public, name: Some("#a".parse().unwrap()), members: Vec::new() };
    wait(store.append(vec![drafted(1, create, None)])).unwrap();
    let login = session(&store, BOB, 2);
    wait(kept(&store).add_device(device(BOB, login, "https://a/1"))).unwrap();
    store
}

fn claimed(store: &Opened, now: Millis) -> Vec<Notice> {
    wait(kept(store).claim(now, now + 1000, 10)).unwrap()
}

fn kept(store: &Opened) -> &dyn Notices {
    store.notices().unwrap()
}

fn targets(notices: &[Notice]) -> Vec<&str> {
    notices.iter().map(|notice| notice.target.as_str()).collect()
}

fn a_notice_is_written_with_its_event_for_each_device(bed: &Bed) {
    let store = with_device(bed);
    let login = session(&store, BOB, 3);
    wait(kept(&store).add_device(device(BOB, login, "https://a/2"))).unwrap();
    let notices = vec![for_bob(None), for_bob(Some("https://hook/"))];
    let appended = wait(kept(&store).append_with(vec![message(10)], notices)).unwrap();
    assert_eq!(appended, [Appended::New(2)]);
    let found = claimed(&store, NOW * 2);
    assert_eq!(targets(&found), ["https://a/1", "https://a/2", "https://hook/"]);
    let first = &found[0];
    assert_eq!((first.account, first.kind, first.room, first.seq), (BOB, Kind::Mention, ROOM, 2));
    assert_eq!((first.id, first.webhook, first.attempts), (id(10), false, 0));
    assert_eq!(first.device.as_ref().unwrap().key, [4; 65]);
    assert!(found[2].webhook && found[2].device.is_none());
    assert!(claimed(&store, NOW * 2).is_empty(), "they are held");
    assert_eq!(wait(kept(&store).next_due()).unwrap(), Some(NOW * 2 + 1000));
    assert_eq!(claimed(&store, NOW * 2 + 1000).len(), 3, "for a while");
}

fn what_was_sent_before_is_not_told_again(bed: &Bed) {
    let store = with_device(bed);
    let said = || drafted(10, Change::Message(Message::default()), Some("c"));
    for expected in [1, 0] {
        wait(kept(&store).append_with(vec![said()], vec![for_bob(None)])).unwrap();
        let found = claimed(&store, NOW * 2);
        assert_eq!(found.len(), expected);
        found.iter().for_each(|notice| wait(kept(&store).settle(notice.n, Settled::Done)).unwrap());
    }
    assert_eq!(wait(kept(&store).counts()).unwrap(), Counts::default());
}

fn what_is_held_is_let_go_when_nobody_else_can_hold_it(bed: &Bed) {
    let store = with_device(bed);
    wait(kept(&store).append_with(vec![message(10)], vec![for_bob(None)])).unwrap();
    let found = claimed(&store, NOW * 2);
    drop(store);
    let store = bed.open();
    // Another node may hold it, where there can be one.
    let expected = if matches!(bed, Bed::Sqlite(_)) { found } else { Vec::new() };
    assert_eq!(claimed(&store, NOW * 2), expected);
}

fn what_becomes_of_a_notice(bed: &Bed) {
    let store = with_device(bed);
    wait(kept(&store).append_with(vec![message(10)], vec![for_bob(None)])).unwrap();
    let n = claimed(&store, NOW * 2)[0].n;
    wait(kept(&store).settle(n, Settled::Later(NOW * 2 + 5))).unwrap();
    assert!(claimed(&store, NOW * 2 + 4).is_empty());
    assert_eq!(claimed(&store, NOW * 2 + 5)[0].attempts, 0);
    wait(kept(&store).settle(n, Settled::Again(NOW * 2 + 9, "no".into()))).unwrap();
    let again = claimed(&store, NOW * 2 + 9).remove(0);
    assert_eq!((again.attempts, again.error.as_str()), (1, "no"));
    wait(kept(&store).settle(n, Settled::Dead(NOW, "never".into()))).unwrap();
    assert!(claimed(&store, NOW * 3).is_empty());
    let dead = wait(kept(&store).dead(0, 10)).unwrap();
    assert_eq!((dead[0].dead, dead[0].attempts, dead[0].error.as_str()), (Some(NOW), 2, "never"));
    assert!(wait(kept(&store).dead(n, 10)).unwrap().is_empty());
    assert_eq!(wait(kept(&store).counts()).unwrap(), Counts { waiting: 0, dead: 1 });
    assert_eq!(wait(kept(&store).revive(Some(n + 1), NOW)).unwrap(), 0);
    assert_eq!(wait(kept(&store).revive(None, NOW)).unwrap(), 1);
    assert_eq!(claimed(&store, NOW)[0].attempts, 0);
    wait(kept(&store).settle(n, Settled::Dead(NOW, String::new()))).unwrap();
    assert_eq!(wait(kept(&store).forget_dead(Some(n))).unwrap(), 1);
    assert_eq!(wait(kept(&store).counts()).unwrap(), Counts::default());
}

fn a_device_ends_with_its_login_its_owner_or_its_service(bed: &Bed) {
    let store = with_device(bed);
    let login = session(&store, BOB, 3);
    wait(kept(&store).add_device(device(BOB, login, "https://a/2"))).unwrap();
    let told = |at: u64| {
        wait(kept(&store).append_with(vec![message(at)], vec![for_bob(None)])).unwrap();
        let found = claimed(&store, NOW * 2);
        let told: Vec<String> = targets(&found).into_iter().map(str::to_owned).collect();
        found.iter().for_each(|notice| wait(kept(&store).settle(notice.n, Settled::Done)).unwrap());
        told
    };
    assert_eq!(told(10).len(), 2);
    wait(store.end_sessions(BOB, Some(login), None)).unwrap();
    assert_eq!(told(11), ["https://a/1"]);
    assert!(!wait(kept(&store).remove_device(ANN, "https://a/1".into())).unwrap(), "it is Bob's");
    assert!(wait(kept(&store).remove_device(BOB, "https://a/1".into())).unwrap());
    assert!(told(12).is_empty());

    let login = session(&store, BOB, 4);
    wait(kept(&store).add_device(device(BOB, login, "https://a/3"))).unwrap();
    for at in [13, 14] {
        wait(kept(&store).append_with(vec![message(at)], vec![for_bob(None)])).unwrap();
    }
    let found = claimed(&store, NOW * 2);
    wait(kept(&store).settle(found[0].n, Settled::Gone)).unwrap();
    assert_eq!(wait(kept(&store).counts()).unwrap(), Counts::default(), "with all that waits for it");
    assert!(told(15).is_empty());
}

fn devices_and_notices_have_limits(bed: &Bed) {
    let store = with_device(bed);
    let login = session(&store, BOB, 3);
    for number in 0..MAX_DEVICES {
        wait(kept(&store).add_device(device(BOB, login, &format!("https://b/{number}")))).unwrap();
    }
    wait(kept(&store).append_with(vec![message(10)], vec![for_bob(None)])).unwrap();
    let found = wait(kept(&store).claim(NOW * 2, NOW * 2, 100)).unwrap();
    assert_eq!(found.len(), MAX_DEVICES);
    assert!(!targets(&found).contains(&"https://a/1"), "the oldest one is gone");
    // A device that another account takes is told nothing of the first one.
    let other = session(&store, ANN, 4);
    wait(kept(&store).add_device(device(ANN, other, "https://b/0"))).unwrap();
    assert_eq!(wait(kept(&store).counts()).unwrap().waiting, MAX_DEVICES as u64 - 1);
    for at in 0..MAX_WAITING as u64 / 10 {
        wait(kept(&store).append_with(vec![message(20 + at)], vec![for_bob(None)])).unwrap();
    }
    let waiting = wait(kept(&store).counts()).unwrap().waiting;
    assert!((MAX_WAITING as u64..(MAX_WAITING + MAX_DEVICES) as u64).contains(&waiting), "{waiting}");
}

fn levels_are_kept(bed: &Bed) {
    let store = with_device(bed);
    assert!(matches!(wait(kept(&store).set_level(RoomId(9), BOB, Level::All)), Err(StoreError::None)));
    for level in [Level::All, Level::None] {
        wait(kept(&store).set_level(ROOM, BOB, level)).unwrap();
        assert_eq!(wait(kept(&store).levels()).unwrap(), [(ROOM, BOB, level)]);
    }
    drop(store);
    let store = bed.open();
    assert_eq!(wait(kept(&store).levels()).unwrap(), [(ROOM, BOB, Level::None)]);
    wait(kept(&store).set_level(ROOM, BOB, Level::Mentions)).unwrap();
    assert!(wait(kept(&store).levels()).unwrap().is_empty());
}

fn an_account_is_removed_with_all_that_is_its_own(bed: &Bed) {
    let store = with_device(bed);
    let name = "bob".parse().unwrap();
    let profile = Profile::default();
    let new = NewAccount { id: BOB, name, password: None, profile, operator: false, created: NOW };
    wait(store.create_account(new.clone())).unwrap();
    wait(kept(&store).append_with(vec![message(10)], vec![for_bob(None)])).unwrap();
    wait(kept(&store).set_level(ROOM, BOB, Level::All)).unwrap();
    assert!(wait(store.remove_account(BOB)).unwrap());
    assert!(!wait(store.remove_account(BOB)).unwrap());
    assert_eq!(wait(kept(&store).counts()).unwrap(), Counts::default());
    assert!(wait(kept(&store).levels()).unwrap().is_empty());
    assert!(wait(store.sessions(BOB, NOW)).unwrap().is_empty());
    wait(store.create_account(NewAccount { id: AccountId(99), ..new })).unwrap();
}

fn a_room_is_forgotten_with_its_notices(bed: &Bed) {
    let store = with_device(bed);
    wait(kept(&store).append_with(vec![message(10)], vec![for_bob(None)])).unwrap();
    wait(store.drop_room(ROOM)).unwrap();
    assert!(claimed(&store, NOW * 2).is_empty());
    assert_eq!(wait(kept(&store).counts()).unwrap(), Counts::default());
}

both!(
    a_notice_is_written_with_its_event_for_each_device,
    what_was_sent_before_is_not_told_again,
    what_is_held_is_let_go_when_nobody_else_can_hold_it,
    what_becomes_of_a_notice,
    a_device_ends_with_its_login_its_owner_or_its_service,
    devices_and_notices_have_limits,
    levels_are_kept,
    an_account_is_removed_with_all_that_is_its_own,
    a_room_is_forgotten_with_its_notices,
);
