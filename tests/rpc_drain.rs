//! `wireworks rpc serve` told to stop by SIGTERM while calls of every kind are under way, and with others to go on at: no call fails.
//!
//! No call here is tried again once a handler has seen it: the channels make one attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::Signal;
use wireworks::net::resilience::retry;
use wireworks::server::rpc::Channel;
use wireworks::server::rpc::Failure;
use wireworks::server::rpc::client::Policies;
use wireworks::server::rpc::demo::clock::{ClockClient, Every};
use wireworks::server::rpc::demo::echo::{EchoClient, Words};
use wireworks::server::rpc::demo::faults::{Chance, FaultsClient, Pause};
use wireworks::server::rpc::demo::kv::{Entry, KvClient, Prefix};

use crate::support::command::{metric, stop, wireworks};
use crate::support::process::Process;

/// How long something may take that should be done long before.
const PATIENCE: Duration = Duration::from_secs(30);

#[track_caller]
fn serve() -> (Process, String, std::net::SocketAddr) {
    let mut server = wireworks(&["rpc", "serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    let address = server.address("rpc").to_string();
    let metrics = server.address("metrics");
    (server, address, metrics)
}

/// A channel that makes each call once.
fn channel(addresses: &[String]) -> Channel {
    let policies = Policies { retry: retry::Policy::NEVER, ..Policies::default() };
    Channel::to(addresses).unwrap().policies(policies).lazy()
}

/// Waits until a server has so many calls under way.
#[track_caller]
fn wait_for_calls(metrics: std::net::SocketAddr, count: u64) {
    let deadline = Instant::now() + PATIENCE;
    while metric(metrics, "wireworks_rpc_calls_in_flight") != count {
        assert!(Instant::now() < deadline, "{count} calls did not come under way");
        std::thread::yield_now();
    }
}

fn entry(key: &str) -> Entry {
    Entry { key: key.into(), value: "1".into() }
}

fn words(text: &str) -> Words {
    Words { text: text.into() }
}

#[tokio::test]
async fn calls_of_every_kind_that_are_under_way_are_answered() {
    let (server, address, metrics) = serve();
    let channel = channel(&[address]);
    let (kv, echo, clock) =
        (KvClient::new(channel.clone()), EchoClient::new(channel.clone()), ClockClient::new(channel.clone()));
    let faults = FaultsClient::new(channel.clone());

    let unary = tokio::spawn(async move { faults.slow(Pause { millis: 2_000 }).await });
    let mut load = kv.load().await.unwrap();
    load.send(&entry("before")).await.unwrap();
    let mut chat = echo.chat().await.unwrap();
    chat.send(&words("before")).await.unwrap();
    assert_eq!(chat.next().await.unwrap().unwrap().text, "before");
    let mut ticks = clock.ticks(Every { millis: 10 }).await.unwrap();
    ticks.next().await.unwrap().unwrap();
    tokio::task::spawn_blocking(move || wait_for_calls(metrics, 4)).await.unwrap();

    server.signal(Signal::TERM);
    // A stream without an end is ended by its handler, and so in good order.
    while let Some(tick) = ticks.next().await {
        tick.unwrap();
    }
    // By now the server is stopping; the others go on all the same.
    chat.send(&words("after")).await.unwrap();
    assert_eq!(chat.next().await.unwrap().unwrap().text, "after");
    chat.finish();
    assert!(chat.next().await.is_none(), "it ends in good order");
    load.send(&entry("after")).await.unwrap();
    assert_eq!(load.finish().await.unwrap().count, 2);
    unary.await.unwrap().unwrap();
    let ended = tokio::task::spawn_blocking(move || server.wait()).await.unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
}

/// Calls of one kind, again and again.
async fn again(call: impl AsyncFn() -> Result<(), Failure>, kind: &str, over: &AtomicBool, made: &AtomicU64) {
    while !over.load(Ordering::Relaxed) {
        call().await.unwrap_or_else(|failure| panic!("{kind}: {failure} ({:?})", failure.reach));
        made.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn when_one_of_three_stops_under_a_mix_of_calls_none_fails() {
    let mut servers: Vec<_> = (0..3).map(|_| serve()).collect();
    let addresses: Vec<_> = servers.iter().map(|(_, address, _)| address.clone()).collect();
    let channel = channel(&addresses);
    let (kv, echo) = (KvClient::new(channel.clone()), EchoClient::new(channel.clone()));
    let faults = FaultsClient::new(channel);
    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let once = async || faults.flaky_once(Chance { percent: 0 }).await.map(drop);
    let put = async || kv.put(entry("a")).await.map(drop);
    let slow = async || faults.slow(Pause { millis: 20 }).await.map(drop);
    let list = async || {
        let mut entries = kv.list(Prefix { prefix: String::new() }).await?;
        while let Some(entry) = entries.next().await {
            entry?;
        }
        Ok(())
    };
    let load = async || {
        let mut load = kv.load().await?;
        for key in ["a", "b", "c"] {
            load.send(&entry(key)).await?;
            tokio::task::yield_now().await;
        }
        assert_eq!(load.finish().await?.count, 3);
        Ok(())
    };
    let chat = async || {
        let mut chat = echo.chat().await?;
        for text in ["a", "b", "c"] {
            chat.send(&words(text)).await?;
            assert_eq!(chat.next().await.transpose()?.map(|words| words.text).as_deref(), Some(text));
        }
        chat.finish();
        assert!(chat.next().await.transpose()?.is_none());
        Ok(())
    };
    let mix = async {
        let round = |_: u32| async {
            tokio::join!(
                again(&once, "unary, not idempotent", &over, &made),
                again(&put, "unary, not idempotent", &over, &made),
                again(&slow, "slow", &over, &made),
                again(&list, "server stream", &over, &made),
                again(&load, "client stream", &over, &made),
                again(&chat, "bidi", &over, &made),
            );
        };
        join_all((0..4).map(round)).await;
    };
    let (victim, _, of_victim) = servers.swap_remove(0);
    let (ending, counting) = (Arc::clone(&over), Arc::clone(&made));
    let stopping = tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + PATIENCE;
        let calls = |kind| {
            metric(of_victim, &format!("wireworks_rpc_calls_total{{service={kind},code=\"ok\"}}")) >= 10
        };
        let kinds = ["\"Kv\",method=\"put\"", "\"Kv\",method=\"load\"", "\"Echo\",method=\"chat\""];
        while !kinds.iter().all(calls) {
            assert!(Instant::now() < deadline, "the server is hardly called");
            std::thread::yield_now();
        }
        victim.signal(Signal::TERM);
        let ended = victim.wait();
        // It is gone, and the others have much to do still.
        let before = counting.load(Ordering::Relaxed);
        while counting.load(Ordering::Relaxed) < before + 500 {
            assert!(Instant::now() < deadline, "nobody calls any more");
            std::thread::yield_now();
        }
        ending.store(true, Ordering::Relaxed);
        ended
    });
    mix.await;
    let ended = stopping.await.unwrap();
    assert!(ended.status.success(), "{}", ended.stderr);
    // The channel's connections are driven by this thread, and the servers say goodbye to them.
    let others = tokio::task::spawn_blocking(move || {
        servers.into_iter().for_each(|(server, ..)| drop(stop(server)));
    });
    others.await.unwrap();
}
