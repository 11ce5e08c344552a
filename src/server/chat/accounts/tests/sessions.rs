//! Sessions and their tokens.

use super::super::config::{Lifetimes, MAX_DEVICE};
use super::*;
use crate::server::chat::store::account::Session;

const HOUR: Duration = Duration::from_secs(3600);

fn lifetimes(config: &mut Config) {
    config.lifetimes = Lifetimes { idle: 10 * HOUR, longest: 24 * HOUR, devices: 3 };
}

#[tokio::test]
async fn a_token_opens_its_session_until_it_is_logged_out() {
    let world = World::new(lifetimes);
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let accounts = &world.accounts;
    let mut endings = accounts.endings();
    let session = accounts.begin_session(&alice, &format!("my\0 phone{}", "x".repeat(100))).await.unwrap();
    assert_eq!(session.token.len(), 43);
    assert!(session.session.device.starts_with("my phonex") && session.session.device.len() == MAX_DEVICE);
    assert!(!format!("{session:?}").contains(&session.token));
    let (resumed, account) = accounts.resume(&session.token).await.unwrap();
    assert_eq!((resumed, account.id), (session.session.clone(), alice.id));
    assert!(!accounts.end_session(bob.id, session.session.id).await.unwrap(), "of somebody else");
    assert_eq!(code(accounts.resume(&session.token).await), "ok");
    assert!(accounts.end_session(alice.id, session.session.id).await.unwrap());
    assert_eq!(code(accounts.resume(&session.token).await), "session-over", "a token that is replayed");
    assert!(!accounts.end_session(alice.id, session.session.id).await.unwrap());
    endings.recv().await.unwrap();
    assert_eq!(endings.recv().await, Ok(Ending::One(alice.id, session.session.id)));
}

#[tokio::test]
async fn what_is_no_token() {
    let world = World::new(lifetimes);
    let alice = world.user("alice").await;
    let token = world.accounts.begin_session(&alice, "").await.unwrap().token;
    let other = if token.starts_with('A') { "B" } else { "A" };
    let rows = [
        String::new(),
        "x".into(),
        format!("{token}="),
        format!("{token}A"),
        format!(" {token}"),
        token[..42].into(),
        format!("{other}{}", &token[1..]),
        "A".repeat(43),
        "ä".repeat(20),
        "A".repeat(1_000_000),
    ];
    for text in rows {
        assert_eq!(code(world.accounts.resume(&text).await), "session-over", "{text:.50}");
    }
    assert_eq!(code(world.accounts.resume(&token).await), "ok");
}

#[tokio::test]
async fn use_keeps_a_session_but_not_for_ever() {
    let world = World::new(lifetimes);
    let alice = world.user("alice").await;
    let accounts = &world.accounts;
    let used = accounts.begin_session(&alice, "used").await.unwrap().token;
    let idle = accounts.begin_session(&alice, "idle").await.unwrap().token;
    world.pass(9 * HOUR);
    assert_eq!(code(accounts.resume(&used).await), "ok");
    world.pass(HOUR);
    assert_eq!(accounts.sessions(alice.id).await.unwrap().len(), 1);
    assert_eq!(code(accounts.resume(&idle).await), "session-over");
    world.pass(8 * HOUR);
    assert_eq!(code(accounts.resume(&used).await), "ok");
    world.pass(6 * HOUR);
    assert_eq!(code(accounts.resume(&used).await), "session-over", "after 24 hours");
}

#[tokio::test]
async fn when_it_was_used_is_gathered() {
    let world = World::new(lifetimes);
    let alice = world.user("alice").await;
    let accounts = &world.accounts;
    let LoggedIn { token, session } = accounts.begin_session(&alice, "").await.unwrap();
    let touches = || world.store.touches.load(Ordering::Relaxed);
    let stored = async || -> Session { world.store.sessions(alice.id, 0).await.unwrap().remove(0) };
    for _ in 0..100 {
        world.pass(Duration::from_secs(1));
        accounts.resume(&token).await.unwrap();
    }
    world.pass(Duration::from_secs(1));
    accounts.touch(&session).await;
    assert_eq!((touches(), stored().await.used), (0, 1_000_000));
    assert_eq!(accounts.sessions(alice.id).await.unwrap()[0].used, 1_101_000, "it is known all the same");
    world.store.away.store(true, Ordering::Relaxed);
    accounts.flush().await;
    world.store.away.store(false, Ordering::Relaxed);
    accounts.flush().await;
    assert_eq!((touches(), stored().await.used), (2, 1_101_000), "what failed is tried again");
    accounts.flush().await;
    assert_eq!(touches(), 2, "there is nothing to write");
}

#[tokio::test(start_paused = true)]
async fn it_is_written_each_minute_and_at_the_end() {
    let world = World::new(lifetimes);
    let alice = world.user("alice").await;
    let session = world.accounts.begin_session(&alice, "").await.unwrap().session;
    let touches = || world.store.touches.load(Ordering::Relaxed);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let accounts = world.accounts.clone();
    let task = tokio::spawn(async move { accounts.keep_flushing(async { drop(stopped.await) }).await });
    for minutes in 1..=3 {
        world.accounts.touch(&session).await;
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(touches(), minutes);
    }
    world.accounts.touch(&session).await;
    stop.send(()).unwrap();
    task.await.unwrap();
    assert_eq!(touches(), 4);
}

#[tokio::test]
async fn a_new_device_may_push_out_the_one_that_is_used_least() {
    let world = World::new(lifetimes);
    let alice = world.user("alice").await;
    let accounts = &world.accounts;
    let mut tokens = Vec::new();
    for device in ["first", "second", "third"] {
        tokens.push(accounts.begin_session(&alice, device).await.unwrap().token);
        world.pass(HOUR);
    }
    accounts.resume(&tokens[0]).await.unwrap();
    tokens.push(accounts.begin_session(&alice, "fourth").await.unwrap().token);
    let mut open = Vec::new();
    for token in &tokens {
        open.push(accounts.resume(token).await.is_ok());
    }
    assert_eq!(open, [true, false, true, true]);
}
