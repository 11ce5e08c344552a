//! One fault at a time.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::future::join_all;
use wireworks::server::rpc::client::Policies;
use wireworks::server::rpc::{Code, Reach};

use super::world::{ALL, Event, Network, client, read, seconds, seeds, sleep, write};

/// Twenty callers, each with so many calls one after the other, of numbers of its own.
async fn callers<F: Future<Output = ()>>(calls: u64, call: impl Fn(u64) -> F) {
    let call = &call;
    join_all((0..20).map(|caller| async move {
        for n in 0..calls {
            call(caller * 10_000 + n).await;
        }
    }))
    .await;
}

#[test]
fn a_server_behind_a_partition_costs_no_idempotent_call() {
    for seed in seeds(3) {
        let (network, books) = Network::new(seed);
        network.run(async move {
            let client = client(&ALL, Policies::default());
            let faults = async {
                sleep(1_000).await;
                turmoil::partition("client", "two");
                sleep(8_000).await;
                turmoil::repair("client", "two");
            };
            let calling = callers(100, |id| {
                let client = client.clone();
                async move {
                    read(&client, id, 20, seconds(10)).await.assert_ok();
                    sleep(100).await;
                }
            });
            tokio::join!(faults, calling);
            assert!(books.calls() >= 2_000);
        });
    }
}

#[test]
fn packets_that_are_late_and_connections_out_of_order_change_no_answer() {
    for seed in seeds(3) {
        let (mut network, books) = Network::new(seed);
        network.latency = std::time::Duration::from_millis(900);
        network.run(async move {
            let client = client(&ALL, Policies::default());
            callers(5, |id| {
                let (client, books) = (client.clone(), books.clone());
                async move {
                    write(&client, id, 5, seconds(10)).await.assert_ok();
                    assert_eq!(books.begun(id), 1);
                }
            })
            .await;
        });
    }
}

#[test]
fn a_server_that_crashes_within_calls_costs_those_that_may_not_be_done_again() {
    let all = Rc::new(Cell::new(0));
    for seed in seeds(3) {
        let (mut network, books) = Network::new(seed);
        network.events = vec![(2_000, Event::Crash("two"))];
        let total = Rc::clone(&all);
        network.run(async move {
            let client = client(&ALL, Policies::default());
            let reading = callers(40, |id| {
                let client = client.clone();
                async move { read(&client, id, 100, seconds(10)).await.assert_ok() }
            });
            let lost = &Cell::new(0);
            let writing = callers(40, |id| {
                let (client, books, id) = (client.clone(), books.clone(), id + 5_000);
                async move {
                    let ended = write(&client, id, 100, seconds(10)).await;
                    ended.assert_sound(&books, seconds(10), true);
                    if let Err(failure) = &ended.outcome {
                        // It was with the server that died: nobody knows.
                        assert_eq!((failure.status.code, failure.reach), (Code::Unavailable, Reach::Unknown));
                        lost.set(lost.get() + 1);
                    }
                }
            });
            tokio::join!(reading, writing);
            assert!(lost.get() <= 20, "seed {seed}: {} calls lost", lost.get());
            total.set(total.get() + lost.get());
        });
    }
    assert!(all.get() > 0, "no call was with a server when it crashed");
}

#[test]
fn a_channel_is_whole_again_when_its_server_is() {
    for seed in seeds(3) {
        let (mut network, _books) = Network::new(seed);
        network.events = vec![
            (1_000, Event::Crash("one")),
            (4_000, Event::Start("one")),
            (5_000, Event::Crash("one")),
            (20_000, Event::Start("one")),
        ];
        network.run(async move {
            let client = client(&["one"], Policies::default());
            read(&client, 1, 0, seconds(1)).await.assert_ok();
            sleep(2_000).await;
            let failure = read(&client, 2, 0, seconds(1)).await.outcome.unwrap_err();
            assert_eq!(failure.reach, Reach::Never, "{failure:?}");
            // Once it is there it is found within the longest wait between two attempts, which has not grown far.
            sleep(1_500).await;
            read(&client, 3, 0, seconds(1)).await.assert_ok();
            // Waiting grows in a long outage to ten seconds.
            sleep(15_000).await;
            let mut calls = 0;
            while read(&client, 100 + calls, 0, seconds(1)).await.outcome.is_err() {
                calls += 1;
                sleep(1_000).await;
                assert!(calls < 15, "seed {seed}: the channel is broken");
            }
        });
    }
}

#[test]
fn a_peer_that_is_gone_without_a_word_is_noticed() {
    for seed in seeds(3) {
        let (network, books) = Network::new(seed);
        network.run(async move {
            let client = client(&["one"], Policies::default());
            read(&client, 1, 0, seconds(1)).await.assert_ok();
            turmoil::hold("client", "one");
            // The call is on its way when its server is found silent: two seconds until the ping, and one for the answer.
            let ended = write(&client, 2, 0, seconds(30)).await;
            let failure = ended.outcome.unwrap_err();
            assert_eq!(
                (failure.status.code, failure.reach),
                (Code::Unavailable, Reach::Unknown),
                "{failure:?}"
            );
            assert!(failure.status.text.contains("the peer does not answer"), "{failure:?}");
            assert!((seconds(3)..seconds(4)).contains(&ended.took), "{:?}", ended.took);
            // What connects into the hole is given up too, and a call in time.
            let ended = write(&client, 3, 0, seconds(1)).await;
            ended.assert_sound(&books, seconds(1), true);
            assert_eq!(ended.outcome.unwrap_err().status.code, Code::DeadlineExceeded);
            turmoil::release("client", "one");
            let mut calls = 0;
            while read(&client, 100 + calls, 0, seconds(1)).await.outcome.is_err() {
                calls += 1;
                sleep(500).await;
                assert!(calls < 10, "seed {seed}: the channel is broken");
            }
        });
    }
}

#[test]
fn a_black_hole_among_the_servers_costs_no_idempotent_call() {
    for seed in seeds(3) {
        let (network, books) = Network::new(seed);
        network.run(async move {
            let client = client(&ALL, Policies::default());
            let faults = async {
                sleep(1_000).await;
                turmoil::hold("client", "three");
                sleep(10_000).await;
                turmoil::release("client", "three");
            };
            let calling = callers(60, |id| {
                let (client, books) = (client.clone(), books.clone());
                async move {
                    let ended = read(&client, id, 10, seconds(10)).await;
                    ended.assert_ok();
                    ended.assert_sound(&books, seconds(10), false);
                    sleep(200).await;
                }
            });
            tokio::join!(faults, calling);
        });
    }
}
