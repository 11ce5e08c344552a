//! The IRC door over TCP, beside the JSON door: what one says, the other shows.

use base64::Engine as _;
use serde_json::json;

use super::client::{PASSWORD, texts};
use super::{Irc, Server};
use crate::support::tool::Tool;

/// A server with both doors.
fn both() -> Server {
    Server::with(&["--no-limits", "--irc", "127.0.0.1:0", "--server-name", "irc.test"])
}

#[test]
fn a_client_registers_and_is_told_what_there_is() {
    let mut server = both();
    let mut ann = server.irc();
    ann.says("NICK ann");
    ann.says("USER ann 0 * :Ann Example");
    assert!(ann.hears("001").contains("Welcome"));
    let tokens = ann.hears("005");
    assert!(tokens.contains("CASEMAPPING=ascii") && tokens.contains("CHANTYPES=#"), "{tokens}");
    ann.says("PING :x y");
    assert_eq!(ann.hears("PONG"), ":irc.test PONG irc.test :x y");
    // A nick is for one.
    let mut other = server.irc();
    other.says("NICK ANN");
    other.says("USER o 0 * :o");
    assert!(other.hears("433").contains(" ANN "));
    other.says("NICK bob");
    other.hears("001");
    other.says("NOSUCH thing");
    assert_eq!(other.hears("421"), ":irc.test 421 bob NOSUCH :Unknown command");
    ann.says("QUIT :home");
    assert!(ann.hears("ERROR").contains("home"));
}

#[test]
fn both_doors_open_into_one_room() {
    let mut server = both();
    let mut web = server.account("wanda");
    web.asks(json!({"t": "create", "room": "#garden"}));
    web.asks(json!({"t": "topic", "room": "#garden", "topic": "Roses"}));
    let mut irc = server.registered("ivan");
    irc.says("JOIN #Garden");
    assert!(irc.hears("JOIN").starts_with(":ivan!"));
    assert_eq!(irc.hears("332"), ":irc.test 332 ivan #garden :Roses");
    let line = irc.hears("353");
    let (_, names) = line.split_once(" = #garden :").unwrap();
    let mut names: Vec<_> = names.split(' ').collect();
    names.sort_unstable();
    assert_eq!(names, ["ivan", "~wanda"]);
    assert_eq!(web.hears_a("join")["from"], "ivan");
    irc.says("PRIVMSG #garden :hello from IRC");
    let heard = web.hears_a("message");
    assert_eq!((&heard["from"], &heard["text"]), (&json!("ivan"), &json!("hello from IRC")));
    irc.says("PRIVMSG #garden :\u{1}ACTION waves\u{1}");
    let heard = web.hears_a("message");
    assert_eq!((&heard["style"], &heard["text"]), (&json!("action"), &json!("waves")));
    web.asks(json!({"t": "send", "room": "#garden", "text": "hello from the web"}));
    let line = irc.hears("PRIVMSG");
    assert!(line.starts_with(":wanda!") && line.ends_with("PRIVMSG #garden :hello from the web"), "{line}");
    web.asks(json!({"t": "send", "room": "#garden", "text": "one\ntwo"}));
    assert!(irc.hears("PRIVMSG").ends_with(":one"));
    assert!(irc.hears("PRIVMSG").ends_with(":two"));
    web.asks(json!({"t": "role", "room": "#garden", "name": "ivan", "role": "admin"}));
    assert!(irc.hears("MODE").ends_with("MODE #garden +o ivan"));
    irc.says("TOPIC #garden :Tulips");
    assert_eq!(web.hears_a("topic")["topic"], "Tulips");
    irc.says("MODE #garden +m");
    assert_eq!(web.hears_a("set")["set"], json!({"moderated": true}));
    irc.says("QUIT :bye");
    assert_eq!(web.hears_a("gone")["name"], "ivan");
    let page = web.asks(json!({"t": "history", "room": "#garden"}));
    assert_eq!(
        texts(page["events"].as_array().unwrap()),
        ["hello from IRC", "waves", "hello from the web", "one\ntwo"]
    );
}

#[test]
fn a_room_that_is_closed_puts_irc_clients_out() {
    let mut server = both();
    let mut web = server.account("wanda");
    web.asks(json!({"t": "create", "room": "#garden"}));
    let mut irc = server.registered("ivan");
    irc.says("JOIN #garden");
    irc.hears("366");
    web.asks(json!({"t": "close", "room": "#garden"}));
    assert_eq!(irc.hears("KICK"), ":irc.test KICK #garden ivan :The channel is closed");
    irc.says("PRIVMSG #garden :anybody?");
    assert_eq!(irc.hears("403"), ":irc.test 403 ivan #garden :No such channel");
}

#[test]
fn who_moderates_can_be_voiced_beside_that() {
    let mut server = both();
    let mut web = server.account("wanda");
    web.asks(json!({"t": "create", "room": "#garden"}));
    let mut irc = server.irc();
    irc.says("CAP REQ :multi-prefix");
    irc.says("NICK ivan");
    irc.says("USER ivan 0 * :ivan");
    irc.says("CAP END");
    irc.hears("422");
    irc.says("JOIN #garden");
    irc.hears("366");
    web.asks(json!({"t": "role", "room": "#garden", "name": "ivan", "role": "admin"}));
    irc.says("MODE #garden +v ivan");
    let voice = web.hears_a("voice");
    assert_eq!((&voice["name"], &voice["role"]), (&json!("ivan"), &json!("voiced")));
    irc.says("NAMES #garden");
    assert!(irc.hears("353").ends_with(":~wanda @+ivan"));
}

/// What an account says to SASL's PLAIN.
fn plain(account: &str, password: &str) -> String {
    base64::prelude::BASE64_STANDARD.encode(format!("\0{account}\0{password}"))
}

/// A client under the nick ann2 that has logged in as ann, with these capabilities.
#[track_caller]
fn logged_in(server: &mut Server, caps: &str) -> Irc {
    let mut irc = server.irc();
    irc.says(&format!("CAP REQ :{caps}"));
    irc.says("NICK ann2");
    irc.says("USER a 0 * :a");
    irc.hears("CAP");
    irc.says("AUTHENTICATE PLAIN");
    irc.hears("AUTHENTICATE");
    irc.says(&format!("AUTHENTICATE {}", plain("ann", PASSWORD)));
    irc.hears("903");
    irc.says("CAP END");
    irc.hears("422");
    irc
}

#[test]
fn an_account_is_the_same_at_both_doors() {
    let mut server = both();
    let mut web = server.account("ann");
    let mut bob = server.account("bob");
    let mut irc =
        logged_in(&mut server, "sasl server-time message-tags echo-message batch draft/chathistory");
    irc.says("PRIVMSG bob :directly");
    assert!(irc.hears("PRIVMSG").contains("msgid="));
    let heard = bob.hears_a("message");
    assert_eq!(
        (&heard["room"], &heard["account"], &heard["text"]),
        (&json!("ann"), &json!("ann"), &json!("directly"))
    );
    // Her other device hears it, too.
    assert_eq!(web.hears_a("message")["text"], "directly");
    bob.asks(json!({"t": "send", "room": "ann", "text": "back"}));
    assert!(irc.hears("PRIVMSG").ends_with(":back"));
    irc.says("CHATHISTORY LATEST bob * 10");
    let batch = irc.until("BATCH -");
    assert_eq!(batch.iter().filter(|line| line.contains("PRIVMSG")).count(), 2, "{batch:?}");
    // A wrong password opens nothing.
    let mut eve = server.irc();
    eve.says("CAP REQ :sasl");
    eve.says("NICK eve");
    eve.says("USER e 0 * :e");
    eve.says("AUTHENTICATE PLAIN");
    eve.says(&format!("AUTHENTICATE {}", plain("ann", "wrong password")));
    eve.hears("904");
}

#[test]
fn a_channel_is_entered_on_all_devices_of_an_account() {
    let mut server = both();
    let mut web = server.account("ann");
    let mut irc = logged_in(&mut server, "sasl");
    web.asks(json!({"t": "create", "room": "#garden"}));
    assert_eq!(web.hears_a("appeared")["name"], "ann");
    assert_eq!(web.hears_a("appeared")["name"], "ann2");
    assert!(irc.hears("JOIN").ends_with(" JOIN #garden"));
    assert!(irc.hears("353").contains("ann2"));
    irc.hears("366");
    irc.says("JOIN #shed");
    irc.hears("366");
    let appeared = web.hears_a("appeared");
    assert_eq!((&appeared["room"], &appeared["name"]), (&json!("#shed"), &json!("ann")));
    irc.says("PART #garden");
    assert_eq!(web.hears_a("leave")["room"], "#garden");
}

#[test]
fn lines_that_are_none_harm_nobody() {
    let mut server = both();
    let mut ann = server.registered("ann");
    for line in
        ["", "   ", ":", ":x", "@", "@a=b", "\u{1}", ":a b c d", "PRIVMSG", "JOIN", "MODE #nowhere +o x"]
    {
        ann.says(line);
    }
    ann.says(&format!("PRIVMSG #x :{}", "a".repeat(600)));
    ann.hears("417");
    ann.raw(b"PRIVMSG ann :\xff\xfe\r\n");
    ann.says("PRIVMSG ann :\0");
    ann.says("PING after");
    ann.hears("PONG");
    ann.says("JOIN #a,#b,#c,nowhere,#a b");
    ann.says("KICK #a ann,ann :x");
    ann.says("PING again");
    ann.hears("PONG");
}

#[test]
fn a_guest_who_registers_stays_where_it_is() {
    let mut server = both();
    let mut irc = server.registered("gina");
    irc.says("JOIN #a");
    irc.hears("366");
    irc.says(&format!("PRIVMSG NickServ :REGISTER {}", PASSWORD.replace(' ', "-")));
    irc.hears("900");
    irc.says("PRIVMSG #a :still here");
    irc.says("QUIT");
    irc.hears("ERROR");
    let mut web = server.client();
    let rooms = web.asks(json!({"t": "login", "account": "gina", "password": PASSWORD.replace(' ', "-")}));
    assert_eq!(rooms["rooms"][0]["room"], "#a");
    assert_eq!(
        texts(web.asks(json!({"t": "history", "room": "#a"}))["events"].as_array().unwrap()),
        ["still here"]
    );
}

#[test]
fn clients_are_told_when_the_server_stops() {
    let mut server = both();
    let mut ann: Irc = server.registered("ann");
    let (_server, _) = server.stopped_and_started();
    assert!(ann.hears("ERROR").contains("shutting down"));
}

#[test]
fn passwords_beside_those_of_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (door, oper) = (file("door", "open sesame\n"), file("oper", "let me\n"));
    let more = ["--irc-password-file", &door, "--irc-oper", "root", "--irc-oper-password-file", &oper];
    let mut server = Server::with(&[&["--no-limits", "--irc", "127.0.0.1:0"], &more[..]].concat());
    let greets = |irc: &mut Irc, pass: &str| {
        if !pass.is_empty() {
            irc.says(&format!("PASS :{pass}"));
        }
        irc.says("NICK ann");
        irc.says("USER ann 0 * :Ann");
    };
    for wrong in ["", "open", "open sesame "] {
        let mut irc = server.irc();
        greets(&mut irc, wrong);
        irc.hears("464");
        irc.hears("ERROR");
    }
    let mut irc = server.irc();
    greets(&mut irc, "open sesame");
    irc.hears("001");
    // Whoever finds the nick taken has said the password, and takes another one.
    let mut second = server.irc();
    greets(&mut second, "open sesame");
    second.hears("433");
    second.says("NICK ann2");
    second.hears("001");
    irc.says("OPER root :let me");
    irc.hears("381");
    assert!(irc.hears("MODE").ends_with(" MODE ann +o"));
    irc.says("OPER root :let me in");
    irc.hears("464");
    irc.hears("ERROR");
}

#[test]
fn passwords_beside_those_of_accounts_are_not_guessed_at_full_speed() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "open sesame\n").unwrap();
    let args = ["--irc", "127.0.0.1:0", "--irc-password-file", secret.to_str().unwrap()];
    let mut server = Server::with(&args);
    let mut greets = |pass: &str| {
        let mut irc = server.irc();
        for line in [&format!("PASS :{pass}"), "NICK ann", "USER ann 0 * :Ann"] {
            irc.says(line);
        }
        irc.line().contains(" 464 ")
    };
    // An address has twenty attempts, and one more in three seconds. Then the right one is none, either.
    assert!(!greets("open sesame"));
    assert!((0..200).any(|number| greets(&format!("guess {number}")) && greets("open sesame")));
}

#[test]
fn whoever_guesses_the_password_of_an_operator_has_few_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "let me\n").unwrap();
    let file = secret.to_str().unwrap();
    let args = ["--irc", "127.0.0.1:0", "--irc-oper", "root", "--irc-oper-password-file", file];
    let mut server = Server::with(&args);
    let mut number = 0;
    let mut becomes_one = |password: &str| {
        number += 1;
        let mut irc = server.registered(&format!("a{number}"));
        irc.says(&format!("OPER root :{password}"));
        let answer = irc.line();
        assert!(answer.contains(" 381 ") || answer.contains(" 464 "), "{answer}");
        answer.contains(" 381 ")
    };
    assert!(becomes_one("let me"));
    // An address has twenty attempts, and one more in three seconds. Then the right one is none, either.
    let refused = (0..200).any(|guess| !becomes_one(&format!("guess {guess}")) && !becomes_one("let me"));
    assert!(refused);
}

#[test]
fn clients_are_sent_to_the_port_with_tls() {
    // The port is named by the option, so it is one that is known.
    let port = crate::support::port::free();
    let secure = format!("127.0.0.1:{port}");
    let args = ["--irc", "127.0.0.1:0", "--ircs", &secure, "--tls-self-signed", "--sts-duration", "30d"];
    let mut server = Server::with(&args);
    let mut irc = server.irc();
    irc.says("CAP LS 302");
    let offered = irc.until(" LS :").join(" ");
    assert!(offered.contains(&format!(" sts=port={port}")), "{offered}");
    // Who is there is told for how long to insist on it.
    server.process.address("ircs");
    let said = Tool::new("openssl")
        .args(["s_client", "-quiet", "-connect", &secure])
        .input("CAP LS 302\r\nQUIT\r\n")
        .run()
        .text();
    assert!(said.contains(" sts=duration=2592000") && !said.contains("sts=port"), "{said}");
}

#[test]
fn who_does_not_read_is_let_go_and_asks_for_the_rest() {
    const CAPS: &str = "CAP REQ :message-tags batch draft/chathistory";
    let mut server = both();
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    let enters = |server: &mut Server| {
        let mut bob = server.irc();
        for line in [CAPS, "NICK bob", "USER bob 0 * :Bob", "CAP END", "JOIN #a"] {
            bob.says(line);
        }
        bob.hears("366");
        bob
    };
    let mut bob = enters(&mut server);
    let text = "z".repeat(16_000);
    let mut said = 0;
    let gone = loop {
        let send = |number: u64| json!({"t": "send", "room": "#a", "text": format!("{number} {text}")});
        let numbers: Vec<u64> = (said..said + 50).map(|number| ann.begins(send(number))).collect();
        said += 50;
        for number in numbers {
            assert_eq!(ann.reply(number)["t"], "ok");
        }
        let gone = ann.has_heard().into_iter().find(|event| event["t"] == "gone");
        if gone.is_some() || said >= 1500 {
            break gone;
        }
    };
    // He has some seconds to take anything.
    let gone = gone.unwrap_or_else(|| ann.hears_a("gone"));
    assert_eq!((&gone["name"], &gone["reason"]), (&json!("bob"), &json!("Max SendQ exceeded")));
    // The first line of each message has its id, and begins with its number.
    let number_of = |line: &str| -> Option<(String, u64)> {
        let (tags, rest) = line.split_once(' ')?;
        let id = tags.split([';', '@']).find_map(|tag| tag.strip_prefix("msgid="))?;
        let (_, text) = rest.split_once(" PRIVMSG #a :")?;
        Some((id.to_owned(), text.split(' ').next()?.parse().ok()?))
    };
    let mut heard: Vec<(String, u64)> = bob.rest().iter().filter_map(|line| number_of(line)).collect();
    assert!((1..said).contains(&(heard.len() as u64)), "he has missed something: {}", heard.len());
    let mut bob = enters(&mut server);
    while heard.last().is_none_or(|(_, number)| number + 1 < said) {
        let last = heard.last().map(|(id, _)| id.clone()).unwrap();
        bob.says(&format!("CHATHISTORY AFTER #a msgid={last} 100"));
        let page = bob.until("BATCH -");
        heard.extend(page.iter().filter_map(|line| number_of(line)));
    }
    let numbers: Vec<u64> = heard.into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, (0..said).collect::<Vec<_>>(), "all of it, once");
}

#[test]
fn who_is_blocked_or_not_let_is_heard_by_neither_door() {
    let mut server = both();
    let mut bob = server.account("bob");
    let mut ann = server.irc();
    ann.says("NICK ann");
    ann.says("USER ann 0 * :Ann");
    ann.hears("001");
    // A guest may write, unless that is not wanted.
    ann.says("PRIVMSG bob :one");
    assert_eq!(bob.hears_a("message")["text"], "one");
    bob.asks(json!({"t": "accept", "guests": false}));
    ann.says("PRIVMSG bob :two");
    ann.hears("477");
    let mut gast = server.guest("gast");
    assert_eq!(gast.is_refused(json!({"t": "send", "room": "bob", "text": "three"})), "accounts_only");
    let accepts = bob.asks(json!({"t": "accept", "name": "ann"}));
    assert_eq!((&accepts["guests"], &accepts["names"]), (&json!(false), &json!(["ann"])));
    ann.says("PRIVMSG bob :four");
    assert_eq!(bob.hears_a("message")["text"], "four");
    bob.asks(json!({"t": "accept", "name": "ann", "on": false}));
    ann.says("PRIVMSG bob :five");
    ann.hears("477");
    assert_eq!(bob.is_refused(json!({"t": "accept", "name": "nobody"})), "no_such_user");
    // With an account she may, unless she is blocked.
    ann.says("REGISTER * * a-long-password");
    ann.hears("900");
    ann.says("PRIVMSG bob :six");
    assert_eq!(bob.hears_a("message")["text"], "six");
    bob.asks(json!({"t": "block", "name": "ann", "on": true}));
    ann.says("PRIVMSG bob :seven");
    ann.hears("531");
    // Nor is she seen writing.
    let mut web = server.client();
    web.asks(json!({"t": "login", "account": "ann", "password": "a-long-password"}));
    assert_eq!(web.is_refused(json!({"t": "typing", "room": "bob", "on": true})), "blocked");
}

#[test]
fn what_is_set_by_one_door_holds_at_the_other() {
    let mut server = both();
    let mut web = server.account("wanda");
    for room in ["#a", "#b"] {
        web.asks(json!({"t": "create", "room": room}));
    }
    let mut ivan = server.registered("ivan");
    ivan.says("JOIN #a");
    ivan.hears("366");
    web.asks(json!({"t": "set", "room": "#a", "accounts_speak": true, "no_ctcp": true, "forward": "#B"}));
    assert!(ivan.hears("MODE").ends_with(" MODE #a +M"));
    assert!(ivan.hears("MODE").ends_with(" MODE #a +C"));
    assert!(ivan.hears("MODE").ends_with(" MODE #a +f #b"));
    ivan.says("PRIVMSG #a :unheard");
    ivan.hears("404");
    let settings = web.asks(json!({"t": "room", "room": "#a"}))["room"]["settings"].clone();
    assert_eq!((&settings["accounts_speak"], &settings["forward"]), (&json!(true), &json!("#b")));
    web.asks(json!({"t": "set", "room": "#a", "invite_only": true}));
    let mut gast = server.guest("gast");
    let refused = gast.tries(json!({"t": "join", "room": "#a"}));
    assert_eq!((&refused["code"], &refused["forward"]), (&json!("invite_only"), &json!("#b")));
    gast.asks(json!({"t": "join", "room": "#b"}));
    assert_eq!(gast.is_refused(json!({"t": "set", "room": "#b", "forward": "#a"})), "not_a_member");
    assert_eq!(web.is_refused(json!({"t": "set", "room": "#a", "forward": "#none"})), "no_such_room");
    web.asks(json!({"t": "set", "room": "#a", "forward": "", "accounts_speak": false, "op_moderated": true}));
    ivan.says("PRIVMSG #a :for admins");
    let heard = web.hears_a("message");
    assert_eq!((&heard["text"], heard.get("seq")), (&json!("for admins"), None));
    // It is in no log, and said once all the same.
    web.asks(json!({"t": "set", "room": "#a", "invite_only": false}));
    gast.asks(json!({"t": "join", "room": "#a"}));
    let said = json!({"t": "send", "room": "#a", "text": "for admins, too", "cid": "one"});
    let (first, again) = (gast.asks(said.clone()), gast.asks(said));
    assert_eq!((&first["seq"], &again["again"]), (&json!(0), &json!(true)));
    assert_eq!(first["id"], again["id"]);
    gast.asks(json!({"t": "send", "room": "#a", "text": "the last"}));
    assert_eq!(web.hears_a("message")["text"], "for admins, too");
    assert_eq!(web.hears_a("message")["text"], "the last");
}

#[test]
fn tags_that_are_kept_are_an_event() {
    let mut server = both();
    let mut web = server.account("wanda");
    web.asks(json!({"t": "create", "room": "#a"}));
    let mut ivan = server.irc();
    for line in ["CAP REQ :message-tags", "NICK ivan", "USER i 0 * :i", "CAP END", "JOIN #a"] {
        ivan.says(line);
    }
    ivan.hears("366");
    ivan.says("@+test=1;+draft/persist TAGMSG #a");
    let heard = web.hears_a("tags");
    assert_eq!(
        (&heard["tags"], &heard["from"]),
        (&json!({"+test": "1", "+draft/persist": ""}), &json!("ivan"))
    );
    let history = web.asks(json!({"t": "history", "room": "#a"}));
    assert_eq!(history["events"], json!([]), "it is no message");
    ivan.says("@+typing=active;+draft/persist TAGMSG #a");
    assert_eq!(web.hears_a("typing")["from"], "ivan", "it is over soon");
}

#[test]
fn a_line_without_an_end_ends_the_connection() {
    let mut server = both();
    let mut ann = server.registered("ann");
    ann.says(&format!("PRIVMSG ann :{}", "a".repeat(1000)));
    ann.hears("417");
    ann.says(&format!("PRIVMSG ann :{}", "a".repeat(20_000)));
    assert!(ann.hears("ERROR").contains("ReadQ exceeded"));
}
