//! Passwords: who is let in, what a refusal costs, and how often one may try.

use super::*;
use crate::server::chat::store::account::{AccountChange, Password};

#[tokio::test]
async fn passwords() {
    let world = World::new(|_| {});
    world.user("alice").await;
    world.accounts.create("robot", None, false).await.unwrap();
    let long = "x".repeat(100_000);
    let rows = [
        ("alice", PASSWORD, "ok"),
        ("Alice", PASSWORD, "ok"),
        ("alice", "Correct horse", "wrong-credentials"),
        ("alice", "", "wrong-credentials"),
        ("alice", &long, "wrong-credentials"),
        ("nobody", PASSWORD, "wrong-credentials"),
        ("robot", "", "wrong-credentials"),
        ("", PASSWORD, "wrong-credentials"),
        ("not a name", PASSWORD, "wrong-credentials"),
        (&long, PASSWORD, "wrong-credentials"),
    ];
    for (name, password, expected) in rows {
        // Whoever is asked for and whatever is said, it costs the same.
        let before = world.accounts.hashes();
        let result = world.accounts.log_in(name, password, &here()).await;
        assert_eq!(world.accounts.hashes() - before, 1, "{name}");
        if let Err(refusal) = &result {
            assert_eq!(refusal.to_string(), "the name or the password is wrong");
        }
        assert_eq!(code(result), expected, "{name}");
    }
    assert_eq!((world.accounts.logins(), world.accounts.failures()), (2, 8));
}

#[tokio::test]
async fn only_within_tls_if_so_configured() {
    let world = World::new(|config| config.plain_in_clear = false);
    world.user("alice").await;
    let open = Client { secure: false, ..here() };
    assert_eq!(code(world.accounts.log_in("alice", PASSWORD, &open).await), "not-offered");
    assert_eq!(code(world.accounts.register(new("bob"), &open).await), "not-offered");
    assert_eq!(code(world.accounts.log_in("alice", PASSWORD, &here()).await), "ok");
}

/// An account that does not exist is limited as one that does.
#[tokio::test(start_paused = true)]
async fn failures_are_limited_for_an_account() {
    let world = World::new(|config| config.attempts.account = rate(3));
    world.user("alice").await;
    for name in ["alice", "nobody"] {
        for number in 0..3 {
            let result = world.accounts.log_in(name, "wrong", &at(number)).await;
            assert_eq!(code(result), "wrong-credentials", "{name}");
        }
        let before = world.accounts.hashes();
        let refusal = world.accounts.log_in(name, PASSWORD, &at(9)).await.unwrap_err();
        assert_eq!(refusal.to_string(), "too many attempts: try again in 60 s", "{name}");
        assert_eq!(world.accounts.hashes(), before, "nothing is computed");
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    for _ in 0..10 {
        assert_eq!(code(world.accounts.log_in("alice", PASSWORD, &here()).await), "ok", "successes are free");
    }
    assert_eq!(code(world.accounts.log_in("alice", "wrong", &here()).await), "wrong-credentials");
    assert_eq!(code(world.accounts.log_in("alice", PASSWORD, &here()).await), "rate-limited");
}

#[tokio::test(start_paused = true)]
async fn failures_are_limited_for_an_address() {
    let world = World::new(|config| config.attempts.address = rate(3));
    world.user("alice").await;
    for name in ["a", "b", "c"] {
        assert_eq!(code(world.accounts.log_in(name, "wrong", &at(1)).await), "wrong-credentials");
    }
    assert_eq!(code(world.accounts.log_in("alice", PASSWORD, &at(1)).await), "rate-limited");
    assert_eq!(code(world.accounts.log_in("alice", PASSWORD, &at(2)).await), "ok");
    let by_socket = Client { address: None, ..here() };
    for _ in 0..10 {
        assert_eq!(code(world.accounts.log_in("alice", "wrong", &by_socket).await), "wrong-credentials");
    }
}

/// A fault of ours is no failure of the client's.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away() {
    let world = World::new(|config| config.attempts.account = rate(1));
    world.user("alice").await;
    world.store.away.store(true, Ordering::Relaxed);
    for _ in 0..10 {
        assert_eq!(code(world.accounts.log_in("alice", PASSWORD, &here()).await), "unavailable");
    }
    world.store.away.store(false, Ordering::Relaxed);
    assert_eq!(code(world.accounts.log_in("alice", PASSWORD, &here()).await), "ok");
}

/// Somebody who goes away before the answer has had an attempt.
#[tokio::test(start_paused = true)]
async fn attempts_that_are_dropped_count() {
    let world = World::new(|config| config.attempts.account = rate(2));
    world.user("alice").await;
    for _ in 0..2 {
        let here = here();
        let mut attempt = Box::pin(world.accounts.log_in("alice", "wrong", &here));
        assert!(futures_util::poll!(attempt.as_mut()).is_pending());
    }
    assert_eq!(code(world.accounts.log_in("alice", PASSWORD, &here()).await), "rate-limited");
}

#[tokio::test]
async fn old_hashes_are_renewed_at_a_login() {
    let old = World::new(|config| config.hashing.scram = None);
    let before = old.user("alice").await;
    let new = World::over(old.store, |config| config.hashing.memory = 16);
    assert_eq!(code(new.accounts.log_in("alice", "wrong", &here()).await), "wrong-credentials");
    let kept = async || new.accounts.account(before.id).await.unwrap().unwrap().password.clone().unwrap();
    assert_eq!(kept().await, before.password.clone().unwrap(), "a wrong password renews nothing");
    assert_eq!(code(new.accounts.log_in("alice", PASSWORD, &here()).await), "ok");
    let Password { argon2, scram } = kept().await;
    assert!(argon2.contains("m=16,t=1,p=1") && scram.is_some(), "{argon2}");
    let hashes = new.accounts.hashes();
    assert_eq!(code(new.accounts.log_in("alice", PASSWORD, &here()).await), "ok");
    assert_eq!(new.accounts.hashes() - hashes, 1, "once is enough");
}

/// A login by the old password, which is renewed while another is set, does not bring the old one back.
#[tokio::test]
async fn a_renewal_does_not_undo_a_change() {
    let old = World::new(|_| {});
    let account = old.user("alice").await;
    let world = World::over(old.store, |config| config.hashing.passes = 2);
    let here = here();
    let login = world.accounts.log_in("alice", PASSWORD, &here);
    let other = Password { argon2: "another".into(), scram: None };
    // As another node would do it, between the check and the renewal.
    let gate = world.accounts.0.changing.lock().await;
    let mut login = Box::pin(login);
    while world.accounts.hashes() < 2 {
        assert!(futures_util::poll!(login.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    world.store.change_account(account.id, AccountChange::Password(Some(other.clone()))).await.unwrap();
    drop(gate);
    assert_eq!(code(login.await), "ok");
    assert_eq!(world.accounts.account(account.id).await.unwrap().unwrap().password, Some(other));
}

#[tokio::test]
async fn certificates_open_accounts() {
    let world = World::new(|config| config.attempts.address = rate(3));
    let alice = world.user("alice").await.id;
    world.user("bob").await;
    world.accounts.add_certificate(alice, [1; 32]).await.unwrap();
    let with = |certificate: Option<[u8; 32]>| Client { certificate: certificate.map(Box::new), ..here() };
    for (name, certificate, expected) in [
        (None, Some([1; 32]), "ok"),
        (Some("ALICE"), Some([1; 32]), "ok"),
        (None, None, "not-offered"),
        (None, Some([2; 32]), "wrong-credentials"),
        (Some("bob"), Some([1; 32]), "wrong-credentials"),
        (Some("alice"), Some([2; 32]), "wrong-credentials"),
        (Some("alice"), Some([1; 32]), "rate-limited"),
    ] {
        let result = world.accounts.log_in_by_certificate(name, &with(certificate)).await;
        assert_eq!(code(result), expected, "{name:?} with {certificate:?}");
    }
}

#[test]
fn clients_by_their_connection() {
    use crate::net::addr::PeerAddr;
    let ip = |text: &str| PeerAddr::Ip(text.parse().unwrap());
    let rows = [
        (ip("192.0.2.1:1"), false, Some("192.0.2.1"), false),
        (ip("192.0.2.1:1"), true, Some("192.0.2.1"), true),
        (ip("127.0.0.1:1"), false, Some("127.0.0.1"), true),
        (ip("[::1]:1"), false, Some("::1"), true),
        (ip("[::ffff:127.0.0.1]:1"), false, Some("::ffff:127.0.0.1"), true),
        (PeerAddr::Unix, false, None, true),
    ];
    for (addr, tls, address, secure) in rows {
        let address = address.map(|text| text.parse().unwrap());
        let expected = Client { address, secure, certificate: None, exporter: None };
        assert_eq!(Client::of(&Peer::new(addr, tls, 1)), expected);
    }
}

/// The passwords beside those of accounts are as hard to guess.
#[tokio::test(start_paused = true)]
async fn shared_passwords_are_limited_for_an_address() {
    let world = World::new(|config| config.attempts.address = rate(2));
    let check = |said, from| code(world.accounts.check_shared("open sesame", said, &from));
    for _ in 0..10 {
        assert_eq!(check("open sesame", at(1)), "ok", "what is right does not count");
    }
    let rows = ["open sesam", "open sesame "].map(|said| check(said, at(1)));
    assert_eq!(rows, ["wrong-credentials"; 2]);
    assert_eq!((check("open sesame", at(1)), check("open sesame", at(2))), ("rate-limited", "ok"));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(check("open sesame", at(1)), "ok");
    assert_eq!(world.accounts.failures(), 2);
}
