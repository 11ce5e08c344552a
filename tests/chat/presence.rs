//! How present somebody is, by which device, and when it was here the last time.

use serde_json::{Value, json};

use super::client::{Client, PASSWORD};
use super::{Server, Stage, checks};
use crate::support::command::stop;

checks! {
    the_most_present_device_is_shown
    who_is_not_to_be_seen_looks_absent
    who_was_here_was_seen
}

fn shows(client: &mut Client, presence: &str) {
    client.asks(json!({"t": "presence", "presence": presence}));
}

fn user(client: &mut Client, name: &str) -> Value {
    client.asks(json!({"t": "whois", "name": name}))["user"].clone()
}

/// The next presence of ann that somebody is told.
fn hears_of_ann(client: &mut Client) -> (Value, Value) {
    let told = client.hears_a("presence");
    assert_eq!(told["name"], "ann");
    (told["presence"].clone(), told["status"].clone())
}

/// Another device of ann's.
fn device(stage: &dyn Stage) -> Client {
    let mut client = stage.client();
    client.asks(json!({"t": "login", "account": "ann", "password": PASSWORD, "device": "phone"}));
    client
}

/// Her login on this connection.
fn login(client: &mut Client) -> Value {
    let sessions = client.asks(json!({"t": "sessions"}))["sessions"].clone();
    sessions.as_array().unwrap().iter().find(|session| session["this"] == true).unwrap().clone()
}

fn the_most_present_device_is_shown(stage: &dyn Stage) {
    let (mut ann, mut bob) = (stage.account("ann"), stage.account("bob"));
    let mut phone = device(stage);
    bob.asks(json!({"t": "watch", "names": ["ann"]}));
    ann.asks(json!({"t": "presence", "presence": "away", "status": "Lunch"}));
    assert_eq!(user(&mut bob, "ann")["presence"], "online");
    let mut devices = user(&mut bob, "ann")["devices"].as_array().unwrap().clone();
    devices.sort_by_key(|device| device["presence"].to_string());
    assert_eq!(devices, [json!({"presence": "away", "status": "Lunch"}), json!({"presence": "online"})]);
    shows(&mut phone, "away");
    assert_eq!(hears_of_ann(&mut bob), (json!("away"), json!("Lunch")));
    shows(&mut phone, "busy");
    assert_eq!(hears_of_ann(&mut bob), (json!("busy"), json!("")));
    // Each login knows how its device is shown, and which that is.
    let (desk_login, phone_login) = (login(&mut ann), login(&mut phone));
    assert_eq!((&desk_login["presence"], &desk_login["connected"]), (&json!("away"), &json!(true)));
    assert_eq!((&phone_login["presence"], &phone_login["device"]), (&json!("busy"), &json!("phone")));
    let own = user(&mut ann, "ann")["devices"].to_string();
    assert!(own.contains(phone_login["session"].as_str().unwrap()), "{own}");
    // With the device its presence goes.
    drop(phone);
    assert_eq!(hears_of_ann(&mut bob), (json!("away"), json!("Lunch")));
    let sessions = ann.asks(json!({"t": "sessions"}))["sessions"].clone();
    let gone = sessions.as_array().unwrap().iter().find(|session| session["this"] == false).unwrap().clone();
    assert_eq!((&gone["presence"], &gone["connected"]), (&json!("offline"), &json!(false)));
    // One that comes is online, and so is she.
    let _tablet = device(stage);
    assert_eq!(hears_of_ann(&mut bob), (json!("online"), json!("")));
}

fn who_is_not_to_be_seen_looks_absent(stage: &dyn Stage) {
    let (mut ann, mut bob) = (stage.account("ann"), stage.account("bob"));
    let mut phone = device(stage);
    bob.asks(json!({"t": "watch", "names": ["ann"]}));
    // One device alone hides nobody.
    shows(&mut ann, "offline");
    let shown = user(&mut bob, "ann");
    assert_eq!((&shown["presence"], &shown["devices"]), (&json!("online"), &json!([{"presence": "online"}])));
    assert_eq!(user(&mut ann, "ann")["devices"].as_array().unwrap().len(), 2);
    phone.asks(json!({"t": "presence", "presence": "offline", "all": true}));
    assert_eq!(hears_of_ann(&mut bob).0, "offline");
    let hidden = user(&mut bob, "ann");
    assert_eq!((&hidden["presence"], hidden.get("devices")), (&json!("offline"), None));
    let seen = hidden["last_seen"].as_u64().unwrap();
    // She does something, goes, and comes by another device: nobody sees that.
    ann.asks(json!({"t": "create", "room": "#hers"}));
    drop(phone);
    let mut tablet = device(stage);
    assert_eq!(login(&mut tablet)["presence"], "offline");
    assert_eq!(user(&mut bob, "ann")["last_seen"], seen);
    assert!(!bob.has_heard().iter().any(|told| told["t"] == "presence"));
    // Until she is back: all at once, if she says so.
    tablet.asks(json!({"t": "presence", "presence": "online", "all": true}));
    assert_eq!(hears_of_ann(&mut bob).0, "online");
    assert_eq!(login(&mut ann)["presence"], "online");
    // Guests have one device.
    let mut gina = stage.guest("gina");
    gina.asks(json!({"t": "presence", "presence": "away", "all": true}));
    let shown = user(&mut bob, "gina");
    assert_eq!(
        (&shown["presence"], shown.get("devices"), shown.get("last_seen")),
        (&json!("away"), None, None)
    );
}

fn who_was_here_was_seen(stage: &dyn Stage) {
    let (mut ann, mut bob) = (stage.account("ann"), stage.account("bob"));
    bob.asks(json!({"t": "watch", "names": ["ann"]}));
    assert_eq!(user(&mut bob, "ann").get("last_seen"), None, "she is here");
    let said = ann.asks(json!({"t": "send", "room": "bob", "text": "bye"}))["at"].as_u64().unwrap();
    drop(ann);
    assert_eq!(hears_of_ann(&mut bob).0, "offline");
    let shown = user(&mut bob, "ann");
    assert_eq!((&shown["presence"], shown.get("devices")), (&json!("offline"), None));
    assert!(shown["last_seen"].as_u64().unwrap() >= said, "{shown}");
}

#[test]
fn a_server_that_has_stopped_knows_who_was_here() {
    let server = Server::start();
    let ann = server.account("ann");
    let mut bob = server.account("bob");
    bob.asks(json!({"t": "watch", "names": ["ann"]}));
    drop(ann);
    hears_of_ann(&mut bob);
    let seen = user(&mut bob, "ann")["last_seen"].clone();
    let (server, _) = server.stopped_and_started();
    let mut gina = server.guest("gina");
    assert_eq!(user(&mut gina, "ann")["last_seen"], seen);
    // Whoever was here when it stopped was seen then.
    assert!(user(&mut gina, "bob")["last_seen"].as_u64() >= seen.as_u64());
    drop(stop(server.process));
}

#[test]
fn irc_shows_the_same() {
    let mut server = Server::with(&["--no-limits", "--irc", "127.0.0.1:0"]);
    let mut ann = server.account("ann");
    let mut bob = server.registered("bob");
    let mut irc = server.irc();
    // The same account by another connection, which is away by itself.
    irc.says(&format!("PASS :ann:{PASSWORD}"));
    irc.says("NICK ann");
    irc.says("USER ann 0 * :ann");
    irc.hears("422");
    irc.says("AWAY :lunch");
    irc.hears("306");
    let away = |bob: &mut super::Irc| {
        bob.says("WHOIS ann");
        bob.until(" 318 ").iter().any(|line| line.contains(" 301 "))
    };
    assert!(!away(&mut bob), "she sits at her desk");
    assert_eq!(user(&mut ann, "ann")["devices"].as_array().unwrap().len(), 2);
    shows(&mut ann, "away");
    assert!(away(&mut bob));
    irc.says("AWAY");
    irc.hears("305");
    assert!(!away(&mut bob));
    // Gone, also for those who were not here then.
    irc.says("QUIT");
    irc.until("ERROR");
    let token = ann.token.clone();
    drop(ann);
    bob.says("MONITOR + ann");
    while !bob.until("73").last().unwrap().contains(" 731 ") {}
    // A server that ends in order has written who was here.
    let (server, _) = server.stopped_and_started();
    let mut server = server.killed_and_started_with(&["--no-limits", "--irc", "127.0.0.1:0"]);
    let mut eve = server.registered("eve");
    eve.says("WHOWAS ann");
    let lines = eve.until(" 369 ");
    assert!(lines.iter().any(|line| line.contains(" 314 eve ann ~ann ann.user ")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains(" 312 eve ann ")), "{lines:?}");
    // While she is here she was not.
    let mut ann = server.client();
    ann.asks(json!({"t": "token", "token": token}));
    eve.says("WHOWAS ann");
    eve.hears("406");
}
