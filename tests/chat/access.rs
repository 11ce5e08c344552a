//! Who may do what, over sockets: role by action, and nobody across rooms or accounts.

use serde_json::{Value, json};

use super::{Server, Stage, checks};

checks! {
    role_by_action
    a_private_room_is_not_there_for_others
    a_message_of_one_room_is_not_in_another
}
/// What an owner, an admin, a voiced member, a member, a guest who is a member, and an account outside are answered.
type Row = (&'static str, [&'static str; 6]);

const OK: &str = "ok";

/// Requests by their names, for the message of this id.
fn request(name: &str, message: &Value) -> Value {
    let room = "#room";
    match name {
        "send" => json!({"t": "send", "room": room, "text": "x"}),
        "edit" => json!({"t": "edit", "room": room, "message": message, "text": "x"}),
        "delete" => json!({"t": "delete", "room": room, "message": message}),
        "react" => json!({"t": "react", "room": room, "message": message, "reaction": "+"}),
        "pin" => json!({"t": "pin", "room": room, "message": message}),
        "topic" => json!({"t": "topic", "room": room, "topic": "x"}),
        "set" => json!({"t": "set", "room": room, "slow": 0}),
        "list" => json!({"t": "list", "room": room, "list": "bans", "mask": "nobody"}),
        "unlist" => json!({"t": "unlist", "room": room, "list": "bans", "mask": "nobody"}),
        "lists" => json!({"t": "lists", "room": room}),
        "invite" => json!({"t": "invite", "room": room, "name": "zoe"}),
        "kick" => json!({"t": "kick", "room": room, "name": "yan"}),
        "role" => json!({"t": "role", "room": room, "name": "yan", "role": "voiced"}),
        "history" => json!({"t": "history", "room": room}),
        "members" => json!({"t": "members", "room": room}),
        "audit" => json!({"t": "audit", "room": room}),
        "pins" => json!({"t": "pins", "room": room}),
        "search" => json!({"t": "search", "text": "x", "room": room}),
        "typing" => json!({"t": "typing", "room": room, "on": true}),
        "read" => json!({"t": "read", "room": room, "seq": 1}),
        "receipts" => json!({"t": "receipts", "room": room}),
        other => panic!("{other}"),
    }
}

const ADMIN: &str = "not_an_admin";
const OUT: &str = "not_a_member";
const GUEST: &str = "account_required";

const PUBLIC: &[Row] = &[
    ("send", [OK, OK, OK, OK, OK, OUT]),
    ("edit", ["not_yours", "not_yours", OK, "not_yours", "not_yours", OUT]),
    ("react", [OK, OK, OK, OK, OK, OUT]),
    ("pin", [OK, OK, ADMIN, ADMIN, ADMIN, OUT]),
    ("delete", [OK, "deleted", "deleted", "deleted", "deleted", OUT]),
    ("topic", [OK, OK, ADMIN, ADMIN, ADMIN, OUT]),
    ("set", [OK, OK, ADMIN, ADMIN, ADMIN, OUT]),
    ("list", [OK, OK, ADMIN, ADMIN, ADMIN, OUT]),
    ("unlist", [OK, OK, ADMIN, ADMIN, ADMIN, OUT]),
    ("lists", [OK, OK, OK, OK, OK, OUT]),
    ("invite", [OK, OK, OK, OK, OK, OUT]),
    ("role", [OK, OK, ADMIN, ADMIN, ADMIN, OUT]),
    ("kick", [OK, "no_such_member", ADMIN, ADMIN, ADMIN, OUT]),
    ("history", [OK, OK, OK, OK, OK, OUT]),
    ("members", [OK, OK, OK, OK, OK, OUT]),
    ("audit", [OK, OK, OK, OK, OK, OUT]),
    ("pins", [OK, OK, OK, OK, OK, OUT]),
    ("search", [OK, OK, OK, OK, OK, OUT]),
    ("typing", [OK, OK, OK, OK, OK, OUT]),
    ("read", [OK, OK, OK, OK, GUEST, OUT]),
    ("receipts", [OK, OK, OK, OK, GUEST, OUT]),
];

fn role_by_action(server: &dyn Stage) {
    let mut clients = [
        server.account("olga"),
        server.account("adam"),
        server.account("vera"),
        server.account("mira"),
        server.guest("gast"),
        server.account("otto"),
    ];
    let _zoe = server.account("zoe");
    let mut yan = server.account("yan");
    clients[0].asks(json!({"t": "create", "room": "#room"}));
    for client in &mut clients[1..5] {
        client.asks(json!({"t": "join", "room": "#room"}));
    }
    yan.asks(json!({"t": "join", "room": "#room"}));
    for (name, role) in [("adam", "admin"), ("vera", "voiced")] {
        clients[0].asks(json!({"t": "role", "room": "#room", "name": name, "role": role}));
    }
    let message = clients[2].asks(json!({"t": "send", "room": "#room", "text": "by vera"}))["id"].clone();
    for (name, expected) in PUBLIC {
        for (client, expected) in clients.iter_mut().zip(expected) {
            let reply = client.tries(request(name, &message));
            let outcome = if reply["t"] == "ok" { OK } else { reply["code"].as_str().unwrap() };
            assert_eq!(outcome, *expected, "{name}: {reply}");
        }
    }
}

fn a_private_room_is_not_there_for_others(server: &dyn Stage) {
    let (mut olga, mut otto) = (server.account("olga"), server.account("otto"));
    olga.asks(json!({"t": "create", "room": "#room", "kind": "private"}));
    let message = olga.asks(json!({"t": "send", "room": "#room", "text": "x"}))["id"].clone();
    for (name, _) in PUBLIC {
        assert_eq!(otto.is_refused(request(name, &message)), "no_such_room", "{name}");
    }
    assert_eq!(otto.is_refused(json!({"t": "room", "room": "#room"})), "no_such_room");
    assert_eq!(otto.asks(json!({"t": "rooms"}))["rooms"], json!([]));
    assert_eq!(otto.is_refused(json!({"t": "join", "room": "#room"})), "invite_only");
    assert_eq!(otto.asks(json!({"t": "search", "text": "x"}))["found"], json!([]));
    olga.asks(json!({"t": "invite", "room": "#room", "name": "otto"}));
    assert_eq!(otto.hears_a("invited")["room"], "#room");
    otto.asks(json!({"t": "join", "room": "#room"}));
    otto.asks(json!({"t": "history", "room": "#room"}));
    // Out of it, it is gone again.
    olga.asks(json!({"t": "kick", "room": "#room", "name": "otto"}));
    assert_eq!(otto.is_refused(json!({"t": "history", "room": "#room"})), "no_such_room");
    olga.asks(json!({"t": "send", "room": "#room", "text": "unheard"}));
    assert!(!otto.has_heard().iter().any(|event| event["text"] == "unheard"));
}

fn a_message_of_one_room_is_not_in_another(server: &dyn Stage) {
    let (mut ann, mut bob) = (server.account("ann"), server.account("bob"));
    ann.asks(json!({"t": "create", "room": "#mine"}));
    bob.asks(json!({"t": "create", "room": "#room"}));
    let message = ann.asks(json!({"t": "send", "room": "#mine", "text": "x"}))["id"].clone();
    for name in ["edit", "delete", "react", "pin"] {
        assert_eq!(bob.is_refused(request(name, &message)), "no_such_message", "{name}");
    }
    // Nor between two and a third.
    let direct = ann.asks(json!({"t": "send", "room": "bob", "text": "for bob"}))["id"].clone();
    let mut eve = server.account("eve");
    assert_eq!(eve.is_refused(json!({"t": "history", "room": "ann"})), "no_such_room");
    assert_eq!(
        eve.is_refused(json!({"t": "edit", "room": "ann", "message": direct, "text": "x"})),
        "no_such_room"
    );
    assert_eq!(eve.asks(json!({"t": "search", "text": "bob"}))["found"], json!([]));
}

#[test]
fn before_the_login_there_is_little_to_do() {
    let server = Server::start();
    let mut client = server.client();
    for verb in ["rooms", "sessions"] {
        assert_eq!(client.is_refused(json!({"t": verb})), "login_required", "{verb}");
    }
    assert_eq!(client.is_refused(json!({"t": "send", "room": "#a", "text": "x"})), "login_required");
    client.asks(json!({"t": "ping"}));
    assert!(client.asks(json!({"t": "help"}))["verbs"].as_array().unwrap().len() > 40);
    server.account("ann");
    assert_eq!(
        client.is_refused(json!({"t": "login", "account": "ann", "password": "wrong password"})),
        "wrong_credentials"
    );
    assert_eq!(
        client.is_refused(json!({"t": "login", "account": "nobody", "password": "wrong password"})),
        "wrong_credentials"
    );
    assert_eq!(client.is_refused(json!({"t": "token", "token": "x"})), "token_over");
    assert_eq!(client.is_refused(json!({"t": "guest", "name": "ANN"})), "name_taken");
    assert_eq!(
        client.is_refused(json!({"t": "register", "account": "Ann", "password": "correct horse"})),
        "name_taken"
    );
    let server = Server::with(&["--no-guests", "--registration", "closed"]);
    let mut closed = server.client();
    assert_eq!(closed.is_refused(json!({"t": "guest", "name": "gina"})), "guests_closed");
    assert_eq!(
        closed.is_refused(json!({"t": "register", "account": "gina", "password": "correct horse"})),
        "registration_closed"
    );
}
