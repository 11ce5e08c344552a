//! Faults of all kinds, one after the other and at once, by a seed.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::join_all;
use wireworks::server::rpc::client::Policies;

use super::flow::{Flow, KINDS, flow};
use super::world::{ALL, Event, Network, PIECES, client, read, seconds, seeds, sleep, write};

/// When the faults are over.
const PEACE: u64 = 30_000;

/// Which servers crash, when they are started again.
fn crashes(random: &mut fastrand::Rng) -> Vec<(u64, Event)> {
    let mut events = Vec::new();
    for name in ALL {
        let mut at = random.u64(500..6_000);
        while at < PEACE - 4_000 {
            events.push((at, Event::Crash(name)));
            at += random.u64(200..4_000);
            events.push((at, Event::Start(name)));
            at += random.u64(2_000..10_000);
        }
    }
    events.sort_by_key(|(at, _)| *at);
    events
}

/// Holds and cuts links until there is peace.
async fn weather(mut random: fastrand::Rng) {
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(PEACE - 5_000) {
        let name = ALL[random.usize(..ALL.len())];
        sleep(random.u64(100..2_000)).await;
        match random.u8(..4) {
            0 => turmoil::partition("client", name),
            1 => turmoil::partition_oneway("client", name),
            2 => turmoil::partition_oneway(name, "client"),
            _ => turmoil::hold("client", name),
        }
        sleep(random.u64(100..5_000)).await;
        turmoil::release("client", name);
        turmoil::repair("client", name);
    }
}

#[test]
fn whatever_happens_every_call_ends_in_time_and_nothing_is_done_twice_that_must_not_be() {
    for seed in seeds(8) {
        let (mut network, books) = Network::new(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        network.events = crashes(&mut random);
        network.run(async move {
            let client = client(&ALL, Policies::default());
            let ends = Cell::new([0, 0, 0, 0]);
            let calling = (0..20_u64).map(|caller| {
                let (client, books) = (client.clone(), books.clone());
                let (mut random, ends) = (fastrand::Rng::with_seed(seed * 1_000 + caller), &ends);
                async move {
                    let begun = tokio::time::Instant::now();
                    for n in 0.. {
                        let id = caller * 100_000 + n;
                        let timeout = Duration::from_millis(random.u64(50..6_000));
                        let once = random.bool();
                        let millis = random.u64(0..200);
                        let ended = match KINDS.get(random.usize(..6)) {
                            Some(&kind) => {
                                let millis = millis / PIECES;
                                flow(&client, Flow { kind, once, id, millis, timeout }).await.0
                            }
                            None if once => write(&client, id, millis, timeout).await,
                            None => read(&client, id, millis, timeout).await,
                        };
                        ended.assert_sound(&books, timeout, once);
                        let mut counts = ends.get();
                        counts[usize::from(once) * 2 + usize::from(ended.outcome.is_ok())] += 1;
                        ends.set(counts);
                        if begun.elapsed() > Duration::from_millis(PEACE) {
                            break;
                        }
                        sleep(random.u64(0..300)).await;
                    }
                }
            });
            tokio::join!(join_all(calling), weather(random));
            let counts = ends.get();
            assert!(
                counts[0] + counts[2] > 10 && counts[1] + counts[3] > 100,
                "seed {seed}: the weather was too good: {counts:?}"
            );
            // The longest wait between two attempts to connect is ten seconds, and the longest rest of a breaker a minute.
            sleep(75_000).await;
            for id in 0..100 {
                read(&client, 10_000_000 + id, 0, seconds(2)).await.assert_ok();
                sleep(20).await;
            }
        });
    }
}
