//! New accounts, and changes of them.

use super::super::config::{MAX_CERTIFICATES, MAX_PASSWORD, Registration};
use super::*;

#[tokio::test]
async fn registrations() {
    let world = World::new(|config| config.reserved = vec!["Boss".into()]);
    let long = "x".repeat(MAX_PASSWORD + 1);
    let rows = [
        ("alice", PASSWORD, "ok"),
        ("alice", PASSWORD, "name-taken"),
        ("ALICE", PASSWORD, "name-taken"),
        ("bob", "12345678", "ok"),
        ("carol", "1234567", "bad-password"),
        // Seven characters once it is prepared.
        ("carol", "1234567\u{ad}", "bad-password"),
        ("carol", "пароль12", "ok"),
        ("dave", "", "bad-password"),
        ("dave", "12345678\n", "bad-password"),
        ("dave", &long, "bad-password"),
        ("dave", &long[1..], "ok"),
        ("eve_eve_", "EVE_EVE_", "bad-password"),
        ("", PASSWORD, "bad-name"),
        ("1st", PASSWORD, "ok"),
        ("-st", PASSWORD, "bad-name"),
        ("#room", PASSWORD, "bad-name"),
        ("zoë", PASSWORD, "bad-name"),
        ("NickServ", PASSWORD, "name-reserved"),
        ("EVERYONE", PASSWORD, "name-reserved"),
        ("boss", PASSWORD, "name-reserved"),
        // Guests can be called so.
        ("Root", PASSWORD, "name-reserved"),
    ];
    for (name, password, expected) in rows {
        let new = NewUser { name, password, ..NewUser::default() };
        assert_eq!(code(world.accounts.register(new, &here()).await), expected, "{name}: {password}");
        if expected == "ok" {
            assert_eq!(code(world.accounts.log_in(name, password, &here()).await), "ok", "{name}");
        }
    }
    let mail = NewUser { email: "a@example.org", ..new("frank") };
    let account = world.accounts.register(mail, &here()).await.unwrap();
    assert_eq!((account.profile.email.as_str(), account.operator), ("a@example.org", false));
    assert!(!format!("{mail:?}").contains(PASSWORD));
}

#[tokio::test]
async fn who_may_register() {
    let codes = vec!["tulip".to_owned(), "rose".to_owned()];
    let rows = [
        (Registration::Open, "", "ok"),
        (Registration::Open, "x", "ok"),
        (Registration::Closed, "tulip", "registration-closed"),
        (Registration::Invited(codes.clone()), "tulip", "ok"),
        (Registration::Invited(codes.clone()), "rose", "ok"),
        (Registration::Invited(codes.clone()), "", "invitation-needed"),
        (Registration::Invited(codes.clone()), "Tulip", "invitation-needed"),
        (Registration::Invited(codes), "tuliprose", "invitation-needed"),
        (Registration::Invited(Vec::new()), "", "invitation-needed"),
    ];
    for (registration, invitation, expected) in rows {
        let world = World::new(|config| config.registration = registration.clone());
        let new = NewUser { invitation, ..new("alice") };
        assert_eq!(
            code(world.accounts.register(new, &here()).await),
            expected,
            "{registration:?}: {invitation}"
        );
        assert_eq!(
            code(world.accounts.create("NickServ", None, false).await),
            "ok",
            "an operator always may"
        );
    }
}

/// Of many who want a name at once, one gets it, with its own password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_for_a_name() {
    let world = World::new(|_| {});
    let racers = (0..20).map(|number| {
        let accounts = world.accounts.clone();
        tokio::spawn(async move {
            let password = format!("password {number}");
            let name = if number % 2 == 0 { "alice" } else { "Alice" };
            let new = NewUser { name, password: &password, ..NewUser::default() };
            (code(accounts.register(new, &at(number)).await), password)
        })
    });
    let mut winners = Vec::new();
    for racer in futures_util::future::join_all(racers).await {
        match racer.unwrap() {
            ("ok", password) => winners.push(password),
            (code, _) => assert_eq!(code, "name-taken"),
        }
    }
    let [password] = &winners[..] else { panic!("{winners:?}") };
    assert_eq!(code(world.accounts.log_in("alice", password, &here()).await), "ok");
}

#[tokio::test(start_paused = true)]
async fn registrations_of_an_address_are_limited() {
    let world = World::new(|config| config.attempts.registrations = rate(2));
    for (name, from, expected) in [
        ("a", 1, "ok"),
        // What is refused before a hash is computed does not count.
        ("a", 1, "name-taken"),
        ("NickServ", 1, "name-reserved"),
        ("b", 1, "ok"),
        ("c", 1, "rate-limited"),
        ("c", 2, "ok"),
    ] {
        assert_eq!(code(world.accounts.register(new(name), &at(from)).await), expected, "{name} from {from}");
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(code(world.accounts.register(new("d"), &at(1)).await), "ok");
}

#[tokio::test(start_paused = true)]
async fn codes_cannot_be_guessed_for_long() {
    let world = World::new(|config| {
        config.registration = Registration::Invited(vec!["tulip".into()]);
        config.attempts.address = rate(2);
    });
    for (invitation, expected) in [
        ("tulip", "name-taken"),
        ("a", "invitation-needed"),
        ("b", "invitation-needed"),
        ("tulip", "rate-limited"),
    ] {
        world.accounts.create("alice", None, false).await.ok();
        let new = NewUser { invitation, ..new("alice") };
        assert_eq!(code(world.accounts.register(new, &here()).await), expected, "{invitation}");
    }
}

#[tokio::test]
async fn passwords_change() {
    let world = World::new(|_| {});
    let account = world.user("alice").await;
    let accounts = &world.accounts;
    let mut endings = accounts.endings();
    let mine = accounts.begin_session(&account, "mine").await.unwrap();
    let other = accounts.begin_session(&account, "other").await.unwrap();
    let change = async |old, new| {
        code(accounts.change_password(&account, old, new, Some(mine.session.id), &here()).await)
    };
    assert_eq!(change("wrong", "another one").await, "wrong-credentials");
    assert_eq!(change(PASSWORD, "short").await, "bad-password");
    assert!(accounts.resume(&other.token).await.is_ok() && endings.is_empty());
    assert_eq!(change(PASSWORD, "another one").await, "ok");
    assert_eq!(code(accounts.log_in("alice", PASSWORD, &here()).await), "wrong-credentials");
    assert_eq!(code(accounts.log_in("alice", "another one", &here()).await), "ok");
    assert_eq!(code(accounts.resume(&other.token).await), "session-over");
    assert_eq!(code(accounts.resume(&mine.token).await), "ok");
    assert_eq!(endings.try_recv(), Ok(Ending::All(account.id, Some(mine.session.id))));
    accounts.set_password(&account, "by the operator").await.unwrap();
    assert_eq!(code(accounts.resume(&mine.token).await), "session-over");
    assert_eq!(code(accounts.log_in("alice", "by the operator", &here()).await), "ok");
    let without = accounts.create("robot", None, false).await.unwrap();
    assert_eq!(code(accounts.change_password(&without, "", "another one", None, &here()).await), "other-way");
}

#[tokio::test]
async fn other_sessions_may_stay() {
    let world = World::new(|config| config.password_ends_others = false);
    let account = world.user("alice").await;
    let session = world.accounts.begin_session(&account, "").await.unwrap();
    world.accounts.change_password(&account, PASSWORD, "another one", None, &here()).await.unwrap();
    assert_eq!(code(world.accounts.resume(&session.token).await), "ok");
}

#[tokio::test]
async fn suspended_accounts() {
    let world = World::new(|_| {});
    let account = world.user("alice").await;
    let accounts = &world.accounts;
    let mut endings = accounts.endings();
    let session = accounts.begin_session(&account, "").await.unwrap();
    let suspended = accounts.suspend(account.id, Some("spam")).await.unwrap();
    assert_eq!(suspended.suspended, Some((1_000_000, "spam".into())));
    assert_eq!(endings.try_recv(), Ok(Ending::All(account.id, None)));
    assert_eq!(code(accounts.resume(&session.token).await), "session-over");
    // One that has begun in the meantime.
    let late = accounts.begin_session(&account, "").await.unwrap();
    assert_eq!(code(accounts.resume(&late.token).await), "suspended");
    let refusal = accounts.log_in("alice", PASSWORD, &here()).await.unwrap_err();
    assert_eq!(refusal.to_string(), "the account is suspended: spam");
    assert_eq!(
        code(accounts.log_in("alice", "wrong", &here()).await),
        "wrong-credentials",
        "only its owner is told"
    );
    accounts.suspend(account.id, None).await.unwrap();
    assert_eq!(code(accounts.log_in("alice", PASSWORD, &here()).await), "ok");
    assert_eq!(code(accounts.suspend(AccountId(7), Some("x")).await), "not-found");
}

#[tokio::test]
async fn changes_are_seen_at_once() {
    let world = World::new(|_| {});
    let id = world.user("alice").await.id;
    let name: Nick = "ALICE".parse().unwrap();
    let reads = || world.store.reads.load(Ordering::Relaxed);
    let accounts = &world.accounts;
    let first = accounts.account(id).await.unwrap().unwrap();
    assert_eq!(first.name.as_str(), "alice");
    let before = reads();
    assert_eq!(accounts.account(id).await.unwrap().unwrap(), first);
    assert_eq!(accounts.account_named(&name).await.unwrap().unwrap(), first);
    assert_eq!(reads(), before, "they are remembered");
    accounts.edit_profile(id, |profile| profile.about = "here".into()).await.unwrap();
    accounts.edit_profile(id, |profile| profile.display = "A".into()).await.unwrap();
    accounts.set_operator(id, true).await.unwrap();
    let now = accounts.account_named(&name).await.unwrap().unwrap();
    assert_eq!((now.profile.about.as_str(), now.profile.display.as_str(), now.operator), ("here", "A", true));
    assert_eq!(accounts.account(AccountId(1)).await.unwrap(), None);
    assert_eq!(accounts.account_named(&"bob".parse().unwrap()).await.unwrap(), None);
}

/// What was read before a change is not remembered after it.
#[tokio::test]
async fn an_old_answer_is_not_kept() {
    let world = World::new(|_| {});
    let id = world.user("alice").await.id;
    let accounts = &world.accounts;
    let mut slow = Box::pin(accounts.account(id));
    assert!(futures_util::poll!(slow.as_mut()).is_pending());
    accounts.forget(id);
    let reads = || world.store.reads.load(Ordering::Relaxed);
    slow.await.unwrap().unwrap();
    let before = reads();
    accounts.account(id).await.unwrap().unwrap();
    assert_eq!(reads(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_at_once_are_all_kept() {
    let world = World::new(|_| {});
    let id = world.user("alice").await.id;
    let edits = (0..20).map(|number| {
        let accounts = world.accounts.clone();
        tokio::spawn(async move {
            accounts.edit_profile(id, |profile| profile.blocked.push(AccountId(number))).await.unwrap();
        })
    });
    futures_util::future::join_all(edits).await;
    assert_eq!(world.accounts.account(id).await.unwrap().unwrap().profile.blocked.len(), 20);
}

#[tokio::test]
async fn certificates() {
    let world = World::new(|_| {});
    let (alice, bob) = (world.user("alice").await.id, world.user("bob").await.id);
    let accounts = &world.accounts;
    for number in 0..MAX_CERTIFICATES {
        assert_eq!(code(accounts.add_certificate(alice, [number as u8; 32]).await), "ok");
        assert_eq!(code(accounts.add_certificate(alice, [number as u8; 32]).await), "ok", "again");
    }
    assert_eq!(code(accounts.add_certificate(alice, [99; 32]).await), "too-many-certificates");
    assert_eq!(code(accounts.add_certificate(bob, [1; 32]).await), "name-taken", "it opens one account");
    assert_eq!(code(accounts.remove_certificate(bob, [1; 32]).await), "not-found");
    assert_eq!(code(accounts.remove_certificate(alice, [1; 32]).await), "ok");
    assert_eq!(code(accounts.add_certificate(bob, [1; 32]).await), "ok");
}
