//! One bad server among good ones.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use wireworks::server::rpc::client::Policies;

use super::world::{Books, Network, client, read, seconds, seeds, sleep};

#[test]
fn a_server_that_fails_is_left_alone_until_it_is_well() {
    for seed in seeds(3) {
        let (mut network, well) = Network::new(seed);
        let sick = Books::default();
        network.servers = vec![("sick", sick.clone()), ("well", well)];
        network.run(async move {
            let client = client(&["sick", "well"], Policies::default());
            // As busy as this, the one that fails at once looks like the better choice.
            let busy = async |calls: u64| {
                let before = sick.calls();
                join_all((0..40).map(|_| async {
                    for id in 0..calls {
                        read(&client, id, 50, seconds(5)).await.assert_ok();
                    }
                }))
                .await;
                sick.calls() - before
            };
            let asked = busy(20).await;
            assert!((200..=600).contains(&asked), "seed {seed}: {asked} of 800 calls");
            sick.sick.store(true, Ordering::Relaxed);
            // Five failures in a row and those that are under way, then one probe after each rest, of half a second and more.
            let asked = busy(200).await;
            assert!((5..=5 + 40 + 8).contains(&asked), "seed {seed}: a sick server was asked {asked} times");
            sick.sick.store(false, Ordering::Relaxed);
            sleep(60_000).await;
            busy(10).await;
            let asked = busy(20).await;
            assert!(asked > 200, "seed {seed}: {asked} of 800 calls, though it is well");
        });
    }
}
