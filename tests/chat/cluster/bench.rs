//! `chat bench` on two nodes, of which one is killed, and then the other.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Cluster;
use crate::chat::client::Client;
use crate::chat::crash::{ROOMS, kept_once};
use crate::support::PATIENCE;
use crate::support::command::{metric, wireworks};

/// How often one of them is killed, unless `CHAT_KILLS` says otherwise.
const KILLS: usize = 2;

impl Cluster {
    /// Waits until a node has written so many changes more than `since`.
    #[track_caller]
    fn goes_on(&self, node: usize, since: u64, changes: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.changes(node) < since + changes {
            assert!(Instant::now() < deadline, "the bench does not go on at node {node}");
            std::thread::yield_now();
        }
    }

    fn changes(&self, node: usize) -> u64 {
        metric(self.nodes[node].metrics, "wireworks_chat_changes_total")
    }
}

#[test]
fn a_bench_goes_on_while_nodes_are_killed_and_misses_nothing() {
    let kills = std::env::var("CHAT_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut cluster = Cluster::start();
    let [first, second] = [0, 1].map(|node| format!("ws://{}", cluster.nodes[node].addr));
    let load = ["-m", "8", "-r", "2", "-s", "4", "-w", "8", "--rate", "200/s", "--duration", "30m"];
    let args = ["chat", "bench", &first, "--node", &second, "--reconnect", "--json"];
    let bench = wireworks(&[&args[..], &load].concat());
    let bench = bench.within(Duration::from_secs(120 + 5 * kills as u64));
    // Those who are on one of them go to the other, and all of them then to the one that is back.
    cluster.goes_on(0, 0, 60);
    for kill in 0..kills {
        let since = cluster.changes(1 - kill % 2);
        cluster.kill(kill % 2);
        cluster.goes_on(1 - kill % 2, since, 60 + (kill * 37 % 50) as u64);
    }
    bench.signal(rustix::process::Signal::INT);
    let ended = bench.wait().success();
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    println!("{kills} kills: {report}");
    assert_eq!(report["passed"], true, "{report}");
    assert!(report["members"]["reconnects"].as_u64().unwrap() >= kills as u64, "{report}");
    assert_eq!(report["messages"]["unanswered"], 0);
    let acknowledged = report["messages"]["acknowledged"].as_u64().unwrap();
    for node in &cluster.nodes {
        let (rooms, kept) = kept_once(&mut Client::connect(node.addr));
        assert_eq!((rooms, kept), (ROOMS, acknowledged));
    }
}
