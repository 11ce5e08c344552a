//! Nobody is there for a while: what is tried meanwhile, and what is when they are back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use wireworks::server::rpc::client::Policies;
use wireworks::server::rpc::{Code, Reach};

use super::world::{ALL, Event, LedgerClient, Network, builder, client, dial, read, seconds, seeds, sleep};

/// Attempts that calls may be tried again with, by the default budget: a fifth of the calls that were made, and ten a second. The budget
/// looks back ten seconds, so it can give at once what it has gathered in as many.
pub(super) fn allowance(calls: usize, seconds: usize) -> usize {
    calls / 5 + 10 * (seconds + 10)
}

#[test]
fn when_all_servers_fail_the_budget_bounds_what_they_are_asked() {
    for seed in seeds(3) {
        let (network, books) = Network::new(seed);
        network.run(async move {
            let client = client(&ALL, Policies::default());
            read(&client, 0, 0, seconds(1)).await.assert_ok();
            books.sick.store(true, Ordering::Relaxed);
            let before = books.calls();
            // 40 callers, 25 calls each, one every 400 ms or so: ten seconds.
            let (client, books) = (&client, &books);
            join_all((0..40_u64).map(|caller| async move {
                for n in 0..25 {
                    let ended = read(client, 1 + caller * 100 + n, 0, seconds(5)).await;
                    ended.assert_sound(books, seconds(5), false);
                    let failure = ended.outcome.unwrap_err();
                    assert_eq!(failure.status.code, Code::Unavailable, "{failure:?}");
                    sleep(400).await;
                }
            }))
            .await;
            let asked = books.calls() - before;
            let most = 1_000 + allowance(1_000, 20);
            assert!(asked <= most, "seed {seed}: {asked} attempts, of at most {most}");
            // They recover, and so does the channel.
            books.sick.store(false, Ordering::Relaxed);
            let mut calls = 0;
            while read(client, 50_000 + calls, 0, seconds(2)).await.outcome.is_err() {
                calls += 1;
                sleep(1_000).await;
                assert!(calls < 60, "seed {seed}: the channel is broken");
            }
        });
    }
}

#[test]
fn when_all_servers_are_gone_calls_fail_in_time_and_nobody_is_dialed_all_the_time() {
    for seed in seeds(3) {
        let (mut network, books) = Network::new(seed);
        for name in ALL {
            network.events.push((1_000, Event::Crash(name)));
        }
        for name in ALL {
            network.events.push((60_000, Event::Start(name)));
        }
        network.run(async move {
            let dials = Arc::new(AtomicUsize::new(0));
            let client = LedgerClient::new(
                builder(&ALL, Policies::default())
                    .dial({
                        let dials = Arc::clone(&dials);
                        move |target| {
                            dials.fetch_add(1, Ordering::Relaxed);
                            dial(target)
                        }
                    })
                    .lazy(),
            );
            read(&client, 0, 0, seconds(1)).await.assert_ok();
            sleep(2_000).await;
            let (calls, dialed) = (books.calls(), dials.load(Ordering::Relaxed));
            let (caller, books, begun) = (&client, &books, tokio::time::Instant::now());
            join_all((0..20_u64).map(|number| async move {
                for n in 0..10 {
                    let ended = read(caller, 1 + number * 100 + n, 0, seconds(5)).await;
                    ended.assert_sound(books, seconds(5), false);
                    let failure = ended.outcome.unwrap_err();
                    assert_eq!((failure.reach, failure.attempts), (Reach::Never, 0), "{failure:?}");
                    sleep(300).await;
                }
            }))
            .await;
            assert_eq!(books.calls(), calls);
            // To dial who says nothing takes two seconds, and waiting for the next time longer and longer.
            let (dialed, took) = (dials.load(Ordering::Relaxed) - dialed, begun.elapsed().as_secs());
            assert!(took < 50, "seed {seed}: the outage was over after {took} s");
            let most = 3 * (4 + usize::try_from(took).unwrap() / 3);
            assert!((3..=most).contains(&dialed), "seed {seed}: {dialed} dials in {took} s");
            sleep(61_000).await;
            read(&client, 50_000, 0, seconds(12)).await.assert_ok();
        });
    }
}
