//! Clients that do not mean well.

use serde_json::json;

use super::Server;
use super::client::{Client, handshake};
use crate::support::wire::Wire;

#[test]
fn what_is_no_request_is_answered_and_harms_nobody() {
    let server = Server::start();
    let mut client = server.client();
    for (text, code) in [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("null", "bad_json"),
        ("[\"ping\"]", "bad_json"),
        ("{\"t\":7}", "bad_json"),
        ("{\"t\":\"fly\"}", "unknown_verb"),
        ("{\"t\":\"send\",\"room\":\"#a\"}", "bad_request"),
        ("{\"t\":\"guest\",\"name\":\"a b\"}", "bad_request"),
        ("{\"t\":\"guest\",\"name\":\"../etc\"}", "bad_request"),
        ("{\"t\":\"ping\",\"t\":\"ping\"}", "bad_json"),
    ] {
        client.sends(text);
        let reply = client.hears();
        assert_eq!(reply["code"], code, "{text}: {reply}");
    }
    let deep = "[".repeat(10_000);
    client.sends(&deep);
    assert_eq!(client.hears()["code"], "bad_json");
    client.asks(json!({"t": "ping"}));
}

#[test]
fn frames_that_are_no_text_end_the_connection() {
    let server = Server::start();
    for (first, payload, code) in [
        (0x82, &b"x"[..], 1003),
        (0x81, &b"\xff"[..], 1007),
        (0xc1, &b"x"[..], 1002),
        (0x83, &b"x"[..], 1002),
    ] {
        let mut client = server.client();
        client.frame(first, payload);
        assert_eq!(client.is_closed(), code);
    }
    let mut client = server.client();
    client.frame(0x81, &vec![b' '; 64 * 1024]);
    assert_eq!(client.is_closed(), 1009);
}

#[test]
fn texts_have_limits() {
    let server = Server::start();
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    let long = "é".repeat(8 * 1024 + 1);
    assert_eq!(ann.is_refused(json!({"t": "send", "room": "#a", "text": long})), "too_long");
    assert_eq!(ann.is_refused(json!({"t": "send", "room": "#a", "text": " \n "})), "bad_request");
    assert_eq!(ann.is_refused(json!({"t": "send", "room": "#a", "text": "a\u{0}b"})), "bad_request");
    assert_eq!(
        ann.is_refused(json!({"t": "send", "room": "#a", "text": "x", "cid": "y".repeat(65)})),
        "bad_request"
    );
    assert_eq!(ann.is_refused(json!({"t": "topic", "room": "#a", "topic": "x".repeat(391)})), "too_long");
    assert_eq!(ann.is_refused(json!({"t": "topic", "room": "#a", "topic": "a\nb"})), "bad_request");
    ann.asks(json!({"t": "send", "room": "#a", "text": "é".repeat(8 * 1024)}));
}

#[test]
fn whoever_asks_too_fast_is_slowed_down() {
    let server = Server::with(&["--rate-limit", "5/m"]);
    let mut client = server.client();
    for _ in 0..5 {
        client.asks(json!({"t": "ping"}));
    }
    let reply = client.tries(json!({"t": "ping"}));
    assert_eq!(reply["code"], "slow_down");
    assert!((1..=12_000).contains(&reply["wait_ms"].as_u64().unwrap()), "{reply}");
}

#[test]
fn pages_of_others_do_not_connect() {
    let server = Server::start();
    for (origin, status) in [("http://test", 101), ("https://evil.example", 403), ("null", 403)] {
        let mut wire = Wire::connect(server.addr);
        wire.send(handshake(&format!("Origin: {origin}\r\n")));
        assert_eq!(wire.read_response().status, status, "{origin}");
    }
    drop(Client::open(server.addr, ""));
}

#[test]
fn one_name_is_for_one() {
    let server = Server::start();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let mut client = server.client();
            std::thread::spawn(move || {
                let reply = client.tries(json!({"t": "guest", "name": "same"}));
                // The name is held as long as the client is here.
                (reply["t"] == "ok", client)
            })
        })
        .collect();
    let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(ended.iter().filter(|(got, _)| *got).count(), 1);
}

#[test]
fn one_name_is_for_one_at_both_doors() {
    let mut server = Server::with(&["--no-limits", "--irc", "127.0.0.1:0"]);
    let web: Vec<_> = (0..4).map(|_| server.client()).collect();
    let irc: Vec<_> = (0..4).map(|_| server.irc()).collect();
    let web = web.into_iter().map(|mut client| {
        std::thread::spawn(move || {
            let got = client.tries(json!({"t": "guest", "name": "Same"}))["t"] == "ok";
            (got, Box::new(client) as Box<dyn std::any::Any + Send>)
        })
    });
    let irc = irc.into_iter().map(|mut client| {
        std::thread::spawn(move || {
            client.says("NICK sAME");
            client.says("USER s 0 * :s");
            // A welcome, or that the nick is in use.
            let got = loop {
                let line = client.until(" ").remove(0);
                match line.split(' ').nth(1) {
                    Some("001") => break true,
                    Some("433") => break false,
                    _ => {}
                }
            };
            (got, Box::new(client) as Box<dyn std::any::Any + Send>)
        })
    });
    let threads: Vec<_> = web.chain(irc).collect();
    let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(ended.iter().filter(|(got, _)| *got).count(), 1);
}

#[test]
fn who_is_in_too_many_rooms_enters_no_more() {
    let mut server = Server::with(&["--no-limits", "--max-rooms", "5", "--irc", "127.0.0.1:0"]);
    let mut ann = server.account("ann");
    for number in 0..5 {
        ann.asks(json!({"t": "create", "room": format!("#r{number}")}));
    }
    assert_eq!(ann.is_refused(json!({"t": "create", "room": "#r5"})), "too_many_rooms");
    // At the IRC door a line may name many: each beyond the limit is refused, and nothing else happens.
    let mut irc = server.registered("ivan");
    let rooms: Vec<_> = (0..60).map(|number| format!("#r{number}")).collect();
    irc.says(&format!("JOIN {}", rooms.join(",")));
    irc.says("PING :done");
    let lines = irc.until("PONG");
    let count = |word: &str| lines.iter().filter(|line| line.split(' ').nth(1) == Some(word)).count();
    assert_eq!(count("JOIN"), 5, "{lines:?}");
    assert!(count("405") >= 1, "{lines:?}");
    let listed = ann.asks(json!({"t": "rooms", "limit": 100}));
    assert_eq!(listed["rooms"].as_array().unwrap().len(), 5, "{listed}");
}

#[test]
fn a_line_that_names_more_channels_than_it_may_enters_the_first() {
    let mut server = Server::with(&["--no-limits", "--irc", "127.0.0.1:0"]);
    let mut irc = server.registered("ivan");
    // A line has room for 512 bytes.
    let rooms: Vec<_> = (0..120).map(|number| format!("#{number:x}")).collect();
    irc.says(&format!("JOIN {}", rooms.join(",")));
    irc.says("PING :done");
    let lines = irc.until("PONG");
    let joined: Vec<_> =
        lines.iter().filter_map(|line| line.split_once(" JOIN ")).map(|(_, room)| room).collect();
    assert_eq!(joined, rooms[..100], "the rest is left out");
    // The connection goes on, and knows where it is.
    irc.says("WHOIS ivan");
    let listed = irc.until(" 318 ").iter().filter(|line| line.contains(" 319 ")).cloned().collect::<String>();
    assert_eq!(listed.matches('#').count(), 100);
}

#[test]
fn hundreds_enter_one_room_at_once() {
    const MEMBERS: usize = 300;
    let server = Server::start();
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    let mut guests: Vec<Client> = (0..MEMBERS).map(|number| server.guest(&format!("g{number}"))).collect();
    let asked: Vec<u64> =
        guests.iter_mut().map(|guest| guest.begins(json!({"t": "join", "room": "#a"}))).collect();
    for (guest, number) in guests.iter_mut().zip(asked) {
        assert_eq!(guest.reply(number)["t"], "ok");
    }
    let said = ann.asks(json!({"t": "send", "room": "#a", "text": "welcome"}))["seq"].clone();
    // Each was told of everybody who came after it, once and in order.
    for (number, guest) in guests.iter_mut().enumerate() {
        let own = format!("g{number}");
        let (mut seqs, mut came) = (Vec::new(), 0);
        loop {
            let event = guest.hears();
            came += usize::from(event["t"] == "join" && event["from"] == own.as_str());
            seqs.extend(event["seq"].as_u64().filter(|_| event["room"] == "#a"));
            if event["text"] == "welcome" {
                break;
            }
        }
        assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
        assert_eq!(seqs.last().copied(), said.as_u64());
        assert_eq!(came, 1, "{own} has come by an event of its own");
    }
    let room = ann.asks(json!({"t": "room", "room": "#a"}))["room"].clone();
    assert_eq!(room["members"], MEMBERS + 1);
}

#[test]
fn a_token_is_worth_nothing_when_its_session_has_ended() {
    let server = Server::start();
    let mut ann = server.account("ann");
    let first = ann.token.clone();
    let token = |token: &str| json!({"t": "token", "token": token});
    // A token may be used again while its session lasts: that is how devices come back.
    let mut again = server.client();
    again.asks(token(&first));
    ann.asks(json!({"t": "logout"}));
    for wrong in
        [first.clone(), first.to_uppercase(), format!("{first}x"), first[..first.len() - 1].to_owned()]
    {
        let code = server.client().is_refused(token(&wrong));
        assert!(["token_over", "token_invalid"].contains(&code.as_str()), "{wrong}: {code}");
    }
    // The same when the password is another one.
    let mut ann = server.client();
    let login = ann.asks(json!({"t": "login", "account": "ann", "password": super::client::PASSWORD}));
    let mut other = server.client();
    other.asks(json!({"t": "login", "account": "ann", "password": super::client::PASSWORD}));
    let change = json!({"t": "password", "old": super::client::PASSWORD, "new": "another long secret"});
    other.asks(change);
    assert_eq!(server.client().is_refused(token(login["token"].as_str().unwrap())), "token_over");
}

#[test]
fn a_flood_that_reads_nothing_ends_itself() {
    let server = Server::start();
    let mut calm = server.account("calm");
    calm.asks(json!({"t": "create", "room": "#room"}));
    let flood = server.guest("flood");
    // Long enough that the buffers of the system do not hold them all.
    let request = json!({"t": "help"}).to_string() + &" ".repeat(1000);
    // Its answers would take half a gigabyte if the server kept what nobody reads.
    let flooding = std::thread::spawn(move || flood.floods(&request, 80_000));
    calm.asks(json!({"t": "send", "room": "#room", "text": "unmoved"}));
    let mut late = server.guest("late");
    late.asks(json!({"t": "join", "room": "#room"}));
    assert!(flooding.join().unwrap() < 80_000);
    assert!(server.process.peak() < 200 << 20, "{} bytes", server.process.peak());
    calm.asks(json!({"t": "ping"}));
}
