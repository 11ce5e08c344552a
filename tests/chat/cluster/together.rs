//! What is done on one node is seen on the other.

use serde_json::json;

use super::Cluster;
use crate::chat::client::PASSWORD;

#[test]
fn two_nodes_are_one_chat() {
    let cluster = Cluster::start();
    let (mut ann, mut bob) = (cluster.account(0, "ann"), cluster.account(1, "bob"));
    ann.asks(json!({"t": "create", "room": "#a"}));
    // The other node may not have heard of it yet.
    bob.asks(json!({"t": "join", "room": "#a"}));
    assert_eq!(ann.hears_a("join")["from"], "bob");
    let said = ann.asks(json!({"t": "send", "room": "#a", "text": "hello bob"}));
    let heard = bob.hears_a("message");
    for key in ["seq", "id", "at"] {
        assert_eq!(heard[key], said[key], "{key}");
    }
    assert_eq!((&heard["from"], &heard["account"]), (&json!("ann"), &json!("ann")));
    bob.asks(json!({"t": "react", "room": "#a", "message": said["id"], "reaction": "👍"}));
    assert_eq!(ann.hears_a("react")["message"], said["id"]);

    // What does not last.
    bob.asks(json!({"t": "typing", "room": "#a", "on": true}));
    assert_eq!(ann.hears_a("typing")["from"], "bob");
    bob.asks(json!({"t": "presence", "presence": "away", "status": "Lunch"}));
    let presence = ann.hears_a("presence");
    assert_eq!((&presence["name"], &presence["status"]), (&json!("bob"), &json!("Lunch")));
    let whois = ann.asks(json!({"t": "whois", "name": "bob"}));
    assert!(whois.to_string().contains("away"), "{whois}");
    bob.asks(json!({"t": "read", "room": "#a", "seq": said["seq"]}));
    assert_eq!(ann.hears_a("cursor")["read"], said["seq"]);

    // Direct messages, to somebody who was never spoken to.
    ann.asks(json!({"t": "send", "room": "bob", "text": "between us"}));
    let direct = bob.hears_a("message");
    assert_eq!((&direct["room"], &direct["text"]), (&json!("ann"), &json!("between us")));
    bob.asks(json!({"t": "send", "room": "ann", "text": "indeed"}));
    assert_eq!(ann.hears_a("message")["text"], "indeed");

    // A name is somebody's on all nodes, and free on all nodes.
    let mut here = cluster.client(0);
    here.asks(json!({"t": "guest", "name": "gina"}));
    let mut there = cluster.client(1);
    assert_eq!(there.is_refused(json!({"t": "guest", "name": "GINA"})), "name_taken");
    there.asks(json!({"t": "guest", "name": "gus"}));
    there.asks(json!({"t": "join", "room": "#a"}));
    here.asks(json!({"t": "join", "room": "#a"}));
    let whisper = json!({"t": "send", "room": "gus", "text": "psst"});
    here.asks(whisper);
    assert_eq!(there.hears_a("message")["text"], "psst");
    drop(here);
    loop {
        let gone = there.hears_a("gone");
        if gone["name"] == "gina" {
            break;
        }
    }
    let mut here = cluster.client(0);
    while here.tries(json!({"t": "guest", "name": "Gina"}))["t"] != "ok" {}

    // What is for moderators alone finds them there, too.
    ann.asks(json!({"t": "set", "room": "#a", "op_moderated": true}));
    bob.hears_a("set");
    bob.asks(json!({"t": "send", "room": "#a", "text": "for moderators"}));
    assert_eq!(ann.hears_a("message")["text"], "for moderators");
    ann.asks(json!({"t": "set", "room": "#a", "op_moderated": false}));

    // Whoever hears accounts only says so on the other node, too, to those who write and to those whom it has let.
    let mut gil = cluster.client(0);
    gil.asks(json!({"t": "guest", "name": "gil"}));
    bob.asks(json!({"t": "accept", "guests": false}));
    let whisper = json!({"t": "send", "room": "bob", "text": "hello?"});
    let reply = loop {
        let reply = gil.tries(whisper.clone());
        if reply["t"] == "error" {
            break reply;
        }
    };
    assert_eq!(reply["code"], "accounts_only");
    while bob.tries(json!({"t": "accept", "name": "gil"}))["t"] != "ok" {}
    bob.has_heard();
    while gil.tries(whisper.clone())["t"] != "ok" {}
    assert_eq!(bob.hears_a("message")["from"], "gil");
    bob.asks(json!({"t": "accept", "guests": true}));

    // An account that is on both nodes is one, and hears itself.
    let mut device = cluster.client(1);
    device.asks(json!({"t": "login", "account": "ann", "password": PASSWORD}));
    let said = ann.asks(json!({"t": "send", "room": "#a", "text": "to myself, too"}));
    assert_eq!(device.hears_a("message")["id"], said["id"]);
    let members = bob.asks(json!({"t": "members", "room": "#a"}));
    assert_eq!(members.to_string().matches("\"name\":\"ann\"").count(), 1, "{members}");
    // A login that ends on one node ends on the other.
    ann.asks(json!({"t": "password", "old": PASSWORD, "new": "battery staple horse"}));
    device.is_closed();

    // A node that dies takes its guests with it.
    cluster.nodes[1].process.signal(rustix::process::Signal::KILL);
    loop {
        let left = ann.hears_a("leave");
        if left["from"] == "gus" {
            break;
        }
    }
    let mut gus = cluster.client(0);
    gus.asks(json!({"t": "guest", "name": "gus"}));
}
