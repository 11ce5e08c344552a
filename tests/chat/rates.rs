//! How fast an account may say something by all its connections, and the guests of an address together.

use serde_json::json;

use super::Server;
use super::client::{Client, PASSWORD};

/// Sends until it is refused. Says how many were said, and how many milliseconds it is to wait.
fn says(client: &mut Client, most: usize) -> (usize, Option<u64>) {
    for said in 0..most {
        let reply = client.tries(json!({"t": "send", "room": "#a", "text": format!("{said}")}));
        if reply["t"] == "error" {
            assert_eq!(reply["code"], "slow_down", "{reply}");
            return (said, reply["wait_ms"].as_u64());
        }
    }
    (most, None)
}

#[test]
fn connections_share_what_may_be_said() {
    let server = Server::with(&["--rate-limit", "1000/s", "--account-rate", "6/h", "--guest-rate", "4/h"]);
    let mut ann = server.account("ann");
    let mut phone = server.client();
    phone.asks(json!({"t": "login", "account": "ann", "password": PASSWORD}));
    ann.asks(json!({"t": "create", "room": "#a"}));
    assert_eq!(says(&mut ann, 4), (4, None));
    let (said, wait) = says(&mut phone, 4);
    assert_eq!(said, 2);
    assert!((1..=600_000).contains(&wait.unwrap()), "{wait:?}");
    assert_eq!(says(&mut ann, 1).0, 0);
    // So are edits and typing; what nobody else hears is not.
    assert_eq!(ann.is_refused(json!({"t": "typing", "room": "#a", "on": true})), "slow_down");
    ann.asks(json!({"t": "history", "room": "#a"}));
    // Guests take from each other, and not from accounts.
    let (mut gina, mut gus) = (server.guest("gina"), server.guest("gus"));
    for guest in [&mut gina, &mut gus] {
        guest.asks(json!({"t": "join", "room": "#a"}));
    }
    assert_eq!(says(&mut gina, 3), (3, None));
    assert_eq!(says(&mut gus, 3).0, 1);
    let mut bob = server.account("bob");
    bob.asks(json!({"t": "join", "room": "#a"}));
    assert_eq!(says(&mut bob, 6), (6, None));
}

#[test]
fn lines_of_irc_wait_for_their_turn() {
    let args = ["--irc", "127.0.0.1:0", "--guest-rate", "5/s", "--irc-rate", "1000/s"];
    let mut server = Server::with(&args);
    let (mut one, mut two) = (server.registered("one"), server.registered("two"));
    for irc in [&mut one, &mut two] {
        irc.says("JOIN #a");
        irc.hears("366");
    }
    let begun = std::time::Instant::now();
    for number in 0..5 {
        one.says(&format!("PRIVMSG #a :{number}"));
        two.says(&format!("PRIVMSG #a :{number}"));
    }
    // All of them are said, in their order, and the later five are not said at once.
    for irc in [&mut one, &mut two] {
        for number in 0..5 {
            assert!(irc.hears("PRIVMSG").ends_with(&format!(" :{number}")));
        }
    }
    assert!(begun.elapsed().as_millis() >= 900, "{:?}", begun.elapsed());
}

#[test]
fn without_limits_there_are_none() {
    let server = Server::with(&["--no-limits", "--account-rate", "1/h"]);
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    assert_eq!(says(&mut ann, 100), (100, None));
}
