//! Calls that wait, give up and are served, in virtual time.

use std::task::Poll;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, poll};

use super::*;
use crate::net::resilience::breaker;
use crate::net::resilience::pick::{Algorithm, Bound, Endpoint};
use crate::proto::balance::health;
use crate::server::balance::backend::{Origin, Setup};
use crate::server::balance::upstream::Settings;
use crate::server::balance::vitals::Admin;

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn setup(port: u16, limit: impl Into<Option<usize>>) -> Setup {
    Setup { limit: limit.into(), ..Setup::new(format!("127.0.0.1:{port}").parse().unwrap()) }
}

fn upstream(setups: Vec<Setup>, settings: Settings) -> Arc<Upstream> {
    let backends = setups.into_iter().map(|setup| Arc::new(Backend::new(setup, now(), 0.5)));
    Arc::new(Upstream::new("web", backends.collect(), settings, now()))
}

/// A call that may wait, polled once.
type Call = BoxFuture<'static, Result<Lease, Refusal>>;

async fn call(upstream: &Arc<Upstream>) -> Result<Result<Lease, Refusal>, Call> {
    let upstream = Arc::clone(upstream);
    let mut call = async move { upstream.acquire(&upstream.members(), 0, &[], now()).await }.boxed();
    match poll!(&mut call) {
        Poll::Ready(outcome) => Ok(outcome),
        Poll::Pending => Err(call),
    }
}

async fn served(upstream: &Arc<Upstream>) -> Lease {
    call(upstream).await.map_err(|_| "it waits").unwrap().unwrap()
}

async fn waits(upstream: &Arc<Upstream>) -> Call {
    call(upstream).await.expect_err("it is served")
}

#[tokio::test(start_paused = true)]
async fn places_go_to_those_who_wait_in_order() {
    let upstream = upstream(vec![setup(1, 1), setup(2, 1)], Settings::default());
    let (a, b) = (served(&upstream).await, served(&upstream).await);
    assert_ne!(a.backend().name(), b.backend().name(), "who is full is passed over");
    let (mut first, mut second) = (waits(&upstream).await, waits(&upstream).await);
    assert_eq!(upstream.waiting(), 2);
    let name = Arc::clone(a.backend().name());
    drop(a);
    // Who comes now finds no place, although one was given back: it has been handed over already.
    let third = waits(&upstream).await;
    assert!(poll!(&mut second).is_pending());
    let Poll::Ready(Ok(lease)) = poll!(&mut first) else { panic!("the first is served first") };
    assert_eq!(*lease.backend().name(), name);
    drop(b);
    let Poll::Ready(Ok(_second)) = poll!(&mut second) else { panic!("then the second") };
    drop(third);
    assert_eq!(upstream.waiting(), 0);
    drop(lease);
    drop(served(&upstream).await);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_loses_no_place() {
    let upstream = upstream(vec![setup(1, 1)], Settings::default());
    let backend = Arc::clone(&upstream.members().backends()[0]);
    let held = served(&upstream).await;
    // Dropped while it waits; dropped when it was handed a place that it never took.
    let (gone, handed, mut last) = (waits(&upstream).await, waits(&upstream).await, waits(&upstream).await);
    drop(gone);
    assert_eq!(upstream.waiting(), 2);
    drop(held);
    assert_eq!((upstream.waiting(), backend.vitals().held()), (1, 1));
    drop(handed);
    let Poll::Ready(Ok(lease)) = poll!(&mut last) else { panic!("the place goes on to the last") };
    assert_eq!((upstream.waiting(), backend.vitals().held()), (0, 1));
    drop(lease);
    assert_eq!((backend.vitals().held(), backend.load().outstanding()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn waiting_has_an_end_and_the_queue_a_length() {
    let settings = Settings { queue: 1, queue_timeout: Duration::from_secs(3), ..Settings::default() };
    let upstream = upstream(vec![setup(1, 1)], settings);
    let held = served(&upstream).await;
    let first = waits(&upstream).await;
    let Ok(Err(refusal)) = call(&upstream).await else { panic!("the queue has one place") };
    assert_eq!(refusal, Refusal::Full);
    let begun = tokio::time::Instant::now();
    assert_eq!(first.await.err(), Some(Refusal::Waited));
    assert_eq!(begun.elapsed().as_secs(), 3);
    assert_eq!(upstream.waiting(), 0, "who has waited too long has left");
    drop(held);
    drop(served(&upstream).await);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_backends_that_are_gone_or_down() {
    let upstream = upstream(vec![setup(1, 1)], Settings::default());
    upstream.members().backends()[0].vitals().set_admin(Admin::Drain);
    upstream.refresh(now());
    let Ok(Err(refusal)) = call(&upstream).await else { panic!("it waits") };
    assert_eq!(refusal, Refusal::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_full_backend_is_not_replaced_by_one_that_is_down_or_a_backup() {
    let mut down = setup(2, 1);
    down.checks = Some(health::Policy { initial: health::Initial::Down, ..health::Policy::DEFAULT });
    let backup = Setup { priority: 1, ..setup(3, 1) };
    let upstream = upstream(vec![setup(1, 1), down, backup], Settings::default());
    let first = served(&upstream).await;
    assert_eq!(&**first.backend().name(), "127.0.0.1:1");
    let mut waiting = waits(&upstream).await;
    drop(first);
    let Poll::Ready(Ok(lease)) = poll!(&mut waiting) else { panic!("the place is handed over") };
    assert_eq!(&**lease.backend().name(), "127.0.0.1:1");
}

#[tokio::test(start_paused = true)]
async fn room_that_a_change_makes_is_used() {
    let upstream = upstream(vec![setup(1, 1)], Settings::default());
    let _held = served(&upstream).await;
    let (mut first, mut second) = (waits(&upstream).await, waits(&upstream).await);
    // A higher limit, then another backend, then no limit at all.
    upstream.replace(Origin::Configured, vec![setup(1, 2)], now());
    let Poll::Ready(Ok(_one)) = poll!(&mut first) else { panic!("a higher limit") };
    upstream.replace(Origin::Configured, vec![setup(1, 2), setup(2, 1)], now());
    let Poll::Ready(Ok(_two)) = poll!(&mut second) else { panic!("a new backend") };
    let mut third = waits(&upstream).await;
    upstream.replace(Origin::Configured, vec![setup(1, None), setup(2, 1)], now());
    let Poll::Ready(Ok(_three)) = poll!(&mut third) else { panic!("no limit") };
    // And where no backend has a limit any longer.
    upstream.replace(Origin::Configured, vec![setup(3, 1)], now());
    let _held = served(&upstream).await;
    let mut fourth = waits(&upstream).await;
    upstream.replace(Origin::Configured, vec![setup(3, None)], now());
    let Poll::Ready(Ok(_four)) = poll!(&mut fourth) else { panic!("no limits at all") };
}

#[tokio::test(start_paused = true)]
async fn in_a_panic_backends_have_limits_too_and_calls_wait_for_them() {
    let down = |port| {
        let checks = Some(health::Policy { initial: health::Initial::Down, ..health::Policy::DEFAULT });
        Setup { checks, ..setup(port, 1) }
    };
    let upstream = upstream(vec![down(1), down(2)], Settings::default());
    let (one, two) = (served(&upstream).await, served(&upstream).await);
    assert_ne!(one.backend().name(), two.backend().name(), "the one that has room");
    let mut waiting = waits(&upstream).await;
    drop(one);
    let Poll::Ready(Ok(_)) = poll!(&mut waiting) else { panic!("the place is handed over") };
}

/// Threads that come and go at random, with and without patience: in the end every place is free, and in between no backend had more than it may.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_place_is_lost_or_given_twice() {
    let settings = Settings { queue: 8, queue_timeout: Duration::from_millis(2), ..Settings::default() };
    let upstream = upstream(vec![setup(1, 2), setup(2, 3)], settings);
    let tasks = (0..64).map(|seed| {
        let upstream = Arc::clone(&upstream);
        tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut served = 0;
            for _ in 0..200 {
                let members = upstream.members();
                let acquiring = upstream.acquire(&members, random.u64(..), &[], Instant::now());
                let patience = Duration::from_micros(random.u64(0..3000));
                let Ok(outcome) = timeout(patience, acquiring).await else { continue };
                let Ok(lease) = outcome else { continue };
                served += 1;
                let limit = lease.backend().limit().unwrap();
                assert!(lease.backend().vitals().held() <= limit);
                assert!(lease.backend().load().outstanding() <= limit);
                for _ in 0..random.u8(0..3) {
                    tokio::task::yield_now().await;
                }
            }
            served
        })
    });
    let mut served = 0;
    for task in tasks.collect::<Vec<_>>() {
        served += task.await.unwrap();
    }
    assert!(served > 1000, "only {served} were served");
    assert_eq!(upstream.waiting(), 0);
    for backend in upstream.members().backends() {
        assert_eq!((backend.vitals().held(), backend.load().outstanding()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_opens_is_probed_and_closes() {
    let policy = breaker::Policy { consecutive: 2, ..breaker::Policy::DEFAULT };
    let fused = |port| Setup { breaker: Some(policy), ..setup(port, None) };
    // No ejections, which would do the same first.
    let outlier =
        crate::proto::balance::outlier::Policy { faults: 0, failures: 0, rate: 0, ..Default::default() };
    let fused = |port| Setup { outlier, ..fused(port) };
    let settings = Settings { outlier, algorithm: Algorithm::RoundRobin, ..Settings::default() };
    let upstream = upstream(vec![fused(1), fused(2)], settings);
    let of = |port: u16| upstream.find(&format!("127.0.0.1:{port}")).unwrap();
    let fail = async |port: u16| {
        for _ in 0..8 {
            let mut lease = served(&upstream).await;
            let bad = lease.backend().name().ends_with(&format!(":{port}"));
            lease.report(
                &upstream,
                now(),
                if bad { Outcome::Error } else { Outcome::Answered(Duration::ZERO) },
            );
        }
    };
    fail(1).await;
    let breaker::State::Open { until } = of(1).breaker().unwrap().state(now()) else {
        panic!("it is closed")
    };
    for _ in 0..10 {
        assert_eq!(&**served(&upstream).await.backend().name(), "127.0.0.1:2");
    }
    // The state survives a configuration that has the same rules.
    upstream.replace(Origin::Configured, vec![fused(1), fused(2)], now());
    assert!(!of(1).breaker().unwrap().lets_pass(now()));
    tokio::time::sleep_until((until + Duration::from_millis(1)).into()).await;
    upstream.refresh(now());
    // One probe at a time.
    let mut leases = Vec::new();
    for _ in 0..10 {
        leases.push(served(&upstream).await);
    }
    let probes = leases.iter().filter(|lease| lease.backend().name().ends_with(":1")).count();
    assert_eq!(probes, 1);
    for mut lease in leases {
        lease.report(&upstream, now(), Outcome::Answered(Duration::ZERO));
    }
    assert_eq!(of(1).breaker().unwrap().state(now()), breaker::State::Closed);
    assert_eq!(of(1).breaker().unwrap().stats().recoveries, 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_has_succeeded_when_its_answer_begins_however_long_that_lasts() {
    let policy = breaker::Policy { consecutive: 1, ..breaker::Policy::DEFAULT };
    let upstream = upstream(vec![Setup { breaker: Some(policy), ..setup(1, None) }], Settings::default());
    let state = || upstream.members().backends()[0].breaker().unwrap().state(now());
    let mut lease = served(&upstream).await;
    lease.report(&upstream, now(), Outcome::Error);
    drop(lease);
    let breaker::State::Open { until } = state() else { panic!("it is closed") };
    tokio::time::sleep_until((until + Duration::from_millis(1)).into()).await;
    let mut stream = served(&upstream).await;
    stream.began(&upstream, now());
    assert_eq!(state(), breaker::State::Closed);
    // As server-sent events do.
    tokio::time::sleep(policy.patience * 2).await;
    assert_eq!(state(), breaker::State::Closed);
    stream.report(&upstream, now(), Outcome::Answered(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn all_breakers_open_is_nobody() {
    let policy = breaker::Policy { consecutive: 1, ..breaker::Policy::DEFAULT };
    let upstream = upstream(vec![Setup { breaker: Some(policy), ..setup(1, None) }], Settings::default());
    let mut lease = served(&upstream).await;
    lease.report(&upstream, now(), Outcome::Error);
    let Ok(Err(refusal)) = call(&upstream).await else { panic!("it is served") };
    assert_eq!(refusal, Refusal::Unavailable, "a panic does not open the gate of a breaker");
}

/// One hot key: with a bound it is spread, by totals that are counted and not looked for.
#[tokio::test(start_paused = true)]
async fn a_bound_spreads_a_hot_key() {
    for (bound, most) in [(None, 40), (Some(Bound::new(125)), 13)] {
        let settings = Settings { algorithm: Algorithm::Maglev, bound, ..Settings::default() };
        let upstream = upstream((1..5).map(|port| setup(port, None)).collect(), settings);
        let mut leases = Vec::new();
        for _ in 0..40 {
            leases.push(served(&upstream).await);
        }
        let loads = upstream.members().backends().iter().map(|backend| backend.load().outstanding()).max();
        assert_eq!(loads, Some(most), "{bound:?}");
        drop(leases);
        let first = served(&upstream).await;
        let again = served(&upstream).await;
        if bound.is_none() {
            assert_eq!(first.backend().name(), again.backend().name());
        } else {
            assert_ne!(
                first.backend().name(),
                again.backend().name(),
                "of two calls one backend has at most one and a quarter, rounded up"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_lags_is_ejected() {
    let outlier = crate::proto::balance::outlier::Policy { lag: 300, least_calls: 5, ..Default::default() };
    let settings = Settings { outlier, ..Settings::default() };
    let upstream = upstream((1..4).map(|port| Setup { outlier, ..setup(port, None) }).collect(), settings);
    for backend in upstream.members().backends() {
        let slow = backend.name().ends_with(":2");
        for _ in 0..5 {
            upstream.report(
                backend,
                now(),
                Outcome::Answered(Duration::from_millis(if slow { 400 } else { 40 })),
            );
        }
    }
    upstream.eject_laggards(now());
    let ejected: Vec<_> =
        upstream.members().backends().iter().map(|backend| backend.vitals().is_ejected(now())).collect();
    assert_eq!(ejected, [false, true, false]);
}

/// What becomes of a call of a session.
type Resumed = Option<Result<Lease, Refusal>>;

/// A call of a session, polled once.
async fn resumed(upstream: &Arc<Upstream>, session: u64) -> Result<Resumed, BoxFuture<'static, Resumed>> {
    let upstream = Arc::clone(upstream);
    let mut call = async move { upstream.resume(&upstream.members(), session, 0, now()).await }.boxed();
    match poll!(&mut call) {
        Poll::Ready(outcome) => Ok(outcome),
        Poll::Pending => Err(call),
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_for_its_backend_and_holds_nobody_up() {
    let upstream = upstream(vec![setup(1, 1), setup(2, 1)], Settings::default());
    let one = served(&upstream).await;
    let session = Endpoint::key(one.backend());
    let mut waiting = resumed(&upstream, session).await.map(drop).expect_err("its backend is full");
    // Others go elsewhere, and wait behind it without waiting for it.
    let two = served(&upstream).await;
    assert_ne!(Endpoint::key(two.backend()), session);
    let mut third = waits(&upstream).await;
    drop(two);
    let Poll::Ready(Ok(two)) = poll!(&mut third) else { panic!("there is room for it") };
    let mut last = waits(&upstream).await;
    assert!(poll!(&mut waiting).is_pending());
    drop(one);
    let Poll::Ready(Some(Ok(one))) = poll!(&mut waiting) else { panic!("the place of its session is free") };
    assert_eq!((Endpoint::key(one.backend()), upstream.waiting()), (session, 1));
    drop(two);
    assert!(matches!(poll!(&mut last), Poll::Ready(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_backend_goes_while_it_waits_goes_on_elsewhere() {
    let settings = Settings { queue: 1, queue_timeout: Duration::from_secs(3), ..Settings::default() };
    let upstream = upstream(vec![setup(1, 1), setup(2, 1)], settings);
    let one = served(&upstream).await;
    let session = Endpoint::key(one.backend());
    let mut waiting = resumed(&upstream, session).await.map(drop).expect_err("its backend is full");
    let Ok(Some(Err(refusal))) = resumed(&upstream, session).await else { panic!("the queue has one place") };
    assert_eq!(refusal, Refusal::Full);
    one.backend().vitals().eject(now() + Duration::from_secs(60));
    upstream.refresh(now());
    let Poll::Ready(Some(Ok(two))) = poll!(&mut waiting) else { panic!("the other has room") };
    assert_ne!(Endpoint::key(two.backend()), session);
    assert!(matches!(resumed(&upstream, session).await, Ok(None)), "another is to be chosen");
    let other = Endpoint::key(two.backend());
    let begun = tokio::time::Instant::now();
    let waiting = resumed(&upstream, other).await.map(drop).expect_err("its backend is full");
    assert_eq!(waiting.await.and_then(Result::err), Some(Refusal::Waited));
    assert_eq!((begun.elapsed().as_secs(), upstream.waiting()), (3, 0));
}
