//! What was acknowledged is there once and in order, whatever dies meanwhile.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::json;

use super::{Cluster, Ear};
use crate::chat::client::Client;
use crate::support::PATIENCE;

/// How often something dies.
const ROUNDS: usize = 8;

/// Messages of each writer that are on their way then.
const UNDERWAY: usize = 60;

/// Somebody who writes, and what was acknowledged.
struct Writer {
    name: &'static str,
    node: usize,
    token: String,
    client: Client,
    acknowledged: HashMap<String, u64>,
}

impl Writer {
    fn text(&self, round: usize, number: usize) -> String {
        format!("{}.{round}.{number}", self.name)
    }

    /// Sends messages, and hears some of the answers.
    #[track_caller]
    fn begins(&mut self, round: usize) {
        let send = |text: &String| json!({"t": "send", "room": "#a", "text": text, "cid": text});
        let texts: Vec<String> = (0..UNDERWAY).map(|number| self.text(round, number)).collect();
        let names: HashMap<u64, &String> =
            texts.iter().map(|text| (self.client.begins(send(text)), text)).collect();
        for _ in 0..=round * UNDERWAY / ROUNDS / 2 {
            let reply = self.client.hears_a("ok");
            let text = names[&reply["re"].as_u64().unwrap()];
            self.acknowledged.insert(text.clone(), reply["seq"].as_u64().unwrap());
        }
    }

    /// Comes back, and sends all of it again under its own names, until it is acknowledged.
    #[track_caller]
    fn finishes(&mut self, cluster: &Cluster, round: usize) {
        self.client = cluster.again(self.node, &self.token);
        for number in 0..UNDERWAY {
            let text = self.text(round, number);
            let reply = loop {
                let reply = self.client.tries(json!({"t": "send", "room": "#a", "text": text, "cid": text}));
                if reply["t"] == "ok" {
                    break reply;
                }
                assert_eq!(reply["code"], "store_away", "{reply}");
            };
            let seq = reply["seq"].as_u64().unwrap();
            let before = self.acknowledged.insert(text.clone(), seq);
            assert!(before.is_none_or(|before| before == seq), "{text} is {seq} and {before:?}");
        }
    }
}

#[test]
fn nothing_is_lost_doubled_or_disordered() {
    let mut cluster = Cluster::start();
    let mut writers: Vec<Writer> = ["ann", "bob"]
        .into_iter()
        .enumerate()
        .map(|(node, name)| {
            let client = cluster.account(node, name);
            let token = client.token.clone();
            Writer { name, node, token, client, acknowledged: HashMap::new() }
        })
        .collect();
    writers[0].client.asks(json!({"t": "create", "room": "#a"}));
    writers[1].client.asks(json!({"t": "join", "room": "#a"}));
    let mut ears: Vec<Ear> = ["cat", "dan"]
        .into_iter()
        .enumerate()
        .map(|(node, name)| Ear::new(cluster.account(node, name)))
        .collect();
    let mut homes = [0, 1];
    for round in 0..ROUNDS {
        for writer in &mut writers {
            writer.begins(round);
        }
        match round % 4 {
            0 | 2 => {
                let node = round / 2 % 2;
                cluster.kill(node);
                // Who was there goes on at the other one, without a gap.
                for (ear, home) in ears.iter_mut().zip(&mut homes).filter(|(_, home)| **home == node) {
                    *home = 1 - node;
                    ear.again(cluster.nodes[*home].addr);
                }
            }
            1 => {
                cluster.nats.end();
                cluster.nats.again();
            }
            _ => {
                cluster.store.end(if round < 4 { "INT" } else { "QUIT" });
                cluster.store.again();
            }
        }
        for writer in &mut writers {
            writer.finishes(&cluster, round);
        }
        let head = writers.iter().flat_map(|writer| writer.acknowledged.values()).max().copied().unwrap();
        for ear in &mut ears {
            ear.hears_up_to(head);
        }
    }
    let kept = history(&mut cluster.again(0, &writers[0].token));
    let texts: HashMap<&str, u64> = kept.iter().map(|(seq, text)| (text.as_str(), *seq)).collect();
    assert_eq!(texts.len(), kept.len(), "none is there twice");
    assert_eq!(kept.len(), 2 * ROUNDS * UNDERWAY);
    for (text, seq) in writers.iter().flat_map(|writer| &writer.acknowledged) {
        assert_eq!(texts.get(text.as_str()), Some(seq), "{text}");
    }
    assert_eq!(kept, history(&mut cluster.again(1, &writers[1].token)));
}

#[test]
fn one_goes_on_without_the_bus_and_says_so_without_the_store() {
    let mut cluster = Cluster::start();
    let mut ann = cluster.account(0, "ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    let mut bob = Ear::new(cluster.account(1, "bob"));
    let say = |text: &str| json!({"t": "send", "room": "#a", "text": text, "cid": text});

    cluster.nats.end();
    let said = ann.asks(say("without a bus"));
    bob.hears_up_to(said["seq"].as_u64().unwrap());
    cluster.nats.again();

    cluster.store.end("INT");
    assert_eq!(ann.is_refused(say("refused")), "store_away");
    // What is in memory is there. It is lost as long as a node has not found the bus again.
    let since = Instant::now();
    loop {
        ann.asks(json!({"t": "typing", "room": "#a", "on": true}));
        let heard = bob.client.has_heard();
        if heard.iter().any(|event| event["t"] == "typing" && event["from"] == "ann") {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "typing is not told: {heard:?}");
    }
    cluster.store.again();
    let said = loop {
        let reply = ann.tries(say("refused"));
        if reply["t"] == "ok" {
            break reply;
        }
    };
    bob.hears_up_to(said["seq"].as_u64().unwrap());
}

/// The messages of the room, with their numbers.
fn history(client: &mut Client) -> Vec<(u64, String)> {
    let (mut kept, mut after) = (Vec::new(), 0);
    loop {
        let page = client.asks(json!({"t": "history", "room": "#a", "after": after, "limit": 200}));
        for event in page["events"].as_array().unwrap() {
            after = event["seq"].as_u64().unwrap();
            kept.push((after, event["text"].as_str().unwrap().to_owned()));
        }
        if page["more"] == false {
            return kept;
        }
    }
}
