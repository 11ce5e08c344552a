//! The JSON door: what is said arrives, once, in order, and is there afterwards.

use serde_json::json;

use super::client::{PASSWORD, texts};
use super::{Server, Stage, checks};
use crate::support::command::metric;
use crate::support::tool::Tool;

checks! {
    what_one_says_the_others_hear_and_history_has
    what_is_sent_twice_is_said_once
    many_requests_at_once_are_done_in_their_order
    what_was_missed_is_told_without_gap_or_double
    messages_are_edited_deleted_and_reacted_to
    two_talk_directly_and_who_is_away_finds_it
    devices_of_one_account_see_the_same
    who_comes_and_goes_is_seen
}

fn what_one_says_the_others_hear_and_history_has(server: &dyn Stage) {
    let (mut ann, mut bob, mut guest) = (server.account("ann"), server.account("bob"), server.guest("gina"));
    ann.asks(json!({"t": "create", "room": "#garden"}));
    bob.asks(json!({"t": "join", "room": "#Garden"}));
    guest.asks(json!({"t": "join", "room": "#garden"}));
    let said = ann.asks(json!({"t": "send", "room": "#garden", "text": "Hello"}));
    for client in [&mut bob, &mut guest] {
        let message = client.hears_a("message");
        assert_eq!(message["room"], "#garden");
        assert_eq!(
            (&message["text"], &message["from"], &message["account"]),
            (&json!("Hello"), &json!("ann"), &json!("ann"))
        );
        assert_eq!(
            (&message["seq"], &message["id"], &message["at"]),
            (&said["seq"], &said["id"], &said["at"])
        );
    }
    guest.asks(
        json!({"t": "send", "room": "#garden", "text": "waves", "style": "action", "reply": said["id"]}),
    );
    let message = ann.hears_a("message");
    assert_eq!((&message["style"], &message["reply"]), (&json!("action"), &said["id"]));
    assert_eq!(message.get("account"), None, "guests have none");
    // Whoever says something hears of it by the reply alone.
    assert_eq!(texts(&guest.has_heard()), [""; 0]);
    let page = bob.asks(json!({"t": "history", "room": "#garden"}));
    assert_eq!(texts(page["events"].as_array().unwrap()), ["Hello", "waves"]);
    assert_eq!(page["more"], false);
}

fn what_is_sent_twice_is_said_once(server: &dyn Stage) {
    let (mut ann, mut bob) = (server.account("ann"), server.account("bob"));
    ann.asks(json!({"t": "create", "room": "#a"}));
    bob.asks(json!({"t": "join", "room": "#a"}));
    let send = json!({"t": "send", "room": "#a", "text": "once", "cid": "7"});
    let first = ann.asks(send.clone());
    let second = ann.asks(send.clone());
    assert_eq!(
        (&second["seq"], &second["id"], &second["again"]),
        (&first["seq"], &first["id"], &json!(true))
    );
    // From another device, too; what another account calls so is another message.
    let mut device = server.client();
    device.asks(json!({"t": "login", "account": "ann", "password": PASSWORD}));
    assert_eq!(device.asks(send.clone())["seq"], first["seq"]);
    assert_ne!(bob.asks(send)["seq"], first["seq"]);
    assert_eq!(texts(&bob.has_heard()), ["once"]);
}

fn many_requests_at_once_are_done_in_their_order(server: &dyn Stage) {
    let (mut ann, mut bob) = (server.account("ann"), server.account("bob"));
    ann.asks(json!({"t": "create", "room": "#a"}));
    bob.asks(json!({"t": "join", "room": "#a"}));
    bob.has_heard();
    let numbers: Vec<u64> = (0..500)
        .map(|number| ann.begins(json!({"t": "send", "room": "#a", "text": format!("m{number}")})))
        .collect();
    let seqs: Vec<u64> = numbers.iter().map(|number| ann.reply(*number)["seq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    let heard: Vec<String> =
        (0..500).map(|_| bob.hears_a("message")["text"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<String> = (0..500).map(|number| format!("m{number}")).collect();
    assert_eq!(heard, expected);
}

fn what_was_missed_is_told_without_gap_or_double(server: &dyn Stage) {
    let (mut ann, mut bob) = (server.account("ann"), server.account("bob"));
    ann.asks(json!({"t": "create", "room": "#a"}));
    bob.asks(json!({"t": "join", "room": "#a"}));
    ann.asks(json!({"t": "send", "room": "#a", "text": "m0"}));
    let seen = bob.hears_a("message")["seq"].clone();
    let token = bob.token.clone();
    drop(bob);
    for number in 1..1200 {
        ann.begins(json!({"t": "send", "room": "#a", "text": format!("m{number}")}));
    }
    ann.asks(json!({"t": "ping"}));
    let mut bob = server.client();
    let begun = bob.begins(json!({"t": "token", "token": token, "resume": {"#a": seen, "#gone": 3}}));
    // More is said while it comes back.
    for number in 1200..1300 {
        ann.begins(json!({"t": "send", "room": "#a", "text": format!("m{number}")}));
    }
    ann.asks(json!({"t": "ping"}));
    let reply = bob.reply(begun);
    assert_eq!(reply["t"], "ok", "{reply}");
    assert_eq!(reply["resumed"].as_object().unwrap().len(), 1);
    let events = bob.has_heard();
    let messages: Vec<_> = events.iter().filter(|event| event["t"] == "message").collect();
    let expected: Vec<String> = (1..1300).map(|number| format!("m{number}")).collect();
    assert_eq!(texts(&events), expected);
    let mut seq = seen.as_u64().unwrap();
    for message in messages {
        seq += 1;
        assert_eq!(message["seq"], seq);
    }
}

fn messages_are_edited_deleted_and_reacted_to(server: &dyn Stage) {
    let (mut ann, mut bob) = (server.account("ann"), server.account("bob"));
    ann.asks(json!({"t": "create", "room": "#a"}));
    bob.asks(json!({"t": "join", "room": "#a"}));
    let first = ann.asks(json!({"t": "send", "room": "#a", "text": "Helo"}))["id"].clone();
    let second = ann.asks(json!({"t": "send", "room": "#a", "text": "secret"}))["id"].clone();
    ann.asks(json!({"t": "edit", "room": "#a", "message": first, "text": "Hello"}));
    let edit = bob.hears_a("edit");
    assert_eq!((&edit["message"], &edit["text"]), (&first, &json!("Hello")));
    bob.asks(json!({"t": "react", "room": "#a", "message": first, "reaction": "👍"}));
    ann.asks(json!({"t": "react", "room": "#a", "message": first, "reaction": "👍"}));
    ann.asks(json!({"t": "react", "room": "#a", "message": first, "reaction": "🌹"}));
    ann.asks(json!({"t": "unreact", "room": "#a", "message": first, "reaction": "🌹"}));
    assert_eq!(ann.hears_a("react")["from"], "bob");
    ann.asks(json!({"t": "delete", "room": "#a", "message": second, "reason": "slip"}));
    assert_eq!(bob.hears_a("delete")["message"], second);
    ann.asks(json!({"t": "send", "room": "#a", "text": "in the thread", "thread": first}));
    let page = bob.asks(json!({"t": "history", "room": "#a"}));
    let [one, two, _] = page["events"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!((&one["text"], &one["replies"]), (&json!("Hello"), &json!(1)));
    assert!(one["edited"].is_u64() && one.get("deleted").is_none(), "{one}");
    assert_eq!(one["reactions"], json!([{"reaction": "👍", "by": ["bob", "ann"]}]));
    assert!(two["deleted"].is_u64(), "{two}");
    assert_eq!(two["text"], "", "what was deleted is gone");
    assert_eq!(bob.asks(json!({"t": "search", "text": "secret"}))["found"], json!([]));
    assert_eq!(bob.asks(json!({"t": "search", "text": "Helo"}))["found"], json!([]));
    let found = bob.asks(json!({"t": "search", "text": "hello"}));
    assert_eq!(found["found"][0]["snippet"], "\u{2}Hello\u{3}");
    let thread = bob.asks(json!({"t": "history", "room": "#a", "thread": first}));
    assert_eq!(texts(thread["events"].as_array().unwrap()), ["Hello", "in the thread"]);
    ann.asks(json!({"t": "pin", "room": "#a", "message": first}));
    assert_eq!(bob.hears_a("pin")["message"], first);
    assert_eq!(bob.asks(json!({"t": "pins", "room": "#a"}))["events"][0]["id"], first);
}

fn two_talk_directly_and_who_is_away_finds_it(server: &dyn Stage) {
    let (mut ann, mut bob) = (server.account("ann"), server.account("bob"));
    ann.asks(json!({"t": "send", "room": "bob", "text": "psst"}));
    let heard = bob.hears_a("message");
    assert_eq!(
        (&heard["room"], &heard["from"], &heard["text"]),
        (&json!("ann"), &json!("ann"), &json!("psst"))
    );
    bob.asks(json!({"t": "typing", "room": "ann", "on": true}));
    assert_eq!(ann.hears_a("typing")["room"], "bob");
    bob.asks(json!({"t": "read", "room": "ann", "seq": heard["seq"]}));
    let cursor = ann.hears_a("cursor");
    assert_eq!(
        (&cursor["room"], &cursor["name"], &cursor["read"]),
        (&json!("bob"), &json!("bob"), &heard["seq"])
    );
    let token = bob.token.clone();
    drop(bob);
    ann.asks(json!({"t": "send", "room": "bob", "text": "are you there?"}));
    let mut bob = server.client();
    let room = bob.asks(json!({"t": "token", "token": token}))["rooms"][0].clone();
    assert_eq!((&room["room"], &room["kind"], &room["unread"]), (&json!("ann"), &json!("direct"), &json!(1)));
    let page = bob.asks(json!({"t": "history", "room": "ann", "after": room["read"]}));
    assert_eq!(texts(page["events"].as_array().unwrap()), ["are you there?"]);
    // With a guest nothing is kept.
    let mut guest = server.guest("gina");
    guest.asks(json!({"t": "send", "room": "bob", "text": "hello"}));
    assert_eq!(bob.hears_a("message")["from"], "gina");
    assert_eq!(bob.is_refused(json!({"t": "history", "room": "gina"})), "no_such_user");
    // Whoever is blocked is not heard.
    bob.asks(json!({"t": "block", "name": "ann", "on": true}));
    assert_eq!(ann.is_refused(json!({"t": "send", "room": "bob", "text": "hm"})), "blocked");
}

fn devices_of_one_account_see_the_same(server: &dyn Stage) {
    let (mut one, mut bob) = (server.account("ann"), server.account("bob"));
    one.asks(json!({"t": "create", "room": "#a"}));
    bob.asks(json!({"t": "join", "room": "#a"}));
    let mut two = server.client();
    let reply = two.asks(json!({"t": "login", "account": "ann", "password": PASSWORD, "device": "phone"}));
    assert_eq!(reply["rooms"][0]["room"], "#a");
    one.asks(json!({"t": "send", "room": "#a", "text": "from one"}));
    assert_eq!(two.hears_a("message")["text"], "from one");
    let seq = bob.asks(json!({"t": "send", "room": "#a", "text": "from bob"}))["seq"].clone();
    one.hears_a("message");
    one.asks(json!({"t": "read", "room": "#a", "seq": seq}));
    assert_eq!(two.hears_a("read")["seq"], seq);
    let sessions = one.asks(json!({"t": "sessions"}))["sessions"].clone();
    let phone = sessions.as_array().unwrap().iter().find(|session| session["device"] == "phone").unwrap();
    one.asks(json!({"t": "revoke", "session": phone["session"]}));
    assert_eq!(two.hears_a("bye")["code"], "ended");
    assert_eq!(two.is_closed(), 1008);
    // Its token opens nothing any longer.
    let token = reply["token"].clone();
    assert_eq!(server.client().is_refused(json!({"t": "token", "token": token})), "token_over");
}

#[test]
fn what_one_device_enters_or_leaves_all_devices_of_the_account_do() {
    let server = Server::start();
    let (mut desk, mut bob) = (server.account("ann"), server.account("bob"));
    let mut phone = server.client();
    phone.asks(json!({"t": "login", "account": "ann", "password": PASSWORD, "device": "phone"}));
    desk.asks(json!({"t": "create", "room": "#a"}));
    assert_eq!(
        phone.hears_a("appeared"),
        json!({"t": "appeared", "room": "#a", "name": "ann", "role": "owner"})
    );
    desk.asks(json!({"t": "send", "room": "#a", "text": "from the desk"}));
    assert_eq!(phone.hears_a("message")["text"], "from the desk");
    bob.asks(json!({"t": "create", "room": "#b"}));
    phone.asks(json!({"t": "join", "room": "#b"}));
    let join = desk.hears_a("join");
    assert_eq!((&join["room"], &join["from"]), (&json!("#b"), &json!("ann")));
    bob.asks(json!({"t": "send", "room": "#b", "text": "welcome"}));
    assert_eq!(phone.hears_a("message")["text"], "welcome");
    assert_eq!(desk.hears_a("message")["text"], "welcome");
    desk.asks(json!({"t": "leave", "room": "#b"}));
    assert_eq!(phone.hears_a("leave")["room"], "#b");
    assert_eq!(phone.is_refused(json!({"t": "send", "room": "#b", "text": "still?"})), "not_a_member");
}

fn who_comes_and_goes_is_seen(server: &dyn Stage) {
    let (mut ann, bob) = (server.account("ann"), server.account("bob"));
    let token = bob.token.clone();
    ann.asks(json!({"t": "create", "room": "#a"}));
    let mut bob = bob;
    bob.asks(json!({"t": "join", "room": "#a"}));
    assert_eq!(ann.hears_a("join")["from"], "bob");
    bob.asks(json!({"t": "presence", "presence": "busy", "status": "Lunch"}));
    let presence = ann.hears_a("presence");
    assert_eq!(
        (&presence["name"], &presence["presence"], &presence["status"]),
        (&json!("bob"), &json!("busy"), &json!("Lunch"))
    );
    drop(bob);
    assert_eq!(ann.hears_a("gone")["name"], "bob");
    let members = ann.asks(json!({"t": "members", "room": "#a"}));
    assert_eq!(
        members["members"],
        json!([{"name": "ann", "role": "owner", "presence": "online"}, {"name": "bob", "role": "member", "presence": "offline"}])
    );
    let mut bob = server.client();
    bob.asks(json!({"t": "token", "token": token}));
    assert_eq!(ann.hears_a("appeared")["name"], "bob");
}

#[test]
fn an_operator_sees_how_the_chat_is_doing() {
    let mut server = Server::with(&["--no-limits", "--metrics", "127.0.0.1:0"]);
    let addr = server.process.address("metrics");
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    let numbers: Vec<u64> = (0..20)
        .map(|number| ann.begins(json!({"t": "send", "room": "#a", "text": format!("m{number}")})))
        .collect();
    numbers.into_iter().for_each(|number| drop(ann.reply(number)));
    server.client().is_refused(json!({"t": "login", "account": "ann", "password": "wrong password"}));
    let shown = |name: &str| metric(addr, &format!("wireworks_chat_{name}"));
    assert_eq!((shown("users"), shown("rooms")), (1, 1));
    assert_eq!(shown("changes_total"), 21);
    assert!((2..=21).contains(&shown("commits_total")), "{}", shown("commits_total"));
    assert_eq!((shown("changes_failed_total"), shown("logins_refused_total")), (0, 1));
}

#[test]
fn rooms_that_are_always_there() {
    let server = Server::with(&["--no-limits", "--room", "#lobby"]);
    let rooms = |client: &mut super::Client| client.asks(json!({"t": "rooms"}))["rooms"].clone();
    let mut guest = server.guest("gina");
    let lobby = json!([{"room": "#lobby", "members": 0, "topic": ""}]);
    assert_eq!(rooms(&mut guest), lobby);
    let room = guest.asks(json!({"t": "join", "room": "#lobby"}))["room"].clone();
    assert_eq!((&room["role"], &room["settings"]["permanent"]), (&json!("member"), &json!(true)));
    guest.asks(json!({"t": "send", "room": "#lobby", "text": "Anybody?"}));
    guest.asks(json!({"t": "leave", "room": "#lobby"}));
    assert_eq!(rooms(&mut guest), lobby);
    let server = server.killed_and_started();
    let mut guest = server.guest("gina");
    assert_eq!(rooms(&mut guest), lobby);
    guest.asks(json!({"t": "join", "room": "#lobby"}));
    let page = guest.asks(json!({"t": "history", "room": "#lobby"}));
    assert_eq!(texts(page["events"].as_array().unwrap()), ["Anybody?"]);
}

#[test]
fn a_server_that_stops_says_so_and_keeps_everything() {
    let server = Server::start();
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    ann.asks(json!({"t": "send", "room": "#a", "text": "before"}));
    let (server, ended) = server.stopped_and_started();
    assert_eq!(ann.is_closed(), 1001);
    assert!(!ended.stderr.contains("WARN") && !ended.stderr.contains("ERROR"), "{}", ended.stderr);
    let mut back = server.client();
    let reply = back.asks(json!({"t": "token", "token": ann.token}));
    assert_eq!(reply["rooms"][0]["room"], "#a");
    let page = back.asks(json!({"t": "history", "room": "#a"}));
    assert_eq!(texts(page["events"].as_array().unwrap()), ["before"]);
}

/// Asks for a page of history with compression and without: what was agreed on, how many events came, and in how many bytes of the
/// connection.
const COMPRESSED: &str = r##"
const { WebSocket } = require("ws");
const page = perMessageDeflate => new Promise(done => {
  const socket = new WebSocket(process.argv[1], "chat.v1.json", { perMessageDeflate });
  const ask = words => socket.send(JSON.stringify(words));
  let before;
  socket.on("message", data => {
    const words = JSON.parse(data);
    if (words.t === "hello") ask({ t: "guest", name: perMessageDeflate ? "gina" : "otto", id: 1 });
    if (words.re === 1) ask({ t: "join", room: "#a", id: 2 });
    if (words.re === 2) { before = socket._socket.bytesRead; ask({ t: "history", room: "#a", limit: 200, id: 3 }); }
    if (words.re === 3) {
      done({ agreed: socket.extensions, events: words.events.length, bytes: socket._socket.bytesRead - before });
      socket.close();
    }
  });
});
(async () => {
  const [small, plain] = [await page(true), await page(false)];
  console.log(small.agreed, small.events, plain.agreed, plain.events, small.bytes * 4 < plain.bytes);
})();
"##;

#[test]
fn pages_of_history_are_compressed_for_clients_that_can() {
    let server = Server::start();
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    for number in 0..200 {
        ann.begins(json!({"t": "send", "room": "#a", "text": format!("Message {number}, about roses")}));
    }
    ann.asks(json!({"t": "ping"}));
    let url = format!("ws://{}/chat", server.addr);
    let seen = Tool::node(COMPRESSED).args([&url]).run().success();
    let said = seen.text();
    assert!(said.starts_with("permessage-deflate 200 "), "{said}{}", seen.stderr);
    assert!(said.ends_with(" 200 true\n"), "{said}");
}

#[test]
fn the_audit_log_is_read_past_any_number_of_messages() {
    let server = Server::start();
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    for number in 0..3 {
        ann.asks(json!({"t": "topic", "room": "#a", "topic": format!("Topic {number}")}));
        for number in 0..450 {
            ann.begins(json!({"t": "send", "room": "#a", "text": format!("m{number}")}));
        }
    }
    ann.asks(json!({"t": "ping"}));
    let mut seen: Vec<String> = Vec::new();
    let mut ask = json!({"t": "audit", "room": "#a", "limit": 2});
    loop {
        let page = ann.asks(ask.clone());
        let events = page["events"].as_array().unwrap();
        assert!(events.len() <= 2, "{page}");
        let words = events.iter().rev().map(|event| event.get("topic").unwrap_or(&event["t"]));
        seen.extend(words.map(|word| word.as_str().unwrap().to_owned()));
        assert_eq!(page["more"] == true, page.get("before").is_some(), "{page}");
        if page["more"] != true {
            break;
        }
        ask["before"] = page["before"].clone();
    }
    assert_eq!(seen, ["Topic 2", "Topic 1", "Topic 0", "create"]);
}

#[test]
fn whoever_comes_back_is_told_how_often_somebody_called() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.account("ann"), server.account("bob"));
    ann.asks(json!({"t": "create", "room": "#a"}));
    let joined = bob.asks(json!({"t": "join", "room": "#a"}));
    bob.asks(json!({"t": "read", "room": "#a", "seq": joined["room"]["seq"]}));
    drop(bob);
    for text in ["@bob, look", "nobody is meant", "bob: and here", "bobbin"] {
        ann.asks(json!({"t": "send", "room": "#a", "text": text}));
    }
    let mut bob = server.client();
    let rooms = bob.asks(json!({"t": "login", "account": "bob", "password": PASSWORD}))["rooms"].clone();
    assert_eq!((&rooms[0]["unread"], &rooms[0]["mentions"]), (&json!(4), &json!(2)), "{rooms}");
    bob.asks(json!({"t": "read", "room": "#a", "seq": rooms[0]["seq"]}));
    let mut bob = server.client();
    let rooms = bob.asks(json!({"t": "login", "account": "bob", "password": PASSWORD}))["rooms"].clone();
    assert_eq!((&rooms[0]["unread"], rooms[0].get("mentions")), (&json!(0), None), "{rooms}");
}

#[test]
fn members_look_the_same_whether_they_are_here_or_not() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.account("ann"), server.account("bob"));
    let picture = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    ann.asks(json!({"t": "profile", "display": "Ann Other", "avatar": picture, "read_receipts": false}));
    ann.asks(json!({"t": "block", "name": "bob", "on": true}));
    ann.asks(json!({"t": "create", "room": "#a"}));
    bob.asks(json!({"t": "join", "room": "#a"}));
    let mine = ann.asks(json!({"t": "whois", "name": "ann"}))["user"].clone();
    assert_eq!((&mine["read_receipts"], &mine["blocked"]), (&json!(false), &json!(["bob"])));
    let others = bob.asks(json!({"t": "whois", "name": "ann"}))["user"].clone();
    assert!(others.get("blocked").is_none() && others.get("read_receipts").is_none(), "{others}");
    let mut ann = Some(ann);
    for presence in ["online", "offline"] {
        let member = loop {
            let page = bob.asks(json!({"t": "members", "room": "#a"}));
            if page["members"][0]["presence"] == presence {
                break page["members"][0].clone();
            }
        };
        assert_eq!(
            (&member["display"], &member["avatar"]),
            (&json!("Ann Other"), &json!(picture)),
            "{presence}"
        );
        ann.take();
    }
}
