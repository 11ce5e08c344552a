//! Faults in the middle of streams.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use wireworks::net::resilience::breaker;
use wireworks::server::rpc::client::Policies;
use wireworks::server::rpc::{Code, Reach};

use super::flow::{Flow, KINDS, Kind, flow};
use super::outage::allowance;
use super::world::{ALL, Books, Event, LedgerClient, Network, client, seconds, seeds, sleep};

/// The server that it happens to, of three.
const VICTIM: &str = "two";

/// What happens to it, after a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Both directions lose what is sent.
    Partition,
    /// It hears nothing any more, and is heard.
    Deaf,
    /// It is not heard any more, and hears.
    Mute,
    /// What is sent is held back, and comes later.
    Hold,
    /// It dies.
    Crash,
    /// It dies, and is started again at once.
    Restart,
    /// All packets of all servers are late.
    Late,
}

const FAULTS: [Fault; 7] =
    [Fault::Partition, Fault::Deaf, Fault::Mute, Fault::Hold, Fault::Crash, Fault::Restart, Fault::Late];

impl Fault {
    fn prepare(self, network: &mut Network) {
        match self {
            Self::Crash => network.events = vec![(1_000, Event::Crash(VICTIM))],
            Self::Restart => {
                network.events = vec![(1_000, Event::Crash(VICTIM)), (1_100, Event::Start(VICTIM))];
            }
            // There and back in less than the second that a peer has to answer a ping.
            Self::Late => network.latency = Duration::from_millis(450),
            Self::Partition | Self::Deaf | Self::Mute | Self::Hold => {}
        }
    }

    /// What the network does for five seconds.
    async fn happen(self) {
        sleep(1_000).await;
        match self {
            Self::Partition => turmoil::partition("client", VICTIM),
            Self::Deaf => turmoil::partition_oneway("client", VICTIM),
            Self::Mute => turmoil::partition_oneway(VICTIM, "client"),
            Self::Hold => turmoil::hold("client", VICTIM),
            Self::Crash | Self::Restart | Self::Late => return,
        }
        sleep(5_000).await;
        turmoil::release("client", VICTIM);
        turmoil::repair("client", VICTIM);
    }

    /// Whether calls that are under way are lost by it.
    fn loses(self) -> bool {
        self != Self::Late
    }
}

/// Makes calls of one kind one after the other for eight seconds, and asserts what every one of them is promised. How many have failed.
async fn call(client: &LedgerClient, books: &Books, kind: Kind, once: bool, from: u64) -> u32 {
    let (begun, mut failed) = (tokio::time::Instant::now(), 0);
    // The pause between two messages is such that a fault mostly finds a call in its middle.
    let (millis, timeout) = (40, seconds(40));
    for id in from.. {
        let (ended, heard) = flow(client, Flow { kind, once, id, millis, timeout }).await;
        ended.assert_sound(books, timeout, once);
        if let Err(failure) = &ended.outcome {
            failed += 1;
            assert_eq!(failure.status.code, Code::Unavailable, "{kind:?}: {failure:?}");
            // Another server is there: it is asked unless that must not be, or a part of the answer was handed on.
            assert!(once || heard > 0, "{kind:?} was not tried again: {failure:?}");
            assert_eq!(failure.reach, Reach::Unknown, "{kind:?}: {failure:?}");
        }
        if begun.elapsed() > seconds(8) {
            break;
        }
    }
    failed
}

#[test]
fn a_fault_of_one_server_costs_only_streams_that_cannot_be_made_again() {
    for fault in FAULTS {
        let all = Rc::new(Cell::new([[0; 2]; 3]));
        for seed in seeds(2) {
            let (mut network, books) = Network::new(seed);
            fault.prepare(&mut network);
            let total = Rc::clone(&all);
            network.run(async move {
                let client = &client(&ALL, Policies::default());
                let books = &books;
                let calling = KINDS.into_iter().zip(0_u64..).flat_map(|(kind, row)| {
                    [false, true].into_iter().zip(0_u64..).flat_map(move |(once, column)| {
                        (0..6_u64).map(move |caller| async move {
                            let from = ((row * 2 + column) * 6 + caller) * 10_000;
                            (row as usize, once, call(client, books, kind, once, from).await)
                        })
                    })
                });
                let (failed, ()) = tokio::join!(join_all(calling), fault.happen());
                let mut counts = total.get();
                for (row, once, failed) in failed {
                    counts[row][usize::from(once)] += failed;
                }
                total.set(counts);
                // Handlers whose callers have gone, or were not heard any more, are given up.
                sleep(5_000).await;
                assert_eq!(books.at_work(), 0, "{fault:?}, seed {seed}");
                // And the channel is whole again, once the longest rest between two attempts is over.
                sleep(15_000).await;
                for (id, kind) in (10_000_000..).zip(KINDS.repeat(4)) {
                    let again = Flow { kind, once: true, id, millis: 1, timeout: seconds(60) };
                    flow(client, again).await.0.assert_ok();
                }
            });
        }
        let [list, sum, chat] = all.get();
        assert_eq!(sum[0], 0, "{fault:?}: what was not answered is said again elsewhere");
        let mut lost = vec![sum[1], chat[0], chat[1]];
        // What a server says that does not hear arrives all the same: a list comes to its end, and the next one is asked for elsewhere.
        if fault != Fault::Deaf {
            lost.extend(list);
        }
        assert!(
            lost.iter().all(|lost| (*lost > 0) == fault.loses() && *lost <= 2 * 6),
            "{fault:?} has cost {list:?} {sum:?} {chat:?}"
        );
    }
}

#[test]
fn a_stream_whose_peer_is_half_gone_ends_on_both_sides() {
    // What is lost, and whether the server is found out by its silence, or finds the client out.
    for fault in [Fault::Partition, Fault::Deaf, Fault::Mute, Fault::Hold] {
        for (kind, id) in KINDS.into_iter().zip(0..) {
            let (network, books) = Network::new(id);
            network.run(async move {
                let client = client(&[VICTIM], Policies::default());
                // A message every 500 ms; the fault comes after a second.
                let call = Flow { kind, once: true, id, millis: 500, timeout: seconds(30) };
                let calling = async {
                    let ended = flow(&client, call).await.0;
                    ended.assert_sound(&books, call.timeout, true);
                    let failure = ended.outcome.as_ref().unwrap_err();
                    let end = (failure.status.code, failure.reach, failure.attempts);
                    assert_eq!(
                        end,
                        (Code::Unavailable, Reach::Unknown, 1),
                        "{fault:?} {kind:?}: {failure:?}"
                    );
                    // Two seconds of silence until the ping, and one for the answer; a caller that waits for its own pause notices after that.
                    let latest = seconds(1) + seconds(3) + seconds(1);
                    assert!(ended.took <= latest, "{fault:?} {kind:?}: {:?}", ended.took);
                };
                let watching = async {
                    sleep(900).await;
                    assert_eq!(books.at_work(), 1, "{fault:?} {kind:?}");
                    sleep(5_000).await;
                    assert_eq!(books.at_work(), 0, "{fault:?} {kind:?}: its handler is still at work");
                };
                tokio::join!(calling, watching, fault.happen());
                assert_eq!(books.begun(id), 1);
            });
        }
    }
}

#[test]
fn when_all_servers_fail_streams_are_tried_again_as_often_as_the_budget_allows() {
    for (kind, seed) in KINDS.into_iter().zip(0..) {
        let (network, books) = Network::new(seed);
        network.run(async move {
            // Without breakers, which would keep most calls from the servers: there is nothing but the budget.
            let breaker = breaker::Policy { consecutive: 0, percent: 0, ..breaker::Policy::DEFAULT };
            let client = client(&ALL, Policies { breaker, ..Policies::default() });
            books.sick.store(true, Ordering::Relaxed);
            let (client, books) = (&client, &books);
            join_all((0..40_u64).map(|caller| async move {
                for n in 0..25 {
                    let id = caller * 100 + n;
                    let call = Flow { kind, once: false, id, millis: 0, timeout: seconds(5) };
                    let (ended, heard) = flow(client, call).await;
                    ended.assert_sound(books, call.timeout, false);
                    let failure = ended.outcome.unwrap_err();
                    assert_eq!((failure.status.code, heard), (Code::Unavailable, 0), "{kind:?}: {failure:?}");
                    sleep(400).await;
                }
            }))
            .await;
            let (asked, most) = (books.calls(), 1_000 + allowance(1_000, 20));
            assert!(asked <= most, "{kind:?}: {asked} attempts, of at most {most}");
            assert!(asked > 1_200, "{kind:?}: {asked} attempts: the budget is not used");
            // What must not be done twice is not, though the servers say that they cannot.
            for id in 0..20 {
                let id = 1_000_000 + id;
                let call = Flow { kind, once: true, id, millis: 0, timeout: seconds(5) };
                let ended = flow(client, call).await.0;
                ended.assert_sound(books, call.timeout, true);
                assert_eq!((ended.outcome.unwrap_err().attempts, books.begun(id)), (1, 1));
            }
        });
    }
}

#[test]
fn when_all_servers_are_gone_streams_fail_in_time_and_never_reach_one() {
    for (kind, seed) in KINDS.into_iter().zip(0..) {
        for once in [false, true] {
            let (mut network, books) = Network::new(seed);
            network.events = ALL.into_iter().map(|name| (1_000, Event::Crash(name))).collect();
            network.run(async move {
                let client = &client(&ALL, Policies::default());
                let first = Flow { kind, once, id: 0, millis: 10, timeout: seconds(5) };
                flow(client, first).await.0.assert_ok();
                sleep(2_000).await;
                let calls = books.calls();
                for id in 1..10 {
                    let (ended, _) = flow(client, Flow { id, ..first }).await;
                    ended.assert_sound(&books, first.timeout, once);
                    let failure = ended.outcome.unwrap_err();
                    assert_eq!((failure.reach, failure.attempts), (Reach::Never, 0), "{kind:?}: {failure:?}");
                }
                assert_eq!(books.calls(), calls);
            });
        }
    }
}
