//! What was acknowledged is there after the server was killed, once and in order.

use std::collections::HashMap;

use serde_json::json;

use super::Server;
use super::client::Client;

/// How often it is killed. The tool `chat bench` does it more often.
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
