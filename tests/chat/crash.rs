//! What was acknowledged is there after the server was killed, once and in order.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::Server;
use super::client::Client;
use crate::support::PATIENCE;
use crate::support::command::{metric, wireworks};

/// How often it is killed by the first test.
const KILLS: usize = 10;

/// Messages that are on their way when it is killed.
const UNDERWAY: usize = 200;

#[test]
fn what_was_acknowledged_survives_being_killed() {
    let mut server = Server::start();
    let token = {
        let mut ann = server.account("ann");
        ann.asks(json!({"t": "create", "room": "#a"}));
        ann.token.clone()
    };
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for kill in 0..KILLS {
        let mut ann = come_back(&server, &token);
        let names: HashMap<u64, String> = (0..UNDERWAY)
            .map(|number| {
                let text = format!("{kill}.{number}");
                (ann.begins(json!({"t": "send", "room": "#a", "text": text, "cid": text})), text)
            })
            .collect();
        // Somewhere among them.
        for _ in 0..=kill * UNDERWAY / KILLS {
            let reply = ann.hears_a("ok");
            let text = &names[&reply["re"].as_u64().unwrap()];
            acknowledged.push((reply["seq"].as_u64().unwrap(), text.clone()));
        }
        server = server.killed_and_started();
        // What had no answer is sent again, under its own name.
        let mut ann = come_back(&server, &token);
        for number in 0..UNDERWAY {
            let text = format!("{kill}.{number}");
            let reply = ann.asks(json!({"t": "send", "room": "#a", "text": text, "cid": text}));
            acknowledged.push((reply["seq"].as_u64().unwrap(), text));
        }
    }
    let mut ann = come_back(&server, &token);
    let mut kept = Vec::new();
    let mut after = 0;
    loop {
        let page = ann.asks(json!({"t": "history", "room": "#a", "after": after, "limit": 200}));
        let events = page["events"].as_array().unwrap();
        for event in events {
            after = event["seq"].as_u64().unwrap();
            kept.push((after, event["text"].as_str().unwrap().to_owned()));
        }
        if page["more"] == false {
            break;
        }
    }
    let all: HashMap<&str, u64> = kept.iter().map(|(seq, text)| (text.as_str(), *seq)).collect();
    assert_eq!(all.len(), kept.len(), "none is there twice");
    assert_eq!(kept.len(), KILLS * UNDERWAY);
    for (seq, text) in &acknowledged {
        assert_eq!(all.get(text.as_str()), Some(seq), "{text}");
    }
}

fn come_back(server: &Server, token: &str) -> Client {
    let mut client = server.client();
    client.asks(json!({"t": "token", "token": token}));
    client
}

/// How often the server is killed under `chat bench`, unless `CHAT_KILLS` says otherwise.
const BENCH_KILLS: usize = 10;

/// Rooms of the bench.
pub(super) const ROOMS: usize = 2;

#[test]
fn a_bench_goes_on_while_the_server_is_killed_and_misses_nothing() {
    let kills = std::env::var("CHAT_KILLS").map_or(BENCH_KILLS, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let args = ["--no-limits", "--metrics", "127.0.0.1:0"];
    let (mut process, addr) = Server::process("127.0.0.1:0", folder.path(), &args);
    let listen = addr.to_string();
    let url = format!("ws://{addr}");
    let load = ["-m", "8", "-r", "2", "-s", "4", "-w", "8", "--rate", "300/s", "--duration", "30m"];
    let bench = wireworks(&[&["chat", "bench", &url, "--reconnect", "--json"], &load[..]].concat());
    let bench = bench.within(Duration::from_secs(120));
    for kill in 0..kills {
        let metrics = process.address("metrics");
        // Somewhere among its transactions, each time elsewhere.
        let changes = 60 + (kill * 37 % 50) as u64;
        let deadline = Instant::now() + PATIENCE;
        while metric(metrics, "wireworks_chat_changes_total") < changes {
            assert!(Instant::now() < deadline, "the bench does not go on after {kill} kills");
            std::thread::yield_now();
        }
        process.signal(Signal::KILL);
        drop(process.wait());
        (process, _) = Server::process(&listen, folder.path(), &args);
    }
    let metrics = process.address("metrics");
    let deadline = Instant::now() + PATIENCE;
    while metric(metrics, "wireworks_chat_changes_total") < 50 {
        assert!(Instant::now() < deadline, "the bench does not go on after the last kill");
        std::thread::yield_now();
    }
    bench.signal(Signal::INT);
    let ended = bench.wait().success();
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    println!("{kills} kills: {report}");
    let acknowledged = report["messages"]["acknowledged"].as_u64().unwrap();
    assert_eq!(report["passed"], true, "{report}");
    assert!(report["members"]["reconnects"].as_u64().unwrap() >= kills as u64, "{report}");
    assert_eq!(report["messages"]["unanswered"], 0);
    // What is kept is what was acknowledged, once.
    assert_eq!(kept_once(&mut Client::connect(addr)), (ROOMS, acknowledged));
}

/// How many rooms there are, and how many texts in them, of which none is there twice.
#[track_caller]
pub(super) fn kept_once(reader: &mut Client) -> (usize, u64) {
    reader.asks(json!({"t": "guest", "name": format!("reader{}", fastrand::u32(..))}));
    let rooms = reader.asks(json!({"t": "rooms"}))["rooms"].clone();
    let mut kept = 0;
    for room in rooms.as_array().unwrap() {
        let room = &room["room"];
        reader.asks(json!({"t": "join", "room": room}));
        let mut texts = HashSet::new();
        let mut after = 0;
        loop {
            let page = reader.asks(json!({"t": "history", "room": room, "after": after, "limit": 200}));
            for event in page["events"].as_array().unwrap() {
                after = event["seq"].as_u64().unwrap();
                assert!(texts.insert(event["text"].as_str().unwrap().to_owned()), "twice: {event}");
            }
            if page["more"] == false {
                break;
            }
        }
        kept += texts.len() as u64;
    }
    (rooms.as_array().unwrap().len(), kept)
}
