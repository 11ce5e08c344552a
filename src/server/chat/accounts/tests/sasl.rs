//! SASL, as a door speaks it.

use super::*;
use crate::proto::sasl::Mechanism::{External, Plain, ScramSha256, ScramSha256Plus};
use crate::proto::sasl::scram::client::Client as Scram;
use crate::proto::sasl::{Mechanism, Reject};

async fn one(world: &World, mechanism: Mechanism, client: Client, message: &[u8]) -> Result<Step, Refusal> {
    world.accounts.exchange(mechanism, client)?.step(message).await
}

/// A whole exchange: the name of the account, or why there is none.
async fn scram(world: &World, plus: bool, client: Client, mut scram: Scram) -> Result<String, Refusal> {
    let mechanism = if plus { ScramSha256Plus } else { ScramSha256 };
    let mut exchange = world.accounts.exchange(mechanism, client)?;
    let Step::Challenge(challenge) = exchange.step(scram.first().as_bytes()).await? else {
        panic!("a challenge has to come");
    };
    let last = scram.last(std::str::from_utf8(&challenge).unwrap());
    let Step::Challenge(last) = exchange.step(last.as_bytes()).await? else {
        panic!("the server has to prove what it knows");
    };
    assert!(scram.trusts(std::str::from_utf8(&last).unwrap()));
    let Step::Done(account) = exchange.step(b"").await? else { panic!("it has to end") };
    assert!(matches!(exchange.step(b"").await, Err(Refusal::Sasl(_))), "it is over");
    Ok(account.name.to_string())
}

#[tokio::test]
async fn mechanisms_by_what_the_connection_can() {
    let rows: [(Client, bool, bool, &[Mechanism]); 6] = [
        (here(), true, true, &[ScramSha256, Plain]),
        (Client { secure: false, ..here() }, true, true, &[ScramSha256, Plain]),
        (Client { secure: false, ..here() }, false, true, &[ScramSha256]),
        (here(), true, false, &[Plain]),
        (
            Client { certificate: Some(Box::new([1; 32])), ..here() },
            true,
            true,
            &[ScramSha256, External, Plain],
        ),
        (
            Client { exporter: Some(Box::new([1; 32])), ..here() },
            true,
            true,
            &[ScramSha256Plus, ScramSha256, Plain],
        ),
    ];
    for (client, in_clear, scram, expected) in rows {
        let world = World::new(|config| {
            config.plain_in_clear = in_clear;
            config.hashing.scram = config.hashing.scram.filter(|_| scram);
        });
        assert_eq!(world.accounts.mechanisms(&client), expected, "{client:?}");
        for mechanism in Mechanism::ALL {
            let begun = world.accounts.exchange(mechanism, client.clone());
            assert_eq!(begun.is_ok(), expected.contains(&mechanism), "{mechanism} for {client:?}");
        }
    }
}

#[tokio::test]
async fn plain() {
    let world = World::new(|_| {});
    world.user("alice").await;
    for (message, expected) in [
        ("\0alice\0correct horse", "ok"),
        ("alice\0alice\0correct horse", "ok"),
        ("ALICE\0alice\0correct horse", "ok"),
        ("bob\0alice\0correct horse", "wrong-credentials"),
        ("\0alice\0wrong", "wrong-credentials"),
        ("\0bob\0correct horse", "wrong-credentials"),
        ("alice\0correct horse", "bad-sasl"),
        ("", "bad-sasl"),
    ] {
        assert_eq!(code(one(&world, Plain, here(), message.as_bytes()).await), expected, "{message:?}");
    }
}

#[tokio::test]
async fn external() {
    let world = World::new(|_| {});
    let alice = world.user("alice").await.id;
    world.accounts.add_certificate(alice, [1; 32]).await.unwrap();
    let with = |byte| Client { certificate: Some(Box::new([byte; 32])), ..here() };
    for (message, certificate, expected) in [
        ("", 1, "ok"),
        ("alice", 1, "ok"),
        ("bob", 1, "wrong-credentials"),
        ("", 2, "wrong-credentials"),
        ("a\0", 1, "bad-sasl"),
    ] {
        assert_eq!(
            code(one(&world, External, with(certificate), message.as_bytes()).await),
            expected,
            "{message:?}"
        );
    }
}

#[tokio::test]
async fn scram_with_and_without_a_binding() {
    let world = World::new(|_| {});
    world.user("alice").await;
    let hashes = world.accounts.hashes();
    let client = |name, password| Scram::new(name, password, "nonce");
    assert_eq!(scram(&world, false, here(), client("Alice", PASSWORD)).await.unwrap(), "alice");
    let bound = || Client { exporter: Some(Box::new([7; 32])), ..here() };
    let plus = |exporter: &[u8]| client("alice", PASSWORD).bound("p=tls-exporter,,", exporter);
    assert_eq!(scram(&world, true, bound(), plus(&[7; 32])).await.unwrap(), "alice");
    assert_eq!(code(scram(&world, true, bound(), plus(&[8; 32])).await), "bad-sasl");
    let y = || client("alice", PASSWORD).bound("y,,", b"");
    assert_eq!(code(scram(&world, false, here(), y()).await), "ok");
    assert!(matches!(scram(&world, false, bound(), y()).await, Err(Refusal::Sasl(Reject::Downgrade))));
    let other = client("alice", PASSWORD).bound("n,a=bob,", b"");
    assert_eq!(code(scram(&world, false, here(), other).await), "wrong-credentials");
    assert_eq!(world.accounts.hashes(), hashes, "no hash of argon2 is needed");
}

/// Who has no account goes the same way to the same refusal, and gets the same salt each time.
#[tokio::test]
async fn scram_does_not_tell_who_exists() {
    let world = World::new(|_| {});
    world.user("alice").await;
    world.accounts.create("robot", None, false).await.unwrap();
    for name in ["alice", "robot", "nobody", "not a name"] {
        let challenge = async |world: &World| {
            let message = Scram::new(name, "", "nonce").first();
            let Ok(Step::Challenge(challenge)) = one(world, ScramSha256, here(), message.as_bytes()).await
            else {
                panic!("{name}");
            };
            let text = String::from_utf8(challenge).unwrap();
            let (nonce, rest) = text.split_once(',').unwrap();
            assert_eq!(nonce.len(), "r=nonce".len() + 24, "{nonce}");
            (nonce.to_owned(), rest.to_owned())
        };
        let (first, second) = (challenge(&world).await, challenge(&world).await);
        assert_ne!(first.0, second.0, "{name}: nonces are fresh");
        assert_eq!(first.1, second.1, "{name}: salts are not");
        assert!(first.1.len() == "s=,i=4".len() + 24 && first.1.ends_with(",i=4"), "{}", first.1);
        let restarted = World::over(Arc::clone(&world.store), |_| {});
        assert_eq!(challenge(&restarted).await.1, first.1, "{name}: nor after a restart");
        let hashes = world.accounts.hashes();
        let refusal = scram(&world, false, here(), Scram::new(name, "wrong", "nonce")).await;
        assert_eq!(code(refusal), "wrong-credentials", "{name}");
        assert_eq!(world.accounts.hashes(), hashes, "{name}: it costs as much as another, and no argon2");
    }
}

#[tokio::test(start_paused = true)]
async fn scram_is_limited_and_successes_are_free() {
    let world = World::new(|config| config.attempts.account = rate(2));
    let alice = world.user("alice").await;
    let attempt =
        async |password| code(scram(&world, false, here(), Scram::new("alice", password, "n")).await);
    for _ in 0..5 {
        assert_eq!(attempt(PASSWORD).await, "ok");
    }
    assert_eq!(attempt("wrong").await, "wrong-credentials");
    assert_eq!(attempt("wrong").await, "wrong-credentials");
    assert_eq!(attempt(PASSWORD).await, "rate-limited");
    tokio::time::advance(Duration::from_secs(120)).await;
    world.accounts.suspend(alice.id, Some("spam")).await.unwrap();
    assert_eq!(attempt(PASSWORD).await, "suspended");
    assert_eq!(attempt("wrong").await, "wrong-credentials");
}

/// An account whose password was set before there was SCRAM logs in by PLAIN once.
#[tokio::test]
async fn keys_of_scram_come_with_a_login() {
    let old = World::new(|config| config.hashing.scram = None);
    old.user("alice").await;
    let world = World::over(old.store, |_| {});
    let attempt = async || code(scram(&world, false, here(), Scram::new("alice", PASSWORD, "n")).await);
    assert_eq!(attempt().await, "wrong-credentials");
    assert_eq!(code(one(&world, Plain, here(), b"\0alice\0correct horse").await), "ok");
    assert_eq!(attempt().await, "ok");
}
