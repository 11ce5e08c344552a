//! The store and what arrives, without sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::poll;
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::filling::{Budget, Filled, Filling, MAX_PIECES};
use super::flight::{Flights, Join, MAX_FOLLOWERS, Progress};
use super::key::Key;
use super::object::{Content, Meta, Stored};
use super::store::{MAX_VARIANTS, Store};
use super::*;
use crate::net::addr::Prefixes;
use crate::proto::http::cache::control::ResponseControl;
use crate::proto::http::cache::freshness::{Freshness, Times};
use crate::proto::http::cache::vary;
use crate::proto::http::conditional::Validators;
use crate::proto::http::fields::Fields;
use crate::server::http::body::{Body, BoxError};
use crate::server::http::handler::Handler;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::http::testing::{field, read, request};

fn meta(vary: &'static str, request: &Request) -> Meta {
    let mut fields = Fields::new();
    fields.append(http::header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    fields.append(http::header::VARY, HeaderValue::from_static(vary));
    let names = vary::names(&fields).unwrap();
    let selection = vary::selection(&names, request.head()).unwrap();
    let times = Times { asked: now(), answered: now() };
    let control = ResponseControl::of(&fields);
    let freshness = Freshness::of(StatusCode::OK, &fields, &control, times, &Policy::default());
    let validators = Validators::default();
    let meta = Meta {
        status: StatusCode::OK,
        fields,
        freshness,
        validators,
        for_all: false,
        names: names.into(),
        selection,
    };
    meta.compact(now())
}

fn stored(vary: &'static str, request: &Request, length: usize) -> Arc<Stored> {
    Arc::new(Stored { meta: meta(vary, request), content: Content::copy(&vec![b'x'; length]) })
}

fn key(request: &Request) -> Key {
    Key::of(request, &KeyRule::default(), &Prefixes::default(), "").unwrap()
}

#[test]
fn memory_is_bound_under_a_flood_of_keys() {
    const MEMORY: u64 = 4 << 20;
    for length in [0, 100, 10_000, 400_000] {
        let store = Store::new(MEMORY, MEMORY / OBJECTS_AT_LEAST);
        let count = if length < 1000 { 20_000 } else { 1000 };
        for number in 0..count {
            let request = request(&format!("GET /{number}"), &[], "");
            let key = key(&request);
            assert!(store.insert(&key, store.stamp(&key), stored("", &request, length)));
            assert!(store.size().1 <= MEMORY, "{length}: {:?}", store.size());
        }
        let (uris, bytes, evictions) = store.size();
        assert!(bytes > MEMORY / 2 && uris > 0, "{length}: {uris} of {bytes} bytes");
        assert_eq!(uris + evictions, count, "{length}");
    }
}

#[test]
fn what_is_asked_for_survives_what_is_asked_for_once() {
    let store = Store::new(4 << 20, 512 << 10);
    let popular = request("GET /popular", &[], "");
    let known = key(&popular);
    store.insert(&known, store.stamp(&known), stored("", &popular, 10_000));
    for number in 0..10_000 {
        let request = request(&format!("GET /{number}"), &[], "");
        let key = key(&request);
        store.insert(&key, store.stamp(&key), stored("", &request, 10_000));
        let found = store.find(&known, popular.head(), now());
        assert!(found.stored.is_some(), "gone after {number}");
    }
}

#[test]
fn a_flood_of_variants_takes_the_place_of_its_own_uri_alone() {
    let store = Store::new(4 << 20, 512 << 10);
    let other = request("GET /other", &[], "");
    store.insert(&key(&other), store.stamp(&key(&other)), stored("", &other, 1000));
    for number in 0..1000 {
        let request = request("GET /", &[("X-Any", &number.to_string())], "");
        let key = key(&request);
        store.insert(&key, store.stamp(&key), stored("x-any", &request, 1000));
        assert!(store.find(&key, request.head(), now()).stored.is_some());
    }
    let with = |number: usize| request("GET /", &[("X-Any", &number.to_string())], "");
    let kept = (0..1000).filter(|number| {
        let request = with(*number);
        store.find(&key(&request), request.head(), now()).stored.is_some()
    });
    let kept: Vec<_> = kept.collect();
    assert_eq!(kept, (1000 - MAX_VARIANTS..1000).collect::<Vec<_>>());
    assert!(store.find(&key(&other), other.head(), now()).stored.is_some());
    assert!(store.size().1 < 50_000, "{:?}", store.size());
    // Large ones are fewer.
    for number in 0..MAX_VARIANTS {
        let request = with(number);
        store.insert(&key(&request), store.stamp(&key(&request)), stored("x-any", &request, 400_000));
    }
    assert!(store.size().1 <= 4 << 20, "{:?}", store.size());
    let last = with(MAX_VARIANTS - 1);
    assert!(store.find(&key(&last), last.head(), now()).stored.is_some());
}

#[test]
fn what_was_asked_for_before_a_change_is_not_stored_after_it() {
    let store = Store::new(4 << 20, 512 << 10);
    let request = request("GET /a", &[], "");
    let key = key(&request);
    for purge in [false, true] {
        let stamp = store.stamp(&key);
        let change = || if purge { store.purge("*", "/*") == 1 } else { store.invalidate(&key) };
        assert!(!change(), "nothing was stored");
        assert!(!store.insert(&key, stamp, stored("", &request, 1)));
        assert!(store.insert(&key, store.stamp(&key), stored("", &request, 1)));
        assert!(change());
        assert!(store.find(&key, request.head(), now()).stored.is_none());
    }
}

#[test]
fn marks_end_by_their_time_and_by_what_is_stored() {
    let store = Store::new(4 << 20, 512 << 10);
    let request = request("GET /a", &[], "");
    let key = key(&request);
    let marked = |time| store.find(&key, request.head(), time).uncacheable;
    let then = now();
    store.mark_uncacheable(&key, then + UNCACHEABLE_FOR);
    assert!(marked(then) && !marked(then + UNCACHEABLE_FOR));
    store.insert(&key, store.stamp(&key), stored("", &request, 1));
    assert!(!marked(then));
}

/// A body whose pieces are sent through a channel.
fn arriving() -> (mpsc::Sender<Result<Bytes, BoxError>>, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    (sender, Body::stream(futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx))))
}

fn filling(length: Option<u64>, limit: u64) -> Arc<Filling> {
    let budget = Arc::new(Budget::new(1 << 20));
    Filling::begin(meta("", &request("GET /", &[], "")), length, limit, &budget).unwrap()
}

const PIECE: Bytes = Bytes::from_static(b"0123456789");

#[tokio::test]
async fn a_client_that_reads_nothing_holds_nobody_up() {
    let filling = filling(Some(30), 100);
    let (sender, source) = arriving();
    let slow = filling.body().unwrap();
    let mut quick = filling.body().unwrap();
    let task = tokio::spawn({
        let filling = Arc::clone(&filling);
        async move { filling.fill(source, || false).await }
    });
    for _ in 0..3 {
        sender.send(Ok(PIECE)).await.unwrap();
        assert_eq!(quick.data().await.unwrap().unwrap(), PIECE);
    }
    drop(sender);
    assert!(quick.data().await.is_none());
    assert!(matches!(task.await.unwrap(), Filled::Whole(content) if content.len() == 30));
    assert_eq!(slow.collect(30).await.unwrap(), [&PIECE[..]; 3].concat());
}

#[tokio::test]
async fn clients_that_leave_lose_what_is_less_than_half_here() {
    // Pieces of three that have come, the length if it is known, whether others wait, whether the response is read on.
    for (here, length, others, goes_on) in [
        (1, Some(30), false, false),
        (2, Some(30), false, true),
        (1, Some(30), true, true),
        (2, None, false, false),
        (2, None, true, true),
    ] {
        let filling = filling(length, 100);
        let (sender, source) = arriving();
        let mut body = filling.body().unwrap();
        let task = tokio::spawn({
            let filling = Arc::clone(&filling);
            async move { filling.fill(source, || others).await }
        });
        for _ in 0..here {
            sender.send(Ok(PIECE)).await.unwrap();
            body.data().await.unwrap().unwrap();
        }
        drop(body);
        let told = (here, length, others);
        if goes_on {
            for _ in here..3 {
                sender.send(Ok(PIECE)).await.unwrap();
            }
            drop(sender);
            assert!(matches!(task.await.unwrap(), Filled::Whole(_)), "{told:?}");
        } else {
            assert!(matches!(task.await.unwrap(), Filled::Abandoned), "{told:?}");
            assert!(filling.body().is_none(), "{told:?}");
        }
    }
}

#[tokio::test]
async fn what_is_too_long_goes_to_its_client_and_no_further() {
    let filling = filling(None, 25);
    let (sender, source) = arriving();
    let mut body = filling.body().unwrap();
    let task = tokio::spawn({
        let filling = Arc::clone(&filling);
        async move { filling.fill(source, || false).await }
    });
    for _ in 0..3 {
        sender.send(Ok(PIECE)).await.unwrap();
    }
    assert!(matches!(task.await.unwrap(), Filled::TooLong));
    // What follows is read as its client reads it.
    for _ in 0..3 {
        body.data().await.unwrap().unwrap();
    }
    assert!(poll!(Box::pin(body.data())).is_pending());
    sender.send(Ok(PIECE)).await.unwrap();
    assert_eq!(body.data().await.unwrap().unwrap(), PIECE);
    drop(sender);
    assert!(body.data().await.is_none());
}

#[tokio::test]
async fn what_breaks_off_is_cut_for_all_and_not_stored() {
    for (length, error) in [(Some(30), true), (Some(30), false), (None, true)] {
        let filling = filling(length, 100);
        let (sender, source) = arriving();
        let bodies = [filling.body().unwrap(), filling.body().unwrap()];
        sender.send(Ok(PIECE)).await.unwrap();
        let task = tokio::spawn({
            let filling = Arc::clone(&filling);
            async move { filling.fill(source, || false).await }
        });
        if error {
            sender.send(Err("lost".into())).await.unwrap();
        }
        drop(sender);
        assert!(matches!(task.await.unwrap(), Filled::Broken), "{length:?}");
        for body in bodies {
            assert!(body.collect(100).await.is_err(), "{length:?}");
        }
    }
}

#[test]
fn what_arrives_is_bound_in_all() {
    let budget = Arc::new(Budget::new(100));
    let begin = |length| Filling::begin(meta("", &request("GET /", &[], "")), Some(length), 1000, &budget);
    let first = begin(60).unwrap();
    assert!(begin(41).is_none());
    let second = begin(40).unwrap();
    drop(first);
    assert!(begin(60).is_some());
    drop(second);
    assert!(begin(100).is_some());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_told_how_a_flight_ends() {
    let flights = Arc::new(Flights::default());
    let join = || flights.join((key(&request("GET /", &[], "")), Bytes::new()));
    let soon = || Instant::now() + COLLAPSE_TIMEOUT;
    for (how, expected) in [(Some(Progress::Stored), "Stored"), (None, "Lost")] {
        let Join::Lead(lead) = join() else { panic!("there is a flight already") };
        let Join::Follow(follower) = join() else { panic!("there is no flight") };
        assert!(lead.is_followed());
        match how {
            Some(how) => lead.end(how),
            None => drop(lead),
        }
        assert_eq!(format!("{:?}", follower.wait(soon()).await), expected);
    }
    // One who has waited too long is the last who waits for this flight.
    let Join::Lead(lead) = join() else { panic!("there is a flight already") };
    for wait in [COLLAPSE_TIMEOUT, Duration::ZERO] {
        let Join::Follow(follower) = join() else { panic!("there is no flight") };
        let begun = Instant::now();
        assert!(matches!(follower.wait(soon()).await, Progress::Slow));
        // The clock of tokio has whole milliseconds.
        assert!(begun.elapsed().abs_diff(wait) < Duration::from_millis(2), "{:?}", begun.elapsed());
    }
    drop(lead);
    let Join::Lead(_lead) = join() else { panic!("the last flight has not ended") };
    let waiting: Vec<_> = (0..MAX_FOLLOWERS).map(|_| join()).collect();
    assert!(waiting.iter().all(|join| matches!(join, Join::Follow(_))));
    assert!(matches!(join(), Join::Full));
}

/// A layer around a handler, and how often that was asked.
fn layer<F>(settings: Settings, handler: F) -> (Cached, Arc<AtomicUsize>)
where
    F: Fn(&Request) -> Response + Send + Sync + 'static,
{
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let inner = move |request: Request| {
        counted.fetch_add(1, Ordering::SeqCst);
        let response = handler(&request);
        async move { response }
    };
    let cache = Arc::new(Cache::new("main", settings));
    (Cached::new(cache, Arc::new(inner), Arc::default(), "web"), count)
}

const MAX_AGE: HeaderValue = HeaderValue::from_static("max-age=60");

#[tokio::test]
async fn a_lead_that_leaves_is_replaced() {
    let (sender, receiver) = mpsc::channel::<()>(1);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let asked = Arc::new(AtomicUsize::new(0));
    let inner = {
        let asked = Arc::clone(&asked);
        move |_: Request| {
            let (receiver, number) = (Arc::clone(&receiver), asked.fetch_add(1, Ordering::SeqCst));
            async move {
                receiver.lock().await.recv().await;
                Response::text(format!("answer {number}")).with(http::header::CACHE_CONTROL, MAX_AGE)
            }
        }
    };
    let cache = Arc::new(Cache::new("main", Settings::default()));
    let layer = Cached::new(cache, Arc::new(inner), Arc::default(), "");
    let ask = || layer.handle(request("GET /", &[], ""));
    let mut first = ask();
    let mut second = ask();
    let mut third = ask();
    assert!(
        poll!(&mut first).is_pending() && poll!(&mut second).is_pending() && poll!(&mut third).is_pending()
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    drop(first);
    assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    sender.send(()).await.unwrap();
    let (second, third) = (second.await, third.await);
    assert_eq!(field(&third, "cache-status"), "wireworks; fwd=uri-miss; collapsed");
    assert_eq!((read(second).await.1, read(third).await.1), ("answer 1".into(), "answer 1".into()));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_operator_sees_and_purges() {
    let (layer, count) =
        layer(Settings::default(), |_| Response::text("x").with(http::header::CACHE_CONTROL, MAX_AGE));
    let cache = Arc::clone(&layer.cache);
    for target in ["/a", "/a?b", "/a/c", "/d", "/a"] {
        layer.handle(request(&format!("GET {target}"), &[], "")).await;
    }
    let snapshot = cache.snapshot();
    let counts = [CacheCount::Miss, CacheCount::Hit, CacheCount::Stored].map(|what| snapshot.count(what));
    assert_eq!((counts, snapshot.uris, snapshot.evictions), ([4, 1, 4], 4, 0));
    assert!(snapshot.bytes > 2000, "{snapshot:?}");
    for (host, target, gone) in [
        ("other.test", "/a", 0),
        ("example.org", "/a?x", 0),
        ("example.org", "/a", 2),
        ("*", "/a/*", 1),
        ("*", "/*", 1),
    ] {
        assert_eq!(cache.purge(host, target), gone, "{host} {target}");
    }
    assert_eq!(cache.snapshot().bytes, 0);
    layer.handle(request("GET /a", &[], "")).await;
    assert_eq!(count.load(Ordering::SeqCst), 5);
    assert_eq!(cache.clear(), 1);
}

#[tokio::test]
async fn what_answers_one_clients_conditions_is_no_word_about_all() {
    for (status, line, marked) in [
        (200, "private", true),
        (404, "no-store", true),
        (206, "max-age=60", false),
        (304, "max-age=60", false),
        (412, "no-store", false),
        (416, "no-store", false),
        (503, "no-store", false),
    ] {
        let (layer, _) = layer(Settings::default(), move |_| {
            let line = HeaderValue::from_static(line);
            let status = StatusCode::from_u16(status).unwrap();
            Response::text("x").status(status).with(http::header::CACHE_CONTROL, line)
        });
        let request = || request("GET /", &[], "");
        let response = layer.handle(request()).await;
        assert_eq!(response.code(), status);
        let key = Key::of(&request(), &KeyRule::default(), &Prefixes::default(), "web").unwrap();
        let found = layer.cache.store.find(&key, request().head(), now());
        assert_eq!(found.uncacheable, marked, "{status} {line}");
    }
}

#[tokio::test]
async fn what_varies_by_a_field_that_is_written_behind_the_cache_is_not_stored() {
    const SEEN: HeaderName = HeaderName::from_static("x-forwarded-for");
    for (vary, asked) in [("X-Forwarded-For", 2), ("accept, x-forwarded-for", 2), ("Accept", 1)] {
        let (layer, count) = layer(Settings::default(), move |_| {
            let response = Response::text("x").with(http::header::CACHE_CONTROL, MAX_AGE);
            response.with(http::header::VARY, HeaderValue::from_static(vary))
        });
        let layer = layer.writing(&[SEEN]);
        for _ in 0..2 {
            layer.handle(request("GET /", &[], "")).await;
        }
        assert_eq!(count.load(Ordering::SeqCst), asked, "{vary}");
    }
}

#[tokio::test]
async fn an_answer_to_one_clients_oddity_forgets_nothing() {
    for (status, kept) in
        [(400, true), (401, true), (403, true), (431, true), (200, false), (302, false), (404, false)]
    {
        let (layer, count) = layer(Settings::default(), move |request| match request.field("x-odd") {
            None => Response::text("good").with(http::header::CACHE_CONTROL, MAX_AGE),
            Some(_) => Response::text("odd")
                .status(StatusCode::from_u16(status).unwrap())
                .with(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        });
        layer.handle(request("GET /", &[], "")).await;
        let odd = layer.handle(request("GET /", &[("Cache-Control", "no-cache"), ("X-Odd", "1")], "")).await;
        assert_eq!(odd.code(), status);
        layer.handle(request("GET /", &[], "")).await;
        assert_eq!(count.load(Ordering::SeqCst), if kept { 2 } else { 3 }, "{status}");
    }
}

#[tokio::test]
async fn chunks_of_one_byte_are_not_kept_without_end() {
    let filling = filling(None, 1 << 20);
    let mut body = filling.body().unwrap();
    let byte = || Ok::<_, BoxError>(Bytes::from_static(b"x"));
    let source = Body::stream(futures_util::stream::iter(std::iter::repeat_with(byte).take(MAX_PIECES + 2)));
    assert!(matches!(filling.fill(source, || false).await, Filled::TooLong));
    let mut length = 0;
    while let Some(data) = body.data().await {
        length += data.unwrap().len();
    }
    assert_eq!(length, MAX_PIECES + 2);
}
