//! Accounts, sessions and cursors.

use super::super::Cursor;
use super::super::account::{AccountChange, NewAccount, Password, Profile, Scram, Session};
use super::*;

fn new(number: u64, name: &str) -> NewAccount {
    NewAccount {
        id: AccountId(number),
        name: name.parse().unwrap(),
        password: None,
        profile: Profile::default(),
        operator: false,
        created: NOW,
    }
}

fn session(number: u64, account: u64, expires: Millis) -> Session {
    Session {
        id: id(number),
        account: AccountId(account),
        digest: [u8::try_from(number).unwrap(); 32],
        device: format!("device {number}"),
        created: NOW,
        used: NOW,
        expires,
    }
}

fn accounts_have_names_of_their_own(bed: &Bed) {
    let mut store = bed.open();
    for (number, name, free) in [
        (u64::MAX, "Alice", true),
        (2, "ALICE", false),
        (u64::MAX, "bob", false),
        (2, "bob", true),
        (3, "[Zoe]", true),
    ] {
        let outcome = wait(store.create_account(new(number, name)));
        assert_eq!(outcome.is_ok(), free, "{number} {name}");
        assert!(free || matches!(outcome, Err(StoreError::Taken)), "{number} {name}");
    }
    drop(store);
    store = bed.open();
    let name = |name: &str| name.parse::<crate::proto::chat::name::Nick>().unwrap();
    let alice = wait(store.account(name("aLICE"))).unwrap().unwrap();
    assert_eq!((alice.id, alice.name.as_str(), alice.created), (AccountId(u64::MAX), "Alice", NOW));
    assert!(wait(store.account(name("carol"))).unwrap().is_none());
    let names = |accounts: Vec<super::super::account::Account>| {
        accounts.into_iter().map(|account| account.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(wait(store.accounts(None, 2)).unwrap()), ["[Zoe]", "Alice"]);
    assert_eq!(names(wait(store.accounts(Some(name("ALICE")), 9)).unwrap()), ["bob"]);
    let ids = [3, 77, u64::MAX].map(AccountId).to_vec();
    assert_eq!(names(wait(store.accounts_by_id(ids)).unwrap()), ["[Zoe]", "Alice"]);
}

fn every_change_of_an_account_is_kept(bed: &Bed) {
    let mut store = bed.open();
    let made = wait(store.create_account(new(1, "alice"))).unwrap();
    let scram = Scram { salt: vec![1, 2], iterations: 4096, stored_key: [3; 32], server_key: [4; 32] };
    let password = Password { argon2: "$argon2id$x".into(), scram: Some(scram) };
    let profile =
        Profile { display: "Alice ☂".into(), blocked: vec![AccountId(u64::MAX)], ..Profile::default() };
    let changes = [
        AccountChange::Password(Some(password.clone())),
        AccountChange::Profile(profile.clone()),
        AccountChange::Operator(true),
        AccountChange::Suspended(Some((NOW, "spam".into()))),
        AccountChange::Certificates(vec![[5; 32], [6; 32]]),
    ];
    for change in changes {
        wait(store.change_account(AccountId(1), change.clone())).unwrap();
        assert!(matches!(wait(store.change_account(AccountId(2), change)), Err(StoreError::None)));
    }
    drop(store);
    store = bed.open();
    let alice = wait(store.account("alice".parse().unwrap())).unwrap().unwrap();
    let mut expected = made.clone();
    (expected.password, expected.profile, expected.operator) = (Some(password), profile, true);
    expected.suspended = Some((NOW, "spam".into()));
    expected.certificates = vec![[5; 32], [6; 32]];
    assert_eq!(alice, expected);
    let of = |digest| wait(store.account_of_certificate(digest)).unwrap().map(|account| account.id);
    assert_eq!([of([5; 32]), of([6; 32]), of([7; 32])], [Some(AccountId(1)), Some(AccountId(1)), None]);
    wait(store.create_account(new(3, "bob"))).unwrap();
    let certify = |account, certificates: &[[u8; 32]]| {
        wait(store.change_account(AccountId(account), AccountChange::Certificates(certificates.to_vec())))
    };
    assert!(matches!(certify(3, &[[7; 32], [6; 32]]), Err(StoreError::Taken)));
    certify(1, &[[5; 32], [5; 32]]).unwrap();
    certify(3, &[[6; 32]]).unwrap();
    assert_eq!([of([5; 32]), of([6; 32]), of([7; 32])], [Some(AccountId(1)), Some(AccountId(3)), None]);
    let back = [
        AccountChange::Password(None),
        AccountChange::Profile(Profile::default()),
        AccountChange::Operator(false),
        AccountChange::Suspended(None),
        AccountChange::Certificates(vec![]),
    ];
    let [.., last] = back.map(|change| wait(store.change_account(AccountId(1), change)).unwrap());
    assert_eq!(last, made);
}

fn sessions_begin_are_used_and_end(bed: &Bed) {
    let store = bed.open();
    wait(store.create_account(new(1, "alice"))).unwrap();
    wait(store.create_account(new(2, "bob"))).unwrap();
    for (number, account, expires) in
        [(1, 1, NOW + 10), (2, 1, NOW + 1000), (3, 1, NOW + 1000), (4, 2, NOW + 1000)]
    {
        wait(store.create_session(session(number, account, expires))).unwrap();
    }
    let by = |number: u8, now| wait(store.session([number; 32], now)).unwrap();
    let (found, account) = by(1, NOW + 9).unwrap();
    assert_eq!((found, account.name.as_str()), (session(1, 1, NOW + 10), "alice"));
    assert!(by(1, NOW + 10).is_none() && by(9, NOW).is_none());
    let of = |account, now| {
        wait(store.sessions(AccountId(account), now))
            .unwrap()
            .into_iter()
            .map(|session| session.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(1, NOW), [1, 2, 3].map(id));
    assert_eq!(of(1, NOW + 10), [2, 3].map(id));

    wait(store.touch_sessions(vec![(id(2), NOW + 5), (id(99), NOW + 5), (id(2), NOW + 4)])).unwrap();
    assert_eq!(by(2, NOW).unwrap().0.used, NOW + 5);

    let end = |account, only, except| wait(store.end_sessions(AccountId(account), only, except)).unwrap();
    assert_eq!(end(2, Some(id(2)), None), 0, "somebody else's");
    assert_eq!(end(1, Some(id(2)), None), 1);
    assert_eq!(end(1, None, Some(id(3))), 1);
    assert_eq!((of(1, NOW), of(2, NOW)), (vec![id(3)], vec![id(4)]));
    assert_eq!(end(1, None, None), 1);

    // A new session sweeps those away that have expired.
    wait(store.create_session(Session { created: NOW + 5000, ..session(5, 2, NOW + 9000) })).unwrap();
    assert_eq!(of(2, 0), [id(5)]);
}

fn accounts_are_seen(bed: &Bed) {
    let store = bed.open();
    for (number, name) in [(1, "alice"), (2, "bob"), (u64::MAX, "carol")] {
        wait(store.create_account(new(number, name))).unwrap();
    }
    let seen = |account| wait(store.last_seen(AccountId(account))).unwrap();
    assert_eq!(seen(1), None);
    let note = |seen: &[(u64, u64)]| {
        let seen = seen.iter().map(|(account, at)| (AccountId(*account), *at)).collect();
        wait(store.note_seen(seen)).unwrap();
    };
    note(&[(1, NOW + 2), (u64::MAX, NOW), (1, NOW + 1), (77, NOW)]);
    assert_eq!((seen(1), seen(2), seen(u64::MAX), seen(77)), (Some(NOW + 2), None, Some(NOW), None));
    note(&[(1, NOW), (2, NOW), (u64::MAX, NOW + 9)]);
    assert_eq!((seen(1), seen(2), seen(u64::MAX)), (Some(NOW + 2), Some(NOW), Some(NOW + 9)));
    note(&[]);
    assert!(wait(store.remove_account(AccountId(1))).unwrap());
    assert_eq!(seen(1), None);
}

fn cursors_only_grow(bed: &Bed) {
    let store = bed.open();
    room_with(&*store, 1, "#a", &[]);
    room_with(&*store, 2, "#b", &[]);
    let cursor = |delivered, read, read_at| Cursor { delivered, read, read_at };
    let steps = [
        (cursor(5, 0, 9), cursor(5, 0, 0)),
        (cursor(3, 2, 10), cursor(5, 2, 10)),
        (cursor(7, 2, 11), cursor(7, 2, 10)),
        (cursor(0, 1, 12), cursor(7, 2, 10)),
        (cursor(7, 3, 13), cursor(7, 3, 13)),
    ];
    for (step, expected) in steps {
        wait(store.advance(vec![(RoomId(1), AccountId(1), step), (RoomId(77), AccountId(1), step)])).unwrap();
        assert_eq!(wait(store.cursors(AccountId(1))).unwrap(), [(RoomId(1), expected)]);
    }
    let more =
        vec![(RoomId(2), AccountId(1), cursor(1, 1, 1)), (RoomId(1), AccountId(u64::MAX), cursor(2, 0, 0))];
    wait(store.advance(more)).unwrap();
    assert_eq!(wait(store.cursors(AccountId(1))).unwrap().len(), 2);
    let mut of_room = wait(store.cursors_of(RoomId(1))).unwrap();
    of_room.sort_by_key(|(account, _)| *account);
    assert_eq!(of_room, [(AccountId(1), cursor(7, 3, 13)), (AccountId(u64::MAX), cursor(2, 0, 0))]);
    assert_eq!(wait(store.cursors_of(RoomId(77))).unwrap(), []);
    wait(store.drop_room(RoomId(1))).unwrap();
    assert_eq!(wait(store.cursors(AccountId(1))).unwrap(), [(RoomId(2), cursor(1, 1, 1))]);
}

both!(
    accounts_have_names_of_their_own,
    every_change_of_an_account_is_kept,
    sessions_begin_are_used_and_end,
    accounts_are_seen,
    cursors_only_grow
);
